//! `serve`: the listeners.

use super::Secret;
use super::read::duration;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "ServeKeys")]
pub struct Serve {
    pub proxy: Listener,
    pub api: ApiListener,
    pub metrics: MetricsListener,
    /// `None` where no port is set: the gRPC ext_authz listener is off.
    pub ext_authz: Option<ExtAuthzListener>,
    /// Absolute; where an old process hands its listeners to a new one.
    pub upgrade_sock: PathBuf,
}

#[derive(Deserialize)]
struct ServeKeys {
    proxy: Listener,
    api: ApiListener,
    prometheus: MetricsListener,
    #[serde(default, deserialize_with = "ext_authz")]
    ext_authz: Option<ExtAuthzListener>,
    #[serde(default)]
    upgrade_sock: PathBuf,
}

impl From<ServeKeys> for Serve {
    fn from(keys: ServeKeys) -> Serve {
        let socket = if keys.upgrade_sock.as_os_str().is_empty() {
            runtime_folder().join(format!("upgrade-{}.sock", keys.proxy.address.port))
        } else {
            keys.upgrade_sock
        };
        Serve {
            proxy: keys.proxy,
            api: keys.api,
            metrics: keys.prometheus,
            ext_authz: keys.ext_authz,
            // INVARIANT: only an empty path or a working folder that is gone fails here.
            upgrade_sock: std::path::absolute(&socket).unwrap_or(socket),
        }
    }
}

/// systemd's, the user's or the system's; the first of several.
fn runtime_folder() -> PathBuf {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folders) = folder("RUNTIME_DIRECTORY") {
        return std::env::split_paths(&folders).next().unwrap_or_default();
    }
    match folder("XDG_RUNTIME_DIR") {
        Some(folder) => PathBuf::from(folder).join("doorward"),
        None => PathBuf::from("/run/doorward"),
    }
}

/// Host and port as they were written. An empty host means all interfaces; IPv6 literals come in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListenAddress {
    pub host: String,
    /// 0 asks the system for a free one.
    pub port: u16,
}

impl fmt::Display for ListenAddress {
    /// What a socket can be bound to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.as_str() {
            "" => write!(f, "[::]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

/// A listener that carries requests: the proxy's, and the shared part of the others.
#[derive(Debug, Clone, Deserialize)]
pub struct Listener {
    #[serde(flatten)]
    pub address: ListenAddress,
    #[serde(default)]
    pub timeout: Timeouts,
    pub limits: Limits,
    /// `None`: plain text.
    #[serde(default, deserialize_with = "tls")]
    pub tls: Option<Tls>,
    /// `None` where it isn't enabled.
    #[serde(deserialize_with = "cors")]
    pub cors: Option<Cors>,
    /// Whose forwarded headers count.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Only the proxy has this key; everywhere else forwarded headers of trusted peers always count.
    #[serde(default)]
    pub trust_forwarded_headers: TrustForwarded,
    #[serde(default = "cores", deserialize_with = "threads")]
    pub threads: usize,
    #[serde(default)]
    pub explain: Explain,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ApiListener {
    #[serde(flatten)]
    pub listener: Listener,
    pub expose_rules: ExposeRules,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ExtAuthzListener {
    #[serde(flatten)]
    pub address: ListenAddress,
    #[serde(default)]
    pub timeout: Timeouts,
    pub limits: Limits,
    /// `None`: plain text.
    #[serde(default, deserialize_with = "tls")]
    pub tls: Option<Tls>,
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<ipnet::IpNet>,
    #[serde(default = "cores", deserialize_with = "threads")]
    pub threads: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub struct MetricsListener {
    #[serde(flatten)]
    pub address: ListenAddress,
    #[serde(rename = "metrics_path")]
    pub path: String,
    #[serde(rename = "metric_name_prefix")]
    pub prefix: String,
    #[serde(flatten)]
    pub request_paths: RequestPaths,
}

/// What the `request` label of the reference's series shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "RequestPathKeys")]
pub enum RequestPaths {
    /// Nothing.
    Hidden,
    /// The first segment.
    Collapsed,
    Whole,
}

#[derive(Deserialize)]
struct RequestPathKeys {
    hide_request_paths: bool,
    collapse_request_paths: bool,
}

impl From<RequestPathKeys> for RequestPaths {
    fn from(keys: RequestPathKeys) -> RequestPaths {
        match (keys.hide_request_paths, keys.collapse_request_paths) {
            (true, _) => RequestPaths::Hidden,
            (false, true) => RequestPaths::Collapsed,
            (false, false) => RequestPaths::Whole,
        }
    }
}

/// Whether a proxy's forwarded headers count at the reverse proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "bool")]
pub enum TrustForwarded {
    #[default]
    Never,
    FromTrustedProxies,
}

switch!(TrustForwarded, Never, FromTrustedProxies);

/// Whether callers inside `trusted_proxies` may ask why a request was decided as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "bool")]
pub enum Explain {
    #[default]
    Off,
    ToTrustedProxies,
}

switch!(Explain, Off, ToTrustedProxies);

/// Whether `/rules` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "bool")]
pub enum ExposeRules {
    Off,
    Redacted,
}

switch!(ExposeRules, Off, Redacted);

/// Deadlines of a listener. None of them limits how long a stream may live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "TimeoutKeys")]
pub struct Timeouts {
    /// From the first byte of a request to the end of its headers.
    pub header: Duration,
    /// Between two pieces of a request's body; the reference's `read`.
    pub body_idle: Duration,
    /// Until the client takes more of an answer; the reference's `write`.
    pub write_idle: Duration,
    /// Until an upstream sends more of its answer; the reference's `write`, which ends every answer after that long.
    pub upstream_idle: Duration,
    /// Between two requests; the reference's `idle`.
    pub keepalive: Duration,
    /// For requests in flight when Doorward is told to stop.
    pub shutdown: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts::from(TimeoutKeys::default())
    }
}

#[derive(Deserialize, Default)]
struct TimeoutKeys {
    #[serde(default, deserialize_with = "duration::maybe")]
    read: Option<Duration>,
    #[serde(default, deserialize_with = "duration::maybe")]
    write: Option<Duration>,
    #[serde(default, deserialize_with = "duration::maybe")]
    idle: Option<Duration>,
    #[serde(default, deserialize_with = "duration::maybe")]
    header: Option<Duration>,
    #[serde(default, deserialize_with = "duration::maybe")]
    body_idle: Option<Duration>,
    #[serde(default, deserialize_with = "duration::maybe")]
    write_idle: Option<Duration>,
    #[serde(default, deserialize_with = "duration::maybe")]
    keepalive: Option<Duration>,
    #[serde(default, deserialize_with = "duration::maybe")]
    shutdown: Option<Duration>,
}

impl From<TimeoutKeys> for Timeouts {
    /// Zero means the default, as in the reference: a deadline can't be switched off.
    fn from(keys: TimeoutKeys) -> Timeouts {
        let pick = |choices: &[Option<Duration>], seconds| {
            let set = choices.iter().flatten().find(|d| !d.is_zero());
            set.copied().unwrap_or(Duration::from_secs(seconds))
        };
        Timeouts {
            header: pick(&[keys.header], 5),
            body_idle: pick(&[keys.body_idle, keys.read], 60),
            write_idle: pick(&[keys.write_idle, keys.write], 60),
            upstream_idle: pick(&[keys.write], 120),
            keepalive: pick(&[keys.keepalive, keys.idle], 120),
            shutdown: pick(&[keys.shutdown], 5),
        }
    }
}

/// How much a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Limits {
    /// All header lines together; more is answered 431.
    pub header_bytes: usize,
    /// Header lines; more is answered 431.
    pub headers: usize,
    /// The request target; longer is answered 414.
    pub target_bytes: usize,
    /// A body that a handler wants to see; larger is answered 413.
    pub body_for_decision: usize,
    /// Open connections; `None` leaves it to the system (written as 0).
    #[serde(deserialize_with = "unlimited_at_zero")]
    pub connections: Option<NonZeroUsize>,
    /// HTTP/2 streams of one connection.
    pub streams: u32,
    /// Requests on one connection, which is closed then; `None` (written as 0) for no limit.
    #[serde(deserialize_with = "unlimited_at_zero")]
    pub requests: Option<NonZeroUsize>,
}

/// What a listener shows its clients over TLS, and what it asks of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Never empty. The first is shown where the client names no host, or one that no certificate is for.
    pub certificates: Vec<Certificate>,
    /// `None`: clients are not asked for certificates.
    pub clients: Option<ClientAuth>,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub cert: Pem,
    pub key: Pem,
}

/// Whose certificates clients bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    pub ca: Pem,
    pub presence: ClientCertificate,
}

/// Whether a client without a certificate may come in. One that brings a wrong certificate never may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificate {
    #[default]
    Required,
    Optional,
}

/// Where a PEM text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pem {
    Path(PathBuf),
    /// Base64 over the PEM text.
    Base64(Secret),
}

#[derive(Deserialize, Default)]
struct TlsKeys {
    #[serde(flatten)]
    first: PairKeys,
    #[serde(default)]
    certificates: Vec<PairKeys>,
    #[serde(default)]
    client_ca: PemKeys,
    #[serde(default)]
    client_certificate: ClientCertificate,
}

#[derive(Deserialize, Default)]
struct PairKeys {
    #[serde(default)]
    cert: PemKeys,
    #[serde(default)]
    key: PemKeys,
}

#[derive(Deserialize, Default)]
struct PemKeys {
    #[serde(default)]
    path: String,
    #[serde(default)]
    base64: Secret,
}

/// What a `tls` section asks for; `Err` where it is neither complete nor empty.
fn tls_of(keys: TlsKeys) -> Result<Option<Tls>, &'static str> {
    let mut certificates: Vec<Certificate> = pair(keys.first)?.into_iter().collect();
    let first = !certificates.is_empty();
    for keys in keys.certificates {
        certificates.push(pair(keys)?.ok_or("an entry of `certificates` is empty")?);
    }
    let ca = pem(keys.client_ca);
    if certificates.is_empty() {
        return match ca {
            None => Ok(None),
            Some(_) => Err("`client_ca` needs a certificate and a key of the listener's own"),
        };
    }
    if !first {
        return Err("further `certificates` need a first one in `cert` and `key`");
    }
    let clients = ca.map(|ca| ClientAuth {
        ca,
        presence: keys.client_certificate,
    });
    Ok(Some(Tls {
        certificates,
        clients,
    }))
}

/// A text wins over a path.
fn pem(keys: PemKeys) -> Option<Pem> {
    if !keys.base64.reveal().is_empty() {
        return Some(Pem::Base64(keys.base64));
    }
    (!keys.path.is_empty()).then(|| Pem::Path(keys.path.into()))
}

/// Two texts win over two paths; one of each is an error, as in the reference.
fn pair(keys: PairKeys) -> Result<Option<Certificate>, &'static str> {
    let (cert, key) = (keys.cert, keys.key);
    let empty = |pem: &PemKeys| pem.path.is_empty() && pem.base64.reveal().is_empty();
    if !cert.base64.reveal().is_empty() && !key.base64.reveal().is_empty() {
        return Ok(Some(Certificate {
            cert: Pem::Base64(cert.base64),
            key: Pem::Base64(key.base64),
        }));
    }
    if !cert.path.is_empty() && !key.path.is_empty() {
        return Ok(Some(Certificate {
            cert: Pem::Path(cert.path.into()),
            key: Pem::Path(key.path.into()),
        }));
    }
    if empty(&cert) && empty(&key) {
        return Ok(None);
    }
    Err("TLS needs a certificate and a key, both as `path` or both as `base64`")
}

/// Cross-origin requests that browsers may make.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cors {
    pub allowed_origins: Vec<String>,
    pub allowed_methods: Vec<String>,
    pub allowed_headers: Vec<String>,
    pub exposed_headers: Vec<String>,
    pub allow_credentials: Credentials,
    /// Seconds; `None` leaves the header out (written as 0), a negative number is sent as 0.
    #[serde(deserialize_with = "max_age")]
    pub max_age: Option<u64>,
    /// Extra lines in the log.
    pub debug: bool,
}

/// Whether a cross-origin request may bring cookies along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "bool")]
pub enum Credentials {
    Refused,
    Allowed,
}

switch!(Credentials, Refused, Allowed);

#[derive(Deserialize)]
struct CorsKeys {
    enabled: bool,
    #[serde(flatten)]
    cors: Cors,
}

fn cors<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Cors>, D::Error> {
    let keys = CorsKeys::deserialize(from)?;
    Ok(Some(keys.cors).filter(|_| keys.enabled))
}

fn tls<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Tls>, D::Error> {
    tls_of(TlsKeys::deserialize(from)?).map_err(D::Error::custom)
}

fn ext_authz<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ExtAuthzListener>, D::Error> {
    let section = serde_json::Value::deserialize(from)?;
    if section.get("port").is_none_or(serde_json::Value::is_null) {
        return Ok(None);
    }
    ExtAuthzListener::deserialize(section)
        .map(Some)
        .map_err(D::Error::custom)
}

fn max_age<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let seconds = i64::deserialize(from)?;
    Ok((seconds != 0).then(|| u64::try_from(seconds).unwrap_or(0)))
}

fn unlimited_at_zero<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NonZeroUsize>, D::Error> {
    Ok(NonZeroUsize::new(usize::deserialize(from)?))
}

fn threads<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let threads = usize::deserialize(from)?;
    Ok(if threads == 0 { cores() } else { threads })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ipnet::IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts
        .iter()
        .map(|text| text.parse().map_err(D::Error::custom))
        .collect()
}
