//! Durations as Go writes them, and the stricter form that most keys ask for.

use crate::value::parse_duration;
use std::time::Duration;

/// What the configuration schema of the reference admits: one whole number and one unit, `^[0-9]+(ns|us|ms|s|m|h)$`.
///
/// `None` also where the number is beyond what Go's 64-bit nanoseconds hold (some 292 years).
pub fn parse_simple(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let known = ["ns", "us", "ms", "s", "m", "h"].contains(&unit);
    match parse_duration(text) {
        Some(nanos) if known && !number.is_empty() => {
            u64::try_from(nanos).ok().map(Duration::from_nanos)
        }
        Some(_) | None => None,
    }
}

/// The reference's lenient reading of a duration that its schema doesn't restrict (`jwks_ttl`): Go's syntax or a bare number of
/// nanoseconds; what can't be read is zero.
pub fn parse_lenient(text: &str) -> Duration {
    let nanos = parse_duration(text)
        .or_else(|| text.parse::<i64>().ok())
        .unwrap_or(0);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}
