//! The API listener's application: decisions for other gateways, and the API beside them.
//!
//! An application of its own rather than Pingora's `ServeHttp`, which gives malformed requests no answer and keeps HTTP/1.0
//! connections open.

use super::api::Api;
use super::body::SessionBody;
use super::explain::{self, Question, Unclear};
use super::observe::{Observer, Verdict};
use super::reply;
use super::translate::{self, Entry, Reading, Settings};
use super::turn;
use crate::canonical::{self, headers};
use crate::config::EchoHeaders;
use crate::engine::{Decision, Engine, Matched};
use crate::pipeline::envelope::Envelope;
use crate::pipeline::{BodySource, Client, Echo, Grant, StepReport, watch};
use crate::telemetry::spans;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use pingora_core::Result;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct Decisions {
    engine: Engine,
    settings: Arc<Settings>,
    api: Api,
    observer: Observer,
}

/// What was decided on a request, kept until it is reported.
struct Kept {
    request: canonical::Request,
    decision: Decision,
    took: Duration,
}

impl Decisions {
    pub(super) fn new(
        engine: Engine,
        settings: Arc<Settings>,
        api: Api,
        observer: Observer,
    ) -> Decisions {
        Decisions {
            engine,
            settings,
            api,
            observer,
        }
    }

    async fn respond(&self, session: &mut ServerSession) -> Result<()> {
        let started = Instant::now();
        let mut kept = None;
        let span = self.observer.span(session, &self.settings.reading.trust);
        let answer = self.answer(session, started, &mut kept);
        let sent = span.scope(answer).await;
        let verdict = kept.as_ref().map(|kept| Verdict {
            request: &kept.request,
            decision: &kept.decision,
            took: kept.took,
        });
        self.observer.finished(session, started, verdict, &span);
        sent
    }

    async fn answer(
        &self,
        session: &mut ServerSession,
        started: Instant,
        kept: &mut Option<Kept>,
    ) -> Result<()> {
        let header = session.req_header();
        let mut cors_answer = None;
        if let Some(cors) = &self.settings.cors {
            if let Some(headers) = cors.preflight(&header.method, &header.headers) {
                return reply::send(session, reply::no_content(headers)).await;
            }
            cors_answer = Some(cors.answer(&header.method, &header.headers));
        }
        let asks_why = translate::asks_why(session, &self.settings);
        let mut answer =
            if explain::is_question(header) && translate::may_ask_why(session, &self.settings) {
                Box::pin(self.explanation(session)).await
            } else if canonical::is_decision(header.raw_path()) && asks_why {
                let decision = watch(self.decision(session, started, kept));
                let (mut answer, steps) = Box::pin(decision).await;
                tell_why(kept.as_ref(), &steps, answer.headers_mut());
                answer
            } else if canonical::is_decision(header.raw_path()) {
                self.decision(session, started, kept).await
            } else if header.method == Method::OPTIONS && header.raw_path() == b"*" {
                Response::new(Bytes::new())
            } else {
                self.api.answer(header).await
            };
        if let Some(cors) = &cors_answer {
            reply::add_cors(answer.headers_mut(), cors);
        }
        reply::send(session, answer).await
    }

    async fn decision(
        &self,
        session: &mut ServerSession,
        started: Instant,
        kept: &mut Option<Kept>,
    ) -> Response<Bytes> {
        let Entry {
            request, client, ..
        } = translate::enter(session, &self.settings, Reading::Decision);
        let request = match request {
            Ok(request) => request,
            Err(rejection) => {
                self.observer.rejected();
                return reply::rejected(rejection);
            }
        };
        let mut keep = |request, decision| {
            let took = self.observer.decided(&decision, started);
            *kept = Some(Kept {
                request,
                decision,
                took,
            });
        };
        let matched = spans::within("match", || self.engine.find(&request));
        if !matched.needs_body() {
            let headers = &session.req_header().headers;
            let view = translate::view(&request, headers, client, None);
            let decision = self.engine.decide(matched, &view).await;
            let answer = decision
                .answer(&view)
                .unwrap_or_else(|| self.granted(&decision, headers));
            keep(request, decision);
            return answer;
        }
        // Few requests come this way: they pay for its room themselves.
        Box::pin(self.with_body(session, matched, request, client, keep)).await
    }

    async fn with_body(
        &self,
        session: &mut ServerSession,
        matched: Matched,
        request: canonical::Request,
        client: Client,
        keep: impl FnOnce(canonical::Request, Decision),
    ) -> Response<Bytes> {
        let headers = session.req_header().headers.clone();
        let body = SessionBody::new(session, &self.settings);
        let view = translate::view(&request, &headers, client, Some(&body));
        let decision = self.engine.decide(matched, &view).await;
        let answer = decision
            .answer(&view)
            .unwrap_or_else(|| self.granted(&decision, &headers));
        keep(request, decision);
        answer
    }

    /// The answer to `POST /decisions/explain`.
    async fn explanation(&self, session: &mut ServerSession) -> Response<Bytes> {
        let client = translate::enter(session, &self.settings, Reading::Decision).client;
        match self.explained(session, client).await {
            Ok(document) => {
                let mut answer = Response::new(Bytes::from(format!("{document}\n")));
                let json = HeaderValue::from_static("application/json");
                answer.headers_mut().insert(CONTENT_TYPE, json);
                answer
            }
            Err(unclear) => Envelope {
                code: 400,
                status: "Bad Request",
                reason: &unclear.to_string(),
                message: "The request was malformed or contained invalid parameters",
                ..Envelope::default()
            }
            .answer(StatusCode::BAD_REQUEST),
        }
    }

    async fn explained(
        &self,
        session: &mut ServerSession,
        client: Client,
    ) -> Result<serde_json::Value, Unclear> {
        let body = SessionBody::new(session, &self.settings);
        let body = body.read().await;
        let body = body.map_err(|denial| Unclear::Body(denial.message.into_owned()))?;
        let question = Question::read(&body)?;
        explain::answer(
            &self.engine,
            &self.settings.reading.paths,
            client,
            &question,
        )
        .await
    }

    /// 200 with an empty body and the headers that the pipeline set.
    fn granted(&self, decision: &Decision, request: &HeaderMap) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::new());
        // INVARIANT: only called for a decision without an answer of its own, which is one with a grant.
        if let Ok(grant) = &decision.outcome {
            write_grant(grant, request, self.settings.echo, answer.headers_mut());
        }
        answer
    }
}

/// Adds why a request was decided on as it was to its answer.
fn tell_why(kept: Option<&Kept>, steps: &[StepReport], answer: &mut HeaderMap) {
    let document =
        kept.map(|kept| explain::document(&kept.request, &kept.decision, steps, kept.took));
    if let Some(why) = document.and_then(explain::header) {
        answer.insert(explain::EXPLAIN, why);
    }
}

fn write_grant(grant: &Grant, request: &HeaderMap, echo: EchoHeaders, answer: &mut HeaderMap) {
    if grant.echo() == Echo::Request {
        match echo {
            EchoHeaders::All => echo_all(request, answer),
            EchoHeaders::Authorization => {
                if let Some(value) = request.get(AUTHORIZATION) {
                    answer.insert(AUTHORIZATION, value.clone());
                }
            }
            EchoHeaders::None => {}
        }
    }
    for (name, value) in grant.headers().iter() {
        if name.name() != CONTENT_LENGTH {
            answer.insert(name.name().clone(), value.clone());
        }
    }
}

/// The request's end-to-end headers, the first line of each name, as the reference's `noop` returns them.
fn echo_all(request: &HeaderMap, answer: &mut HeaderMap) {
    for name in request.keys().filter(|name| is_echoed(name)) {
        if let Some(value) = request.get(name) {
            answer.insert(name.clone(), value.clone());
        }
    }
}

fn is_echoed(name: &HeaderName) -> bool {
    !matches!(*name, HOST | ACCEPT_ENCODING)
        && (name == CONTENT_TYPE || !name.as_str().starts_with("content-"))
        && !headers::is_hop_by_hop(name)
}

#[async_trait]
impl HttpServerApp for Decisions {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        turn::begin(&mut session, shutdown).await?;
        self.respond(&mut session).await.ok()?;
        turn::end(session).await
    }
}
