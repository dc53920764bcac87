//! URLs as Go 1.26's `net/url` parses, keeps and prints them, and the lexical paths of its `path` package.
//!
//! Not the `url` crate: that one normalises (`%2e`, back-slashes, default ports, case) what Go keeps, and rules, templates and
//! configurations were written against Go. Decoded parts are bytes, since `%ff` is a legal path; everything still encoded is text.

mod escape;
mod format;
mod links;
mod parse;
pub mod path;
mod query;
mod resolve;

pub(crate) use escape::decode_pair;
pub use escape::{
    Mode, escape, path_escape, path_unescape, query_escape, query_unescape, unescape,
};
pub use format::is_encoded_path;
pub use links::{
    Repository, absolute_location, location, redirect_url, repository, session_check_url,
};
pub use parse::ParseError;
pub use query::{ParsedQuery, Values, parse_query};

/// A parsed URL. The decoded `path` need not be UTF-8; `raw_path` is set only where it differs from the default encoding of `path`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Url {
    /// In lower case; empty for a relative reference.
    pub scheme: String,
    /// What follows the scheme where it does not begin with a slash (`mailto:a@b`), still encoded.
    pub opaque: String,
    pub user: Option<Userinfo>,
    /// With port and brackets, decoded, in the case as written.
    pub host: String,
    pub path: Vec<u8>,
    /// A hint at the encoding of `path`; ignored where it does not decode to it.
    pub raw_path: String,
    /// `http:/p` rather than `http:///p`.
    pub omit_host: bool,
    /// A question mark with nothing behind it.
    pub force_query: bool,
    pub raw_query: String,
    pub fragment: Vec<u8>,
    /// A hint at the encoding of `fragment`, as `raw_path` is for `path`.
    pub raw_fragment: String,
}

/// The `user:password` before a host, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Userinfo {
    pub username: Vec<u8>,
    pub password: Option<Vec<u8>>,
}

impl Url {
    /// Whether it has a scheme.
    pub fn is_abs(&self) -> bool {
        !self.scheme.is_empty()
    }

    /// The host without port and without the brackets of an IPv6 address.
    pub fn hostname(&self) -> &str {
        split_host_port(&self.host).0
    }

    /// The port as written; empty where there is none or it is not a number.
    pub fn port(&self) -> &str {
        split_host_port(&self.host).1
    }

    /// The query's values; malformed pairs are dropped.
    pub fn query(&self) -> Values {
        parse_query(&self.raw_query).values
    }
}

/// Splits `host:port`; a port that is not made of digits counts as part of the host, and brackets around the host are dropped.
pub fn split_host_port(authority: &str) -> (&str, &str) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
        Some(_) | None => (authority, ""),
    };
    let host = host
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host);
    (host, port)
}

#[cfg(test)]
pub(crate) mod goldens;
#[cfg(test)]
mod tests;
