//! What the doors answer besides decisions, for the reference page of errors.

use super::observe::why;
use super::proxy::failure_status;
use super::refusal::Refused;
use pingora_core::{Error, ErrorType};

/// What ends a connection before there is a request: the word and the status of each.
pub(crate) fn refusals() -> [(&'static str, u16); 6] {
    [
        Refused::Malformed,
        Refused::Connect,
        Refused::TargetTooLong,
        Refused::HeadersTooLarge,
        Refused::TooSlow,
        Refused::TooManyConnections,
    ]
    .map(|refused| (refused.label(), refused.status()))
}

/// What becomes of a granted request whose upstream fails: the word and the status of each.
pub(crate) fn upstream_failures() -> [(&'static str, u16); 4] {
    [
        ErrorType::ConnectRefused,
        ErrorType::TLSHandshakeFailure,
        ErrorType::ReadTimedout,
        ErrorType::ConnectionClosed,
    ]
    .map(|kind| {
        let word = why(&kind);
        let error = Error::new_up(kind);
        (word, failure_status(&error))
    })
}
