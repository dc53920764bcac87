//! The time that tokens are written in.

use std::time::SystemTime;

/// Seconds since 1970. A clock that stands before 1970 counts as the end of all time, where every token has ended.
pub fn unix_seconds() -> i64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or(i64::MAX)
}
