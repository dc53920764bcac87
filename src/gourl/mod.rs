//! URLs as Go's `net/url` parses, keeps and prints them.
//!
//! Not the `url` crate: that one normalises (`%2e`, back-slashes, default ports, case) what Go keeps, and rules were written against Go.

/// A parsed URL. The decoded `path` need not be UTF-8; `raw_path` is set only where it differs from the default encoding of `path`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Url {
    pub scheme: String,
    pub opaque: String,
    pub user: Option<Userinfo>,
    pub host: String,
    pub path: Vec<u8>,
    pub raw_path: String,
    pub omit_host: bool,
    pub force_query: bool,
    pub raw_query: String,
    pub fragment: String,
    pub raw_fragment: String,
}

/// The `user:password` before a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Userinfo {
    pub username: String,
    pub password: Option<String>,
}
