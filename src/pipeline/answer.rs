//! Which error handler answers a refusal.

use super::envelope::{self, REQUEST_ID};
use super::{Denial, Reason, RequestView};
use bytes::Bytes;
use http::{Response, StatusCode};
use std::borrow::Cow;
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

/// The statuses that failed dependencies get (`errors.dependency_status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DependencyStatus {
    /// As the reference: 500, 503, 504, 404.
    #[default]
    Recorded,
    /// 504 where the dependency was late, 502 otherwise.
    Gateway,
}

/// The error handlers of one rule, and the fallbacks behind them.
#[derive(Debug, Clone)]
pub struct Answers {
    pub rule: Vec<Strategy>,
    pub fallback: Arc<[Strategy]>,
    pub on_ambiguity: OnAmbiguity,
    pub dependency_status: DependencyStatus,
}

/// Why no error handler answers.
enum Silence<'a> {
    Broken(&'a Denial),
    BrokenFallback,
    Ambiguous,
    NoneApplies,
}

impl Answers {
    /// The answer to a refusal. Total: what no handler takes, and what none can answer, gets a plain 500.
    pub fn answer(&self, request: &RequestView<'_>, denial: &Denial) -> Response<Bytes> {
        let denial = self.adjust(denial);
        match self.choose(request, &denial) {
            Ok(handler) => handler.render(request, &denial),
            Err(silence) => silence.answer(request),
        }
    }

    fn adjust<'a>(&self, denial: &'a Denial) -> Cow<'a, Denial> {
        let status = match (self.dependency_status, denial.reason) {
            (DependencyStatus::Gateway, Reason::DependencyTimeout) => StatusCode::GATEWAY_TIMEOUT,
            (
                DependencyStatus::Gateway,
                Reason::Dependency | Reason::DependencyUnavailable | Reason::DependencyNotFound,
            ) => StatusCode::BAD_GATEWAY,
            (DependencyStatus::Gateway | DependencyStatus::Recorded, _) => {
                return Cow::Borrowed(denial);
            }
        };
        Cow::Owned(denial.clone().answered_with(status))
    }

    fn choose(
        &self,
        request: &RequestView<'_>,
        denial: &Denial,
    ) -> Result<&dyn ErrorHandler, Silence<'_>> {
        if let Some(handler) = self.of_rule(request, denial)? {
            return Ok(handler);
        }
        for strategy in self.fallback.iter() {
            match strategy {
                Strategy::Broken(_) => return Err(Silence::BrokenFallback),
                Strategy::Works(handler) if takes(&**handler, request, denial) => {
                    return Ok(&**handler);
                }
                Strategy::Works(_) => {}
            }
        }
        Err(Silence::NoneApplies)
    }

    fn of_rule(
        &self,
        request: &RequestView<'_>,
        denial: &Denial,
    ) -> Result<Option<&dyn ErrorHandler>, Silence<'_>> {
        let mut chosen = None;
        for strategy in &self.rule {
            match (strategy, self.on_ambiguity) {
                (Strategy::Broken(why), _) => return Err(Silence::Broken(why)),
                (Strategy::Works(handler), _) if !takes(&**handler, request, denial) => {}
                (Strategy::Works(handler), OnAmbiguity::First) => return Ok(Some(&**handler)),
                (Strategy::Works(_), OnAmbiguity::Error) if chosen.is_some() => {
                    return Err(Silence::Ambiguous);
                }
                (Strategy::Works(handler), OnAmbiguity::Error) => chosen = Some(&**handler),
            }
        }
        Ok(chosen)
    }
}

fn takes(handler: &dyn ErrorHandler, request: &RequestView<'_>, denial: &Denial) -> bool {
    handler.applies(request, denial) == Verdict::Takes
}

impl Silence<'_> {
    /// What is wrong with the configuration in detail is said at load, to the operator.
    fn answer(&self, request: &RequestView<'_>) -> Response<Bytes> {
        const TELL: &str =
            "This is a configuration issue and should be reported to the administrator.";
        let (message, reason) = match self {
            Silence::Broken(why) if why.reason == Reason::UnknownHandler => (
                envelope::INTERNAL,
                format!("The requested error handler does not exist. {TELL}"),
            ),
            Silence::Broken(_) => (
                "error handler matching this route is misconfigured or disabled",
                TELL.to_owned(),
            ),
            Silence::BrokenFallback => (
                envelope::INTERNAL,
                format!(
                    "A fallback error handler was requested but is disabled, unknown or misconfigured. {TELL}"
                ),
            ),
            Silence::Ambiguous => (
                envelope::INTERNAL,
                format!(
                    "Found more than one error handlers to be responsible for this request. {TELL}"
                ),
            ),
            Silence::NoneApplies => (
                envelope::INTERNAL,
                format!(
                    "Unable to handle HTTP request because no matching error handling strategy was found. {TELL}"
                ),
            ),
        };
        envelope::no_handler(message, &reason, request.header(&REQUEST_ID))
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
