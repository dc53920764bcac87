//! The URLs of rule sources, as the reference reads them.

use super::access_rules::{Location, ObjectStore, Repository};
use super::secret::Secret;
use base64::Engine as _;
use percent_encoding::percent_decode_str;
use std::path::PathBuf;
use std::sync::Arc;

impl TryFrom<String> for Repository {
    type Error = String;

    fn try_from(url: String) -> Result<Repository, String> {
        let location = locate(&url)?;
        Ok(Repository {
            url: Arc::from(url),
            location,
        })
    }
}

impl Repository {
    /// The name of the source in logs, metrics and health: the URL without content, query and password.
    pub fn label(&self) -> Arc<str> {
        match &self.location {
            Location::Inline(_) => Arc::from("inline://…"),
            Location::Http(url) => {
                let mut shown = url.clone();
                shown.set_query(None);
                shown.set_fragment(None);
                // Neither fails for http URLs, which always have a host.
                let _ = shown.set_username("");
                let _ = shown.set_password(None);
                Arc::from(shown.as_str())
            }
            Location::File(_)
            | Location::Folder(_)
            | Location::Glob(_)
            | Location::Object { .. } => Arc::from(without_query(&self.url)),
        }
    }
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// `Err` says what is wrong, for the operator.
fn locate(url: &str) -> Result<Location, String> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(no_scheme(url));
    };
    let after = rest.strip_prefix("//");
    match (scheme.to_ascii_lowercase().as_str(), after) {
        ("file", Some(path)) if path.ends_with('/') => file(path).map(Location::Folder),
        ("file", Some(path)) => file(path).map(Location::File),
        ("glob", Some(path)) => decoded(path).map(Location::Glob),
        ("file", None) => Err(format!("write `file://{rest}`")),
        ("inline", Some(content)) => inline(content),
        ("http" | "https", _) => http(url),
        ("s3", Some(path)) => object(ObjectStore::S3, path),
        ("gs", Some(path)) => object(ObjectStore::GoogleCloud, path),
        ("azblob", Some(path)) => object(ObjectStore::Azure, path),
        (other, _) if is_scheme(other) => Err(format!(
            "rules can't be read from `{other}:`; known are file, glob, inline, http, https, s3, gs and azblob"
        )),
        _ => Err(no_scheme(url)),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn no_scheme(url: &str) -> String {
    format!("`{url}` has no scheme; for a file write `file://{url}`")
}

/// What follows `file://` is a path, relative to the working directory unless it begins with a slash.
fn file(path: &str) -> Result<PathBuf, String> {
    decoded(without_query(path))
}

fn decoded(path: &str) -> Result<PathBuf, String> {
    if path.is_empty() {
        return Err("the path of the rule file is missing".to_owned());
    }
    if !escapes_are_complete(path) {
        return Err("a `%` in a URL must be followed by two hexadecimal digits".to_owned());
    }
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    match String::from_utf8(decoded) {
        Ok(path) => Ok(PathBuf::from(path)),
        Err(_) => Err("the path of the rule file is not UTF-8".to_owned()),
    }
}

fn escapes_are_complete(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes().take(2);
        let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
        hex(digits.next()) && hex(digits.next())
    })
}

/// Standard base64 with padding, nothing else: the whole rest of the URL counts.
fn inline(content: &str) -> Result<Location, String> {
    if content.is_empty() {
        return Err("an inline source needs base64 text after `inline://`".to_owned());
    }
    match base64::engine::general_purpose::STANDARD.decode(content) {
        Ok(_) => Ok(Location::Inline(Secret::from(content.to_owned()))),
        Err(error) => Err(format!("not standard base64 with padding: {error}")),
    }
}

fn http(url: &str) -> Result<Location, String> {
    url::Url::parse(url)
        .map(Location::Http)
        .map_err(|error| format!("not a URL: {error}"))
}

fn object(store: ObjectStore, path: &str) -> Result<Location, String> {
    let (bucket, key) = without_query(path).split_once('/').unwrap_or((path, ""));
    let key = percent_decode_str(key.trim_start_matches('/')).decode_utf8_lossy();
    if bucket.is_empty() || key.is_empty() {
        return Err("an object needs a bucket and a key, `s3://bucket/key`".to_owned());
    }
    Ok(Location::Object {
        store,
        bucket: bucket.to_owned(),
        key: key.into_owned(),
    })
}
