//! The time in front of each line. All but its fraction is the same for a whole second, so each thread keeps it that long.

use jiff::Timestamp;
use std::cell::RefCell;
use std::time::{Duration, SystemTime};

/// A moment, as lines are stamped with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(Duration);

impl Moment {
    pub(super) fn now() -> Moment {
        let now = SystemTime::now();
        Moment(
            now.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }

    pub(super) fn seconds(self) -> f64 {
        self.0.as_secs_f64()
    }

    /// RFC 3339 with nanoseconds, in UTC.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        thread_local! {
            static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
        }
        let seconds = self.0.as_secs();
        let kept = SECOND.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.0 != seconds {
                *kept = (seconds, to_the_second(seconds));
            }
            out.extend_from_slice(kept.1.as_bytes());
        });
        // A thread that is ending has lost what it kept.
        if kept.is_err() {
            out.extend_from_slice(to_the_second(seconds).as_bytes());
        }
        let mut digits = *b".000000000Z";
        let mut rest = self.0.subsec_nanos();
        for digit in digits.iter_mut().skip(1).take(9).rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

/// `2026-11-24T12:25:51`.
fn to_the_second(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or_default();
    let time = Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_its_seconds_and_nanoseconds() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_790_000_000_000_000_007, "2026-09-21T14:13:20.000000007Z"),
            (1_790_000_000_120_000_000, "2026-09-21T14:13:20.120000000Z"),
            (1_790_000_001_999_999_999, "2026-09-21T14:13:21.999999999Z"),
        ] {
            let mut out = Vec::new();
            Moment(Duration::from_nanos(nanos)).write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
