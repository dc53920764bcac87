//! The target that an upstream is asked for.

use super::target::refuse_hidden_dot_segments;
use super::{Rejection, Request};
use crate::gourl::{Mode, Url, escape, path};
use std::borrow::Cow;

/// The path of a rule's upstream and its `strip_path`, read once when the rule is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpstreamPath {
    /// Clean, without a slash at the end; empty for the root.
    base: Vec<u8>,
    /// `/` and what is cut; empty if nothing is.
    strip: Vec<u8>,
}

impl UpstreamPath {
    /// Only the path of `upstream` counts. `strip_path` may be written with or without slashes around it.
    pub fn new(upstream: &Url, strip_path: &str) -> UpstreamPath {
        let mut base = path::clean(&[b"/", upstream.path.as_slice()].concat());
        if base == b"/" {
            base.clear();
        }
        let strip = match strip_path {
            "" => Vec::new(),
            _ => [b"/", strip_path.trim_matches('/').as_bytes()].concat(),
        };
        UpstreamPath { base, strip }
    }

    /// Path and query to ask for. The upstream's path comes first, then the request's; the first occurrence of `strip_path` in
    /// both together is cut, wherever it is. What that changes is newly encoded; it begins with a slash, and dot segments that
    /// cutting made are refused.
    pub fn target<'a>(&self, request: &'a Request) -> Result<Cow<'a, str>, Rejection> {
        if self.base.is_empty() && !self.may_strip(request) {
            return Ok(Cow::Borrowed(request.target.raw()));
        }
        let mut path = self.join(&request.path_bytes());
        let cut = find(&path, &self.strip);
        if let Some(at) = cut {
            path.drain(at..at + self.strip.len());
            if path.first() != Some(&b'/') {
                path.insert(0, b'/');
            }
            refuse_hidden_dot_segments(&path)?;
        } else if self.base.is_empty() {
            return Ok(Cow::Borrowed(request.target.raw()));
        }
        let mut target = escape(&path, Mode::Path);
        if request.path().len() > 1
            && has_trailing_slash(request.raw_path())
            && !target.ends_with('/')
        {
            target.push('/');
        }
        if let Some(query) = request.query() {
            target.push('?');
            target.push_str(query);
        }
        Ok(Cow::Owned(target))
    }

    /// Cheap, and wrong only in saying yes.
    fn may_strip(&self, request: &Request) -> bool {
        !self.strip.is_empty()
            && (!request.target.is_plain()
                || find(request.path().as_bytes(), &self.strip).is_some())
    }

    fn join(&self, request_path: &[u8]) -> Vec<u8> {
        match (self.base.as_slice(), request_path) {
            (b"", b"") => b"/".to_vec(),
            (b"", path) => path.to_vec(),
            (base, b"/" | b"") => base.to_vec(),
            (base, path) => [base, path].concat(),
        }
    }
}

fn has_trailing_slash(raw_path: &str) -> bool {
    let bytes = raw_path.as_bytes();
    bytes.ends_with(b"/")
        || bytes
            .last_chunk::<3>()
            .is_some_and(|end| end.eq_ignore_ascii_case(b"%2f"))
}

/// The first place of `needle`; none for an empty one.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
