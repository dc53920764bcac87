//! The two lines that each request leaves: what was asked and answered, and what was decided and why. Fields as in the reference.

use super::line::Line;
use super::redaction::{Redaction, location};
use http::header::{LOCATION, USER_AGENT};
use http::{HeaderMap, StatusCode};
use std::net::SocketAddr;
use std::time::Duration;

/// Identifies a request in a trace, in the hexadecimal form of W3C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceIds<'a> {
    pub trace: &'a str,
    pub span: &'a str,
}

/// One request and its answer.
#[derive(Debug)]
pub struct Access<'a> {
    pub remote: Option<SocketAddr>,
    pub method: &'a str,
    /// `http` or `https`, as the connection is.
    pub scheme: &'static str,
    pub host: &'a [u8],
    /// As received: path, and query if there is one.
    pub target: &'a [u8],
    pub request_headers: &'a HeaderMap,
    /// 0 where nothing was written.
    pub status: u16,
    /// Bytes of the answer's body.
    pub size: u64,
    pub response_headers: Option<&'a HeaderMap>,
    pub took: Duration,
    pub trace: Option<TraceIds<'a>>,
}

/// What was decided on one request.
#[derive(Debug)]
pub struct Decided<'a> {
    pub door: &'static str,
    pub method: &'a str,
    pub scheme: &'a str,
    pub host: &'a str,
    /// As forwarded, without the query.
    pub path: &'a str,
    pub request_headers: &'a HeaderMap,
    /// `None` where no single rule matched.
    pub rule: Option<&'a str>,
    pub subject: Option<&'a str>,
    pub took: Duration,
    /// `None` where the request was granted.
    pub denied: Option<Denied<'a>>,
    pub trace: Option<TraceIds<'a>>,
}

/// Why a request was refused, and by whom.
#[derive(Debug)]
pub struct Denied<'a> {
    pub status: StatusCode,
    pub message: &'a str,
    pub explanation: Option<&'a str>,
    /// The word that metrics use too.
    pub reason: &'static str,
    /// `authentication`, `authorization` or `mutation`.
    pub stage: Option<&'static str>,
    pub handler: Option<&'a str>,
}

impl Access<'_> {
    pub(super) fn write(&self, line: &mut Line<'_>, redaction: &Redaction) {
        line.open("http_request");
        if let Some(remote) = self.remote {
            line.quoted("remote", remote);
        }
        line.text("method", self.method);
        line.bytes("host", self.host);
        line.text("scheme", self.scheme);
        let mut parts = self.target.splitn(2, |&b| b == b'?');
        line.bytes("path", parts.next().unwrap_or_default());
        match parts.next() {
            None | Some([]) => line.null("query"),
            Some(query) if redaction.shows_everything() => line.bytes("query", query),
            Some(_) => line.text("query", redaction.text()),
        }
        headers(line, self.request_headers, redaction);
        line.close();
        line.open("http_response");
        line.number("status", self.status);
        line.number("size", self.size);
        line.text("text_status", status_text(self.status));
        line.number("took", self.took.as_nanos());
        if let Some(map) = self.response_headers {
            headers(line, map, redaction);
        }
        line.close();
        trace(line, self.trace);
    }
}

impl Decided<'_> {
    pub(super) fn write(&self, line: &mut Line<'_>, subject: ShownSubject, redaction: &Redaction) {
        line.text("door", self.door);
        line.text("http_method", self.method);
        let url = [self.scheme, "://", self.host, self.path].concat();
        line.text("http_url", &url);
        line.text("http_host", self.host);
        match self.request_headers.get(USER_AGENT) {
            Some(agent) => line.bytes("http_user_agent", agent.as_bytes()),
            None => line.text("http_user_agent", ""),
        }
        if let Some(rule) = self.rule {
            line.text("rule_id", rule);
        }
        match (self.subject, subject) {
            (Some(subject), ShownSubject::Plain) => line.text("subject", subject),
            (Some(""), ShownSubject::Redacted) => line.text("subject", ""),
            (Some(_), ShownSubject::Redacted) => line.text("subject", redaction.text()),
            (None, _) => {}
        }
        line.flag("granted", self.denied.is_none());
        line.number("took", self.took.as_nanos());
        if let Some(denied) = &self.denied {
            denied.write(line);
        }
        trace(line, self.trace);
    }
}

/// Whether decision lines name the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShownSubject {
    Plain,
    Redacted,
}

impl Denied<'_> {
    fn write(&self, line: &mut Line<'_>) {
        line.text("reason_id", self.reason);
        if let Some(handler) = self.handler {
            let name = match self.stage {
                Some("authentication") => "authentication_handler",
                Some("authorization") => "authorization_handler",
                Some(_) | None => "mutation_handler",
            };
            line.text(name, handler);
        }
        line.open("error");
        line.text("message", self.message);
        if let Some(explanation) = self.explanation {
            line.text("reason", explanation);
        }
        line.text("status", self.status.canonical_reason().unwrap_or_default());
        line.number("status_code", self.status.as_u16());
        line.close();
    }
}

/// The first value of each name.
fn headers(line: &mut Line<'_>, headers: &HeaderMap, redaction: &Redaction) {
    let covered = redaction.headers();
    line.open("headers");
    let mut last = None;
    // The values of one name come together.
    for (name, value) in headers {
        if last.replace(name) == Some(name) {
            continue;
        }
        if value.is_empty() {
            line.null(name.as_str());
        } else if covered.covers(name) {
            line.text(name.as_str(), redaction.text());
        } else if name == LOCATION && !redaction.shows_everything() {
            line.bytes(name.as_str(), &location(value));
        } else {
            line.bytes(name.as_str(), value.as_bytes());
        }
    }
    line.close();
}

fn trace(line: &mut Line<'_>, trace: Option<TraceIds<'_>>) {
    if let Some(TraceIds { trace, span }) = trace {
        line.open("otel");
        line.text("trace_id", trace);
        line.text("span_id", span);
        line.close();
    }
}

fn status_text(status: u16) -> &'static str {
    StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default()
}
