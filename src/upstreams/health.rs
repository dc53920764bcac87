//! What is known of a server: by the requests it gets, and by asking it.

use http::StatusCode;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// When requests that fail take a server out of the choice. Does nothing to an upstream's only server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passive {
    /// Connections that can't be made or break before an answer, one after the other; 0 never takes one out.
    pub failures: u32,
    /// For how long.
    pub pause: Duration,
}

impl Default for Passive {
    fn default() -> Passive {
        Passive {
            failures: 5,
            pause: Duration::from_secs(10),
        }
    }
}

/// How a server is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    pub path: String,
    pub interval: Duration,
    pub timeout: Duration,
    /// Good answers in a row until it is chosen again.
    pub healthy: u32,
    /// Bad ones in a row until it isn't.
    pub unhealthy: u32,
    /// Statuses of good answers.
    pub statuses: RangeInclusive<u16>,
}

impl Active {
    pub fn is_good(&self, status: StatusCode) -> bool {
        self.statuses.contains(&status.as_u16())
    }
}

/// One server's condition, shared by the snapshots that have it.
#[derive(Debug, Default)]
pub struct State {
    pub(super) in_flight: AtomicUsize,
    /// Failed requests in a row.
    failures: AtomicU32,
    /// Milliseconds after the start of the process; out of the choice until then.
    paused_until: AtomicU64,
    /// As found by asking.
    down: AtomicBool,
    /// Answers in a row that speak against `down`.
    against: AtomicU32,
    next_check: AtomicU64,
}

impl State {
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it should be chosen.
    pub fn works(&self) -> bool {
        !self.down.load(Ordering::Relaxed) && self.paused_until.load(Ordering::Relaxed) <= now()
    }

    /// Notes a request that got an answer.
    pub fn succeeded(&self) {
        // Read first: all workers share this, and it is nearly always zero.
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Notes a request that got none.
    pub fn failed(&self, passive: Passive) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if passive.failures > 0 && failures >= passive.failures {
            let until = now().saturating_add(millis(passive.pause));
            self.paused_until.store(until, Ordering::Relaxed);
            // One more failure behind the pause is enough for the next.
            self.failures.store(passive.failures - 1, Ordering::Relaxed);
        }
    }

    /// Whether it is time to ask, for one caller only.
    pub fn is_due(&self, active: &Active) -> bool {
        let due = self.next_check.load(Ordering::Relaxed);
        let next = now().saturating_add(millis(active.interval));
        due <= now()
            && self
                .next_check
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Notes a good answer; so many in a row bring the server back. `true` where it came back.
    pub fn passed_check(&self, healthy: u32) -> bool {
        self.judge(false, healthy)
    }

    /// Notes a bad answer or none; so many in a row take the server out. `true` where it went.
    pub fn failed_check(&self, unhealthy: u32) -> bool {
        self.judge(true, unhealthy)
    }

    fn judge(&self, down: bool, needed: u32) -> bool {
        if self.down.load(Ordering::Relaxed) == down {
            self.against.store(0, Ordering::Relaxed);
            return false;
        }
        let turned = self.against.fetch_add(1, Ordering::Relaxed) + 1 >= needed;
        if turned {
            self.down.store(down, Ordering::Relaxed);
            self.against.store(0, Ordering::Relaxed);
        }
        turned
    }

    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }
}

/// Milliseconds since the first call.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    millis(START.get_or_init(Instant::now).elapsed())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The states of all servers in use.
#[derive(Debug, Default)]
pub struct Registry(Mutex<HashMap<String, Weak<State>>>);

impl Registry {
    /// The state of a server under what it is and how it is judged; a new one where nobody holds it.
    pub fn state(&self, of: &str) -> Arc<State> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get(of).and_then(Weak::upgrade) {
            return state;
        }
        states.retain(|_, state| state.strong_count() > 0);
        let state = Arc::new(State::default());
        states.insert(of.to_owned(), Arc::downgrade(&state));
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_take_a_server_out_for_a_while() {
        let passive = Passive {
            failures: 2,
            pause: Duration::from_millis(1),
        };
        let state = State::default();
        state.failed(passive);
        state.succeeded();
        state.failed(passive);
        assert!(state.works(), "not in a row");
        let long = Passive {
            pause: Duration::from_secs(3600),
            ..passive
        };
        state.failed(long);
        assert!(!state.works());
    }

    #[test]
    fn answers_in_a_row_decide_what_asking_found() {
        let state = State::default();
        assert!(!state.failed_check(2));
        assert!(!state.passed_check(2));
        assert!(!state.failed_check(2), "one good answer between");
        assert!(state.works());
        assert!(state.failed_check(2));
        assert!(!state.works());
        assert!(!state.passed_check(2));
        assert!(state.passed_check(2));
        assert!(state.works());
    }

    #[test]
    fn a_server_s_state_lives_as_long_as_somebody_has_the_server() {
        let registry = Registry::default();
        let state = registry.state("a");
        assert!(Arc::ptr_eq(&state, &registry.state("a")));
        assert!(!Arc::ptr_eq(&state, &registry.state("b")));
        state.failed_check(1);
        drop(state);
        assert!(registry.state("a").works());
    }
}
