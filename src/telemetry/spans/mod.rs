//! Traces: a span for each request, for its match, and for each handler that asks other servers, sent to an OTLP collector.
//!
//! Off by default, and then nothing happens here but the look at an `Option`. The span at work is kept beside the task, so that
//! handlers know nothing of it and calls to other servers still carry it on ([`traceparent`]).

#[cfg(feature = "otlp")]
mod otlp;
#[cfg(all(test, feature = "otlp"))]
mod tests;

use crate::config::Tracing;
#[cfg(feature = "otlp")]
use futures_util::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue};

#[cfg(feature = "otlp")]
use otlp::{Exporter, Open};

/// W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Why no traces can be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tracing: {0}")]
pub struct SetupError(pub String);

/// Whether a request's own trace context counts. That of a stranger would let it write into others' traces and choose what is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Trusted,
    Untrusted,
}

/// Begins traces; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tracer {
    #[cfg(feature = "otlp")]
    exporter: Option<std::sync::Arc<Exporter>>,
}

/// The span of one request. Ends when it is dropped.
#[derive(Debug, Default)]
pub struct RequestSpan {
    #[cfg(feature = "otlp")]
    open: Option<Box<Open>>,
}

impl Tracer {
    /// Nothing is traced.
    pub fn off() -> Tracer {
        Tracer::default()
    }

    /// Starts to send what is sampled from a thread of its own; off where nothing says where to. To be called before a runtime runs.
    #[cfg(feature = "otlp")]
    pub fn start(config: &Tracing) -> Result<Tracer, SetupError> {
        let exporter = Exporter::start(config)?.map(std::sync::Arc::new);
        Ok(Tracer { exporter })
    }

    /// Built without support for traces: only off is possible.
    #[cfg(not(feature = "otlp"))]
    pub fn start(config: &Tracing) -> Result<Tracer, SetupError> {
        match config.provider {
            None => Ok(Tracer::off()),
            Some(_) => Err(SetupError("this build can't send traces".to_owned())),
        }
    }

    pub fn is_on(&self) -> bool {
        #[cfg(feature = "otlp")]
        return self.exporter.is_some();
        #[cfg(not(feature = "otlp"))]
        return false;
    }

    /// Begins the span of a request: below the caller's span if the caller counts and names one.
    pub fn request(&self, name: &'static str, headers: &HeaderMap, caller: Caller) -> RequestSpan {
        #[cfg(feature = "otlp")]
        return RequestSpan {
            open: self
                .exporter
                .as_ref()
                .map(|exporter| Box::new(Open::request(exporter.clone(), name, headers, caller))),
        };
        #[cfg(not(feature = "otlp"))]
        {
            let _ = (name, headers, caller);
            RequestSpan::default()
        }
    }

    /// Sends what waits, within a few seconds.
    pub fn shut_down(&self) {
        #[cfg(feature = "otlp")]
        if let Some(exporter) = &self.exporter {
            exporter.shut_down();
        }
    }
}

impl RequestSpan {
    /// The hexadecimal ids of trace and span, for logs; `None` where nothing is traced.
    pub fn ids(&self) -> Option<(&str, &str)> {
        #[cfg(feature = "otlp")]
        return self.open.as_ref().map(|open| open.ids());
        #[cfg(not(feature = "otlp"))]
        return None;
    }

    /// Notes something about the request. Names are those of OpenTelemetry where it has some.
    pub fn note(&self, key: &'static str, value: &str) {
        #[cfg(feature = "otlp")]
        if let Some(open) = &self.open {
            open.note(key, value.to_owned().into());
        }
        #[cfg(not(feature = "otlp"))]
        let _ = (key, value);
    }

    /// Notes the status of the answer; one above 499 makes the span a failed one.
    pub fn note_status(&self, status: u16) {
        #[cfg(feature = "otlp")]
        if let Some(open) = &self.open {
            open.note_status(status);
        }
        #[cfg(not(feature = "otlp"))]
        let _ = status;
    }

    /// Does a part of the request's work; spans that begin inside it are below this one.
    ///
    /// No `async fn`: that would keep room for the work once more, in a future that is moved for each request.
    pub fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        #[cfg(feature = "otlp")]
        return match &self.open {
            Some(open) => Either::Left(open.scope(work)),
            None => Either::Right(work),
        };
        #[cfg(not(feature = "otlp"))]
        return work;
    }

    /// What tells an upstream of this span; `None` where nothing is traced, and the client's own headers are passed on.
    pub fn traceparent(&self) -> Option<HeaderValue> {
        #[cfg(feature = "otlp")]
        return self.open.as_ref().map(|open| open.traceparent());
        #[cfg(not(feature = "otlp"))]
        return None;
    }
}

/// Does work in a span of its own below the one at work here; without any where there is none.
pub async fn step<F: Future>(name: &'static str, handler: &str, work: F) -> F::Output {
    #[cfg(feature = "otlp")]
    if let Some(step) = otlp::step(name, handler) {
        return step.scope(work).await;
    }
    #[cfg(not(feature = "otlp"))]
    let _ = (name, handler);
    work.await
}

/// The same for work that does not wait.
pub fn within<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    #[cfg(feature = "otlp")]
    let _ends_behind_the_work = otlp::step(name, "");
    #[cfg(not(feature = "otlp"))]
    let _ = name;
    work()
}

/// What tells another server of the span at work here; `None` where nothing is traced.
pub fn traceparent() -> Option<HeaderValue> {
    #[cfg(feature = "otlp")]
    return otlp::traceparent();
    #[cfg(not(feature = "otlp"))]
    return None;
}
