//! One request's tries at its upstream.

use super::Found;
use crate::canonical::headers::Upgrade;
use crate::rpc::Dialect;
use crate::upstreams::{Lease, Server, Upstream};
use http::header::ACCEPT;
use http::{HeaderMap, Method};
use pingora_core::upstreams::peer::HttpPeer;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// No request is tried more often, for whatever reasons.
pub(in crate::service) const MOST: u32 = 6;

/// How long a connection that was made past the pool waits for another request, which it can't get.
const FRESH_IDLE: Duration = Duration::from_secs(1);

/// What a request needs of the connection to its upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::service) enum Need {
    #[default]
    Nothing,
    /// HTTP/1.1, to become WebSocket.
    Upgrade,
    /// HTTP/2, for its trailers. Either side may be silent for as long as it likes.
    Grpc,
    /// Server-sent events, with silences of any length between them.
    Events,
    /// A body that may take longer to send than its answer may take to begin.
    Upload,
}

impl Need {
    pub(in crate::service) fn of(upgrade: Upgrade, headers: &HeaderMap, body: Body) -> Need {
        match (upgrade, body) {
            (Upgrade::WebSocket, _) => Need::Upgrade,
            (Upgrade::No, _) if is_grpc(headers) => Need::Grpc,
            (Upgrade::No, _) if wants_events(headers) => Need::Events,
            (Upgrade::No, Body::ToCome) => Need::Upload,
            (Upgrade::No, Body::Complete) => Need::Nothing,
        }
    }

    /// Whether the upstream may be silent unless its rule says otherwise. Over HTTP/1.1 Pingora counts the silence anew with each piece
    /// of the request's body, over HTTP/2 from the request's head on.
    pub(in crate::service) fn is_patient(self, may_be_http2: bool) -> bool {
        match self {
            Need::Nothing => false,
            Need::Upgrade | Need::Grpc | Need::Events => true,
            Need::Upload => may_be_http2,
        }
    }
}

/// Has a new connection made for this try: a pool of its own has none that was used before, or that could be closed already.
pub(super) fn take_no_pooled(peer: &mut HttpPeer) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    peer.group_key ^= NEXT.fetch_add(1, Ordering::Relaxed) << 2;
    peer.options.idle_timeout = Some(FRESH_IDLE);
}

/// How much of a request's body is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Body {
    /// All of it, or there is none.
    Complete,
    ToCome,
}

/// What a browser's `EventSource` sends, and other clients of such streams.
fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter();
    let mut kinds = accepted.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    kinds.any(|kind| {
        let name = kind.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
    })
}

/// What was tried and what is being tried.
#[derive(Debug, Default)]
pub(in crate::service) struct Tries {
    count: u32,
    /// Beyond those that cost nothing.
    paid: u32,
    servers: Vec<usize>,
    addresses: Vec<SocketAddr>,
    lease: Option<Lease>,
    found: Option<Found>,
    fresh: bool,
    deadline: Option<Instant>,
}

impl Tries {
    /// Servers that were tried, by their place.
    pub(in crate::service) fn servers(&self) -> &[usize] {
        &self.servers
    }

    /// Addresses of the server at hand that were tried.
    pub(in crate::service) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(in crate::service) fn begin(&mut self, lease: Lease, upstream: &Upstream) {
        if self.count == 0 {
            upstream.settings().retries.pay_in();
            let total = upstream.settings().timeouts.total;
            self.deadline = total.map(|total| Instant::now() + total);
        }
        self.count += 1;
        self.lease = Some(lease);
        self.found = None;
    }

    pub(in crate::service) fn found(&mut self, found: Found) {
        self.found = Some(found);
    }

    pub(in crate::service) fn server<'u>(&self, upstream: &'u Upstream) -> Option<&'u Server> {
        upstream.servers().get(self.lease.as_ref()?.index())
    }

    /// Sets what this try asks of its peer beyond what every try does.
    pub(in crate::service) fn shape(&self, peer: &mut HttpPeer) {
        if let Some(left) = self.time_left() {
            let options = &mut peer.options;
            for limit in [
                &mut options.connection_timeout,
                &mut options.total_connection_timeout,
                &mut options.read_timeout,
            ] {
                *limit = Some(limit.map_or(left, |limit| limit.min(left)));
            }
        }
        if self.fresh {
            take_no_pooled(peer);
        }
    }

    /// Of the whole request; `None` where there is no such limit.
    fn time_left(&self) -> Option<Duration> {
        let left = self.deadline?.saturating_duration_since(Instant::now());
        Some(left.max(Duration::from_millis(1)))
    }

    pub(in crate::service) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|end| end <= Instant::now())
    }

    /// Notes that the server began to answer.
    pub(in crate::service) fn answered(&self) {
        if let Some(lease) = &self.lease {
            lease.state().succeeded();
        }
    }

    fn failed(&self, upstream: &Upstream) {
        if let Some(lease) = &self.lease {
            lease.state().failed(upstream.settings().passive);
        }
    }

    /// After a connection that could not be made: nothing was sent, so another address or server may be tried at once.
    pub(in crate::service) fn another_after_no_connection(&mut self, upstream: &Upstream) -> bool {
        let others = self.found.as_ref().is_some_and(Found::shun);
        self.addresses
            .extend(self.found.as_ref().map(|found| found.address));
        if self.is_spent() {
            self.failed(upstream);
            return false;
        }
        // The next address of the same name, once.
        if others && self.addresses.len() == 1 {
            return true;
        }
        self.failed(upstream);
        self.leave_server();
        self.servers.len() < upstream.servers().len() || self.pay(upstream)
    }

    /// After a connection out of the pool that turned out closed; the server is not to blame.
    pub(in crate::service) fn another_after_closed(&mut self) -> bool {
        self.fresh = true;
        !self.is_spent()
    }

    pub(in crate::service) fn another_of_the_same(&self) -> bool {
        !self.is_spent()
    }

    /// After a request that was sent; `replayable` says whether it may be sent again.
    pub(in crate::service) fn another_after_failure(
        &mut self,
        upstream: &Upstream,
        replayable: bool,
    ) -> bool {
        self.failed(upstream);
        self.leave_server();
        replayable && !self.is_spent() && self.pay(upstream)
    }

    fn leave_server(&mut self) {
        self.addresses.clear();
        let index = self.lease.as_ref().map(Lease::index);
        self.servers
            .extend(index.filter(|index| !self.servers.contains(index)));
    }

    fn is_spent(&self) -> bool {
        self.count >= MOST || self.is_late()
    }

    fn pay(&mut self, upstream: &Upstream) -> bool {
        let allowed = upstream.settings().retries.allow(self.paid);
        self.paid += u32::from(allowed);
        allowed
    }
}

/// Whether a call is gRPC. gRPC-Web is not: it needs no trailers.
pub(in crate::service) fn is_grpc(headers: &HeaderMap) -> bool {
    Dialect::of(headers) == Dialect::Grpc
}

/// RFC 9110 §9.2.2, or by the client's own word.
pub(in crate::service) fn is_replayable(method: &Method, headers: &HeaderMap) -> bool {
    method.is_idempotent() || headers.contains_key("idempotency-key")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_what_streams_may_be_silent() {
        let headers = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(
                http::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )])
        };
        for (name, value, expected) in [
            ("accept", "text/event-stream", Need::Events),
            ("accept", "text/html, Text/Event-Stream;q=0.5", Need::Events),
            ("accept", "text/html, */*", Need::Nothing),
            ("accept", "text/event-streams", Need::Nothing),
            ("content-type", "application/grpc", Need::Grpc),
        ] {
            let need = Need::of(Upgrade::No, &headers(name, value), Body::Complete);
            assert_eq!(need, expected, "{value}");
        }
        let need = |body| Need::of(Upgrade::No, &HeaderMap::new(), body);
        assert!(!need(Body::Complete).is_patient(true));
        assert!(need(Body::ToCome).is_patient(true));
        assert!(!need(Body::ToCome).is_patient(false));
    }
}
