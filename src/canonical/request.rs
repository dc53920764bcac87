//! The canonical request.

use super::target::Target;
use crate::gourl::{Mode, Url, unescape};
use std::borrow::Cow;
use std::fmt;

/// How the client spoke, or says it did through trusted headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
    /// Only told to the decision API, by a gateway that judges WebSocket handshakes and the like; rules have to name it.
    Other(OtherScheme),
    /// Calls decided on by the tower layer; no HTTP rule matches them.
    Rpc,
}

/// A well-formed scheme of at most fifteen characters, in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OtherScheme {
    length: u8,
    bytes: [u8; 15],
}

impl OtherScheme {
    pub(super) fn parse(text: &[u8]) -> Option<OtherScheme> {
        let first = text.first()?;
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        if !first.is_ascii_alphabetic() || !text.iter().all(allowed) {
            return None;
        }
        let mut bytes = [0; 15];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        bytes.make_ascii_lowercase();
        let length = u8::try_from(text.len()).ok()?;
        Some(OtherScheme { length, bytes })
    }

    pub fn as_str(&self) -> &str {
        // INVARIANT: only ASCII goes in, and `length` bytes of it.
        let text = self.bytes.get(..usize::from(self.length));
        text.and_then(|text| std::str::from_utf8(text).ok())
            .unwrap_or_default()
    }
}

impl fmt::Debug for OtherScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Scheme {
    /// As it stands in a URL.
    pub fn as_str(&self) -> &str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Other(other) => other.as_str(),
            Scheme::Rpc => "rpc",
        }
    }
}

/// Whether the URL that templates see knows how the client wrote the path. A decision's does not, as in the reference: there the
/// path is only a part of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    AsWritten,
    Default,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that can be understood in exactly one way. Only this module makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub(super) method: Cow<'static, str>,
    pub(super) scheme: Scheme,
    pub(super) host: Box<str>,
    pub(super) target: Target,
    pub(super) spelling: Spelling,
}

impl Request {
    /// As sent; patterns compare it without case.
    pub fn method(&self) -> &str {
        &self.method
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// [`Self::scheme`] as it stands in a URL.
    pub fn scheme_str(&self) -> &str {
        self.scheme.as_str()
    }

    /// In lower case, with the port as written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Decoded and cleaned, without a trailing slash (but `/`): what patterns see. Empty only for a bare `/decisions`.
    /// Bytes that are not UTF-8 stand as U+FFFD, one each.
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// [`Self::path`] with the bytes as they are.
    pub fn path_bytes(&self) -> Cow<'_, [u8]> {
        if self.target.is_plain() {
            return Cow::Borrowed(self.path().as_bytes());
        }
        // INVARIANT: a raw path decodes; it was made by encoding, or kept because it does.
        let mut bytes = unescape(self.raw_path().as_bytes(), Mode::Path).unwrap_or_default();
        if bytes.len() > 1 && bytes.last() == Some(&b'/') {
            bytes.pop();
        }
        Cow::Owned(bytes)
    }

    /// What is forwarded, percent-encoded: as written where that says the same as [`Self::path`], else newly encoded. Only here a
    /// trailing slash stays.
    pub fn raw_path(&self) -> &str {
        self.target.raw_path()
    }

    /// Without the question mark; `None` where the target has none.
    pub fn query(&self) -> Option<&str> {
        self.target.query()
    }

    /// Whether a slash is written `%2F` in what is forwarded, for rules that refuse it.
    pub fn has_encoded_slash(&self) -> bool {
        self.target.has_encoded_slash()
    }

    /// The URL that templates and session checks see. Its `raw_path` is the path as the client wrote it; printing ignores that
    /// where it no longer decodes to the path, as in the reference.
    pub fn url(&self) -> Url {
        let query = self.query();
        let mut url = Url {
            scheme: self.scheme.as_str().to_owned(),
            host: self.host.to_string(),
            path: self.path_bytes().into_owned(),
            raw_query: query.unwrap_or_default().to_owned(),
            force_query: query == Some(""),
            ..Url::default()
        };
        if self.spelling == Spelling::AsWritten {
            url.hint_at_encoding(self.target.written());
        }
        url
    }
}

impl fmt::Display for Request {
    /// Method and URL without the query, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}://{}{}",
            self.method,
            self.scheme,
            self.host,
            self.raw_path()
        )
    }
}
