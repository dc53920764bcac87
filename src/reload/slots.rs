//! The sources in the order of the configuration, each with its last good set.

use super::follow::{self, News, Outcome};
use crate::config::{Config, Repository};
use crate::rules::raw::Rule;
use crate::rules::source::{self, RuleSource, SourceKind, Tools};
use crate::rules::status::SourceReport;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub(super) struct Slots {
    slots: Vec<Slot>,
    next: u64,
    poke: watch::Sender<()>,
}

impl Default for Slots {
    fn default() -> Slots {
        Slots {
            slots: Vec::new(),
            next: 0,
            poke: watch::Sender::new(()),
        }
    }
}

struct Slot {
    key: u64,
    repository: Repository,
    refresh: Duration,
    source: Arc<dyn RuleSource>,
    task: JoinHandle<()>,
    rules: Vec<Arc<Rule>>,
    loaded: bool,
    error: Option<Arc<str>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Slots {
    /// Makes the slots what the configuration says, keeping the ones that stay. Returns the keys of the new ones.
    pub(super) fn arrange(
        &mut self,
        config: &Config,
        tools: &Tools,
        sender: &mpsc::UnboundedSender<News>,
    ) -> HashSet<u64> {
        let mut old = std::mem::take(&mut self.slots);
        let mut new = HashSet::new();
        for repository in &config.access_rules.repositories {
            let known = old
                .iter()
                .position(|slot| slot.repository == *repository && slot.refresh == tools.refresh);
            let slot = match known {
                Some(index) => old.remove(index),
                None => {
                    self.next += 1;
                    new.insert(self.next);
                    let mut slot = self.open(repository, tools, sender);
                    // The same place at another pace: nothing is lost meanwhile.
                    if let Some(same) = old.iter().find(|slot| slot.repository == *repository) {
                        slot.rules = same.rules.clone();
                        slot.loaded = same.loaded;
                    }
                    slot
                }
            };
            self.slots.push(slot);
        }
        new
    }

    fn open(
        &self,
        repository: &Repository,
        tools: &Tools,
        sender: &mpsc::UnboundedSender<News>,
    ) -> Slot {
        let source = source::open(repository, tools);
        let poked = self.poke.subscribe();
        Slot {
            key: self.next,
            repository: repository.clone(),
            refresh: tools.refresh,
            task: follow::source(self.next, source.clone(), poked, sender.clone()),
            source,
            rules: Vec::new(),
            loaded: false,
            error: None,
        }
    }

    /// Makes every source look again.
    pub(super) fn poke(&self) {
        self.poke.send_replace(());
    }

    /// Takes a source's answer. Whether its rules changed.
    pub(super) fn note(&mut self, key: u64, outcome: Outcome, strict: bool) -> bool {
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.key == key) else {
            // Of a source that was taken out of the configuration meanwhile.
            return false;
        };
        match outcome {
            Outcome::Unchanged => {
                slot.loaded = true;
                slot.error = None;
                false
            }
            Outcome::Rules(rules) => slot.accept(rules, strict),
            Outcome::Failed { error, failures } => {
                slot.fail(error.to_string(), failures);
                false
            }
        }
    }

    /// Whether a source that has just failed should be waited for.
    pub(super) fn is_waiting(&self, key: u64, outcome: &Outcome) -> bool {
        let kind = self.slots.iter().find(|slot| slot.key == key);
        matches!(outcome, Outcome::Failed { .. })
            && kind.is_some_and(|slot| slot.source.kind() == SourceKind::Remote)
    }

    /// Whether all of these are remote sources.
    pub(super) fn are_remote(&self, keys: &HashSet<u64>) -> bool {
        self.slots
            .iter()
            .filter(|slot| keys.contains(&slot.key))
            .all(|slot| slot.source.kind() == SourceKind::Remote)
    }

    pub(super) fn fate(&self, key: u64) -> Option<(Arc<str>, SourceKind)> {
        let slot = self.slots.iter().find(|slot| slot.key == key)?;
        Some((slot.source.id().clone(), slot.source.kind()))
    }

    /// All last good sets, in the order of the configuration.
    pub(super) fn rules(&self) -> Vec<Arc<Rule>> {
        self.slots
            .iter()
            .flat_map(|slot| slot.rules.iter().cloned())
            .collect()
    }

    pub(super) fn reports(&self) -> Vec<SourceReport> {
        let report = |slot: &Slot| SourceReport {
            id: slot.source.id().clone(),
            kind: slot.source.kind(),
            loaded: slot.loaded,
            rules: slot.rules.len(),
            error: slot.error.clone(),
        };
        self.slots.iter().map(report).collect()
    }
}

impl Slot {
    fn accept(&mut self, rules: Vec<Arc<Rule>>, strict: bool) -> bool {
        let source = self.source.id();
        let mut strange = rules.iter().filter(|rule| !rule.unknown.is_empty());
        if strict && let Some(rule) = strange.next() {
            let error = format!(
                "rule `{}` has unknown keys: {}",
                rule.id,
                rule.unknown.join(", ")
            );
            self.fail(error, 1);
            return false;
        }
        for rule in strange.take(20) {
            tracing::warn!(%source, rule = %rule.id, keys = rule.unknown.join(", "), "a rule has keys that mean nothing");
        }
        tracing::debug!(%source, rules = rules.len(), "a source was read");
        self.loaded = true;
        self.error = None;
        if self.rules == rules {
            return false;
        }
        self.rules = rules;
        true
    }

    fn fail(&mut self, error: String, failures: u32) {
        let source = self.source.id();
        match self.loaded {
            true => {
                tracing::error!(%source, error, failures, "a source can't be read, its last good rules stay")
            }
            false => {
                tracing::error!(%source, error, failures, "a source can't be read and counts as empty")
            }
        }
        self.error = Some(Arc::from(error));
    }
}

impl SourceKind {
    /// Whether serving must not begin after so many failures.
    pub(super) fn ends_at_start(self, exit: bool, failures: u32, most: u32) -> bool {
        match self {
            SourceKind::Inline => true,
            SourceKind::Local => false,
            SourceKind::Remote => exit && failures >= most,
        }
    }
}
