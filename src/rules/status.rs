//! What is live and where it comes from: for the API, health, metrics and logs.

use super::compile::RuleProblem;
use super::raw::Rule;
use super::source::SourceKind;
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::Arc;

/// The state of one source.
#[derive(Debug, Clone)]
pub struct SourceReport {
    pub id: Arc<str>,
    pub kind: SourceKind,
    /// Whether it was read at least once.
    pub loaded: bool,
    /// Rules that it contributes.
    pub rules: usize,
    /// Why the last attempt failed, if it did.
    pub error: Option<Arc<str>>,
}

/// Everything that is known about the published rules.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Counts publishes; 0 before the first.
    pub generation: u64,
    /// The valid rules, in order.
    pub rules: Vec<Arc<Rule>>,
    pub problems: Vec<RuleProblem>,
    pub sources: Vec<SourceReport>,
    /// Why the last configuration was refused, if it was.
    pub configuration: Option<Arc<str>>,
}

impl Report {
    /// What readiness waits for; empty where Doorward is ready.
    ///
    /// There must be a valid rule and every remote source must have been read once. Local files that are absent or broken count as
    /// read, as in the reference.
    pub fn missing(&self) -> Vec<String> {
        let waiting = self
            .sources
            .iter()
            .filter(|source| source.kind == SourceKind::Remote && !source.loaded)
            .map(|source| match &source.error {
                Some(error) => format!("{}: {error}", source.id),
                None => format!("{}: not read yet", source.id),
            });
        let mut missing: Vec<String> = waiting.collect();
        if self.rules.is_empty() {
            missing.push("there is no valid rule".to_owned());
        }
        missing
    }

    /// The first rule with that id.
    pub fn rule(&self, id: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|rule| *rule.id == *id)
    }
}

/// The current report.
#[derive(Default)]
pub struct Board(ArcSwap<Report>);

impl Board {
    pub fn read(&self) -> Arc<Report> {
        self.0.load_full()
    }

    pub fn post(&self, report: Report) {
        self.0.store(Arc::new(report));
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Board(generation {})", self.0.load().generation)
    }
}
