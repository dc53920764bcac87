//! What happened to the requests of each rule.
//!
//! Series appear with the first event that they count: of a hundred thousand rules, those that are used cost memory.

use super::cells::{Counter, Histogram};
use super::text::Page;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// At least the number of reasons for a denial.
const REASONS: usize = 32;

/// The counters of one rule; lives in the rule of each snapshot that has it.
#[derive(Default)]
pub struct RuleMeter {
    granted: OnceLock<Counter>,
    denied: OnceLock<Box<Denied>>,
    upstream: OnceLock<Box<Histogram>>,
}

/// Slots are taken in the order in which reasons first come up.
type Denied = [OnceLock<(&'static str, AtomicU64)>; REASONS];

impl RuleMeter {
    pub fn granted(&self) {
        self.granted.get_or_init(Counter::default).increment();
    }

    /// `reason` is one of a fixed set of words.
    pub fn denied(&self, reason: &'static str) {
        let slots = self.denied.get_or_init(Box::default);
        for slot in slots.iter() {
            let (known, count) = slot.get_or_init(|| (reason, AtomicU64::new(0)));
            if *known == reason {
                count.fetch_add(1, Relaxed);
                return;
            }
        }
        debug_assert!(false, "more reasons than slots");
    }

    /// From the request's last byte to the upstream's first.
    pub fn upstream(&self, took: Duration) {
        self.upstream.get_or_init(Box::default).observe(took);
    }
}

impl fmt::Debug for RuleMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleMeter")
            .field("granted", &self.granted.get())
            .finish_non_exhaustive()
    }
}

/// The meters of all rules that some snapshot has.
#[derive(Debug)]
pub(super) struct Rules {
    /// Of requests that no rule was found for.
    pub(super) none: Arc<RuleMeter>,
    meters: Mutex<BTreeMap<Arc<str>, Weak<RuleMeter>>>,
}

impl Rules {
    pub(super) fn new() -> Rules {
        let none = Arc::new(RuleMeter::default());
        let meters = BTreeMap::from([(Arc::from(""), Arc::downgrade(&none))]);
        Rules {
            none,
            meters: Mutex::new(meters),
        }
    }

    /// The same meter for the same id, for as long as a snapshot holds it: counts survive reloads. Rules without an id share one.
    pub(super) fn meter(&self, id: &Arc<str>) -> Arc<RuleMeter> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = meters.get(id).and_then(Weak::upgrade) {
            return meter;
        }
        let meter = Arc::new(RuleMeter::default());
        meters.insert(id.clone(), Arc::downgrade(&meter));
        meter
    }

    pub(super) fn write(&self, page: &mut Page) {
        let meters = self.live();
        let name = "doorward_decisions_total";
        page.family(
            name,
            "counter",
            "Decisions by rule, outcome and reason of a denial. Without a rule: no single one matched.",
        );
        for (id, meter) in &meters {
            if let Some(granted) = meter.granted.get() {
                let labels = [("rule", &**id), ("outcome", "granted"), ("reason", "")];
                page.sample(name, &labels, granted.value());
            }
            for (reason, count) in meter
                .denied
                .get()
                .into_iter()
                .flat_map(|slots| slots.iter().filter_map(OnceLock::get))
            {
                let labels = [("rule", &**id), ("outcome", "denied"), ("reason", reason)];
                page.sample(name, &labels, count.load(Relaxed));
            }
        }
        let name = "doorward_upstream_duration_seconds";
        page.family(
            name,
            "histogram",
            "Time from a request being sent to its upstream until the head of the answer, by rule.",
        );
        for (id, meter) in &meters {
            if let Some(upstream) = meter.upstream.get() {
                page.histogram(name, &[("rule", id)], upstream);
            }
        }
    }

    /// Also forgets the rules that are gone.
    fn live(&self) -> Vec<(Arc<str>, Arc<RuleMeter>)> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        meters.retain(|_, meter| meter.strong_count() > 0);
        meters
            .iter()
            .filter_map(|(id, meter)| Some((id.clone(), meter.upgrade()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rules: &Rules) -> String {
        let mut page = Page::default();
        rules.write(&mut page);
        page.finish()
    }

    #[test]
    fn counts_of_a_rule_survive_a_reload_that_keeps_it_and_end_with_it() {
        let rules = Rules::new();
        let id: Arc<str> = "a".into();
        let before = rules.meter(&id);
        before.granted();
        before.denied("forbidden");
        before.denied("forbidden");
        before.denied("unauthorized");
        let after = rules.meter(&id);
        drop(before);
        after.granted();
        let text = page(&rules);
        for line in [
            "doorward_decisions_total{rule=\"a\",outcome=\"granted\",reason=\"\"} 2\n",
            "doorward_decisions_total{rule=\"a\",outcome=\"denied\",reason=\"forbidden\"} 2\n",
            "doorward_decisions_total{rule=\"a\",outcome=\"denied\",reason=\"unauthorized\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        drop(after);
        assert!(!page(&rules).contains("rule=\"a\""));
    }

    #[test]
    fn a_rule_that_was_never_asked_has_no_series() {
        let rules = Rules::new();
        let _unused = rules.meter(&"quiet".into());
        assert!(!page(&rules).contains("quiet"));
    }
}
