//! Where a key set is, and how it is read.

use crate::clients::http::{Answer, Call, CallError, Http, Timeouts, origin};
use crate::clients::{Repeat, Retry};
use bytes::Bytes;
use http::{Method, header};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// As the reference: a fetch may take long, since no request waits for all of it.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(1),
    total: Duration::from_secs(15),
};
const REDIRECTS: usize = 5;
/// Most bytes of a file; a server's answers are capped by the client.
const MAX_FILE: u64 = 1 << 20;

/// Where a key set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    Http(Url),
    File(PathBuf),
    /// A scheme that names no place that can be read. It is found out when the set is needed, as in the reference.
    Unreadable(String),
}

/// A text that is no location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a URL of a key set")]
pub struct BadLocation(String);

/// Why a set could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("answered {0}")]
    Status(u16),
    #[error("more than {REDIRECTS} redirects, or one that leads nowhere safe")]
    Redirects,
    #[error("cannot be read: {0}")]
    File(String),
    #[error("is larger than {MAX_FILE} bytes")]
    TooLarge,
    #[error("the scheme is not supported")]
    Scheme,
}

impl ReadError {
    /// Whether it says nothing about the set: the server is unwell, and what is known may go on being used for a while.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            ReadError::Call(_) => true,
            ReadError::Status(status) => *status == 429 || *status >= 500,
            ReadError::Redirects | ReadError::File(_) | ReadError::TooLarge | ReadError::Scheme => {
                false
            }
        }
    }
}

impl Location {
    /// `http(s)://…`, `file:///absolute`, `file://relative`; without a scheme a path.
    pub fn parse(text: &str) -> Result<Location, BadLocation> {
        let bad = || BadLocation(text.to_owned());
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text {
                "" => Err(bad()),
                _ => Ok(Location::File(text.into())),
            };
        };
        match scheme {
            "file" if rest.is_empty() => Err(bad()),
            "file" => Ok(Location::File(rest.into())),
            "http" | "https" => Url::parse(text).map(Location::Http).map_err(|_| bad()),
            _ => Ok(Location::Unreadable(scheme.to_owned())),
        }
    }

    pub(super) async fn read(&self, http: &Http) -> Result<Bytes, ReadError> {
        match self {
            Location::Http(url) => fetch(http, url).await,
            Location::File(path) => read(path).await,
            Location::Unreadable(_) => Err(ReadError::Scheme),
        }
    }
}

impl fmt::Display for Location {
    /// Without userinfo, path and query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Http(url) => f.write_str(&origin(url)),
            Location::File(path) => path.display().fmt(f),
            Location::Unreadable(scheme) => write!(f, "{scheme}:"),
        }
    }
}

/// Follows redirects, as the reference does here: the request carries nothing that could leak. Never from HTTPS to plain HTTP.
async fn fetch(http: &Http, url: &Url) -> Result<Bytes, ReadError> {
    let mut url = url.clone();
    for _ in 0..=REDIRECTS {
        let mut call = Call::new(Method::GET, url.clone());
        call.timeouts = Some(TIMEOUTS);
        call.retry = Retry {
            max_delay: Duration::from_secs(1),
            give_up_after: Duration::from_secs(5),
            ..Retry::new(Repeat::Idempotent)
        };
        let answer = http.send(call).await?;
        match answer.status.as_u16() {
            301 | 302 | 303 | 307 | 308 => {
                url = target(&url, &answer).ok_or(ReadError::Redirects)?;
            }
            200..=399 => return Ok(answer.body),
            status => return Err(ReadError::Status(status)),
        }
    }
    Err(ReadError::Redirects)
}

fn target(from: &Url, answer: &Answer) -> Option<Url> {
    let to = answer.headers.get(header::LOCATION)?.to_str().ok()?;
    let to = from.join(to).ok()?;
    let safe = match to.scheme() {
        "https" => true,
        "http" => from.scheme() == "http",
        _ => false,
    };
    safe.then_some(to)
}

async fn read(path: &Path) -> Result<Bytes, ReadError> {
    let unreadable = |error: std::io::Error| ReadError::File(error.kind().to_string());
    let about = tokio::fs::metadata(path).await.map_err(unreadable)?;
    if !about.is_file() {
        return Err(ReadError::File("not a file".to_owned()));
    }
    if about.len() > MAX_FILE {
        return Err(ReadError::TooLarge);
    }
    let text = tokio::fs::read(path).await.map_err(unreadable)?;
    Ok(text.into())
}
