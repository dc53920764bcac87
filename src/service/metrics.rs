//! The metrics listener: one page, for Prometheus.

use super::{reply, turn};
use crate::telemetry::metrics::CONTENT_TYPE;
use crate::telemetry::{Metrics, Telemetry};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use std::sync::Arc;

/// Where the page is, whatever the configuration says; dashboards and scrapers expect it here.
const USUAL_PATH: &str = "/metrics";

/// Serves the page at the configured path and at the usual one, and nothing else.
pub(super) struct MetricsPage {
    metrics: Arc<Metrics>,
    path: String,
}

impl MetricsPage {
    pub(super) fn new(telemetry: &Telemetry, path: &str) -> MetricsPage {
        MetricsPage {
            metrics: telemetry.metrics.clone(),
            path: path.to_owned(),
        }
    }

    fn answer(&self, session: &ServerSession) -> Response<Bytes> {
        let header = session.req_header();
        let path = header
            .raw_path()
            .split(|&b| b == b'?')
            .next()
            .unwrap_or_default();
        let is_page = path == self.path.as_bytes() || path == USUAL_PATH.as_bytes();
        let (status, text) = match header.method {
            _ if !is_page => (StatusCode::NOT_FOUND, String::new()),
            Method::GET | Method::HEAD => (StatusCode::OK, self.metrics.render()),
            _ => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        };
        let mut answer = Response::new(Bytes::from(text));
        *answer.status_mut() = status;
        if status == StatusCode::OK {
            let kind = HeaderValue::from_static(CONTENT_TYPE);
            answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        answer
    }
}

#[async_trait]
impl HttpServerApp for MetricsPage {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        turn::begin(&mut session, shutdown).await?;
        let answer = self.answer(&session);
        reply::send(&mut session, answer).await.ok()?;
        turn::end(session).await
    }
}
