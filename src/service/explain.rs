//! Why a request was decided as it was, for callers inside `trusted_proxies` where `explain` is on.
//!
//! `X-Doorward-Explain: 1` on a request brings a header of the same name on its answer; `POST /decisions/explain` describes a request
//! and brings a document. Queries, header values and claims are in neither.

use crate::canonical::headers::{self, Peer, UnderscoreHeaders};
use crate::canonical::{Described, PathPolicy, Request, Scheme, for_description};
use crate::engine::{self, Decision, Engine, Refused};
use crate::matcher::Outcome;
use crate::pipeline::{Client, RequestView, StepOutcome, StepReport, watch};
use crate::snapshot::Snapshot;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pingora::http::RequestHeader;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

pub(super) const EXPLAIN: HeaderName = HeaderName::from_static("x-doorward-explain");
/// Rules that are told about, and bytes of the header.
const CANDIDATES: usize = 10;
const HEADER_BYTES: usize = 6 * 1024;

/// Whether this is a question, not a request for a decision on `/explain`.
pub(super) fn is_question(header: &RequestHeader) -> bool {
    header.method == Method::POST && header.raw_path() == b"/decisions/explain"
}

/// The request that `POST /decisions/explain` asks about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    method: String,
    /// Absolute, with http or https.
    url: String,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
}

/// Why a question can't be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    #[error("the body is not a question: {0}")]
    Body(String),
    #[error("`url` is not absolute with http or https")]
    Url,
    #[error("header `{0}` can't be sent")]
    Header(String),
    #[error("refused before any rule: {0}")]
    Rejected(String),
}

impl Question {
    pub(super) fn read(body: &[u8]) -> Result<Question, Unclear> {
        serde_json::from_slice(body).map_err(|error| Unclear::Body(error.to_string()))
    }

    fn request(&self, paths: &PathPolicy) -> Result<Request, Unclear> {
        let (scheme, rest) = self.url.split_once("://").ok_or(Unclear::Url)?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(Unclear::Url),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, target) = rest.split_at_checked(end).ok_or(Unclear::Url)?;
        let described = Described {
            method: &self.method,
            scheme,
            host: host.as_bytes(),
            target: if target.is_empty() {
                b"/"
            } else {
                target.as_bytes()
            },
        };
        for_description(&described, paths).map_err(|why| Unclear::Rejected(why.to_string()))
    }

    fn headers(&self) -> Result<HeaderMap, Unclear> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let unclear = || Unclear::Header(name.clone());
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unclear())?;
            let text = value.as_str().ok_or_else(unclear)?;
            map.append(parsed, HeaderValue::from_str(text).map_err(|_| unclear())?);
        }
        headers::clean(&mut map, Peer::Trusted, UnderscoreHeaders::default());
        Ok(map)
    }
}

/// Decides on the described request, its handlers' calls included, and tells how.
pub(super) async fn answer(
    engine: &Engine,
    paths: &PathPolicy,
    client: Client,
    question: &Question,
) -> Result<Value, Unclear> {
    let request = question.request(paths)?;
    let headers = question.headers()?;
    let view = RequestView {
        canonical: &request,
        headers: &headers,
        transport_host: request.host(),
        client,
        body: None,
    };
    let started = Instant::now();
    let (decision, steps) = watch(engine.decide(engine.find(&request), &view)).await;
    Ok(document(&request, &decision, &steps, started.elapsed()))
}

/// What is told of a decision.
#[allow(
    clippy::indexing_slicing,
    reason = "assigning to a new member of a JSON object makes it"
)]
pub(super) fn document(
    request: &Request,
    decision: &Decision,
    steps: &[StepReport],
    took: Duration,
) -> Value {
    let mut document = json!({
        "request": {
            "method": request.method(),
            "scheme": request.scheme_str(),
            "host": request.host(),
            "path": request.path(),
            "forwarded_path": request.raw_path(),
        },
        "generation": decision.snapshot().generation,
        "rule": decision.rule().map(|rule| &*rule.id),
        "candidates": candidates(decision.snapshot(), request),
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
        "took_us": micros(took),
    });
    match &decision.outcome {
        Ok(grant) => {
            document["outcome"] = "granted".into();
            document["subject"] = (**grant.subject()).into();
        }
        Err(refused) => {
            let denial = refused.denial();
            document["outcome"] = "denied".into();
            document["reason"] = denial.reason.label().into();
            document["status"] = denial.status().as_u16().into();
            document["message"] = (*denial.message).into();
            if let Refused::ByRule(refusal) = refused {
                document["stage"] = refusal.stage.label().into();
            }
        }
    }
    document
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

fn step(report: &StepReport) -> Value {
    let outcome = match report.outcome {
        StepOutcome::Passed => "passed",
        StepOutcome::NotResponsible => "not responsible",
        StepOutcome::Denied(reason) => reason.label(),
    };
    json!({
        "stage": report.stage.label(),
        "handler": &*report.handler,
        "outcome": outcome,
        "took_us": micros(report.took),
    })
}

fn candidates(snapshot: &Snapshot, request: &Request) -> Vec<Value> {
    let key = engine::key(request);
    let told = |(rule, outcome): (&str, Outcome)| {
        let outcome = match outcome {
            Outcome::Matched => "matched",
            Outcome::Overrun => "too many steps",
            Outcome::Method => "another method",
            Outcome::Protocol => "only for calls by RPC",
            Outcome::Path => "another path",
            Outcome::Host => "another host",
            Outcome::Scheme => "another scheme",
            Outcome::BadPattern => "unusable pattern",
        };
        json!({ "rule": rule, "outcome": outcome })
    };
    let all = snapshot.matcher.candidates(&key).into_iter();
    all.take(CANDIDATES)
        .filter_map(|candidate| {
            let rule = snapshot.rules.get(candidate.entry as usize)?;
            Some(told((&rule.id, candidate.outcome)))
        })
        .collect()
}

/// A document as a header: ASCII, and without the candidates where it would be too long.
pub(super) fn header(mut document: Value) -> Option<HeaderValue> {
    let mut text = ascii(&document);
    if text.len() > HEADER_BYTES {
        document.as_object_mut()?.remove("candidates");
        text = ascii(&document);
    }
    HeaderValue::from_str(&text)
        .ok()
        .filter(|_| text.len() <= HEADER_BYTES)
}

fn ascii(document: &Value) -> String {
    let mut out = String::new();
    let mut units = [0; 2];
    for c in document.to_string().chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut units) {
            // INVARIANT: writing to a string cannot fail.
            let _infallible = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_ascii_whatever_is_in_the_document() {
        let value = header(json!({ "path": "/ü\u{1f642}\n" })).expect("a header");
        assert_eq!(value, r#"{"path":"/\u00fc\ud83d\ude42\n"}"#);
        let long = json!({ "candidates": "x".repeat(10_000), "outcome": "denied" });
        assert_eq!(header(long).expect("a header"), r#"{"outcome":"denied"}"#);
    }

    #[test]
    fn a_question_that_names_no_request_is_refused() {
        let read = |text: &str| {
            Question::read(text.as_bytes()).and_then(|question| {
                question.headers()?;
                question.request(&PathPolicy::default())
            })
        };
        assert!(read(r#"{"method":"GET","url":"https://a.test/x?q=1"}"#).is_ok());
        for text in [
            "",
            "[]",
            r#"{"method":"GET"}"#,
            r#"{"method":"GET","url":"/x"}"#,
            r#"{"method":"GET","url":"ftp://a.test/"}"#,
            r#"{"method":"G T","url":"http://a.test/"}"#,
            r#"{"method":"GET","url":"http://a.test/","headers":{"a b":"x"}}"#,
            r#"{"method":"GET","url":"http://a.test/","headers":{"a":1}}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
