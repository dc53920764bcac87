//! The API beside the decisions: health, version, rules, keys.

mod not_found;
mod rules;

use crate::clients::jwks::{KeySets, SigningRing};
use crate::config::ExposeRules;
use crate::pipeline::envelope;
use crate::rules::source::SourceKind;
use crate::rules::status::{Board, Report};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response, StatusCode};
use not_found::not_found;
use pingora::http::RequestHeader;
use serde_json::{Map, Value, json as value};
use std::sync::Arc;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Where the keys that sign for upstreams are, asked anew for each request: rules come and go.
pub type SigningRings = Arc<dyn Fn() -> Vec<SigningRing> + Send + Sync>;

/// What the API tells about.
#[derive(Clone)]
pub struct Shown {
    pub board: Arc<Board>,
    pub rings: SigningRings,
    pub expose_rules: ExposeRules,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown")
            .field("board", &self.board)
            .finish_non_exhaustive()
    }
}

/// Answers everything on the API listener that is no decision.
#[derive(Debug)]
pub(super) struct Api {
    shown: Shown,
}

impl Api {
    pub(super) fn new(shown: Shown) -> Api {
        Api { shown }
    }

    /// Routes are exact: no other case, no trailing slash, no method but GET and HEAD.
    pub(super) async fn answer(&self, request: &RequestHeader) -> Response<Bytes> {
        let target = request.raw_path();
        let mut parts = target.splitn(2, |&b| b == b'?');
        let path = parts.next().unwrap_or_default();
        let query = parts.next().unwrap_or_default();
        if request.method != Method::GET && request.method != Method::HEAD {
            return not_found(request);
        }
        match path {
            b"/health/alive" => json(StatusCode::OK, "{\"status\":\"ok\"}\n".into()),
            b"/health/ready" => self.ready(request, query),
            b"/version" => json(
                StatusCode::OK,
                format!("{{\"version\":\"{}\"}}\n", env!("CARGO_PKG_VERSION")).into(),
            ),
            b"/.well-known/jwks.json" => self.keys().await,
            _ => match (self.shown.expose_rules, path.strip_prefix(b"/rules")) {
                (ExposeRules::Redacted, Some(b"")) => rules::list(&self.shown.board.read(), query),
                (ExposeRules::Redacted, Some([b'/', id @ ..]))
                    if !id.is_empty() && !id.contains(&b'/') =>
                {
                    rules::one(&self.shown.board.read(), id, request)
                }
                (ExposeRules::Redacted | ExposeRules::Off, _) => not_found(request),
            },
        }
    }

    /// `?verbose` adds what is missing, and the state of every source; without it the answer is the reference's.
    fn ready(&self, request: &RequestHeader, query: &[u8]) -> Response<Bytes> {
        let report = self.shown.board.read();
        let missing = report.missing();
        let verbose = query
            .split(|&b| b == b'&')
            .any(|part| part == b"verbose" || part == b"verbose=true");
        match (missing.is_empty(), verbose) {
            (true, false) => json(StatusCode::OK, "{\"status\":\"ok\"}\n".into()),
            (true, true) => {
                let mut details = details(&report, &missing);
                details.insert("status".to_owned(), "ok".into());
                json(
                    StatusCode::OK,
                    format!("{}\n", Value::Object(details)).into(),
                )
            }
            (false, verbose) => {
                let details = verbose.then(|| details(&report, &missing));
                envelope::not_ready(details.as_ref(), request.headers.get("x-request-id"))
            }
        }
    }

    /// The public halves of all keys that sign; an empty set where nothing signs.
    async fn keys(&self) -> Response<Bytes> {
        let rings = (self.shown.rings)();
        let keys = KeySets::published(&rings).await;
        json(
            StatusCode::OK,
            format!("{}\n", value!({ "keys": keys })).into(),
        )
    }
}

fn details(report: &Report, missing: &[String]) -> Map<String, Value> {
    let sources: Vec<Value> = report
        .sources
        .iter()
        .map(|source| {
            value!({
                "source": *source.id,
                "kind": match source.kind {
                    SourceKind::Inline => "inline",
                    SourceKind::Local => "local",
                    SourceKind::Remote => "remote",
                },
                "loaded": source.loaded,
                "rules": source.rules,
                "error": source.error.as_deref(),
            })
        })
        .collect();
    let invalid: Vec<Value> = report
        .problems
        .iter()
        .map(|problem| value!({ "rule": *problem.id, "problem": problem.message }))
        .collect();
    let details = value!({
        "generation": report.generation,
        "rules": report.rules.len(),
        "missing": missing,
        "invalid": invalid,
        "sources": sources,
        "configuration": report.configuration.as_deref(),
    });
    match details {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn json(status: StatusCode, body: Bytes) -> Response<Bytes> {
    typed(status, JSON, body)
}

fn typed(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}
