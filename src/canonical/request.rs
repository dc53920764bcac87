//! The canonical request.

use crate::gourl::Url;

/// How the client spoke, or says it did through trusted headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
    /// Calls decided on by the tower layer; no HTTP rule matches them.
    Rpc,
}

/// A request that can be understood in exactly one way. Only this module makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub(super) method: Box<str>,
    pub(super) scheme: Scheme,
    pub(super) host: Box<str>,
    pub(super) path: Box<str>,
    pub(super) raw_path: Box<str>,
    pub(super) query: Option<Box<str>>,
}

impl Request {
    /// As sent; patterns compare it without case.
    pub fn method(&self) -> &str {
        &self.method
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// In lower case, with the port as written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Decoded and cleaned, without a trailing slash (but `/`): what patterns see. Empty only for a bare `/decisions`.
    /// Bytes that are not UTF-8 stand as U+FFFD, one each.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is forwarded, percent-encoded: as written where that says the same as [`Self::path`], else newly encoded.
    pub fn raw_path(&self) -> &str {
        &self.raw_path
    }

    /// Without the question mark; `None` where the target has none.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The URL that templates and session checks see.
    pub fn url(&self) -> Url {
        Url::default()
    }
}
