//! Settings of handlers that call other servers.

use crate::canonical::credentials::TokenFrom;
use crate::clients::http::Timeouts;
use crate::clients::{Repeat, Retry, http};
use crate::config::parse_simple;
use crate::gourl;
use crate::handlers::BuildError;
use crate::pipeline::{Denial, Reason};
use ::http::{HeaderName, HeaderValue};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// `timeout`.
#[derive(Debug, Default, Deserialize)]
pub(in crate::handlers) struct TimeoutSettings {
    connect: Option<String>,
    total: Option<String>,
}

impl TimeoutSettings {
    pub(in crate::handlers) fn timeouts(&self) -> Result<Timeouts, BuildError> {
        let default = Timeouts::default();
        Ok(Timeouts {
            connect: duration(self.connect.as_deref())?.unwrap_or(default.connect),
            total: duration(self.total.as_deref())?.unwrap_or(default.total),
        })
    }
}

/// `retry`.
#[derive(Debug, Default, Deserialize)]
pub(in crate::handlers) struct RetrySettings {
    give_up_after: Option<String>,
    max_delay: Option<String>,
    #[serde(rename = "unsafe")]
    all: Option<bool>,
}

impl RetrySettings {
    /// `repeat` is what holds unless the operator allows more (`unsafe`).
    pub(in crate::handlers) fn policy(&self, repeat: Repeat) -> Result<Retry, BuildError> {
        let default = Retry::new(match self.all {
            Some(true) => Repeat::Always,
            Some(false) | None => repeat,
        });
        Ok(Retry {
            max_delay: duration(self.max_delay.as_deref())?.unwrap_or(default.max_delay),
            give_up_after: duration(self.give_up_after.as_deref())?
                .unwrap_or(default.give_up_after),
            ..default
        })
    }
}

/// How long answers are remembered where a cache is on and no `ttl` says so.
pub(in crate::handlers) const DEFAULT_LIFE: Duration = Duration::from_secs(60);

/// `cache`.
#[derive(Debug, Default, Deserialize)]
pub(in crate::handlers) struct CacheSettings {
    #[serde(default)]
    pub(in crate::handlers) enabled: bool,
    ttl: Option<String>,
}

impl CacheSettings {
    pub(in crate::handlers) fn ttl(&self) -> Result<Option<Duration>, BuildError> {
        duration(self.ttl.as_deref())
    }

    /// How long answers are remembered; a `ttl` of zero stands for the default. `None`: the cache is off.
    pub(in crate::handlers) fn life(&self) -> Result<Option<Duration>, BuildError> {
        let ttl = self.ttl()?.filter(|ttl| !ttl.is_zero());
        Ok(self.enabled.then(|| ttl.unwrap_or(DEFAULT_LIFE)))
    }
}

/// `token_from`.
#[derive(Debug, Deserialize)]
pub(in crate::handlers) struct TokenFromSettings {
    header: Option<String>,
    query_parameter: Option<String>,
    cookie: Option<String>,
}

impl TokenFromSettings {
    /// The header's name counts without case: `authorization` means the bearer token too.
    pub(in crate::handlers) fn place(settings: Option<TokenFromSettings>) -> TokenFrom {
        let Some(settings) = settings else {
            return TokenFrom::Bearer;
        };
        match (settings.header, settings.query_parameter, settings.cookie) {
            (Some(name), _, _) if name.eq_ignore_ascii_case("authorization") => TokenFrom::Bearer,
            (Some(name), _, _) => TokenFrom::header(&name),
            (None, Some(name), _) => TokenFrom::Query(name.into()),
            (None, None, Some(name)) => TokenFrom::Cookie(name.into()),
            (None, None, None) => TokenFrom::Bearer,
        }
    }
}

/// One whole number and one unit; the schema has checked it.
pub(in crate::handlers) fn duration(text: Option<&str>) -> Result<Option<Duration>, BuildError> {
    let Some(text) = text else { return Ok(None) };
    match parse_simple(text) {
        Some(duration) => Ok(Some(duration)),
        None => Err(BuildError::new(format!("`{text}` is not a duration"))),
    }
}

/// A URL that can be called.
pub(in crate::handlers) fn endpoint(text: &str) -> Result<Url, BuildError> {
    let wrong = |why: &str| BuildError::new(format!("the URL of the other server {why}"));
    // Read by Go's rules first: the other reading finds a host in `http:///path`.
    let parsed = gourl::Url::parse(text).map_err(|_| wrong("can't be parsed"))?;
    if parsed.hostname().is_empty() {
        return Err(wrong("has no host"));
    }
    let url = Url::parse(text).map_err(|_| wrong("can't be parsed"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(wrong("is neither http nor https")),
    }
}

/// Headers that are set on every call.
pub(in crate::handlers) fn fixed_headers(
    headers: &BTreeMap<String, String>,
) -> Result<Vec<(HeaderName, HeaderValue)>, BuildError> {
    headers
        .iter()
        .map(|(name, value)| {
            let parsed = (name.parse(), value.parse());
            match parsed {
                (Ok(name), Ok(value)) => Ok((name, value)),
                _ => Err(BuildError::new(format!(
                    "`{name}` can't be sent as a header"
                ))),
            }
        })
        .collect()
}

/// The other server has had enough: its rate-limit headers are passed on.
pub(in crate::handlers) fn rate_limited(answer: &http::Answer) -> Denial {
    let mut denial = Denial::new(Reason::RateLimited);
    let limits = http::rate_limits(&answer.headers);
    if !limits.is_empty() {
        denial.rate_limits = Some(Box::new(limits));
    }
    denial
}
