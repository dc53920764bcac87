//! When a call is made again, and how long it waits first.
//!
//! The reference's two settings, with one meaning each: `max_delay` caps the wait between two tries, and after `give_up_after` no
//! new try begins. A try that runs has its own timeout.

use http::{HeaderMap, Method, StatusCode, header::RETRY_AFTER};
use rand::Rng;
use std::time::Duration;

/// As many tries as the reference makes.
const TRIES: u32 = 5;
/// The wait after the first try; it doubles from there.
const FIRST_DELAY: Duration = Duration::from_millis(25);

/// Which calls may be made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeat {
    Never,
    /// Those whose method is idempotent (RFC 9110, 9.2.2).
    Idempotent,
    /// All: the call only asks a question, whatever its method, or the operator said so (`retry.unsafe`).
    Always,
}

/// The retry policy of one handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Retry {
    pub repeat: Repeat,
    pub max_delay: Duration,
    pub give_up_after: Duration,
}

impl Retry {
    /// One try.
    pub const NEVER: Retry = Retry {
        repeat: Repeat::Never,
        max_delay: Duration::from_millis(100),
        give_up_after: Duration::from_secs(1),
    };

    /// The reference's defaults, 100 ms and 1 s.
    pub const fn new(repeat: Repeat) -> Retry {
        Retry {
            repeat,
            ..Retry::NEVER
        }
    }

    pub(super) fn covers(&self, method: &Method) -> bool {
        match self.repeat {
            Repeat::Never => false,
            Repeat::Idempotent => method.is_idempotent(),
            Repeat::Always => true,
        }
    }

    /// How long to wait before the next try, or `None` where there is none. `tries` were made in `elapsed`; `asked` is what the
    /// other side wants (`Retry-After`), which is honoured within the budget and never beyond.
    pub(super) fn delay(
        &self,
        tries: u32,
        elapsed: Duration,
        asked: Option<Duration>,
    ) -> Option<Duration> {
        if tries >= TRIES {
            return None;
        }
        let delay = asked.unwrap_or_else(|| self.backoff(tries));
        (elapsed.saturating_add(delay) < self.give_up_after).then_some(delay)
    }

    /// Doubles with each try up to `max_delay`; jittered, so that many waiting requests don't come back as one.
    fn backoff(&self, tries: u32) -> Duration {
        let exponent = tries.saturating_sub(1).min(16);
        let full = FIRST_DELAY
            .saturating_mul(1 << exponent)
            .min(self.max_delay);
        full.mul_f64(rand::rng().random_range(0.75..=1.0))
    }
}

/// Whether a status is worth another try: as in the reference, 429 and all 5xx but 501.
pub(super) fn is_transient(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

/// `Retry-After` in seconds or as a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let wait = then.as_second() - jiff::Timestamp::now().as_second();
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn policy(max_delay: u64, give_up_after: u64) -> Retry {
        Retry {
            repeat: Repeat::Always,
            max_delay: Duration::from_millis(max_delay),
            give_up_after: Duration::from_millis(give_up_after),
        }
    }

    #[test]
    fn five_tries_at_most() {
        let policy = policy(10, 60_000);
        assert!(policy.delay(4, Duration::ZERO, None).is_some());
        assert_eq!(policy.delay(5, Duration::ZERO, None), None);
    }

    #[test]
    fn a_wait_is_never_longer_than_max_delay() {
        for tries in 1..5 {
            let delay = policy(40, 60_000).delay(tries, Duration::ZERO, None);
            assert!(delay.is_some_and(|delay| delay <= Duration::from_millis(40)));
        }
    }

    #[test]
    fn no_try_begins_after_the_budget() {
        let policy = policy(100, 200);
        assert_eq!(policy.delay(1, Duration::from_millis(200), None), None);
        assert_eq!(policy.delay(1, Duration::from_millis(195), None), None);
    }

    #[test]
    fn an_hour_of_retry_after_is_not_waited() {
        let policy = policy(100, 1_000);
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(policy.delay(1, Duration::ZERO, hour), None);
        let short = Some(Duration::from_millis(300));
        assert_eq!(policy.delay(1, Duration::ZERO, short), short);
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&headers)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            read("Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(Duration::ZERO),
            "a date in the past"
        );
        assert_eq!(read("-1"), None);
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn only_what_may_be_repeated_is_repeated() {
        let idempotent = Retry::new(Repeat::Idempotent);
        assert!(idempotent.covers(&Method::GET));
        assert!(!idempotent.covers(&Method::POST));
        assert!(Retry::new(Repeat::Always).covers(&Method::POST));
        assert!(!Retry::NEVER.covers(&Method::GET));
    }
}
