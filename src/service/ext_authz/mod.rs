//! Decisions for Envoy and what speaks its protocol: `envoy.service.auth.v3.Authorization/Check` over gRPC.
//!
//! An application behind the same door as the others, so that TLS, limits, deadlines and the hand-over of sockets are shared; a unary
//! call is five bytes in front of a message, so no gRPC server is needed beside Pingora's HTTP/2.

mod grpc;
mod translate;

use super::observe::{Observer, Verdict};
use super::translate::Settings;
use super::turn;
use crate::engine::Engine;
use crate::ext_authz::{Asked, HeaderLimits};
use crate::pipeline::{BodySource, Denial, RequestView};
use crate::telemetry::spans::{self, RequestSpan};
use async_trait::async_trait;
use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use grpc::Status;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use std::sync::Arc;
use std::time::Instant;

const CHECK: &[u8] = b"/envoy.service.auth.v3.Authorization/Check";

/// The gRPC ext_authz server.
pub(super) struct ExtAuthz {
    engine: Engine,
    settings: Arc<Settings>,
    observer: Observer,
}

impl ExtAuthz {
    pub(super) fn new(engine: Engine, settings: Arc<Settings>, observer: Observer) -> ExtAuthz {
        ExtAuthz {
            engine,
            settings,
            observer,
        }
    }

    async fn answer(&self, session: &mut ServerSession) -> Result<CheckResponse, Status> {
        if session.req_header().raw_path() != CHECK {
            return Err(Status::Unimplemented);
        }
        let peer = super::translate::peer(session);
        let span = self.observer.span(session, &self.settings.reading.trust);
        let asked: CheckRequest = grpc::read(session, &self.settings).await?;
        let limits = HeaderLimits {
            lines: self.settings.headers,
            bytes: self.settings.header_bytes,
        };
        let asked = Asked::new(asked, peer, &self.settings.reading, limits);
        Ok(span.scope(self.check(asked, &span)).await)
    }

    async fn check(&self, asked: Asked, span: &RequestSpan) -> CheckResponse {
        let request = match &asked.request {
            Ok(request) => request,
            Err(rejection) => {
                self.observer.rejected();
                return translate::rejected(*rejection);
            }
        };
        let started = Instant::now();
        let matched = spans::within("match", || self.engine.find(request));
        let body = SentBody(&asked.body);
        let view = RequestView {
            canonical: request,
            headers: &asked.headers,
            transport_host: request.host(),
            client: asked.client,
            body: matched.needs_body().then_some(&body as &dyn BodySource),
        };
        let decision = self.engine.decide(matched, &view).await;
        let verdict = Verdict {
            request,
            decision: &decision,
            took: self.observer.decided(&decision, started),
        };
        self.observer.report_decision(verdict, &asked.headers, span);
        match decision.answer(&view) {
            Some(answer) => translate::denied(&decision, answer),
            None => translate::granted(&decision, &asked),
        }
    }
}

/// The body that came with the question.
#[derive(Debug)]
struct SentBody<'a>(&'a Result<Bytes, Denial>);

#[async_trait]
impl BodySource for SentBody<'_> {
    async fn read(&self) -> Result<Bytes, Denial> {
        self.0.clone()
    }
}

#[async_trait]
impl HttpServerApp for ExtAuthz {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        turn::begin(&mut session, shutdown).await?;
        let answer = self.answer(&mut session).await;
        grpc::write(&mut session, answer).await.ok()?;
        turn::end(session).await
    }
}
