//! One call: decided on, then handed on or refused.

use super::{Codes, Guard};
use crate::canonical::headers::{self, UnderscoreHeaders};
use crate::canonical::{self, Inbound, Rejection};
use crate::engine::Decision;
use crate::pipeline::{Client, Denial, Grant, Reason, RequestView};
use crate::reading::Policy;
use crate::rpc::Dialect;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tower_service::Service;

/// A service behind a [`Guard`].
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S> Guarded<S> {
    pub(super) fn new(guard: Guard, inner: S) -> Guarded<S> {
        Guarded { guard, inner }
    }
}

/// An answer of the service, or a refusal.
type Answer<B> = Response<Either<B, Full<Bytes>>>;

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Answer<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Answer<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was asked whether it is ready does the work; a clone of it is asked next.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let guard = self.guard.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match guard.admit(&mut parts).await {
                Ok(()) => {
                    let answer = inner.call(Request::from_parts(parts, body)).await?;
                    Ok(answer.map(Either::Left))
                }
                Err(refusal) => Ok(refusal.map(|body| Either::Right(Full::new(body)))),
            }
        })
    }
}

impl Guard {
    /// `Ok` where the call may go on, with its headers as the service is to see them.
    async fn admit(&self, parts: &mut Parts) -> Result<(), Response<Bytes>> {
        let started = Instant::now();
        let reading = self.reading.load_full();
        let dialect = Dialect::of(&parts.headers);
        let (request, client) = enter(parts, self.peer_of(parts), &reading);
        let request = request.map_err(|why| {
            self.meter.rejected();
            tracing::debug!(%why, "a call was refused before any rule");
            self.refusal(&dialect, || rejected(why))
        })?;
        let visible = match dialect {
            Dialect::Grpc | Dialect::GrpcWeb(_) => &metadata(&parts.headers),
            Dialect::ConnectStream(_) | Dialect::ConnectUnary => &parts.headers,
        };
        let view = RequestView {
            canonical: &request,
            headers: visible,
            transport_host: request.host(),
            client,
            // Of a stream nobody could wait for the end.
            body: None,
        };
        let decision = self.engine.decide(self.engine.find(&request), &view).await;
        self.meter.decided(&decision, started);
        let rule = decision.rule().map(|rule| &*rule.id);
        match &decision.outcome {
            Ok(grant) => {
                tracing::debug!(rule, %request, "a call was granted");
                apply(grant, &mut parts.headers, reading.underscores);
                Ok(())
            }
            Err(refused) => {
                let reason = refused.denial().reason.label();
                tracing::debug!(rule, %request, reason, "a call was refused");
                Err(self.refusal(&dialect, || answer(&decision, &view)))
            }
        }
    }

    /// Only sockets of some families have an address; a peer without one is nobody's friend.
    fn peer_of(&self, parts: &Parts) -> IpAddr {
        (self.peer)(&parts.extensions).map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| {
            peer.to_canonical()
        })
    }

    fn refusal(
        &self,
        dialect: &Dialect,
        precise: impl FnOnce() -> Response<Bytes>,
    ) -> Response<Bytes> {
        dialect.refusal(&match self.codes {
            Codes::Unauthenticated => bare(StatusCode::UNAUTHORIZED),
            Codes::Precise => precise(),
        })
    }
}

/// Reads the call, and takes away the headers that neither handlers nor the service may see.
fn enter(
    parts: &mut Parts,
    peer: IpAddr,
    reading: &Policy,
) -> (Result<canonical::Request, Rejection>, Client) {
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let inbound = Inbound {
        method: parts.method.as_str(),
        target: target.as_bytes(),
        authority: parts.uri.authority().map(|authority| authority.as_str()),
        tls: false,
        peer,
        headers: &parts.headers,
    };
    let request = canonical::for_rpc(&inbound, &reading.paths);
    let address = canonical::client_address(peer, &parts.headers, &reading.trust);
    reading.clean(&mut parts.headers, peer);
    (request, Client { peer, address })
}

/// What the reference shows of a gRPC call's metadata.
fn metadata(headers: &HeaderMap) -> HeaderMap {
    let shown = |name: &HeaderName| name == AUTHORIZATION || name.as_str().starts_with("x-");
    let lines = headers.iter().filter(|(name, _)| shown(name));
    lines
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Removes what the client sent under the names that the pipeline set, however spelled, and sets its values.
fn apply(grant: &Grant, sent: &mut HeaderMap, underscores: UnderscoreHeaders) {
    for (name, value) in grant.headers().iter() {
        let name = name.name();
        if !headers::is_the_doors(name) {
            headers::remove_aliases(sent, name, underscores);
            sent.insert(name, value.clone());
        }
    }
}

fn answer(decision: &Decision, view: &RequestView<'_>) -> Response<Bytes> {
    let answer = decision.answer(view);
    // INVARIANT: only called for a refusal, which has an answer.
    answer.unwrap_or_else(|| bare(Denial::new(Reason::Panicked).status()))
}

fn rejected(why: Rejection) -> Response<Bytes> {
    let status = StatusCode::from_u16(why.status()).ok();
    // `OPTIONS *` has an answer of its own at an HTTP door; here it is no call.
    let refused = status.filter(|status| !status.is_success());
    bare(refused.unwrap_or(StatusCode::BAD_REQUEST))
}

fn bare(status: StatusCode) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}
