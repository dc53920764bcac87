//! Everything a decision depends on, immutable; and the cell that holds it.

use crate::canonical::EncodedSlashes;
use crate::matcher::Matcher;
use crate::pipeline::{Answers, Pipeline, Strategy};
use crate::telemetry::metrics::RuleMeter;
use crate::upstreams::Upstream;
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::Arc;

/// One rule, ready to run.
#[derive(Debug)]
pub struct Rule {
    pub id: Arc<str>,
    /// These three are shared by the rules that say the same of them.
    pub pipeline: Arc<Pipeline>,
    pub answers: Arc<Answers>,
    /// Absent where the rule serves the decision API only.
    pub upstream: Option<Arc<Upstream>>,
    pub encoded_slashes: EncodedSlashes,
    /// Counts what happens to the rule's requests; the same across reloads.
    pub meter: Arc<RuleMeter>,
}

/// A set of rules with its matcher and everything that they use. All phases of a request see one.
#[derive(Debug)]
pub struct Snapshot {
    pub generation: u64,
    pub matcher: Matcher,
    /// Indexed as the matcher's entries.
    pub rules: Vec<Rule>,
    /// What answers where no rule matched.
    pub answers: Answers,
    /// What holds where no rule matched.
    pub encoded_slashes: EncodedSlashes,
}

impl Snapshot {
    /// Nothing matches: what is served before the first publish.
    pub fn empty() -> Snapshot {
        let (matcher, _) = Matcher::build(crate::matcher::Strategy::Regexp, &[]);
        let fallback: Arc<[Strategy]> = Arc::from(Vec::new());
        Snapshot {
            generation: 0,
            matcher,
            rules: Vec::new(),
            encoded_slashes: EncodedSlashes::default(),
            answers: Answers {
                rule: Vec::new(),
                fallback,
                on_ambiguity: Default::default(),
                dependency_status: Default::default(),
            },
        }
    }
}

/// The current snapshot. Publishing is one atomic store; requests in flight keep the one they began with.
pub struct Live(ArcSwap<Snapshot>);

impl Live {
    pub fn new(snapshot: Snapshot) -> Live {
        Live(ArcSwap::from_pointee(snapshot))
    }

    /// Owned, because handlers wait on networks and a guard must not be held that long.
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    pub fn publish(&self, snapshot: Snapshot) {
        self.0.store(Arc::new(snapshot));
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Live(generation {})", self.0.load().generation)
    }
}
