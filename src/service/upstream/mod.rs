//! From a rule's upstream to the peers that Pingora connects to.

mod handshake;
mod health;
mod names;
mod tls;
mod tries;

pub(super) use health::Checks;
use names::{Found, Names};
pub(super) use tries::{Body, Need, Tries, is_grpc, is_replayable};

use crate::upstreams::{Protocol, Scheme, Server, Upstream, Verification};
use pingora_core::protocols::TcpKeepalive;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::Credentials;

/// Limits on the connections to upstreams, where rules say nothing else.
#[derive(Debug, Clone)]
pub(super) struct PeerSettings {
    pub connect: Duration,
    pub read_idle: Duration,
    pub write_idle: Duration,
    pub pool_idle: Duration,
}

/// Streams on one HTTP/2 connection to an upstream.
const STREAMS: usize = 100;

/// Makes the peers that Pingora connects to.
#[derive(Debug)]
pub(super) struct Peers {
    names: Names,
    credentials: Credentials,
    settings: PeerSettings,
}

impl Peers {
    pub(super) fn new(settings: PeerSettings) -> Peers {
        Peers {
            names: Names::default(),
            credentials: Credentials::default(),
            settings,
        }
    }

    /// An address of a server, if possible none of those that were tried.
    pub(super) async fn address(
        &self,
        upstream: &Upstream,
        server: &Server,
        tried: &[SocketAddr],
    ) -> Result<Found> {
        let connect = self.connect(upstream);
        let looked_up = self.names.address(&server.host, server.port, tried);
        match tokio::time::timeout(connect, looked_up).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                let what = "looking up the upstream";
                Err(Error::because(ErrorType::ConnectError, what, error).into_up())
            }
            Err(_) => {
                let what = "looking up the upstream";
                Err(Error::explain(ErrorType::ConnectTimedout, what).into_up())
            }
        }
    }

    fn connect(&self, upstream: &Upstream) -> Duration {
        let own = upstream.settings().timeouts.connect;
        own.unwrap_or(self.settings.connect)
    }

    /// The peer for one try at a server.
    pub(super) fn peer(
        &self,
        upstream: &Upstream,
        server: &Server,
        address: SocketAddr,
        need: Need,
    ) -> Result<HttpPeer> {
        let tls = match server.scheme {
            Scheme::Http => false,
            Scheme::Https => true,
            Scheme::Unsupported => {
                let why = "the upstream's scheme is neither http nor https";
                return Err(Error::explain(ErrorType::ConnectError, why).into_up());
            }
        };
        let mut peer = HttpPeer::new(address, tls, String::new());
        if tls {
            self.secure(&mut peer, upstream, server)?;
        }
        let (least, most) = versions(upstream.settings().protocol, tls, need);
        peer.options.set_http_version(most, least);
        // Pingora's pools know nothing of authorities and versions; connections made under other settings are other connections.
        peer.group_key ^= u64::from(least) << 1 | u64::from(most);
        self.limit(&mut peer, upstream);
        if need == Need::Upgrade {
            let within = self.connect(upstream);
            peer.options.custom_l4 = Some(Arc::new(handshake::Connector { within }));
            tries::take_no_pooled(&mut peer);
        }
        if need.is_patient(most == 2) {
            // What comes after a handshake or a head may be silent for hours. Pingora has one limit for both.
            peer.options.read_timeout = upstream.settings().timeouts.read_idle;
        }
        Ok(peer)
    }

    /// A TLS peer without a server name would not be verified (pingora.md, P02): the host, be it a name or an address, is always one.
    fn secure(&self, peer: &mut HttpPeer, upstream: &Upstream, server: &Server) -> Result<()> {
        let tls = upstream.settings().tls.as_ref();
        let name = tls.and_then(|tls| tls.server_name.as_ref());
        peer.sni = name.unwrap_or(&server.host).to_string();
        if peer.sni.is_empty() {
            let why = "an upstream without a name to verify";
            return Err(Error::explain(ErrorType::InvalidCert, why).into_up());
        }
        let Some(tls) = tls else {
            return Ok(());
        };
        peer.group_key = tls.fingerprint;
        let credentials = self.credentials.of(tls)?;
        peer.options.ca = credentials.authorities.clone();
        peer.client_cert_key = credentials.identity.clone();
        if tls.verification == Verification::DangerousNone {
            peer.options.verify_cert = false;
            peer.options.verify_hostname = false;
        }
        Ok(())
    }

    fn limit(&self, peer: &mut HttpPeer, upstream: &Upstream) {
        let timeouts = upstream.settings().timeouts;
        let connect = self.connect(upstream);
        let options = &mut peer.options;
        options.connection_timeout = Some(connect);
        options.total_connection_timeout = Some(connect.saturating_mul(2));
        options.read_timeout = Some(timeouts.read_idle.unwrap_or(self.settings.read_idle));
        options.write_timeout = Some(timeouts.write_idle.unwrap_or(self.settings.write_idle));
        options.idle_timeout = Some(self.settings.pool_idle);
        options.max_h2_streams = STREAMS;
        options.tcp_keepalive = Some(tcp_keepalive());
    }
}

/// How TCP finds out that the other end is gone.
pub(super) fn tcp_keepalive() -> TcpKeepalive {
    TcpKeepalive {
        idle: Duration::from_secs(60),
        interval: Duration::from_secs(15),
        count: 4,
        user_timeout: Duration::ZERO,
    }
}

/// The least and the greatest version of HTTP that will do.
fn versions(protocol: Protocol, tls: bool, need: Need) -> (u8, u8) {
    match (protocol, need, tls) {
        // WebSocket begins as HTTP/1.1 and gRPC is HTTP/2, whatever else the server speaks.
        (_, Need::Upgrade, _) | (Protocol::Http1, _, _) => (1, 1),
        (Protocol::Http2, _, _) | (Protocol::Auto, Need::Grpc, _) => (2, 2),
        (Protocol::Auto, Need::Nothing | Need::Events | Need::Upload, true) => (1, 2),
        (Protocol::Auto, Need::Nothing | Need::Events | Need::Upload, false) => (1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_follow_the_rule_the_request_and_tls() {
        for (protocol, tls, need, expected) in [
            (Protocol::Auto, false, Need::Nothing, (1, 1)),
            (Protocol::Auto, true, Need::Nothing, (1, 2)),
            (Protocol::Auto, false, Need::Grpc, (2, 2)),
            (Protocol::Auto, true, Need::Upgrade, (1, 1)),
            (Protocol::Http1, true, Need::Grpc, (1, 1)),
            (Protocol::Http2, false, Need::Nothing, (2, 2)),
            (Protocol::Http2, true, Need::Upgrade, (1, 1)),
        ] {
            assert_eq!(
                versions(protocol, tls, need),
                expected,
                "{protocol:?} {tls} {need:?}"
            );
        }
    }
}
