//! Decisions inside the process of a gRPC or Connect service: a `tower` layer, without Pingora.
//!
//! A [`Guard`] reads a configuration and rules as the server does and follows their changes. As a layer around services it decides on
//! every call by the rules for RPC (`rpc://authority/package.Service/Method`), which no other door consults, and lets through only what
//! a rule's pipeline granted. What the rule's mutators set replaces the client's headers of these names, and of names that are easily
//! taken for them, before the service sees the call.
//!
//! ```no_run
//! use doorward::tower::Guard;
//! use std::error::Error;
//! use std::path::PathBuf;
//! use tonic::transport::server::{Server, TcpConnectInfo};
//! # fn routes() -> tonic::service::Routes { unimplemented!() }
//!
//! async fn serve() -> Result<(), Box<dyn Error>> {
//!     let guard = Guard::start(&[PathBuf::from("doorward.yaml")])
//!         .await?
//!         // Where tonic notes who called: `X-Forwarded-*` count from trusted proxies, and conditions ask for addresses.
//!         .peer(|extensions| Some(extensions.get::<TcpConnectInfo>()?.remote_addr()?.ip()));
//!     let services = routes();
//!     let server = Server::builder().layer(guard).add_routes(services);
//!     Ok(server.serve("127.0.0.1:50051".parse()?).await?)
//! }
//! ```
//!
//! with, in `doorward.yaml`,
//!
//! ```yaml
//! access_rules:
//!   repositories: ["file:///etc/service/rules.yaml"]
//! authenticators:
//!   jwt: { enabled: true, config: { jwks_urls: ["https://issuer.example/.well-known/jwks.json"] } }
//! authorizers:
//!   allow: { enabled: true }
//! mutators:
//!   header: { enabled: true, config: { headers: { X-User: "{{ print .Subject }}" } } }
//! ```
//!
//! and in `rules.yaml`
//!
//! ```yaml
//! - id: greeter
//!   match: { authority: "<[a-z]+>.example.com", full_method: "hello.Greeter/<.*>" }
//!   authenticators: [ { handler: jwt } ]
//!   authorizer: { handler: allow }
//!   mutators: [ { handler: header } ]
//! ```
//!
//! As in the reference's middleware
//! - the method is that of the HTTP request: `POST`, or `GET` for Connect where a rule says `allow_http_get`;
//! - handlers see of a gRPC call's metadata only `authorization` and `x-*`, of a Connect call all headers, and never a body;
//! - a stream is decided on once, when it opens;
//! - every refusal is `Unauthenticated`, so that nobody learns which procedures there are. [`Codes::Precise`] tells callers more;
//! - the environment is not read.
//!
//! And for safety
//! - a path that is not exactly as services look it up (encoded, with doubled slashes, a slash at the end, dot segments) is refused;
//! - `:authority` and `Host` must agree;
//! - forwarding headers count, and reach the service, as at the proxy: only with `serve.proxy.trust_forwarded_headers` and from
//!   `serve.proxy.trusted_proxies`. Limits of `serve.proxy` for targets hold too; no other key of `serve` means anything here.

mod call;

use crate::clients::{self, Clients};
use crate::config::{self, Problems};
use crate::engine::{Engine, Meter};
use crate::reading::Policy;
use crate::reload::{self, Followed, Hangups};
use crate::rules::watch::look;
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
pub use call::Guarded;
use http::Extensions;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tower_layer::Layer;

/// Why a guard can't begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Configuration(#[from] Problems),
    #[error("{0}")]
    Rules(#[from] reload::StartError),
    #[error("outgoing calls can't be set up: {0}")]
    Clients(#[from] clients::SetupError),
}

/// The code of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codes {
    /// Always `Unauthenticated`, and error handlers are not asked, as in the reference.
    #[default]
    Unauthenticated,
    /// What the rule's error handlers say: `PermissionDenied`, `NotFound`, `ResourceExhausted`, …, with their headers.
    Precise,
}

/// Lets calls through to the services that it is layered around, or refuses them. Clones share everything; the last one to go ends the
/// following of configuration and rules.
#[derive(Clone)]
pub struct Guard {
    engine: Engine,
    meter: Arc<Meter>,
    metrics: Arc<Metrics>,
    followed: Arc<Followed>,
    reading: Arc<ArcSwap<Policy>>,
    codes: Codes,
    peer: Arc<PeerOf>,
}

type PeerOf = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;

impl Guard {
    /// Reads the configuration, laid over each other where there are several files, and its rules, and follows both from then on.
    ///
    /// Returns when there is something to decide by. What can't be loaded until then refuses; see [`Self::missing`].
    pub async fn start(files: &[PathBuf]) -> Result<Guard, StartError> {
        let seen = look(files.iter().map(Path::new));
        let loaded = config::load(files, [])?;
        reload::warn(&loaded.warnings);
        let config = loaded.config;
        let clients = Clients::new(clients::Settings::of(&config.http, &config.cache), None)?;
        let metrics = clients.metrics.clone();
        let reading = Arc::new(ArcSwap::from_pointee(Policy::of_proxy(&config)));
        let newest = reading.clone();
        let followed = reload::follow(reload::Setup {
            files: files.to_vec(),
            seen,
            env: Vec::new(),
            config,
            clients: Arc::new(clients),
            hangups: Hangups::LeftAlone,
            on_configuration: Box::new(move |config| {
                newest.store(Arc::new(Policy::of_proxy(config)))
            }),
        })
        .await?;
        Ok(Guard {
            engine: Engine::new(followed.live.clone()),
            meter: Arc::new(Meter::new(&metrics, "tower")),
            metrics,
            followed: Arc::new(followed),
            reading,
            codes: Codes::default(),
            peer: Arc::new(noted_peer),
        })
    }

    /// The same with other codes for refusals.
    pub fn codes(self, codes: Codes) -> Guard {
        Guard { codes, ..self }
    }

    /// The same with another way to find the other end of a call's connection in what the server noted with the request. Without one
    /// an `IpAddr` or `SocketAddr` among the extensions is it. An unknown peer is trusted with nothing.
    pub fn peer(
        self,
        peer: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Guard {
        let peer = Arc::new(peer);
        Guard { peer, ..self }
    }

    /// What readiness waits for; empty when there are rules and every source was read.
    pub fn missing(&self) -> Vec<String> {
        self.followed.board.read().missing()
    }

    /// Counts of decisions, caches and sources, to be shown beside the program's own.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}

fn noted_peer(extensions: &Extensions) -> Option<IpAddr> {
    let address = extensions.get::<SocketAddr>().map(SocketAddr::ip);
    address.or_else(|| extensions.get().copied())
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("followed", &self.followed)
            .field("codes", &self.codes)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded::new(self.clone(), inner)
    }
}
