//! What the steps of one pipeline did, for those who ask why a request was decided as it was.
//!
//! Kept beside the task while somebody watches; otherwise nothing is written and no clock is read.

use super::{Reason, Stage};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

tokio::task_local! {
    static REPORTS: RefCell<Vec<StepReport>>;
}

/// What one handler did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepReport {
    pub stage: Stage,
    /// The handler's id.
    pub handler: Arc<str>,
    pub outcome: StepOutcome,
    pub took: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    Passed,
    /// The credentials were not of this authenticator's kind.
    NotResponsible,
    Denied(Reason),
}

/// Does work and returns what the pipelines in it did.
pub async fn watch<F: Future>(work: F) -> (F::Output, Vec<StepReport>) {
    let watched = async {
        let done = work.await;
        (done, REPORTS.with(RefCell::take))
    };
    REPORTS.scope(RefCell::default(), watched).await
}

/// The time, if somebody watches.
pub(super) fn begin() -> Option<Instant> {
    REPORTS.try_with(|_| Instant::now()).ok()
}

/// Notes what a handler did that began then.
pub(super) fn note(
    began: Option<Instant>,
    stage: Stage,
    handler: &Arc<str>,
    outcome: impl FnOnce() -> StepOutcome,
) {
    let Some(began) = began else { return };
    let report = StepReport {
        stage,
        handler: handler.clone(),
        outcome: outcome(),
        took: began.elapsed(),
    };
    // INVARIANT: it began inside a watch and has not left it.
    let _ = REPORTS.try_with(|reports| reports.borrow_mut().push(report));
}
