//! Any transport's request becomes the one that is matched, decided on, logged and forwarded.
//!
//! [`for_proxy`], [`for_decision`], [`for_description`] and [`for_rpc`] make it, one for each kind of door; all read targets and hosts with the
//! same functions. Whatever two servers could read in two ways is refused with a [`Rejection`]. [`UpstreamPath`] turns the canonical
//! request into the target that is forwarded, and [`headers`] keeps what a client must not say from handlers and upstreams.

pub mod cookies;
pub mod credentials;
mod doors;
pub mod headers;
mod host;
pub mod names;
mod rejection;
mod request;
mod target;
mod trust;
mod upstream;

pub use doors::{
    Described, Inbound, for_decision, for_description, for_proxy, for_rpc, is_decision,
};
pub use rejection::Rejection;
pub use request::{OtherScheme, Request, Scheme};
pub use trust::{Forwarded, Trust, client_address};
pub use upstream::UpstreamPath;

/// What becomes of a slash at the end of a path in what is forwarded (`access_rules.trailing_slash`). Patterns never see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrailingSlash {
    #[default]
    Keep,
    Strip,
}

/// Whether `%2F` is allowed in a path: a rule decides on it, so only after one was found ([`Request::has_encoded_slash`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncodedSlashes {
    #[default]
    Keep,
    Reject,
}

/// How paths are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathPolicy {
    pub trailing_slash: TrailingSlash,
    pub max_target_bytes: usize,
}

impl Default for PathPolicy {
    fn default() -> PathPolicy {
        PathPolicy {
            trailing_slash: TrailingSlash::default(),
            max_target_bytes: 16 * 1024,
        }
    }
}

#[cfg(test)]
mod tests;
