//! References against a base, and paths joined to a URL.

use super::{Url, path};

impl Url {
    /// A reference as seen from `self` (RFC 3986, section 5.2).
    pub fn resolve_reference(&self, reference: &Url) -> Url {
        let mut url = reference.clone();
        if !reference.is_abs() {
            url.scheme.clone_from(&self.scheme);
        }
        if reference.is_abs() || !reference.host.is_empty() || reference.user.is_some() {
            url.keep_or_set_path(&resolve_path(&reference.escaped_path(), ""));
            return url;
        }
        if !reference.opaque.is_empty() {
            url.without_authority();
            return url;
        }
        let empty = reference.path.is_empty();
        if empty && !reference.force_query && reference.raw_query.is_empty() {
            url.raw_query.clone_from(&self.raw_query);
            if reference.fragment.is_empty() {
                url.fragment.clone_from(&self.fragment);
                url.raw_fragment.clone_from(&self.raw_fragment);
            }
        }
        if empty && !self.opaque.is_empty() {
            url.opaque.clone_from(&self.opaque);
            url.without_authority();
            return url;
        }
        url.host.clone_from(&self.host);
        url.user.clone_from(&self.user);
        url.keep_or_set_path(&resolve_path(
            &self.escaped_path(),
            &reference.escaped_path(),
        ));
        url
    }

    /// The URL with path elements, already encoded, joined to its path and the whole cleaned. A trailing slash of the last element
    /// stays. An element with a malformed escape leaves the path as it is.
    pub fn join_path<T: AsRef<str>>(&self, elements: &[T]) -> Url {
        let own = self.escaped_path();
        let rooted = own.starts_with('/');
        let mut parts: Vec<String> = vec![if rooted {
            own.into_owned()
        } else {
            format!("/{own}")
        }];
        parts.extend(elements.iter().map(|element| element.as_ref().to_owned()));
        // INVARIANT: cleaning UTF-8 at ASCII slashes leaves UTF-8.
        let mut joined = String::from_utf8(path::join(&parts)).unwrap_or_default();
        if !rooted {
            joined = joined.strip_prefix('/').unwrap_or_default().to_owned();
        }
        if parts.last().is_some_and(|last| last.ends_with('/')) && !joined.ends_with('/') {
            joined.push('/');
        }
        let mut url = self.clone();
        url.keep_or_set_path(&joined);
        url
    }

    /// Only for paths that were encoded here or checked before; others leave the path as it is.
    fn keep_or_set_path(&mut self, encoded: &str) {
        let _malformed = self.set_path(encoded);
    }

    fn without_authority(&mut self) {
        self.user = None;
        self.host.clear();
        self.path.clear();
    }
}

/// Merges the paths and removes dot segments; a result that isn't empty begins with a slash.
fn resolve_path(base: &str, reference: &str) -> String {
    let full = match reference.as_bytes().first() {
        None => base.to_owned(),
        Some(b'/') => reference.to_owned(),
        Some(_) => {
            let folder = base
                .rfind('/')
                .and_then(|at| base.get(..=at))
                .unwrap_or_default();
            format!("{folder}{reference}")
        }
    };
    if full.is_empty() {
        return full;
    }
    let mut out = String::from("/");
    let mut first = true;
    for element in full.split('/') {
        match element {
            "." => first = false,
            ".." => {
                let cut = out
                    .get(1..)
                    .and_then(|rest| rest.rfind('/'))
                    .map_or(1, |at| at + 1);
                out.truncate(cut);
                first = out.len() == 1;
            }
            _ => {
                if !first {
                    out.push('/');
                }
                out.push_str(element);
                first = false;
            }
        }
    }
    if full.ends_with("/.") || full.ends_with("/..") || full == "." || full == ".." {
        out.push('/');
    }
    // An initial slash was written, and an absolute path brought its own.
    match out.strip_prefix('/') {
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        Some(_) | None => out,
    }
}
