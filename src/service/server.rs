//! The listeners as Pingora services, and the end of the process.

use super::api::{Api, Shown};
use super::cors::{Cors, Credentials};
use super::decisions::Decisions;
use super::door::{Allowance, Door, Watcher};
use super::ext_authz::ExtAuthz;
use super::handover::{self, HandoverError, Listeners};
use super::head::HeadLimits;
use super::listening::Opened;
use super::metrics::MetricsPage;
use super::observe::{Connections, Entrance, Observer, STREAM};
use super::proxy::Proxy;
use super::refusal::Refused;
use super::tls::{self, NoHandshake, Tls, TlsError};
use super::translate::Settings;
use super::upstream::{Checks, PeerSettings, Peers, tcp_keepalive};
use crate::canonical::Forwarded;
use crate::config::{self, Config, ExtAuthzListener, Listener};
use crate::engine::Engine;
use crate::reading::Policy;
use crate::telemetry::Telemetry;
use async_trait::async_trait;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig, TcpSocketOptions};
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::server::{ExecutionPhase, RunArgs, Server, ShutdownSignal, ShutdownSignalWatch};
use pingora_core::services::background::{GenBackgroundService, background_service};
use pingora_core::services::listening::Service;
use pingora_proxy::http_proxy;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;

/// A listener can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("{key}: can't listen on {address}: {error}{}", advice(key, error))]
    Bind {
        key: &'static str,
        address: String,
        error: io::Error,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Handover(#[from] HandoverError),
}

/// What to do about it, where that is known.
fn advice(key: &str, error: &io::Error) -> String {
    let variable = key.to_uppercase().replace('.', "_");
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "; stop what listens there already, or choose another port: `{key}.port`, or {variable}_PORT in the environment"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "; ports below 1024 need the capability CAP_NET_BIND_SERVICE, or choose another: `{key}.port`, or {variable}_PORT in the environment"
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "; that is no address of this machine: `{key}.host`, or {variable}_HOST in the environment"
            )
        }
        _ => String::new(),
    }
}

/// Serves until the process is told to stop, and returns when the last request is done or its time is over.
///
/// `on_running` is called once, when the listeners are up.
pub fn serve(
    config: &Config,
    engine: Engine,
    shown: Shown,
    telemetry: &Telemetry,
    listeners: Listeners,
    on_running: impl FnOnce() + Send + 'static,
) -> Result<(), ListenError> {
    let mut open = Open {
        doors: Vec::new(),
        telemetry: telemetry.clone(),
        listeners,
    };
    let mut server = Server::new_with_opt_and_conf(options(listeners), server_conf(config));
    let board = shown.board.clone();
    let conf = server.configuration.clone();
    let mut certificates = Vec::new();
    let peers = Arc::new(peers(&config.serve.proxy));
    let checks = Checks::new(
        engine.live().clone(),
        peers.clone(),
        telemetry.metrics.clone(),
    );
    server.add_service(alone("upstream checks", checks));
    let proxy = proxy_service(config, &conf, engine.clone(), peers, &mut open)?;
    certificates.extend(proxy.app_logic().and_then(Door::tls));
    server.add_service(proxy);
    if let Some(listener) = &config.serve.ext_authz {
        let ext_authz = ext_authz_service(config, listener, engine.clone(), &mut open)?;
        certificates.extend(ext_authz.app_logic().and_then(Door::tls));
        server.add_service(ext_authz);
    }
    server.add_service(metrics_service(config, &mut open)?);
    let serve = &config.serve;
    let others = [&serve.proxy.address, &serve.metrics.address];
    let ext_authz = serve.ext_authz.iter().map(|listener| &listener.address);
    let opened = Opened::new(others.into_iter().chain(ext_authz));
    let opened = server.add_service(alone("listening", opened));
    let api = api_service(config, engine, shown, &mut open)?;
    certificates.extend(api.app_logic().and_then(Door::tls));
    // Who sees the API say that it is ready goes to the other doors next.
    server.add_service(api).add_dependency(&opened);
    if let Some(watch) = tls::Watch::over(certificates) {
        server.add_service(alone("tls", watch));
    }
    if listeners == Listeners::TakeOver {
        // Whatever can be wrong with this process is found before the old one is relieved.
        handover::private_folder(&config.serve.upgrade_sock)?;
        handover::wait_for_rules(&board)?;
        handover::announce(&config.serve.upgrade_sock, || server.bootstrap());
    } else {
        server.bootstrap();
    }
    watch_phases(&server, open, on_running);
    server.run(RunArgs {
        shutdown_signal: Box::new(Signals {
            upgrade_sock: config.serve.upgrade_sock.clone(),
        }),
    });
    Ok(())
}

/// A service on a thread of its own; one is enough for all of them.
fn alone<S>(name: &str, service: S) -> GenBackgroundService<S> {
    let mut service = background_service(name, service);
    service.threads = Some(1);
    service
}

/// What all listeners report to.
struct Open {
    doors: Vec<Leaving>,
    telemetry: Telemetry,
    listeners: Listeners,
}

/// What the end of the process waits for at one listener.
struct Leaving {
    connections: Arc<AtomicUsize>,
    most: Duration,
}

impl Open {
    /// Whether somebody still has time, so long after the end began.
    fn is_awaited(&self, since: Instant) -> bool {
        let mut doors = self.doors.iter();
        doors
            .any(|door| door.connections.load(Ordering::Relaxed) > 0 && since.elapsed() < door.most)
    }

    fn connections(&self) -> usize {
        let doors = self.doors.iter();
        doors
            .map(|door| door.connections.load(Ordering::Relaxed))
            .sum()
    }
}

fn options(listeners: Listeners) -> Opt {
    Opt {
        upgrade: listeners == Listeners::TakeOver,
        ..Opt::default()
    }
}

fn server_conf(config: &Config) -> ServerConf {
    ServerConf {
        threads: config.serve.proxy.threads,
        // Where every listener has one thread nobody could take work over, and a runtime that doesn't try to costs a fifth less CPU time
        // for a proxied request (load-tests/compare.py, one core).
        work_stealing: has_several_threads(&config.serve),
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        // Requests in flight have no longer than this; `watch_phases` ends earlier where none has time left.
        grace_period_seconds: Some(longest_shutdown(&config.serve).as_secs().saturating_add(1)),
        graceful_shutdown_timeout_seconds: Some(0),
        max_retries: TRIES,
        upgrade_sock: config.serve.upgrade_sock.to_string_lossy().into_owned(),
        ..ServerConf::default()
    }
}

fn has_several_threads(serve: &config::Serve) -> bool {
    let ext_authz = serve.ext_authz.as_ref().map(|listener| listener.threads);
    let listeners = [serve.proxy.threads, serve.api.listener.threads];
    listeners
        .into_iter()
        .chain(ext_authz)
        .any(|threads| threads > 1)
}

fn longest_shutdown(serve: &config::Serve) -> Duration {
    let ext_authz = serve.ext_authz.as_ref();
    let others = [
        Some(serve.api.listener.timeout.shutdown),
        ext_authz.map(|listener| listener.timeout.shutdown),
    ];
    let longest = others.into_iter().flatten().max();
    longest
        .unwrap_or_default()
        .max(serve.proxy.timeout.shutdown)
}

/// Idle connections to upstreams, of all workers together.
const UPSTREAM_POOL: usize = 1024;
/// How often one request is tried at its upstream; what is tried again is decided elsewhere.
const TRIES: usize = 16;

fn proxy_service(
    config: &Config,
    conf: &Arc<ServerConf>,
    engine: Engine,
    peers: Arc<Peers>,
    open: &mut Open,
) -> Result<Service<Door<pingora_proxy::HttpProxy<Proxy>, Watch>>, ListenError> {
    let listener = &config.serve.proxy;
    let settings = settings(config, listener, Policy::of_proxy(config));
    let observer = Observer::new(&open.telemetry, Entrance::Proxy);
    let app = http_proxy(conf, Proxy::new(engine, settings, peers, observer));
    open_listener("serve.proxy", listener, app, open)
}

fn peers(listener: &Listener) -> Peers {
    Peers::new(PeerSettings {
        connect: Duration::from_secs(10),
        read_idle: listener.timeout.upstream_idle,
        write_idle: listener.timeout.body_idle,
        pool_idle: Duration::from_secs(90),
    })
}

fn api_service(
    config: &Config,
    engine: Engine,
    shown: Shown,
    open: &mut Open,
) -> Result<Service<Door<Decisions, Watch>>, ListenError> {
    let listener = &config.serve.api.listener;
    let reading = Policy::of(config, listener, Forwarded::Honoured);
    let settings = settings(config, listener, reading);
    let observer = Observer::new(&open.telemetry, Entrance::Api);
    let api = Api::new(shown);
    open_listener(
        "serve.api",
        listener,
        Decisions::new(engine, settings, api, observer),
        open,
    )
}

fn ext_authz_service(
    config: &Config,
    listener: &ExtAuthzListener,
    engine: Engine,
    open: &mut Open,
) -> Result<Service<Door<ExtAuthz, Watch>>, ListenError> {
    let listener = Listener {
        address: listener.address.clone(),
        timeout: listener.timeout,
        limits: listener.limits,
        tls: listener.tls.clone(),
        cors: None,
        trusted_proxies: listener.trusted_proxies.clone(),
        trust_forwarded_headers: config::TrustForwarded::FromTrustedProxies,
        threads: listener.threads,
        explain: config::Explain::Off,
    };
    let reading = Policy::of(config, &listener, Forwarded::Honoured);
    let settings = settings(config, &listener, reading);
    let observer = Observer::new(&open.telemetry, Entrance::ExtAuthz);
    let app = ExtAuthz::new(engine, settings, observer);
    open_listener("serve.ext_authz", &listener, app, open)
}

/// Bounded like the API, whatever else is configured: the page is for one reader.
fn metrics_service(
    config: &Config,
    open: &mut Open,
) -> Result<Service<Door<MetricsPage, Watch>>, ListenError> {
    let page = MetricsPage::new(&open.telemetry, &config.serve.metrics.path);
    let listener = Listener {
        address: config.serve.metrics.address.clone(),
        tls: None,
        cors: None,
        threads: 1,
        ..config.serve.api.listener.clone()
    };
    open_listener("serve.prometheus", &listener, page, open)
}

fn settings(config: &Config, listener: &Listener, reading: Policy) -> Arc<Settings> {
    Arc::new(Settings {
        reading,
        body_for_decision: listener.limits.body_for_decision,
        body_idle: listener.timeout.body_idle,
        headers: listener.limits.headers,
        header_bytes: listener.limits.header_bytes,
        echo: config.decisions.echo_headers,
        explain: listener.explain,
        cors: listener.cors.as_ref().map(cors),
    })
}

fn cors(config: &config::Cors) -> Cors {
    Cors::new(&super::cors::Settings {
        allowed_origins: config.allowed_origins.clone(),
        allowed_methods: config.allowed_methods.clone(),
        allowed_headers: config.allowed_headers.clone(),
        exposed_headers: config.exposed_headers.clone(),
        credentials: match config.allow_credentials {
            config::Credentials::Refused => Credentials::Refused,
            config::Credentials::Allowed => Credentials::Allowed,
        },
        max_age: config.max_age,
    })
}

fn open_listener<A>(
    key: &'static str,
    listener: &Listener,
    app: A,
    open: &mut Open,
) -> Result<Service<Door<A, Watch>>, ListenError>
where
    A: pingora_core::apps::HttpServerApp + Send + Sync + 'static,
{
    let mut address = listener.address.to_string();
    let free = probe(&address, open.listeners).map_err(|error| ListenError::Bind {
        key,
        address: address.clone(),
        error,
    })?;
    if let (0, Some(free)) = (listener.address.port, free) {
        // Pingora keeps sockets by the address that was asked for: two listeners at port 0 would be one.
        address = free.to_string();
        tracing::info!(listener = key, %address, "listens at a free port");
    }
    let tls = listener.tls.as_ref();
    let tls = tls.map(|tls| Tls::load(&format!("{key}.tls"), tls));
    let connections = Arc::new(AtomicUsize::new(0));
    open.doors.push(Leaving {
        connections: connections.clone(),
        most: listener.timeout.shutdown,
    });
    let door = Door::new(
        app,
        tls.transpose()?,
        Watch {
            listener: key,
            open: connections,
            connections: Connections::new(&open.telemetry, key),
        },
        allowance(listener),
    );
    let mut service = Service::new(key.to_owned(), door);
    service.threads = Some(listener.threads);
    // Smaller than Pingora's 64 KiB: idle connections are what fills the memory of an edge.
    let mut sockets = TcpSocketOptions::default();
    sockets.tcp_keepalive = Some(tcp_keepalive());
    let endpoint = ListenerConfig::tcp(address).tcp_socket_options(sockets);
    service.add_listener(endpoint.l4_buffer(L4BufferSettings {
        read: Some(4096),
        write: Some(4096),
    }));
    Ok(service)
}

fn allowance(listener: &Listener) -> Allowance {
    let (limits, timeout) = (&listener.limits, &listener.timeout);
    Allowance {
        head: HeadLimits {
            bytes: limits.header_bytes,
            lines: limits.headers,
            target: limits.target_bytes,
        },
        header: timeout.header,
        keepalive: timeout.keepalive,
        body_idle: timeout.body_idle,
        write_idle: timeout.write_idle,
        connections: limits.connections.map_or(usize::MAX, |most| most.get()),
        streams: limits.streams,
        requests: limits
            .requests
            .map(|most| u32::try_from(most.get()).unwrap_or(u32::MAX)),
    }
}

/// How long a taken port may stay taken: a process that is just ending, or an outgoing connection that was given the number.
const TAKEN: Duration = Duration::from_secs(2);

/// Pingora panics in a thread of its own where a port is taken; asked before, it is an error with a name. One that is to be taken over
/// is taken, by the old process. The answer is where it could listen, with the port that the system chose for 0.
fn probe(address: &str, listeners: Listeners) -> io::Result<Option<SocketAddr>> {
    let address = address
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    let end = Instant::now() + TAKEN;
    loop {
        match (TcpListener::bind(address), listeners) {
            (Err(error), Listeners::TakeOver) if error.kind() == io::ErrorKind::AddrInUse => {
                return Ok(None);
            }
            (Err(error), Listeners::Open)
                if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < end =>
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            (bound, _) => return bound?.local_addr().map(Some),
        }
    }
}

#[derive(Debug)]
pub(super) struct Watch {
    listener: &'static str,
    open: Arc<AtomicUsize>,
    connections: Connections,
}

impl Watcher for Watch {
    fn refused(&self, peer: Option<SocketAddr>, why: Refused) {
        self.connections.refused(why.label());
        tracing::info!(target: "doorward::access", listener = self.listener, ?peer, status = why.status(), reason = why.label(), "refused before a request");
    }

    fn not_encrypted(&self, peer: Option<SocketAddr>, why: NoHandshake) {
        self.connections.refused(why.label());
        tracing::info!(target: "doorward::access", listener = self.listener, ?peer, reason = why.label(), "no TLS");
    }

    fn streams_refused(&self, peer: Option<SocketAddr>, count: u64) {
        self.connections.streams_refused(count);
        tracing::info!(target: "doorward::access", listener = self.listener, ?peer, count, reason = STREAM, "HTTP/2 streams that never became requests");
    }

    fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.connections.opened();
    }

    fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.connections.closed();
    }
}

/// SIGTERM and SIGINT drain, SIGQUIT hands the sockets to a new process if there is one.
struct Signals {
    upgrade_sock: PathBuf,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut term), Ok(mut interrupt), Ok(mut quit)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
            signal(SignalKind::quit()),
        ) else {
            tracing::error!("signals can't be received; the process only ends when it is killed");
            return std::future::pending().await;
        };
        loop {
            tokio::select! {
                _ = term.recv() => return ShutdownSignal::GracefulTerminate,
                _ = interrupt.recv() => return ShutdownSignal::GracefulTerminate,
                _ = quit.recv() => {}
            }
            let successor = tokio::select! {
                _ = term.recv() => return ShutdownSignal::GracefulTerminate,
                _ = interrupt.recv() => return ShutdownSignal::GracefulTerminate,
                found = handover::wait_for_successor(&self.upgrade_sock) => found,
            };
            match successor {
                Ok(()) => return ShutdownSignal::GracefulUpgrade,
                Err(error) => tracing::error!(%error, "not handed over; serving goes on"),
            }
        }
    }
}

const UNCOUNTED: Duration = Duration::from_millis(50);

/// Pingora sleeps its whole grace period however little there is to wait for. A thread watches the connections and ends the process
/// when the last one is done.
fn watch_phases(server: &Server, open: Open, on_running: impl FnOnce() + Send + 'static) {
    let mut phases = server.watch_execution_phase();
    let mut on_running = Some(on_running);
    std::thread::spawn(move || {
        loop {
            match phases.blocking_recv() {
                Ok(ExecutionPhase::Running) => {
                    if let Some(on_running) = on_running.take() {
                        on_running();
                    }
                }
                Ok(ExecutionPhase::ShutdownGracePeriod) => break,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
        let since = Instant::now();
        // A connection that was accepted last may not be counted yet.
        std::thread::sleep(UNCOUNTED);
        while open.is_awaited(since) {
            std::thread::sleep(Duration::from_millis(5));
        }
        tracing::info!(cut_off = open.connections(), "stopped");
        open.telemetry.end();
        std::process::exit(0);
    });
}
