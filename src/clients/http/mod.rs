//! Calls to other servers: session stores, token and key servers, authorizers.
//!
//! One client for all of them. Connections are kept and shared, HTTP/2 is used where the server offers it, every call has a time
//! limit and a size limit, and nothing that a server says makes Doorward call another one: redirects are answers like any other.

mod error;
mod headers;
#[cfg(test)]
mod tests;
mod tls;
mod transport;

pub use error::CallError;
pub use headers::{rate_limits, strip};
pub use tls::{SetupError, install_crypto};

use super::destination::Destination;
use super::retry::{self, Retry};
use crate::telemetry::spans;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use error::classify;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use percent_encoding::percent_decode_str;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tls::Tls;
use transport::Pool;
use url::{Position, Url};

/// More than any configuration has; a bound for URLs that are made from data.
const MAX_DESTINATIONS: usize = 4096;
const AGENT: &str = concat!("doorward/", env!("CARGO_PKG_VERSION"));
/// The same for different connect timeouts: each has a pool of its own.
const MAX_POOLS: usize = 16;

/// How calls are made; the configuration's `http`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub timeouts: Timeouts,
    /// Most bytes of an answer's body, decoded.
    pub max_response_bytes: usize,
    /// Idle connections that are kept per server.
    pub idle_per_host: usize,
    pub idle_timeout: Duration,
    /// Most calls to one server at a time; more wait within their timeout.
    pub concurrency: usize,
    /// PEM file with authorities that are trusted besides the system's.
    pub ca: Option<PathBuf>,
    /// PEM file with a certificate and its key, shown to servers that ask for one.
    pub client_certificate: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            timeouts: Timeouts::default(),
            max_response_bytes: 1 << 20,
            idle_per_host: 128,
            idle_timeout: Duration::from_secs(90),
            concurrency: 512,
            ca: None,
            client_certificate: None,
        }
    }
}

/// Time limits of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timeouts {
    /// Name, connection and TLS handshake.
    pub connect: Duration,
    /// Everything, the answer's body included.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(1),
            total: Duration::from_secs(5),
        }
    }
}

/// One call.
#[derive(Clone)]
pub struct Call {
    pub method: Method,
    pub url: Url,
    /// Hop-by-hop and framing headers, and `Host`, are taken out before sending.
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Instead of the client's own.
    pub timeouts: Option<Timeouts>,
    pub retry: Retry,
}

impl Call {
    /// A call without headers, body and retries.
    pub fn new(method: Method, url: Url) -> Call {
        Call {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeouts: None,
            retry: Retry::NEVER,
        }
    }
}

impl fmt::Debug for Call {
    /// No headers, no body, no query: they may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("to", &origin(&self.url))
            .finish_non_exhaustive()
    }
}

/// What a server answered.
#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Complete and decoded.
    pub body: Bytes,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Adds the headers of the current trace to a call.
pub type Propagate = Arc<dyn Fn(&mut HeaderMap) + Send + Sync>;

/// Answers calls in place of all servers, so that decisions can be tried without a network.
pub trait StandIn: fmt::Debug + Send + Sync {
    /// What the server would say. Nothing is sent, whatever comes back.
    fn answer(&self, call: &Call) -> Result<Answer, CallError>;
}

/// What happened so far, for metrics.
#[derive(Debug, Default)]
pub struct Counters {
    pub calls: AtomicU64,
    pub retries: AtomicU64,
    pub failures: AtomicU64,
    pub timeouts: AtomicU64,
    /// Calls that were not made since the server does not answer.
    pub refused: AtomicU64,
}

/// The client. Cheap to share; lives as long as the process.
pub struct Http {
    settings: Settings,
    tls: Tls,
    pools: RwLock<Vec<(Duration, Pool)>>,
    destinations: RwLock<HashMap<String, Arc<Destination>>>,
    propagate: Option<Propagate>,
    /// Absent where calls go out, as they do while serving.
    stand_in: Option<Arc<dyn StandIn>>,
    pub counters: Counters,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// Reads the certificates that `settings` name. `Err` where one of them can't be used.
    pub fn new(settings: Settings, propagate: Option<Propagate>) -> Result<Http, SetupError> {
        let tls = Tls::read(&settings)?;
        let connect = settings.timeouts.connect;
        let first = transport::pool(&settings, &tls, settings.timeouts);
        Ok(Http {
            settings,
            tls,
            pools: RwLock::new(vec![(connect, first)]),
            destinations: RwLock::default(),
            propagate,
            stand_in: None,
            counters: Counters::default(),
        })
    }

    /// The same with somebody who answers in place of all servers.
    pub fn answered_by(self, stand_in: Arc<dyn StandIn>) -> Http {
        Http {
            stand_in: Some(stand_in),
            ..self
        }
    }

    /// Makes the call, again and again where its policy says so. `Ok` is the last answer, whatever its status.
    pub async fn send(&self, mut call: Call) -> Result<Answer, CallError> {
        strip(&mut call.headers);
        if let Some(parent) = spans::traceparent() {
            call.headers.insert(spans::TRACEPARENT, parent);
        }
        if let Some(propagate) = &self.propagate {
            propagate(&mut call.headers);
        }
        if let Some(stand_in) = &self.stand_in {
            return stand_in.answer(&call);
        }
        let to = origin(&call.url);
        let destination = self.destination(&to);
        let began = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = self.attempt(&call, &to, &destination).await;
            let (again, asked) = match &outcome {
                Ok(answer) => (
                    retry::is_transient(answer.status),
                    retry::retry_after(&answer.headers),
                ),
                Err(error) => (error.is_transient(), None),
            };
            if !again || !call.retry.covers(&call.method) {
                return outcome;
            }
            let Some(delay) = call.retry.delay(tries, began.elapsed(), asked) else {
                return outcome;
            };
            self.counters.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(delay).await;
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        to: &str,
        destination: &Destination,
    ) -> Result<Answer, CallError> {
        if !destination.admits() {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            return Err(CallError::Broken { to: to.into() });
        }
        self.counters.calls.fetch_add(1, Ordering::Relaxed);
        let timeouts = call.timeouts.unwrap_or(self.settings.timeouts);
        let outcome =
            tokio::time::timeout(timeouts.total, self.once(call, to, destination, timeouts))
                .await
                .unwrap_or_else(|_| Err(CallError::Timeout { to: to.into() }));
        match &outcome {
            Ok(_) => destination.answered(),
            Err(error) => {
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                if matches!(error, CallError::Timeout { .. }) {
                    self.counters.timeouts.fetch_add(1, Ordering::Relaxed);
                }
                if error.blames_server() {
                    destination.failed();
                } else {
                    destination.answered();
                }
            }
        }
        outcome
    }

    async fn once(
        &self,
        call: &Call,
        to: &str,
        destination: &Destination,
        timeouts: Timeouts,
    ) -> Result<Answer, CallError> {
        let unusable = || CallError::Unusable { to: to.into() };
        let _slot = destination.slots.acquire().await.map_err(|_| unusable())?;
        let request = request(call).ok_or_else(unusable)?;
        let pool = self.pool(timeouts);
        let response = pool.request(request).await.map_err(|e| classify(&e, to))?;
        let (head, body) = response.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: self.body(body, to).await?,
        })
    }

    /// Reads a body up to the limit and not a chunk further.
    async fn body(&self, mut body: Incoming, to: &str) -> Result<Bytes, CallError> {
        let limit = self.settings.max_response_bytes;
        let too_large = || CallError::TooLarge { to: to.into() };
        let announced = body.size_hint().lower();
        if usize::try_from(announced).map_or(true, |length| length > limit) {
            return Err(too_large());
        }
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| CallError::Truncated { to: to.into() })?;
            let Ok(chunk) = frame.into_data() else {
                continue;
            };
            if read.len() + chunk.len() > limit {
                return Err(too_large());
            }
            read.extend_from_slice(&chunk);
        }
        Ok(read.freeze())
    }

    fn destination(&self, to: &str) -> Arc<Destination> {
        let known = self
            .destinations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(to) {
            return found.clone();
        }
        drop(known);
        let mut known = self
            .destinations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Destination::new(self.settings.concurrency));
        if known.len() >= MAX_DESTINATIONS {
            return fresh();
        }
        known.entry(to.to_owned()).or_insert_with(fresh).clone()
    }

    fn pool(&self, timeouts: Timeouts) -> Pool {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        let known = pools.iter().find(|(known, _)| *known == timeouts.connect);
        if let Some((_, pool)) = known.or_else(|| pools.get(MAX_POOLS)) {
            return pool.clone();
        }
        drop(pools);
        let pool = transport::pool(&self.settings, &self.tls, timeouts);
        let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
        pools.push((timeouts.connect, pool.clone()));
        pool
    }
}

/// `None` where the URL can't be asked for.
fn request(call: &Call) -> Option<Request<Full<Bytes>>> {
    let url = &call.url;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let rest = &url[Position::BeforeHost..Position::AfterQuery];
    let uri: Uri = format!("{}://{rest}", url.scheme()).parse().ok()?;
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri;
    let mut headers = call.headers.clone();
    // Some servers want to be told that nothing follows, and Go's client tells them.
    if call.body.is_empty() && matches!(call.method, Method::POST | Method::PUT | Method::PATCH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    headers
        .entry(USER_AGENT)
        .or_insert(HeaderValue::from_static(AGENT));
    if let Some(value) = authorization(url) {
        headers.entry(AUTHORIZATION).or_insert(value);
    }
    *request.headers_mut() = headers;
    Some(request)
}

/// Of a URL with a user in it, as Go's client sends it.
fn authorization(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [
        decode(url.username()),
        b":".to_vec(),
        decode(url.password().unwrap_or_default()),
    ];
    let mut value: HeaderValue = format!("Basic {}", STANDARD.encode(pair.concat()))
        .parse()
        .ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `scheme://host:port`: what may be said of a URL in logs.
pub fn origin(url: &Url) -> String {
    match url.origin() {
        url::Origin::Tuple(..) => url.origin().ascii_serialization(),
        url::Origin::Opaque(_) => format!("{}:", url.scheme()),
    }
}
