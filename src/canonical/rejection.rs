//! Why a request can't be understood in exactly one way.

/// The words are for logs; the client only gets the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    #[error("`OPTIONS *` asks about the server, not about a resource")]
    ServerOptions,
    #[error("the target `*` names no resource")]
    Asterisk,
    #[error("method `CONNECT` is not served")]
    Connect,
    #[error("the method is not a token")]
    Method,
    #[error("the target is longer than allowed")]
    TargetTooLong,
    #[error("there are more or longer header lines than allowed")]
    TooManyHeaders,
    #[error("the target neither begins with a slash nor is an absolute http url")]
    NotAPath,
    #[error("the target is not below `/decisions`")]
    NotADecision,
    #[error("the path of a call is not a procedure's name as services look it up")]
    NotAProcedure,
    #[error("the target has a fragment")]
    Fragment,
    #[error("the target has a space or control character")]
    ForbiddenByte,
    #[error("the path has a malformed percent escape")]
    MalformedEscape,
    #[error("the path has an encoded NUL")]
    Nul,
    #[error("the path has an overlong encoding of a dot, slash or backslash")]
    Overlong,
    #[error("the path has a dot segment that only some servers see")]
    HiddenDotSegment,
    #[error("the request names no host")]
    NoHost,
    #[error("the request names several hosts")]
    SeveralHosts,
    #[error("the host is malformed")]
    MalformedHost,
    #[error("the target's authority and the host disagree")]
    HostsDisagree,
    #[error("`{0}` is repeated")]
    RepeatedForwarded(&'static str),
    #[error("`{0}` is malformed")]
    MalformedForwarded(&'static str),
}

impl Rejection {
    /// One of each; the header's name in the last two stands for any.
    #[cfg(test)]
    pub(crate) const ALL: [Rejection; 21] = [
        Rejection::ServerOptions,
        Rejection::Asterisk,
        Rejection::Connect,
        Rejection::Method,
        Rejection::TargetTooLong,
        Rejection::TooManyHeaders,
        Rejection::NotAPath,
        Rejection::NotADecision,
        Rejection::NotAProcedure,
        Rejection::Fragment,
        Rejection::ForbiddenByte,
        Rejection::MalformedEscape,
        Rejection::Nul,
        Rejection::Overlong,
        Rejection::HiddenDotSegment,
        Rejection::NoHost,
        Rejection::SeveralHosts,
        Rejection::MalformedHost,
        Rejection::HostsDisagree,
        Rejection::RepeatedForwarded("X-Forwarded-…"),
        Rejection::MalformedForwarded("X-Forwarded-…"),
    ];

    /// The status of the answer; 200 for `OPTIONS *`.
    pub const fn status(self) -> u16 {
        match self {
            Rejection::ServerOptions => 200,
            Rejection::Asterisk | Rejection::NotADecision => 404,
            Rejection::Connect => 405,
            Rejection::TargetTooLong => 414,
            Rejection::TooManyHeaders => 431,
            Rejection::Method
            | Rejection::NotAPath
            | Rejection::NotAProcedure
            | Rejection::Fragment
            | Rejection::ForbiddenByte
            | Rejection::MalformedEscape
            | Rejection::Nul
            | Rejection::Overlong
            | Rejection::HiddenDotSegment
            | Rejection::NoHost
            | Rejection::SeveralHosts
            | Rejection::MalformedHost
            | Rejection::HostsDisagree
            | Rejection::RepeatedForwarded(_)
            | Rejection::MalformedForwarded(_) => 400,
        }
    }
}
