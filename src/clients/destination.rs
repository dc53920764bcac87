//! One server that is called: how many calls it gets at a time, and whether it is worth calling at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// So many calls in a row must fail to reach the server before it is left alone.
const FAILURES: u32 = 20;
/// How long it is left alone; then one call tries again.
const PAUSE: Duration = Duration::from_secs(1);

/// The state of one origin (scheme, host and port).
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) slots: Arc<Semaphore>,
    began: Instant,
    failures: AtomicU32,
    /// Milliseconds after `began` until which no call is let through; 0 while the circuit is closed.
    open_until: AtomicU64,
}

impl Destination {
    pub(super) fn new(slots: usize) -> Destination {
        Destination {
            slots: Arc::new(Semaphore::new(slots)),
            began: Instant::now(),
            failures: AtomicU32::new(0),
            open_until: AtomicU64::new(0),
        }
    }

    /// Whether a call may be made now. After a pause exactly one caller is told yes, until its outcome is known or another pause
    /// has passed (it may have been cancelled).
    pub(super) fn admits(&self) -> bool {
        let until = self.open_until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        let now = self.now();
        now >= until
            && self
                .open_until
                .compare_exchange(until, now + pause(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// The server answered, whatever it said.
    pub(super) fn answered(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.open_until.store(0, Ordering::Relaxed);
        }
    }

    /// The server could not be reached or did not answer.
    pub(super) fn failed(&self) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            self.open_until
                .store(self.now() + pause(), Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        // One more than the time passed: 0 means closed.
        u64::try_from(self.began.elapsed().as_millis()).map_or(u64::MAX / 2, |millis| millis + 1)
    }
}

fn pause() -> u64 {
    u64::try_from(PAUSE.as_millis()).unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_never_answers_is_left_alone() {
        let server = Destination::new(1);
        for _ in 0..FAILURES {
            assert!(server.admits());
            server.failed();
        }
        assert!(!server.admits());
    }

    #[test]
    fn one_answer_closes_the_circuit() {
        let server = Destination::new(1);
        for _ in 0..FAILURES {
            server.failed();
        }
        server.answered();
        assert!(server.admits());
    }

    #[test]
    fn failures_that_are_not_in_a_row_do_not_count() {
        let server = Destination::new(1);
        for _ in 0..10 * FAILURES {
            server.failed();
            server.answered();
        }
        assert!(server.admits());
    }

    #[test]
    fn after_a_pause_one_caller_tries() {
        let server = Destination::new(1);
        for _ in 0..FAILURES {
            server.failed();
        }
        server.open_until.store(1, Ordering::Relaxed);
        assert!(server.admits());
        assert!(!server.admits());
    }
}
