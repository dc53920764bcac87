//! `access_rules`: where rules come from and how strictly they are read.

use super::Secret;
use super::read::duration;
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone, Deserialize)]
pub struct AccessRules {
    /// In the order of the configuration, which is the order of the rules. What is listed twice counts once, as in the reference.
    #[serde(default, deserialize_with = "distinct")]
    pub repositories: Vec<Repository>,
    #[serde(rename = "matching_strategy")]
    pub strategy: MatchingStrategy,
    pub trailing_slash: TrailingSlash,
    pub encoded_slashes: EncodedSlashes,
    pub underscore_headers: UnderscoreHeaders,
    pub duplicate_ids: Strictness,
    pub unknown_keys: Strictness,
    pub on_invalid_rule: OnInvalidRule,
    pub on_start_failure: OnStartFailure,
    /// How often remote sources are asked again.
    #[serde(deserialize_with = "duration::simple")]
    pub refresh: Duration,
}

/// How the `<…>` parts of a rule's URL are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchingStrategy {
    Regexp,
    Glob,
}

/// What becomes of a trailing slash in what is forwarded. Patterns never see one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrailingSlash {
    Keep,
    Strip,
}

/// What becomes of `%2F`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncodedSlashes {
    Keep,
    /// 400.
    Reject,
}

/// Header names with underscores, which some upstreams can't tell from those with dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnderscoreHeaders {
    /// `X_User` goes where the rule sets `X-User`.
    DropAliases,
    /// All of them go.
    Drop,
    Keep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strictness {
    Warn,
    Reject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInvalidRule {
    /// The others go live.
    SetAside,
    /// The last good set stays.
    Reject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStartFailure {
    Retry,
    Exit,
}

/// One place that rules come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Repository {
    /// As written; for logs without what may be secret (see [`Repository::label`]).
    pub url: Arc<str>,
    pub location: Location,
}

/// A repository's URL, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// One file; relative to the working directory.
    File(PathBuf),
    /// All rule files of a folder: `file://` and a path that ends with a slash.
    Folder(PathBuf),
    /// `glob://` and a path with `*` and `?` in its last part.
    Glob(PathBuf),
    /// A document inside the configuration.
    Inline(Secret),
    /// `http` or `https`; polled.
    Http(url::Url),
    /// Object storage; polled.
    Object {
        store: ObjectStore,
        bucket: String,
        key: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectStore {
    S3,
    GoogleCloud,
    Azure,
}

fn distinct<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Repository>, D::Error> {
    let mut kept: Vec<Repository> = Vec::new();
    for repository in Vec::<Repository>::deserialize(from)? {
        if !kept
            .iter()
            .any(|known| known.location == repository.location)
        {
            kept.push(repository);
        }
    }
    Ok(kept)
}
