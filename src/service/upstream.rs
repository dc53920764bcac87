//! Upstream addresses: resolved without blocking a worker, and never a panic (design: pingora.md, P17).

use crate::snapshot::{Upstream, UpstreamScheme};
use moka::future::Cache;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::lookup_host;

/// How long a name's addresses are used before they are looked up again.
const NAME_TTL: Duration = Duration::from_secs(10);
const NAMES: u64 = 10_000;

/// Limits on the connections to upstreams.
#[derive(Debug, Clone)]
pub(super) struct PeerSettings {
    pub connect: Duration,
    pub read_idle: Duration,
    pub write_idle: Duration,
    pub pool_idle: Duration,
}

/// Makes the peers that Pingora connects to.
#[derive(Debug)]
pub(super) struct Peers {
    names: Cache<(Arc<str>, u16), Arc<[SocketAddr]>>,
    turn: AtomicUsize,
    settings: PeerSettings,
}

impl Peers {
    pub(super) fn new(settings: PeerSettings) -> Peers {
        let names = Cache::builder()
            .max_capacity(NAMES)
            .time_to_live(NAME_TTL)
            .build();
        Peers {
            names,
            turn: AtomicUsize::new(0),
            settings,
        }
    }

    /// The peer for one try at an upstream.
    pub(super) async fn peer(&self, upstream: &Upstream) -> Result<Box<HttpPeer>> {
        if upstream.scheme == UpstreamScheme::Unsupported {
            let why = "the upstream's scheme is neither http nor https";
            return Err(Error::explain(ErrorType::ConnectError, why));
        }
        let address = self.address(upstream).await?;
        let tls = upstream.scheme == UpstreamScheme::Https;
        // A TLS peer without a server name would not be verified (pingora.md, P02): the host, be it a name or an address, is always one.
        let sni = if tls {
            upstream.host.to_string()
        } else {
            String::new()
        };
        let mut peer = HttpPeer::new(address, tls, sni);
        let options = &mut peer.options;
        options.connection_timeout = Some(self.settings.connect);
        options.total_connection_timeout = Some(self.settings.connect.saturating_mul(2));
        options.read_timeout = Some(self.settings.read_idle);
        options.write_timeout = Some(self.settings.write_idle);
        options.idle_timeout = Some(self.settings.pool_idle);
        if tls {
            options.alpn = pingora_core::protocols::ALPN::H2H1;
        }
        Ok(Box::new(peer))
    }

    async fn address(&self, upstream: &Upstream) -> Result<SocketAddr> {
        if let Ok(ip) = upstream.host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(ip, upstream.port));
        }
        let key = (upstream.host.clone(), upstream.port);
        let found = self
            .names
            .try_get_with(key, async {
                let found: Arc<[SocketAddr]> = lookup_host((&*upstream.host, upstream.port))
                    .await?
                    .collect();
                if found.is_empty() {
                    Err(std::io::Error::from(std::io::ErrorKind::NotFound))
                } else {
                    Ok(found)
                }
            })
            .await
            .map_err(|error| {
                Error::because(
                    ErrorType::ConnectError,
                    "looking up the upstream",
                    std::io::Error::from(error.kind()),
                )
            })?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        turn.checked_rem(found.len())
            .and_then(|index| found.get(index).copied())
            .ok_or_else(|| {
                Error::explain(
                    ErrorType::ConnectError,
                    "the upstream's name has no address",
                )
            })
    }
}
