//! Authentication, authorization, mutation: the traits of the handlers and the order in which they run.
//!
//! Knows neither Pingora nor files nor which handlers exist.

mod answer;
mod body;
mod denial;
pub mod envelope;
mod headers;
mod request;
mod run;
mod session;
mod status;
mod witness;

pub use answer::{Answers, DependencyStatus, ErrorHandler, OnAmbiguity, Strategy, Verdict};
pub use body::BodySource;
pub use denial::{Denial, RateLimits, Reason, Stage};
pub use headers::{FieldName, HeaderChanges};
pub use request::{Client, RequestView};
pub use run::{Grant, Pipeline, Refusal, Step};
pub use session::{Captures, Echo, Identity, MatchContext, Session};
pub use status::{status_name, status_text};
pub use witness::{StepOutcome, StepReport, watch};

use async_trait::async_trait;
use std::fmt;

/// What an authenticator found.
#[derive(Debug)]
pub enum Authn {
    Identified(Identity),
    /// These are not the kind of credentials that this authenticator knows; the next one is asked.
    Skip,
}

/// Finds out who is asking.
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// `Ok(Identified)` ends the search, `Ok(Skip)` passes on to the next authenticator, `Err` refuses the request.
    async fn authenticate(&self, request: &RequestView<'_>) -> Result<Authn, Denial>;
}

/// Decides whether the one who asks may.
#[async_trait]
pub trait Authorizer: fmt::Debug + Send + Sync + 'static {
    /// `Ok` allows; the headers in it are added to the session. `Err` refuses.
    async fn authorize(
        &self,
        request: &RequestView<'_>,
        session: &mut Session<'_>,
    ) -> Result<(), Denial>;

    /// Whether this authorizer reads the request's body. Only then does a door keep one.
    fn needs_body(&self) -> bool {
        false
    }
}

/// Changes what the upstream is told.
#[async_trait]
pub trait Mutator: fmt::Debug + Send + Sync + 'static {
    /// `Err` refuses the request; all mutators of a rule must succeed.
    async fn mutate(
        &self,
        request: &RequestView<'_>,
        session: &mut Session<'_>,
    ) -> Result<(), Denial>;
}
