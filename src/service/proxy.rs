//! The reverse proxy: a request that was granted goes on to its rule's upstream.

use super::arrival;
use super::body::{Kept, SessionBody};
use super::explain;
use super::forward::{self, Broken};
use super::observe::{Observer, Verdict};
use super::rewind::rewind;
use super::translate::{self, Entry, Reading, Settings};
use super::upstream::{Body, Need, Peers, Tries, is_grpc};
use super::{grpc, reply};
use crate::canonical;
use crate::canonical::headers::{self, UnderscoreHeaders, Upgrade};
use crate::engine::{Decision, Engine, Matched};
use crate::pipeline::{Client, Denial, Grant, Reason, watch};
use crate::telemetry::spans::{self, RequestSpan};
use crate::upstreams::{PreserveHost, Server, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{EXPECT, HOST, TE, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everything about one request. Nothing is taken out of it in phases that run once a try.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    entry: Option<Entry>,
    decision: Option<Decision>,
    /// A body that was read for the decision and is still owed to the upstream.
    body: Option<Bytes>,
    /// What the client's answer must say of cross-origin requests.
    cors: Option<HeaderMap>,
    tries: Tries,
    /// When the request's head was complete.
    started: Option<Instant>,
    /// How long the decision took.
    decided: Duration,
    /// When the last try was sent to the upstream.
    sent: Option<Instant>,
    span: RequestSpan,
    /// Whether the caller wants to know why, and what it is told.
    asks_why: bool,
    why: Option<HeaderValue>,
}

/// The application behind the proxy's door.
#[derive(Debug)]
pub(super) struct Proxy {
    engine: Engine,
    settings: Arc<Settings>,
    peers: Arc<Peers>,
    observer: Observer,
}

impl Proxy {
    pub(super) fn new(
        engine: Engine,
        settings: Arc<Settings>,
        peers: Arc<Peers>,
        observer: Observer,
    ) -> Proxy {
        Proxy {
            engine,
            settings,
            peers,
            observer,
        }
    }

    async fn decide(
        &self,
        session: &mut Session,
        request: &canonical::Request,
        client: Client,
    ) -> Decided {
        let matched = spans::within("match", || self.engine.find(request));
        if !matched.needs_body() {
            let view = translate::view(request, &session.req_header().headers, client, None);
            let decision = owed_upstream(self.engine.decide(matched, &view).await, request);
            let answer = decision.answer(&view);
            return Decided {
                decision,
                answer,
                body: None,
            };
        }
        // Few requests come this way: they pay for its room themselves.
        Box::pin(self.decide_with_body(session, matched, request, client)).await
    }

    async fn decide_with_body(
        &self,
        session: &mut Session,
        matched: Matched,
        request: &canonical::Request,
        client: Client,
    ) -> Decided {
        let headers = session.req_header().headers.clone();
        let body = SessionBody::new(session.as_mut(), &self.settings);
        let view = translate::view(request, &headers, client, Some(&body));
        let decision = owed_upstream(self.engine.decide(matched, &view).await, request);
        let answer = decision.answer(&view);
        Decided {
            decision,
            answer,
            body: body.kept(),
        }
    }
}

struct Decided {
    decision: Decision,
    answer: Option<Response<Bytes>>,
    body: Option<Kept>,
}

/// A grant for a rule without an upstream is worth nothing here, nor one whose `strip_path` would make another path of the request:
/// that is refused before anybody is connected to.
fn owed_upstream(decision: Decision, request: &canonical::Request) -> Decision {
    if decision.outcome.is_err() {
        return decision;
    }
    let why = match decision.rule().map(|rule| &rule.upstream) {
        Some(Some(upstream)) if !serves_the_same(upstream, request) => Reason::BadRequest,
        Some(None) => Reason::NoUpstream,
        Some(Some(_)) | None => return decision,
    };
    decision.refuse(Denial::new(why))
}

fn serves_the_same(upstream: &Upstream, request: &canonical::Request) -> bool {
    let mut servers = upstream.servers().iter();
    servers.all(|server| server.path.target(request).is_ok())
}

impl Exchange {
    /// The proof that the request may go on, and where to.
    fn granted(&self) -> Result<Granted<'_>> {
        granted(self.entry.as_ref(), self.decision.as_ref())
    }

    /// The same with the server of the try at hand.
    fn going(&self) -> Result<(Granted<'_>, &Server)> {
        let granted = self.granted()?;
        let server = self.tries.server(granted.upstream).ok_or_else(refused)?;
        Ok((granted, server))
    }

    /// A request that takes longer than its rule allows ends where it is.
    fn in_time(&self) -> Result<()> {
        if self.tries.is_late() {
            let why = "longer than the rule's total timeout";
            return Err(Error::explain(ErrorType::ReadTimedout, why).into_up());
        }
        Ok(())
    }

    async fn answer(&self, session: &mut Session, mut answer: Response<Bytes>) -> Result<()> {
        if let Some(cors) = &self.cors {
            reply::add_cors(answer.headers_mut(), cors);
        }
        if let Some(why) = &self.why {
            answer.headers_mut().insert(explain::EXPLAIN, why.clone());
        }
        if is_grpc(&session.req_header().headers) {
            return grpc::send(session.as_mut(), &answer).await;
        }
        reply::send(session.as_mut(), answer).await
    }
}

/// A request that may go on.
struct Granted<'a> {
    request: &'a canonical::Request,
    grant: &'a Grant,
    upstream: &'a Upstream,
}

fn granted<'a>(entry: Option<&'a Entry>, decision: Option<&'a Decision>) -> Result<Granted<'a>> {
    let request = entry
        .and_then(|entry| entry.request.as_ref().ok())
        .ok_or_else(refused)?;
    let decision = decision.ok_or_else(refused)?;
    let grant = decision.outcome.as_ref().map_err(|_| refused())?;
    let upstream = decision.rule().and_then(|rule| rule.upstream.as_ref());
    Ok(Granted {
        request,
        grant,
        upstream: upstream.ok_or_else(refused)?,
    })
}

fn refused() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "no grant, no upstream")
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::default()
    }

    /// None: compression would buffer streams, and is nobody's wish here.
    fn init_downstream_modules(&self, _: &mut pingora_core::modules::http::HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Exchange) -> Result<()> {
        arrival::note(session.as_downstream());
        ctx.started = Some(Instant::now());
        ctx.asks_why = translate::asks_why(session.as_downstream(), &self.settings);
        ctx.entry = Some(translate::enter(
            session.as_mut(),
            &self.settings,
            Reading::Proxy,
        ));
        ctx.span = self
            .observer
            .span(session.as_downstream(), &self.settings.reading.trust);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Exchange) -> Result<bool> {
        if let Some(cors) = &self.settings.cors {
            let header = session.req_header();
            if let Some(headers) = cors.preflight(&header.method, &header.headers) {
                reply::send(session.as_mut(), reply::no_content(headers)).await?;
                return Ok(true);
            }
            ctx.cors = Some(cors.answer(&header.method, &header.headers));
        }
        let Some(Entry {
            request, client, ..
        }) = &ctx.entry
        else {
            return Err(Error::explain(
                ErrorType::InternalError,
                "a request that never entered",
            ));
        };
        let decided = match request {
            Ok(request) => {
                if ctx.asks_why {
                    let since = Instant::now();
                    let decided = ctx.span.scope(self.decide(session, request, *client));
                    let (decided, steps) = Box::pin(watch(decided)).await;
                    let took = since.elapsed();
                    let document = explain::document(request, &decided.decision, &steps, took);
                    ctx.why = explain::header(document);
                    decided
                } else {
                    let decided = self.decide(session, request, *client);
                    ctx.span.scope(decided).await
                }
            }
            Err(rejection) => {
                self.observer.rejected();
                let header = session.req_header();
                let answer = translate::unmatched(header, *rejection, *client, &self.engine)
                    .unwrap_or_else(|| reply::rejected(*rejection));
                ctx.answer(session, answer).await?;
                return Ok(true);
            }
        };
        let since = ctx.started.unwrap_or_else(Instant::now);
        ctx.decided = self.observer.decided(&decided.decision, since);
        ctx.decision = Some(decided.decision);
        match decided.answer {
            Some(answer) => {
                ctx.answer(session, answer).await?;
                Ok(true)
            }
            None => {
                match decided.body {
                    None => {}
                    Some(Kept::InBuffer(body)) => ctx.body = Some(body),
                    Some(Kept::ToRewind(body)) => {
                        rewind(session.as_mut(), body.clone()).await?;
                        ctx.body = Some(body);
                    }
                }
                if let Some(entry) = &ctx.entry {
                    translate::restore_upgrade(session.req_header_mut(), entry);
                }
                Ok(false)
            }
        }
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        ctx: &mut Exchange,
    ) -> Result<Box<HttpPeer>> {
        let granted = granted(ctx.entry.as_ref(), ctx.decision.as_ref())?;
        let upgrade = ctx.entry.as_ref().map(|entry| entry.upgrade);
        let body = match session.as_mut().is_body_done() {
            true => Body::Complete,
            false => Body::ToCome,
        };
        let upgrade = upgrade.unwrap_or(Upgrade::No);
        let need = Need::of(upgrade, &session.req_header().headers, body);
        forward::peer(
            &self.peers,
            granted.upstream,
            granted.grant.subject(),
            session.req_header(),
            need,
            &mut ctx.tries,
        )
        .await
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        ctx: &mut Exchange,
        error: Box<Error>,
    ) -> Box<Error> {
        match granted(ctx.entry.as_ref(), ctx.decision.as_ref()) {
            Ok(granted) => forward::no_connection(granted.upstream, &mut ctx.tries, error),
            Err(_) => error,
        }
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Exchange,
        client_reused: bool,
    ) -> Box<Error> {
        let broken = Broken {
            can_be_sent_again: !session.as_ref().retry_buffer_truncated()
                && session.response_written().is_none(),
            pooled: client_reused,
        };
        let request = session.req_header();
        match granted(ctx.entry.as_ref(), ctx.decision.as_ref()) {
            Ok(granted) => forward::broke(granted.upstream, &mut ctx.tries, request, broken, error),
            Err(refused) => refused,
        }
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Exchange,
    ) -> Result<()> {
        let (granted, server) = ctx.going()?;
        let request = granted.request;
        let target = server.path.target(request).map_err(|_| {
            Error::explain(
                ErrorType::HTTPStatus(400),
                "the stripped path has dot segments",
            )
        })?;
        // The usual rule leaves the target as it is, and a second parse costs more than a look.
        if upstream_request.raw_path() != target.as_bytes() {
            upstream_request.set_raw_path(target.as_bytes())?;
        }
        match granted.upstream.settings().preserve_host {
            PreserveHost::No => upstream_request.insert_header(HOST, &*server.authority)?,
            PreserveHost::Yes => upstream_request.insert_header(HOST, request.host())?,
        }
        if ctx.body.is_some() {
            upstream_request.remove_header(&EXPECT);
        }
        // Pingora writes the protocol's name in its own spelling.
        if let Some(Entry {
            upgrade: Upgrade::WebSocket,
            protocol: Some(protocol),
            ..
        }) = &ctx.entry
        {
            upstream_request.insert_header(UPGRADE, protocol.clone())?;
        }
        // Pingora takes it away with the other hop-by-hop headers; the door left it only where it says `trailers`.
        if let Some(trailers) = session.req_header().headers.get(TE) {
            upstream_request.insert_header(TE, trailers.clone())?;
        }
        apply(
            granted.grant,
            upstream_request,
            self.settings.reading.underscores,
        )?;
        ctx.sent = Some(Instant::now());
        match ctx.span.traceparent() {
            Some(parent) => upstream_request.insert_header(spans::TRACEPARENT, parent),
            None => Ok(()),
        }
    }

    /// A body that was read for the decision goes out in one piece, in place of Pingora's copy of its end.
    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Exchange,
    ) -> Result<()> {
        if end_of_stream {
            if let Some(kept) = &ctx.body {
                *body = Some(kept.clone());
            }
            // An HTTP/2 body may end with an empty frame. Towards HTTP/1.1 Pingora 0.9.1 would write it as the chunk that ends a body,
            // and another one behind it, which the upstream would take for a part of the next request.
            if body.as_ref().is_some_and(Bytes::is_empty) {
                *body = None;
            }
        }
        ctx.in_time()
    }

    /// A switch to another protocol than the one that was asked for is no answer: behind it would lie a tunnel that no rule was
    /// asked about.
    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Exchange,
    ) -> Result<()> {
        let asked = ctx.entry.as_ref().map(|entry| entry.upgrade) == Some(Upgrade::WebSocket);
        let switched = response.status == StatusCode::SWITCHING_PROTOCOLS;
        if switched && !(asked && switches_to_websocket(response)) {
            let why = "the upstream switched to a protocol that nobody asked for";
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, why).into_up());
        }
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _: &mut Session,
        _: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Exchange,
    ) -> Result<Option<Duration>> {
        ctx.in_time().map(|()| None)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Exchange,
    ) -> Result<()> {
        ctx.tries.answered();
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            // Both sides may be silent for as long as they like; a dead one is noticed by TCP.
            session.as_mut().set_read_timeout(None);
        } else {
            headers::clean_answer(response);
        }
        if let (Some(sent), Some(decision)) = (ctx.sent, &ctx.decision)
            && let Some(rule) = decision.rule()
        {
            rule.meter.upstream(sent.elapsed());
        }
        if let Some(why) = &ctx.why {
            response.insert_header(explain::EXPLAIN, why)?;
        }
        if let Some(cors) = &ctx.cors {
            reply::add_cors_to(response, cors)?;
        }
        Ok(())
    }

    /// 499, 502 and 504 with an empty body, past the error handlers, as recorded.
    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Exchange,
    ) -> FailToProxy {
        let code = failure_status(error);
        if *error.esource() == ErrorSource::Upstream {
            let rule = ctx.decision.as_ref().and_then(Decision::rule);
            self.observer.upstream_failed(rule, error);
        }
        if code > 0 && session.response_written().is_none() {
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
            session.set_keepalive(None);
            // The client may be gone; there is nobody else to tell.
            let _ = ctx.answer(session, answer).await;
        }
        FailToProxy {
            error_code: code,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, ctx: &mut Exchange) {
        let Some(started) = ctx.started else { return };
        let request = ctx
            .entry
            .as_ref()
            .and_then(|entry| entry.request.as_ref().ok());
        let verdict = request
            .zip(ctx.decision.as_ref())
            .map(|(request, decision)| Verdict {
                request,
                decision,
                took: ctx.decided,
            });
        self.observer
            .finished(session.as_downstream(), started, verdict, &ctx.span);
    }

    /// Pingora's error lines carry the start of the raw request, credentials included.
    fn suppress_error_log(&self, _: &Session, _: &Exchange, _: &Error) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, _: &Exchange) -> String {
        session.req_header().method.to_string()
    }
}

fn switches_to_websocket(response: &ResponseHeader) -> bool {
    let mut protocols = response.headers.get_all(UPGRADE).iter();
    let websocket = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    protocols.next().is_some_and(websocket) && protocols.next().is_none()
}

/// Removes what the client sent under the names that the pipeline set, however spelled, and sets its values.
fn apply(grant: &Grant, request: &mut RequestHeader, underscores: UnderscoreHeaders) -> Result<()> {
    for (name, value) in grant.headers().iter() {
        if headers::is_the_doors(name.name()) {
            continue;
        }
        headers::remove_aliases(request, name.name(), underscores);
        request.insert_header(name.wire().clone(), value.clone())?;
    }
    Ok(())
}

pub(super) fn failure_status(error: &Error) -> u16 {
    match (error.esource(), error.etype()) {
        (_, ErrorType::HTTPStatus(code)) => *code,
        (
            ErrorSource::Downstream,
            ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed,
        ) => 0,
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => 408,
        (ErrorSource::Downstream, _) => 400,
        (
            _,
            ErrorType::ConnectTimedout
            | ErrorType::ReadTimedout
            | ErrorType::WriteTimedout
            | ErrorType::TLSHandshakeTimedout,
        ) => 504,
        _ => 502,
    }
}
