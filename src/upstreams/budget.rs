//! How often requests are repeated: few of many, so that a struggling upstream isn't given more to do.

use std::sync::atomic::{AtomicI64, Ordering};

/// A whole repetition, in the budget's own unit.
const ONE: i64 = 1000;
/// Repetitions that are there from the start, and at most saved up.
const RESERVE: i64 = 10;

/// Repetitions beyond those that are free: the ones on another address or server, and after a pooled connection turned out closed.
#[derive(Debug)]
pub struct Retries {
    /// For one request.
    pub attempts: u32,
    /// What each request pays in.
    share: i64,
    saved: AtomicI64,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries::new(0, 20)
    }
}

impl Retries {
    /// `percent` of requests may be repeated.
    pub fn new(attempts: u32, percent: u8) -> Retries {
        Retries {
            attempts,
            share: i64::from(percent) * ONE / 100,
            saved: AtomicI64::new(RESERVE * ONE),
        }
    }

    /// Notes a request.
    pub fn pay_in(&self) {
        if self.attempts > 0 && self.saved.load(Ordering::Relaxed) < RESERVE * ONE {
            self.saved.fetch_add(self.share, Ordering::Relaxed);
        }
    }

    /// Asks for one repetition more after so many.
    pub fn allow(&self, already: u32) -> bool {
        if already >= self.attempts {
            return false;
        }
        let before = self.saved.fetch_sub(ONE, Ordering::Relaxed);
        if before < ONE {
            self.saved.fetch_add(ONE, Ordering::Relaxed);
        }
        before >= ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_a_share_of_requests_beyond_a_reserve() {
        let retries = Retries::new(2, 20);
        assert!(!retries.allow(2), "a request's own limit");
        assert_eq!((0..20).filter(|_| retries.allow(0)).count(), 10);
        for _ in 0..10 {
            retries.pay_in();
        }
        assert_eq!((0..20).filter(|_| retries.allow(0)).count(), 2);
    }
}
