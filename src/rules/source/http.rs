//! Rules behind a URL, asked for again and again.

use super::{FetchError, Fetched, Fingerprint, RuleSource, SourceKind, Tools, pause, rules_apart};
use crate::clients::http::{Answer, Call, CallError, Timeouts};
use async_trait::async_trait;
use http::header::{ACCEPT, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// One try, as in the reference.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    total: Duration::from_secs(15),
};
const MAX_REDIRECTS: usize = 5;

#[derive(Debug)]
pub(super) struct Remote {
    id: Arc<str>,
    url: Url,
    tools: Tools,
}

impl Remote {
    pub(super) fn new(id: Arc<str>, url: Url, tools: Tools) -> Remote {
        Remote { id, url, tools }
    }

    /// Follows redirects, which stay on TLS once they are on it.
    async fn ask(&self, conditions: &HeaderMap) -> Result<Answer, FetchError> {
        let mut url = self.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut call = Call::new(Method::GET, url.clone());
            call.headers = conditions.clone();
            call.headers.insert(
                ACCEPT,
                HeaderValue::from_static("application/json, application/yaml, */*"),
            );
            call.timeouts = Some(TIMEOUTS);
            let answer = self
                .tools
                .http
                .send(call)
                .await
                .map_err(|error| match error {
                    CallError::TooLarge { .. } => FetchError::TooLarge(super::MAX_BYTES),
                    other => FetchError::Unreadable(other.to_string()),
                })?;
            let moved = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
            let next = answer.headers.get(LOCATION).filter(|_| moved);
            let Some(next) = next.and_then(|to| url.join(to.to_str().ok()?).ok()) else {
                return Ok(answer);
            };
            let safe =
                next.scheme() == "https" || (next.scheme() == "http" && url.scheme() == "http");
            if !safe {
                return Err(FetchError::Unreadable(
                    "redirected away from https".to_owned(),
                ));
            }
            url = next;
        }
        Err(FetchError::Unreadable("redirected too often".to_owned()))
    }
}

#[async_trait]
impl RuleSource for Remote {
    fn id(&self) -> &Arc<str> {
        &self.id
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Remote
    }

    async fn fetch(&self, last: Option<&Fingerprint>) -> Result<Fetched, FetchError> {
        let conditions = last.map(conditions).unwrap_or_default();
        let answer = self.ask(&conditions).await?;
        if answer.status == StatusCode::NOT_MODIFIED && last.is_some() {
            return Ok(Fetched::Unchanged);
        }
        if answer.status != StatusCode::OK {
            return Err(FetchError::Status(answer.status.as_u16()));
        }
        let fingerprint = fingerprint(&answer);
        if last.is_some_and(|last| *last == fingerprint) {
            return Ok(Fetched::Unchanged);
        }
        Ok(Fetched::Rules {
            rules: rules_apart(answer.body).await?,
            fingerprint: Some(fingerprint),
        })
    }

    async fn changed(&self, failures: u32) {
        tokio::time::sleep(pause(self.tools.refresh, failures)).await;
    }
}

/// `etag`, `last-modified` or a hash of the content, each with its name in front.
fn fingerprint(answer: &Answer) -> Fingerprint {
    let header = |name: HeaderName| {
        let value = answer.headers.get(&name)?.to_str().ok()?;
        Some(format!("{name} {value}"))
    };
    let named = header(ETAG).or_else(|| header(LAST_MODIFIED));
    Fingerprint(named.unwrap_or_else(|| {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        answer.body.hash(&mut hasher);
        format!("content {:x}", hasher.finish())
    }))
}

fn conditions(last: &Fingerprint) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let name = match last.0.split_once(' ') {
        Some(("etag", _)) => IF_NONE_MATCH,
        Some(("last-modified", _)) => IF_MODIFIED_SINCE,
        Some(_) | None => return headers,
    };
    let value = last.0.split_once(' ').map_or("", |(_, value)| value);
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
    headers
}
