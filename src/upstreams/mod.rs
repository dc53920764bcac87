//! Where the proxy sends a rule's requests: servers, how one of them is chosen, and what is known of their health.
//!
//! Everything but the health is settled when rules are compiled. The health outlives a reload: servers find their state again in the
//! [`Registry`], so that a changed rule neither forgets a dead server nor what is in flight.

mod balance;
mod budget;
mod health;

pub use balance::{HashOn, Lease, NoServer, Policy};
pub use budget::Retries;
pub use health::{Active, Passive, Registry, State};

use crate::canonical;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use zeroize::Zeroizing;

/// A rule's upstream: one server or several that do the same.
#[derive(Debug)]
pub struct Upstream {
    /// Never empty.
    servers: Box<[Server]>,
    /// Whose turn it is, each server as often as its weight says.
    order: Box<[u16]>,
    turn: AtomicUsize,
    settings: Settings,
}

/// One server of an upstream.
#[derive(Debug)]
pub struct Server {
    pub scheme: Scheme,
    /// A name or an address, without the brackets of IPv6.
    pub host: Arc<str>,
    pub port: u16,
    /// As it goes into the `Host` line: with the port where the rule wrote one.
    pub authority: Arc<str>,
    pub path: canonical::UpstreamPath,
    /// From 1 to 100.
    pub weight: u16,
    pub state: Arc<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
    /// Loads, as in the reference, but nothing can be reached by it: 502.
    Unsupported,
}

/// Which `Host` the upstream sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PreserveHost {
    #[default]
    No,
    Yes,
}

/// What holds for all servers of an upstream.
#[derive(Debug, Default)]
pub struct Settings {
    pub preserve_host: PreserveHost,
    pub policy: Policy,
    pub protocol: Protocol,
    /// `None`: the system's authorities, no client certificate.
    pub tls: Option<Arc<Tls>>,
    pub timeouts: Timeouts,
    pub retries: Retries,
    pub passive: Passive,
    /// `None`: servers are judged by the requests they get.
    pub active: Option<Active>,
    /// Requests that one server may have in flight.
    pub in_flight: Option<NonZeroUsize>,
}

/// How to speak to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// What TLS settles on; without TLS HTTP/1.1, but HTTP/2 for gRPC, which knows nothing else.
    #[default]
    Auto,
    Http1,
    /// With prior knowledge where there is no TLS.
    Http2,
}

/// Deadlines in place of the listener's; `None` keeps those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    pub connect: Option<Duration>,
    /// Until the server sends more of its answer.
    pub read_idle: Option<Duration>,
    /// Until the server takes more of the request.
    pub write_idle: Option<Duration>,
    /// From the decision to the last byte of the answer; `None`: no such limit, so that streams live.
    pub total: Option<Duration>,
}

/// Whom connections to an upstream trust and what they show.
#[derive(Debug, PartialEq, Eq)]
pub struct Tls {
    /// DER; `None`: the system's.
    pub authorities: Option<Vec<Vec<u8>>>,
    pub identity: Option<Identity>,
    pub verification: Verification,
    /// In place of the server's host, for SNI and verification.
    pub server_name: Option<Arc<str>>,
    /// Over everything above: what separates pools of connections.
    pub fingerprint: u64,
}

/// A client certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// DER, the client's own first.
    pub chain: Vec<Vec<u8>>,
    /// DER.
    pub key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({} certificates, ***)", self.chain.len())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Verification {
    #[default]
    Full,
    /// `insecure_skip_verify`: whoever sits between Doorward and the server reads and answers everything.
    DangerousNone,
}

impl Upstream {
    /// `None` without servers.
    pub fn new(servers: Vec<Server>, settings: Settings) -> Option<Upstream> {
        if servers.is_empty() {
            return None;
        }
        Some(Upstream {
            order: balance::order(servers.iter().map(|server| server.weight)).into(),
            servers: servers.into(),
            turn: AtomicUsize::new(0),
            settings,
        })
    }

    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
