//! Asks servers how they are.

use super::{Need, Peers};
use crate::snapshot::Live;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Gauge;
use crate::upstreams::{Active, Server, Upstream};
use async_trait::async_trait;
use http::{Method, StatusCode};
use pingora::http::RequestHeader;
use pingora_core::Result;
use pingora_core::connectors::http::Connector;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often it is looked whose turn it is.
const LOOK: Duration = Duration::from_millis(250);

/// Asks the servers of the rules that are in force.
pub(in crate::service) struct Checks {
    live: Arc<Live>,
    peers: Arc<Peers>,
    connector: Arc<Connector>,
    metrics: Arc<Metrics>,
}

/// Shows the condition of each server that is asked; the series of one that no rule has any more is gone.
type Shown = HashMap<Arc<str>, Arc<Gauge>>;

impl Checks {
    pub(in crate::service) fn new(
        live: Arc<Live>,
        peers: Arc<Peers>,
        metrics: Arc<Metrics>,
    ) -> Checks {
        Checks {
            live,
            peers,
            connector: Arc::new(Connector::new(None)),
            metrics,
        }
    }

    fn ask_who_is_due(&self, shown: &mut Shown) {
        let mut old = std::mem::take(shown);
        let snapshot = self.live.load();
        for (index, rule) in snapshot.rules.iter().enumerate() {
            let Some(upstream) = &rule.upstream else {
                continue;
            };
            let Some(active) = &upstream.settings().active else {
                continue;
            };
            for (place, server) in upstream.servers().iter().enumerate() {
                let address = &server.authority;
                let gauge = shown.entry(address.clone()).or_insert_with(|| {
                    let healthy = &self.metrics.upstream_healthy;
                    old.remove(address)
                        .unwrap_or_else(|| healthy.while_used([address]))
                });
                gauge.set(i64::from(!server.state.is_down()));
                if server.state.is_due(active) {
                    let (peers, connector) = (self.peers.clone(), self.connector.clone());
                    let snapshot = snapshot.clone();
                    tokio::spawn(async move {
                        let upstream = snapshot.rules.get(index).and_then(|r| r.upstream.as_ref());
                        if let Some(upstream) = upstream {
                            check(&peers, &connector, upstream, place).await;
                        }
                    });
                }
            }
        }
    }
}

async fn check(peers: &Peers, connector: &Connector, upstream: &Upstream, place: usize) {
    let (Some(server), Some(active)) = (upstream.servers().get(place), &upstream.settings().active)
    else {
        return;
    };
    let answer = timeout(
        active.timeout,
        ask(peers, connector, upstream, server, active),
    )
    .await;
    let good = matches!(&answer, Ok(Ok(status)) if active.is_good(*status));
    let turned = if good {
        server.state.passed_check(active.healthy)
    } else {
        server.state.failed_check(active.unhealthy)
    };
    let address = &*server.authority;
    match (turned, good) {
        (false, _) => {}
        (true, true) => tracing::info!(upstream = address, "a server works again"),
        (true, false) => {
            tracing::warn!(
                upstream = address,
                ?answer,
                "a server does not work; others take its requests"
            );
        }
    }
}

async fn ask(
    peers: &Peers,
    connector: &Connector,
    upstream: &Upstream,
    server: &Server,
    active: &Active,
) -> Result<StatusCode> {
    let found = peers.address(upstream, server, &[]).await?;
    let mut peer = peers.peer(upstream, server, found.address, Need::Nothing)?;
    peer.options.read_timeout = Some(active.timeout);
    let (mut session, _) = connector.get_http_session(&peer).await?;
    let mut request = RequestHeader::build(Method::GET, active.path.as_bytes(), None)?;
    request.insert_header("Host", &*server.authority)?;
    request.insert_header("User-Agent", "doorward-health")?;
    request.insert_header("Connection", "close")?;
    session.write_request_header(Box::new(request)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let status = session
        .response_header()
        .map_or(StatusCode::BAD_GATEWAY, |header| header.status);
    session.shutdown().await;
    Ok(status)
}

#[async_trait]
impl BackgroundService for Checks {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut ticks = interval(LOOK);
        let mut shown = Shown::default();
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*shutdown.borrow() {
            tokio::select! {
                _ = ticks.tick() => self.ask_who_is_due(&mut shown),
                _ = shutdown.changed() => {}
            }
        }
    }
}
