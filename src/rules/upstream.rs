//! What a rule says of its upstream becomes servers and how they are spoken to.

use super::raw;
use crate::canonical::UpstreamPath;
use crate::gourl;
use crate::upstreams::{
    Active, HashOn, Identity, Passive, Policy, PreserveHost, Protocol, Registry, Retries, Scheme,
    Server, Settings, Timeouts, Tls, Upstream, Verification,
};
use crate::value::parse_duration;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// `None` where the rule has no upstream, which is fine at the decision API. What can't be understood is an error as a whole: nothing
/// is guessed about whom to trust and where to send a request.
pub(super) fn build(
    raw: &raw::Upstream,
    registry: &Registry,
    found: &mut Vec<String>,
) -> Result<Option<Upstream>, String> {
    let mut own = Own { raw, found };
    let listed: Vec<Listed> = own.section("urls")?.unwrap_or_default();
    let entries = match (listed.as_slice(), raw.url.as_str()) {
        ([], "") => return Ok(None),
        ([], url) => vec![("upstream.url".to_owned(), url, 1)],
        (listed, "") => listed
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let (url, weight) = entry.parts();
                (format!("upstream.urls[{index}]"), url, weight)
            })
            .collect(),
        (_, _) => return Err("\"upstream.url\" and \"upstream.urls\" are both set".to_owned()),
    };
    // Rules that say the same of their upstream judge its servers together.
    let judged_by = serde_json::to_string(&raw.own).unwrap_or_default();
    let servers = entries.into_iter().map(|(place, url, weight)| {
        let state = || registry.state(&format!("{url} {judged_by}"));
        server(&place, url, weight, &raw.strip_path, state)
    });
    let servers: Vec<Server> = servers.collect::<Result<_, _>>()?;
    let settings = own.settings()?;
    Ok(Upstream::new(servers, settings))
}

fn server(
    place: &str,
    text: &str,
    weight: u16,
    strip_path: &str,
    state: impl FnOnce() -> Arc<crate::upstreams::State>,
) -> Result<Server, String> {
    let wrong = |why: &str| format!("Value \"{text}\" of \"{place}\" {why}");
    gourl::Url::parse_request_uri(text)
        .map_err(|error| wrong(&format!("is not a valid url: {error}")))?;
    // The reference judges it as a request's target and then reads it as a URL, of which a fragment is no part of the path.
    let url =
        gourl::Url::parse(text).map_err(|error| wrong(&format!("is not a valid url: {error}")))?;
    let (scheme, default_port) = match url.scheme.as_str() {
        "http" => (Scheme::Http, 80),
        "https" => (Scheme::Https, 443),
        _ => (Scheme::Unsupported, 0),
    };
    let port = match url.port() {
        "" => default_port,
        port => port
            .parse()
            .map_err(|_| wrong("has a port that is no number up to 65535"))?,
    };
    if !(1..=100).contains(&weight) {
        return Err(wrong("has a weight that is not from 1 to 100"));
    }
    Ok(Server {
        scheme,
        host: url.hostname().into(),
        port,
        authority: url.host.as_str().into(),
        path: UpstreamPath::new(&url, strip_path),
        weight,
        state: state(),
    })
}

/// The members of the sections that are objects.
pub(crate) const SECTIONS: &[(&str, &[&str])] = &[
    ("timeout", &["connect", "read_idle", "write_idle", "total"]),
    ("retries", &["attempts", "budget_percent"]),
    ("limits", &["requests"]),
    (
        "health",
        &[
            "path",
            "interval",
            "timeout",
            "healthy",
            "unhealthy",
            "statuses",
            "failures",
            "pause",
        ],
    ),
    (
        "tls",
        &[
            "ca",
            "client_certificate",
            "insecure_skip_verify",
            "server_name",
        ],
    ),
];

/// Doorward's own members of `upstream`, read one by one.
struct Own<'a> {
    raw: &'a raw::Upstream,
    found: &'a mut Vec<String>,
}

impl Own<'_> {
    fn section<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, String> {
        match self.raw.own.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value)
                .map(Some)
                .map_err(|error| format!("upstream.{name}: {error}")),
        }
    }

    /// The same for an object; members that mean nothing are noted.
    fn object<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, String> {
        let known = SECTIONS.iter().find(|(section, _)| *section == name);
        let known = known.map_or(&[] as &[&str], |(_, known)| known);
        if let Some(Value::Object(members)) = self.raw.own.get(name) {
            let unknown = members.keys().filter(|key| !known.contains(&key.as_str()));
            self.found.extend(
                unknown.map(|key| format!("upstream.{name}.{key}: is unknown and ignored")),
            );
        }
        self.section(name)
    }

    fn settings(&mut self) -> Result<Settings, String> {
        let health: Option<HealthKeys> = self.object("health")?;
        let limits: LimitKeys = self.object("limits")?.unwrap_or_default();
        let health = health.unwrap_or_default();
        Ok(Settings {
            preserve_host: if self.raw.preserve_host {
                PreserveHost::Yes
            } else {
                PreserveHost::No
            },
            policy: match self.section::<PolicyKeys>("policy")? {
                None => Policy::default(),
                Some(keys) => keys.policy()?,
            },
            protocol: self.protocol()?,
            tls: self.tls()?.map(Arc::new),
            timeouts: self.timeouts()?,
            retries: self
                .object::<RetryKeys>("retries")?
                .map_or_else(Retries::default, |keys| {
                    Retries::new(keys.attempts, keys.budget_percent.min(100))
                }),
            passive: health.passive(),
            active: health.active()?,
            in_flight: limits.requests,
        })
    }

    fn protocol(&mut self) -> Result<Protocol, String> {
        let plain = |url: &str| !url.starts_with("https:");
        Ok(match self.section::<ProtocolKey>("protocol")? {
            None | Some(ProtocolKey::Auto) => Protocol::Auto,
            Some(ProtocolKey::Http1) => Protocol::Http1,
            Some(ProtocolKey::Http2) => Protocol::Http2,
            Some(ProtocolKey::H2c) if plain(&self.raw.url) => Protocol::Http2,
            Some(ProtocolKey::H2c) => {
                return Err(
                    "upstream.protocol: `h2c` is without TLS; use `http2` for `https` upstreams"
                        .to_owned(),
                );
            }
        })
    }

    fn timeouts(&mut self) -> Result<Timeouts, String> {
        let keys: TimeoutKeys = self.object("timeout")?.unwrap_or_default();
        let [connect, read_idle, write_idle, total] =
            [keys.connect, keys.read_idle, keys.write_idle, keys.total].map(|key| key.map(|k| k.0));
        Ok(Timeouts {
            connect,
            read_idle,
            write_idle,
            total,
        })
    }

    fn tls(&mut self) -> Result<Option<Tls>, String> {
        let Some(keys) = self.object::<TlsKeys>("tls")? else {
            return Ok(None);
        };
        let authorities = keys.ca.as_deref().map(authorities).transpose()?;
        let identity = keys.client_certificate.as_ref().map(identity).transpose()?;
        if let Some(name) = &keys.server_name {
            rustls_pki_types::ServerName::try_from(name.as_str()).map_err(|_| {
                format!("upstream.tls.server_name: `{name}` is neither a name nor an address")
            })?;
        }
        let verification = if keys.insecure_skip_verify {
            self.found.push(
                "upstream.tls.insecure_skip_verify: whoever sits between can read and answer everything"
                    .to_owned(),
            );
            Verification::DangerousNone
        } else {
            Verification::Full
        };
        let mut hasher = DefaultHasher::new();
        let shown = identity
            .as_ref()
            .map(|identity| (&identity.chain, &*identity.key));
        (&authorities, shown, verification, &keys.server_name).hash(&mut hasher);
        Ok(Some(Tls {
            authorities,
            identity,
            verification,
            server_name: keys.server_name.as_deref().map(Arc::from),
            fingerprint: hasher.finish(),
        }))
    }
}

fn read(key: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|error| format!("{key}: `{}`: {error}", path.display()))
}

fn chain(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(key, path)?).collect();
    let wrong = |why: String| format!("{key}: `{}`: {why}", path.display());
    let chain = found.map_err(|error| wrong(format!("no certificate: {error}")))?;
    if chain.is_empty() {
        return Err(wrong("no certificate in it".to_owned()));
    }
    Ok(chain)
}

fn authorities(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let key = "upstream.tls.ca";
    let chain = chain(key, path)?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in &chain {
        roots
            .add(certificate.clone())
            .map_err(|error| format!("{key}: `{}`: {error}", path.display()))?;
    }
    Ok(chain
        .iter()
        .map(|certificate| certificate.to_vec())
        .collect())
}

fn identity(keys: &IdentityKeys) -> Result<Identity, String> {
    let chain = chain("upstream.tls.client_certificate.cert", &keys.cert)?;
    let key_key = "upstream.tls.client_certificate.key";
    let wrong = |why: &dyn std::fmt::Display| format!("{key_key}: `{}`: {why}", keys.key.display());
    let key = PrivateKeyDer::from_pem_slice(&read(key_key, &keys.key)?).map_err(|e| wrong(&e))?;
    let der = Zeroizing::new(key.secret_der().to_vec());
    let provider = rustls::crypto::ring::default_provider();
    rustls::sign::CertifiedKey::from_der(chain.clone(), key, &provider).map_err(|e| wrong(&e))?;
    Ok(Identity {
        chain: chain
            .iter()
            .map(|certificate| certificate.to_vec())
            .collect(),
        key: der,
    })
}

/// A server: its URL, or its URL with a weight.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    Url(String),
    Weighted {
        url: String,
        #[serde(default = "one")]
        weight: u16,
    },
}

fn one() -> u16 {
    1
}

impl Listed {
    fn parts(&self) -> (&str, u16) {
        match self {
            Listed::Url(url) => (url, 1),
            Listed::Weighted { url, weight } => (url, *weight),
        }
    }
}

/// `round_robin`, `least_connections`, or `{"hash": …}`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum PolicyKeys {
    RoundRobin,
    LeastConnections,
    Hash(HashKeys),
}

/// `"subject"`, `{"header": "X-Tenant"}` or `{"cookie": "sid"}`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum HashKeys {
    Subject,
    Header(String),
    Cookie(String),
}

impl PolicyKeys {
    fn policy(self) -> Result<Policy, String> {
        Ok(match self {
            PolicyKeys::RoundRobin => Policy::RoundRobin,
            PolicyKeys::LeastConnections => Policy::LeastConnections,
            PolicyKeys::Hash(HashKeys::Subject) => Policy::Hash(HashOn::Subject),
            PolicyKeys::Hash(HashKeys::Cookie(name)) => Policy::Hash(HashOn::Cookie(name.into())),
            PolicyKeys::Hash(HashKeys::Header(name)) => {
                Policy::Hash(HashOn::Header(name.parse().map_err(|_| {
                    format!("upstream.policy.hash.header: `{name}` is no header's name")
                })?))
            }
        })
    }
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum ProtocolKey {
    Auto,
    Http1,
    Http2,
    H2c,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TimeoutKeys {
    connect: Option<Span>,
    read_idle: Option<Span>,
    write_idle: Option<Span>,
    total: Option<Span>,
}

/// A duration longer than nothing, as Go writes it.
#[derive(Clone, Copy)]
struct Span(Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        let text = String::deserialize(from)?;
        let nanos = parse_duration(&text).and_then(|nanos| u64::try_from(nanos).ok());
        match nanos {
            Some(nanos) if nanos > 0 => Ok(Span(Duration::from_nanos(nanos))),
            Some(_) | None => Err(D::Error::custom(format!(
                "`{text}` is no duration longer than nothing, such as `5s`"
            ))),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TlsKeys {
    ca: Option<PathBuf>,
    client_certificate: Option<IdentityKeys>,
    insecure_skip_verify: bool,
    server_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityKeys {
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(default)]
struct RetryKeys {
    attempts: u32,
    budget_percent: u8,
}

impl Default for RetryKeys {
    fn default() -> RetryKeys {
        RetryKeys {
            attempts: 1,
            budget_percent: 20,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LimitKeys {
    requests: Option<NonZeroUsize>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HealthKeys {
    path: Option<String>,
    interval: Option<Span>,
    timeout: Option<Span>,
    healthy: Option<u32>,
    unhealthy: Option<u32>,
    /// Such as `200` or `200-399`.
    statuses: Option<String>,
    failures: Option<u32>,
    pause: Option<Span>,
}

impl HealthKeys {
    fn passive(&self) -> Passive {
        let default = Passive::default();
        Passive {
            failures: self.failures.unwrap_or(default.failures),
            pause: self.pause.map_or(default.pause, |pause| pause.0),
        }
    }

    /// Servers are asked only where there is a path to ask at.
    fn active(&self) -> Result<Option<Active>, String> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        if !path.starts_with('/') || path.bytes().any(|b| !(0x21..0x7f).contains(&b)) {
            return Err(format!("upstream.health.path: `{path}` is no path"));
        }
        let span = |key: Option<Span>, seconds| key.map_or(Duration::from_secs(seconds), |s| s.0);
        let statuses = self.statuses.as_deref().unwrap_or("200-299");
        let (from, to) = statuses.split_once('-').unwrap_or((statuses, statuses));
        let (Ok(from), Ok(to)) = (from.parse(), to.parse()) else {
            return Err(format!(
                "upstream.health.statuses: `{statuses}` is neither a status nor a range of them"
            ));
        };
        Ok(Some(Active {
            path: path.clone(),
            interval: span(self.interval, 5),
            timeout: span(self.timeout, 2),
            healthy: self.healthy.unwrap_or(2).max(1),
            unhealthy: self.unhealthy.unwrap_or(3).max(1),
            statuses: from..=to,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn built(upstream: Value) -> (Result<Option<Upstream>, String>, Vec<String>) {
        let Value::Object(mut own) = upstream else {
            panic!("an object");
        };
        let url = own
            .remove("url")
            .map(|url| url.as_str().unwrap().to_owned());
        let raw = raw::Upstream {
            url: url.unwrap_or_default(),
            own,
            ..raw::Upstream::default()
        };
        let mut found = Vec::new();
        let built = build(&raw, &Registry::default(), &mut found);
        (built, found)
    }

    #[test]
    fn everything_that_can_be_said_is_understood() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
        let (upstream, found) = built(json!({
            "urls": ["https://a:1/x", { "url": "https://[::1]", "weight": 3 }],
            "policy": { "hash": { "header": "X-Tenant" } },
            "protocol": "http2",
            "timeout": { "connect": "1s", "total": "1h30m" },
            "tls": {
                "ca": format!("{dir}/ca.crt"),
                "client_certificate": { "cert": format!("{dir}/client.crt"), "key": format!("{dir}/client.key") },
                "server_name": "upstream.test",
            },
            "retries": { "attempts": 2 },
            "limits": { "requests": 5 },
            "health": { "path": "/up", "interval": "1s", "statuses": "200-399", "failures": 0 },
        }));
        assert_eq!(found, [""; 0]);
        let upstream = upstream.unwrap().unwrap();
        let servers: Vec<_> = upstream
            .servers()
            .iter()
            .map(|s| (&*s.host, s.port, s.weight))
            .collect();
        assert_eq!(servers, [("a", 1, 1), ("::1", 443, 3)]);
        let settings = upstream.settings();
        assert_eq!(settings.timeouts.total, Some(Duration::from_secs(5400)));
        assert_eq!(settings.active.as_ref().unwrap().statuses, 200..=399);
        assert_eq!(
            settings.tls.as_ref().unwrap().verification,
            Verification::Full
        );
    }

    #[test]
    fn what_is_not_understood_leaves_no_upstream() {
        for (upstream, word) in [
            (json!({ "url": "http://a", "urls": ["http://b"] }), "both"),
            (json!({ "urls": ["http://b", "%"] }), "upstream.urls[1]"),
            (
                json!({ "urls": [{ "url": "http://b", "weight": 0 }] }),
                "weight",
            ),
            (
                json!({ "url": "http://a", "policy": "random" }),
                "upstream.policy",
            ),
            (
                json!({ "url": "http://a", "protocol": "http3" }),
                "upstream.protocol",
            ),
            (
                json!({ "url": "https://a", "protocol": "h2c" }),
                "upstream.protocol",
            ),
            (
                json!({ "url": "http://a", "timeout": { "connect": "0s" } }),
                "upstream.timeout",
            ),
            (
                json!({ "url": "http://a", "timeout": 5 }),
                "upstream.timeout",
            ),
            (
                json!({ "url": "http://a", "health": { "path": "up" } }),
                "upstream.health.path",
            ),
            (
                json!({ "url": "https://a", "tls": { "ca": "/nowhere" } }),
                "/nowhere",
            ),
            (
                json!({ "url": "https://a", "tls": { "insecure_skip_verify": "yes" } }),
                "upstream.tls",
            ),
            (
                json!({ "url": "https://a", "tls": { "server_name": "a b" } }),
                "server_name",
            ),
        ] {
            let (upstream, _) = built(upstream);
            let message = upstream.unwrap_err();
            assert!(message.contains(word), "{word}: {message}");
        }
    }

    #[test]
    fn what_means_nothing_is_said_and_what_is_dangerous_too() {
        let (upstream, found) = built(json!({
            "url": "https://a",
            "tls": { "insecure_skip_verify": true, "verify": false },
        }));
        assert!(upstream.unwrap().is_some());
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("upstream.tls.verify"));
        assert!(found[1].contains("insecure_skip_verify"));
    }
}
