//! Which error handler answers a refusal.

use super::{Denial, RequestView};
use bytes::Bytes;
use http::Response;
use std::fmt;
use std::sync::Arc;

/// Words a refusal for the client. Rendering cannot fail and cannot wait: it is the last thing standing.
pub trait ErrorHandler: fmt::Debug + Send + Sync + 'static {
    /// Whether the handler's `when` conditions hold.
    fn applies(&self, request: &RequestView<'_>, denial: &Denial) -> Verdict;
    fn render(&self, request: &RequestView<'_>, denial: &Denial) -> Response<Bytes>;
}

/// Whether an error handler takes a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Takes,
    Passes,
}

/// One entry of a rule's `errors` or of `errors.fallback`.
#[derive(Debug, Clone)]
pub enum Strategy {
    Works(Arc<dyn ErrorHandler>),
    /// Unknown, disabled or misconfigured: answers 500 as soon as it is reached.
    Broken(Arc<Denial>),
}

/// What to do where two entries of a rule take the same refusal (`errors.on_ambiguity`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnAmbiguity {
    #[default]
    First,
    Error,
}

/// The error handlers of one rule, and the fallbacks behind them.
#[derive(Debug, Clone)]
pub struct Answers {
    pub rule: Vec<Strategy>,
    pub fallback: Arc<[Strategy]>,
    pub on_ambiguity: OnAmbiguity,
}

impl Answers {
    /// The answer to a refusal.
    pub fn answer(&self, request: &RequestView<'_>, denial: &Denial) -> Response<Bytes> {
        let taken = |entries: &[Strategy]| {
            entries.iter().find_map(|strategy| match strategy {
                Strategy::Works(handler) if handler.applies(request, denial) == Verdict::Takes => {
                    Some(handler.render(request, denial))
                }
                Strategy::Works(_) | Strategy::Broken(_) => None,
            })
        };
        taken(&self.rule)
            .or_else(|| taken(&self.fallback))
            .unwrap_or_else(|| plain(denial))
    }
}

/// The cause's status in the reference's envelope.
fn plain(denial: &Denial) -> Response<Bytes> {
    let status = denial.status();
    let phrase = status.canonical_reason().unwrap_or_default();
    let body = format!(
        "{{\"error\":{{\"code\":{},\"status\":\"{phrase}\",\"message\":\"{phrase}\"}}}}\n",
        status.as_u16()
    );
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    answer
}
