//! Why a request was refused, and what may be said of it.

use http::{HeaderMap, StatusCode};
use std::borrow::Cow;

/// The stages of a pipeline, for logs and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Authentication,
    Authorization,
    Mutation,
}

impl Stage {
    /// A stable word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Stage::Authentication => "authentication",
            Stage::Authorization => "authorization",
            Stage::Mutation => "mutation",
        }
    }
}

/// The cause of a refusal. Closed: a new cause breaks the build until each door has an answer for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The request can't be understood in exactly one way.
    BadRequest,
    /// 413: a body that a handler wants is larger than the limit.
    BodyTooLarge,
    /// 414.
    TargetTooLong,
    /// 431.
    HeadersTooLarge,
    /// No rule matches.
    NoRule,
    /// More than one rule matches.
    SeveralRules,
    /// A rule's pattern ran into its step limit: neither a match nor a miss.
    MatchOverrun,
    /// Credentials are missing or invalid.
    Unauthorized,
    /// Credentials are valid but not sufficient.
    Forbidden,
    /// A session store, token server or authorizer answered 429.
    RateLimited,
    /// A handler of the rule is disabled or its configuration is invalid.
    Misconfigured,
    /// The rule names a handler that doesn't exist.
    UnknownHandler,
    /// The rule has no authenticators, authorizer or mutators.
    Incomplete,
    /// The rule has no upstream and the request came to the proxy.
    NoUpstream,
    /// A server that a handler depends on could not be reached or gave no usable answer.
    Dependency,
    /// The same, of a token endpoint: recorded as 503.
    DependencyUnavailable,
    /// The same: recorded as 504.
    DependencyTimeout,
    /// The same: recorded as 404.
    DependencyNotFound,
    /// Anything else that went wrong inside a handler (a template, a key file).
    Failed,
    /// A defect of Doorward: a handler panicked.
    Panicked,
}

impl Reason {
    pub const ALL: [Reason; 20] = [
        Reason::BadRequest,
        Reason::BodyTooLarge,
        Reason::TargetTooLong,
        Reason::HeadersTooLarge,
        Reason::NoRule,
        Reason::SeveralRules,
        Reason::MatchOverrun,
        Reason::Unauthorized,
        Reason::Forbidden,
        Reason::RateLimited,
        Reason::Misconfigured,
        Reason::UnknownHandler,
        Reason::Incomplete,
        Reason::NoUpstream,
        Reason::Dependency,
        Reason::DependencyUnavailable,
        Reason::DependencyTimeout,
        Reason::DependencyNotFound,
        Reason::Failed,
        Reason::Panicked,
    ];

    /// The status that the reference answers with (`errors.dependency_status: recorded`).
    pub fn status(self) -> StatusCode {
        match self {
            Reason::BadRequest => StatusCode::BAD_REQUEST,
            Reason::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::TargetTooLong => StatusCode::URI_TOO_LONG,
            Reason::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Reason::NoRule | Reason::DependencyNotFound => StatusCode::NOT_FOUND,
            Reason::Unauthorized => StatusCode::UNAUTHORIZED,
            Reason::Forbidden => StatusCode::FORBIDDEN,
            Reason::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Reason::DependencyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Reason::DependencyTimeout => StatusCode::GATEWAY_TIMEOUT,
            Reason::SeveralRules
            | Reason::MatchOverrun
            | Reason::Misconfigured
            | Reason::UnknownHandler
            | Reason::Incomplete
            | Reason::NoUpstream
            | Reason::Dependency
            | Reason::Failed
            | Reason::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A stable word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Reason::BadRequest => "bad_request",
            Reason::BodyTooLarge => "body_too_large",
            Reason::TargetTooLong => "target_too_long",
            Reason::HeadersTooLarge => "headers_too_large",
            Reason::NoRule => "no_rule",
            Reason::SeveralRules => "several_rules",
            Reason::MatchOverrun => "match_overrun",
            Reason::Unauthorized => "unauthorized",
            Reason::Forbidden => "forbidden",
            Reason::RateLimited => "rate_limited",
            Reason::Misconfigured => "misconfigured",
            Reason::UnknownHandler => "unknown_handler",
            Reason::Incomplete => "incomplete_rule",
            Reason::NoUpstream => "no_upstream",
            Reason::Dependency => "dependency_failed",
            Reason::DependencyUnavailable => "dependency_unavailable",
            Reason::DependencyTimeout => "dependency_timeout",
            Reason::DependencyNotFound => "dependency_not_found",
            Reason::Failed => "failed",
            Reason::Panicked => "panicked",
        }
    }

    /// What the reference's error says in its `message` member.
    fn message(self) -> &'static str {
        match self {
            Reason::BadRequest => "The request was malformed or contained invalid parameters",
            Reason::BodyTooLarge => "The request body is too large",
            Reason::TargetTooLong => "The request target is too long",
            Reason::HeadersTooLarge => "The request headers are too large",
            Reason::NoRule => "Requested url does not match any rules",
            Reason::SeveralRules => "Expected exactly one rule but found multiple rules",
            Reason::MatchOverrun => "A rule's pattern could not be evaluated within its limit",
            Reason::Unauthorized => "Access credentials are invalid",
            Reason::Forbidden => "Access credentials are not sufficient to access this resource",
            Reason::RateLimited => "Too many requests",
            Reason::Misconfigured => "A handler matching this route is misconfigured or disabled",
            Reason::UnknownHandler => "requested pipeline handler does not exist",
            Reason::Incomplete => "The matched rule is incomplete",
            Reason::NoUpstream => {
                "Unable to forward the request because matched rule does not define an upstream URL"
            }
            Reason::Dependency => "A service that this route depends on failed",
            Reason::DependencyUnavailable => "The upstream service is not available",
            Reason::DependencyTimeout => "The upstream service is timing out",
            Reason::DependencyNotFound => "Upstream service not found",
            Reason::Failed => "The request could not be processed",
            Reason::Panicked => "The request could not be processed",
        }
    }
}

/// The headers that a 429 of another server brings along: `Retry-After` and `X-Ratelimit-*`.
pub type RateLimits = HeaderMap;

/// A refusal: its cause, and what verbose answers and logs say about it.
///
/// Nothing in it may hold a credential: `reason` and `details` reach clients where `verbose` is set.
#[derive(Debug, Clone, PartialEq)]
pub struct Denial {
    pub reason: Reason,
    /// The `message` member of a verbose answer.
    pub message: Cow<'static, str>,
    /// The `reason` member of a verbose answer.
    pub explanation: Option<Cow<'static, str>>,
    /// The `details` member of a verbose answer.
    pub details: Option<serde_json::Map<String, serde_json::Value>>,
    /// Passed on by the `json` handler, verbose or not.
    pub rate_limits: Option<Box<RateLimits>>,
    /// Where it is not the reason's own.
    status: Option<StatusCode>,
}

impl Denial {
    pub fn new(reason: Reason) -> Denial {
        Denial {
            reason,
            message: Cow::Borrowed(reason.message()),
            explanation: None,
            details: None,
            rate_limits: None,
            status: None,
        }
    }

    /// The same with another `message`.
    pub fn saying(mut self, message: impl Into<Cow<'static, str>>) -> Denial {
        self.message = message.into();
        self
    }

    /// The same with an explanation.
    pub fn because(mut self, explanation: impl Into<Cow<'static, str>>) -> Denial {
        self.explanation = Some(explanation.into());
        self
    }

    /// The same with a status other than the reason's own: a session store that can't be reached is recorded as 403, for example.
    pub fn answered_with(mut self, status: StatusCode) -> Denial {
        self.status = Some(status);
        self
    }

    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or_else(|| self.reason.status())
    }
}
