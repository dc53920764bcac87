//! A URL as text.

use super::escape::{Mode, escape, is_valid_encoding, unescape};
use super::{Url, Userinfo};
use std::borrow::Cow;
use std::fmt;

impl Url {
    /// The path percent-encoded: `raw_path` where that is a valid encoding of `path`, else the default encoding.
    pub fn escaped_path(&self) -> Cow<'_, str> {
        if let Some(hint) = usable_hint(&self.raw_path, &self.path, Mode::Path) {
            return Cow::Borrowed(hint);
        }
        if self.path == b"*" {
            return Cow::Borrowed("*");
        }
        Cow::Owned(escape(&self.path, Mode::Path))
    }

    /// The fragment percent-encoded, as [`Self::escaped_path`] does it.
    pub fn escaped_fragment(&self) -> Cow<'_, str> {
        match usable_hint(&self.raw_fragment, &self.fragment, Mode::Fragment) {
            Some(hint) => Cow::Borrowed(hint),
            None => Cow::Owned(escape(&self.fragment, Mode::Fragment)),
        }
    }

    /// What goes on a request line: path and query, or the opaque part.
    pub fn request_uri(&self) -> String {
        let mut out = if self.opaque.is_empty() {
            let path = self.escaped_path();
            if path.is_empty() {
                "/".into()
            } else {
                path.into_owned()
            }
        } else if self.opaque.starts_with("//") {
            format!("{}:{}", self.scheme, self.opaque)
        } else {
            self.opaque.clone()
        };
        if self.force_query || !self.raw_query.is_empty() {
            out.push('?');
            out.push_str(&self.raw_query);
        }
        out
    }

    /// The URL as text with `xxxxx` for a password.
    pub fn redacted(&self) -> String {
        let mut copy = self.clone();
        if let Some(password) = copy.user.as_mut().and_then(|user| user.password.as_mut()) {
            *password = b"xxxxx".to_vec();
        }
        copy.to_string()
    }

    fn write_authority(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some();
        if !any || (self.omit_host && self.host.is_empty() && self.user.is_none()) {
            return Ok(());
        }
        if !self.host.is_empty() || !self.path.is_empty() || self.user.is_some() {
            f.write_str("//")?;
        }
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&escape(self.host.as_bytes(), Mode::Host))
    }

    /// Whether [`Self::write_authority`] and the scheme write nothing, so that a colon in the first segment would look like a scheme.
    fn starts_with_path(&self) -> bool {
        self.scheme.is_empty() && self.host.is_empty() && self.user.is_none()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if self.opaque.is_empty() {
            self.write_authority(f)?;
            let path = self.escaped_path();
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                f.write_str("/")?;
            }
            let first_segment = path.split('/').next().unwrap_or_default();
            if self.starts_with_path() && first_segment.contains(':') {
                f.write_str("./")?;
            }
            f.write_str(&path)?;
        } else {
            f.write_str(&self.opaque)?;
        }
        if self.force_query || !self.raw_query.is_empty() {
            write!(f, "?{}", self.raw_query)?;
        }
        if !self.fragment.is_empty() {
            write!(f, "#{}", self.escaped_fragment())?;
        }
        Ok(())
    }
}

impl fmt::Display for Userinfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.username, Mode::UserPassword))?;
        match &self.password {
            Some(password) => write!(f, ":{}", escape(password, Mode::UserPassword)),
            None => Ok(()),
        }
    }
}

/// Whether the text is an encoding of a path that RFC 3986 allows, and decodes.
pub fn is_encoded_path(text: &str) -> bool {
    is_valid_encoding(text.as_bytes(), Mode::Path)
        && unescape(text.as_bytes(), Mode::Path).is_some()
}

fn usable_hint<'a>(hint: &'a str, decoded: &[u8], mode: Mode) -> Option<&'a str> {
    let usable = !hint.is_empty()
        && is_valid_encoding(hint.as_bytes(), mode)
        && unescape(hint.as_bytes(), mode).as_deref() == Some(decoded);
    usable.then_some(hint)
}
