//! What a door notes of each request: counts, times, and its lines in the log.

use crate::canonical::{self, Trust};
use crate::engine::{Decision, Meter, Refused};
use crate::snapshot::Rule;
use crate::telemetry::Telemetry;
use crate::telemetry::logging::{Access, Decided, Denied, TraceIds};
use crate::telemetry::metrics::{Counter, Gauge, Known, RequestMeter};
use crate::telemetry::spans::{Caller, RequestSpan};
use http::header::HOST;
use pingora::http::RequestHeader;
use pingora_core::protocols::http::ServerSession;
use pingora_core::{Error, ErrorType};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where requests come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entrance {
    Proxy,
    Api,
    ExtAuthz,
}

impl Entrance {
    fn label(self) -> &'static str {
        match self {
            Entrance::Proxy => "proxy",
            Entrance::Api => "api",
            Entrance::ExtAuthz => "ext_authz",
        }
    }
}

/// Notes what happens at one door. Handles are made here, once.
#[derive(Debug)]
pub(super) struct Observer {
    telemetry: Telemetry,
    entrance: Entrance,
    meter: Meter,
}

/// What was decided on a request, how quickly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict<'a> {
    pub request: &'a canonical::Request,
    pub decision: &'a Decision,
    pub took: Duration,
}

impl Observer {
    pub(super) fn new(telemetry: &Telemetry, entrance: Entrance) -> Observer {
        Observer {
            telemetry: telemetry.clone(),
            entrance,
            meter: Meter::new(&telemetry.metrics, entrance.label()),
        }
    }

    /// Counts a decision, and says how long it took.
    pub(super) fn decided(&self, decision: &Decision, started: Instant) -> Duration {
        self.meter.decided(decision, started)
    }

    /// Begins the span of a request. Trace contexts count from peers inside `trusted_proxies`.
    pub(super) fn span(&self, session: &ServerSession, trust: &Trust) -> RequestSpan {
        if !self.telemetry.tracer.is_on() {
            return RequestSpan::default();
        }
        let caller = if trust.is_proxy(super::translate::peer(session)) {
            Caller::Trusted
        } else {
            Caller::Untrusted
        };
        let headers = &session.req_header().headers;
        let tracer = &self.telemetry.tracer;
        tracer.request(self.entrance.label(), headers, caller)
    }

    /// Counts a request that could not be understood, on which nothing was decided.
    pub(super) fn rejected(&self) {
        self.meter.rejected();
    }

    /// Counts a request that its upstream did not answer, and says why. Never in the words of the error, which may quote the request.
    pub(super) fn upstream_failed(&self, rule: Option<&Rule>, error: &Error) {
        let reason = why(error.etype());
        let errors = &self.telemetry.metrics.upstream_errors;
        errors.with([reason]).increment();
        let rule = rule.map_or("", |rule| &rule.id);
        tracing::warn!(rule, reason, "an upstream gave no usable answer");
    }

    /// Writes the line of a decision that has no request of its own to be reported with.
    pub(super) fn report_decision(
        &self,
        verdict: Verdict<'_>,
        headers: &http::HeaderMap,
        span: &RequestSpan,
    ) {
        if self.telemetry.tracer.is_on() {
            note_decision(span, verdict);
        }
        let refused = verdict.decision.outcome.as_ref().err();
        let status = refused.map_or(200, |refused| refused.denial().status().as_u16());
        if self.telemetry.logs.samples(status) {
            let trace = span.ids().map(|(trace, span)| TraceIds { trace, span });
            self.decision_line(verdict, headers, trace);
        }
    }

    /// Counts a request that was answered, or ended otherwise, and writes its lines.
    pub(super) fn finished(
        &self,
        session: &ServerSession,
        started: Instant,
        verdict: Option<Verdict<'_>>,
        span: &RequestSpan,
    ) {
        let took = started.elapsed();
        let header = session.req_header();
        let written = session.response_written();
        let status = written.map_or(0, |written| written.status.as_u16());
        let known = match verdict {
            Some(Verdict { decision, .. }) if decision.rule().is_none() => Known::Unmatched,
            None if status == 404 || status == 400 => Known::Unmatched,
            Some(_) | None => Known::Matched,
        };
        if let Some(meter) = self.requests() {
            meter.observe(&header.method, header.raw_path(), status, took, known);
        }
        if self.telemetry.tracer.is_on() {
            note(span, header, status, verdict);
        }
        let trace = span.ids().map(|(trace, span)| TraceIds { trace, span });
        if !self.telemetry.logs.samples(status) || self.is_health_check(header.raw_path()) {
            return;
        }
        if let Some(verdict) = verdict {
            self.decision_line(verdict, &header.headers, trace);
        }
        let tls = session
            .digest()
            .is_some_and(|digest| digest.ssl_digest.is_some());
        let authority = header.uri.authority().map(|authority| authority.as_str());
        self.telemetry.logs.access(&Access {
            remote: session
                .client_addr()
                .and_then(|addr| addr.as_inet().copied()),
            method: header.method.as_str(),
            scheme: if tls { "https" } else { "http" },
            host: header
                .headers
                .get(HOST)
                .map(|host| host.as_bytes())
                .or(authority.map(str::as_bytes))
                .unwrap_or_default(),
            target: header.raw_path(),
            request_headers: &header.headers,
            status,
            size: u64::try_from(session.body_bytes_sent()).unwrap_or(u64::MAX),
            response_headers: written.map(|written| &written.headers),
            took,
            trace,
        });
    }

    fn requests(&self) -> Option<&RequestMeter> {
        match self.entrance {
            Entrance::Proxy => Some(&self.telemetry.metrics.proxy),
            Entrance::Api => Some(&self.telemetry.metrics.api),
            Entrance::ExtAuthz => None,
        }
    }

    /// Probes come every few seconds and say nothing.
    fn is_health_check(&self, target: &[u8]) -> bool {
        self.entrance == Entrance::Api && matches!(target, b"/health/alive" | b"/health/ready")
    }

    fn decision_line(
        &self,
        verdict: Verdict<'_>,
        headers: &http::HeaderMap,
        trace: Option<TraceIds<'_>>,
    ) {
        let Verdict {
            request, decision, ..
        } = verdict;
        let (subject, denied) = match &decision.outcome {
            Ok(grant) => (Some(&**grant.subject()), None),
            Err(refused) => (subject(refused), Some(denied(refused))),
        };
        self.telemetry.logs.decision(&Decided {
            door: self.entrance.label(),
            method: request.method(),
            scheme: request.scheme().as_str(),
            host: request.host(),
            path: request.raw_path(),
            request_headers: headers,
            rule: decision.rule().map(|rule| &*rule.id),
            subject,
            took: verdict.took,
            denied,
            trace,
        });
    }
}

/// What a span says of its request, in OpenTelemetry's words. Never the query.
fn note(span: &RequestSpan, header: &RequestHeader, status: u16, verdict: Option<Verdict<'_>>) {
    span.note("http.request.method", header.method.as_str());
    if let Some(verdict) = verdict {
        note_decision(span, verdict);
    }
    span.note_status(status);
}

fn note_decision(span: &RequestSpan, verdict: Verdict<'_>) {
    let Verdict {
        request, decision, ..
    } = verdict;
    span.note("server.address", request.host());
    span.note("url.scheme", request.scheme().as_str());
    span.note("url.path", request.raw_path());
    if let Some(rule) = decision.rule() {
        span.note("doorward.rule", &rule.id);
    }
    if let Err(refused) = &decision.outcome {
        span.note("doorward.reason", refused.denial().reason.label());
    }
}

/// A stable word for metrics and logs.
pub(super) fn why(error: &ErrorType) -> &'static str {
    match error {
        ErrorType::ConnectTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout
        | ErrorType::TLSHandshakeTimedout => "timeout",
        ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::ConnectProxyFailure
        | ErrorType::BindError
        | ErrorType::SocketError => "connect",
        ErrorType::TLSWantX509Lookup
        | ErrorType::TLSHandshakeFailure
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError => "tls",
        // Pingora may learn of more ways to fail.
        _ => "broken",
    }
}

fn subject(refused: &Refused) -> Option<&str> {
    match refused {
        Refused::Unmatched(_) => None,
        Refused::ByRule(refusal) => refusal.subject.as_deref(),
    }
}

fn denied(refused: &Refused) -> Denied<'_> {
    let denial = refused.denial();
    let (stage, handler) = match refused {
        Refused::Unmatched(_) => (None, None),
        Refused::ByRule(refusal) => (Some(refusal.stage.label()), refusal.handler.as_deref()),
    };
    Denied {
        status: denial.status(),
        message: &denial.message,
        explanation: denial.explanation.as_deref(),
        reason: denial.reason.label(),
        stage,
        handler,
    }
}

/// The reason of streams that were refused before they were requests.
pub(super) const STREAM: &str = "http2_stream";

/// What is counted of one listener's connections.
#[derive(Debug)]
pub(super) struct Connections {
    listener: &'static str,
    open: Arc<Gauge>,
    total: Arc<Counter>,
    telemetry: Telemetry,
}

impl Connections {
    pub(super) fn new(telemetry: &Telemetry, listener: &'static str) -> Connections {
        Connections {
            listener,
            open: telemetry.metrics.connections.with([listener]),
            total: telemetry.metrics.connections_total.with([listener]),
            telemetry: telemetry.clone(),
        }
    }

    pub(super) fn opened(&self) {
        self.open.add(1);
        self.total.increment();
    }

    pub(super) fn closed(&self) {
        self.open.add(-1);
    }

    pub(super) fn streams_refused(&self, count: u64) {
        let labels = [self.listener, STREAM];
        self.telemetry.metrics.refused.with(labels).add(count);
    }

    /// Rare enough for a lookup: what is refused here costs a connection.
    pub(super) fn refused(&self, reason: &'static str) {
        let labels = [self.listener, reason];
        self.telemetry.metrics.refused.with(labels).increment();
    }
}
