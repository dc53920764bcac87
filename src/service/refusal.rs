//! What a door refuses before there is a request to decide on.

use crate::canonical::Rejection;
use crate::pipeline::Reason;
use bytes::Bytes;

/// Why a connection's bytes never became a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Malformed,
    /// Nobody gets a tunnel.
    Connect,
    TargetTooLong,
    HeadersTooLarge,
    /// The head was not complete when its deadline came.
    TooSlow,
    TooManyConnections,
}

impl Refused {
    pub(super) fn label(self) -> &'static str {
        match self {
            Refused::Malformed => Reason::BadRequest.label(),
            Refused::Connect => "method_not_allowed",
            Refused::TargetTooLong => Reason::TargetTooLong.label(),
            Refused::HeadersTooLarge => Reason::HeadersTooLarge.label(),
            Refused::TooSlow => "header_timeout",
            Refused::TooManyConnections => "too_many_connections",
        }
    }

    pub(super) fn status(self) -> u16 {
        match self {
            Refused::Malformed => 400,
            Refused::Connect => Rejection::Connect.status(),
            Refused::TargetTooLong => 414,
            Refused::HeadersTooLarge => 431,
            Refused::TooSlow => 408,
            Refused::TooManyConnections => 503,
        }
    }

    /// The complete answer, after which the connection is closed.
    pub(super) fn answer(self) -> Bytes {
        let (phrase, message) = match self {
            Refused::Malformed => (
                "Bad Request",
                "The request was malformed or contained invalid parameters",
            ),
            Refused::Connect => ("Method Not Allowed", "The request method is not supported"),
            Refused::TargetTooLong => ("URI Too Long", "The request target is too long"),
            Refused::HeadersTooLarge => (
                "Request Header Fields Too Large",
                "The request headers are too large",
            ),
            Refused::TooSlow => ("Request Timeout", "The request headers took too long"),
            Refused::TooManyConnections => {
                ("Service Unavailable", "There are too many connections")
            }
        };
        let code = self.status();
        let body = format!(
            "{{\"error\":{{\"code\":{code},\"status\":\"{phrase}\",\"message\":\"{message}\"}}}}\n"
        );
        let length = body.len();
        format!(
            "HTTP/1.1 {code} {phrase}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .into()
    }
}
