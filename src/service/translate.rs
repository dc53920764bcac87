//! From Pingora's request to the canonical one.

use super::cors::Cors;
use super::explain::EXPLAIN;
use crate::canonical::headers::{Fields, Upgrade};
use crate::canonical::{self, Described, Inbound, PathPolicy, Rejection, Scheme};
use crate::config::{EchoHeaders, Explain};
use crate::engine::Engine;
use crate::pipeline::{BodySource, Client, Denial, Reason, RequestView};
use crate::reading::Policy;
use bytes::Bytes;
use http::header::{CONNECTION, HOST, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, Version};
use pingora::http::RequestHeader;
use pingora_core::protocols::http::ServerSession;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// What a listener needs to know of its configuration for each request.
#[derive(Debug)]
pub(super) struct Settings {
    pub reading: Policy,
    /// Bytes of a body that a handler may ask for.
    pub body_for_decision: usize,
    /// How long such a body may pause.
    pub body_idle: Duration,
    /// Header lines of a request over HTTP/2 or one that a gateway describes; those of HTTP/1 are counted before they are parsed.
    pub headers: usize,
    /// The lines together, of a request that a gateway describes; Pingora counts those over HTTP/2.
    pub header_bytes: usize,
    pub echo: EchoHeaders,
    pub explain: Explain,
    pub(super) cors: Option<Cors>,
}

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// A request at the threshold.
#[derive(Debug)]
pub(super) struct Entry {
    pub request: Result<canonical::Request, Rejection>,
    pub client: Client,
    pub upgrade: Upgrade,
    /// The protocol's name as the client spelled it.
    pub protocol: Option<HeaderValue>,
}

/// Which door's reading of a target applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Proxy,
    Decision,
}

/// Whether the caller may be told why its request is decided on as it is.
pub(super) fn may_ask_why(session: &ServerSession, settings: &Settings) -> bool {
    settings.explain == Explain::ToTrustedProxies && settings.reading.trust.is_proxy(peer(session))
}

/// Whether the caller may be told, and wants to be.
pub(super) fn asks_why(session: &ServerSession, settings: &Settings) -> bool {
    session.req_header().headers.contains_key(EXPLAIN) && may_ask_why(session, settings)
}

/// Reads the request at hand, and takes away the headers that nobody behind the door may see.
pub(super) fn enter(session: &mut ServerSession, settings: &Settings, reading: Reading) -> Entry {
    // How the body is framed is settled here, by headers that are about to go.
    session.is_body_done();
    let peer = peer(session);
    let tls = session
        .digest()
        .is_some_and(|digest| digest.ssl_digest.is_some());
    let header = session.req_header_mut();
    let (request, client) = read(header, peer, tls, settings, reading);
    let protocol = header.headers.get(UPGRADE).cloned();
    let upgrade = settings.reading.clean(header, peer);
    if header.headers.contains_key(EXPLAIN) {
        header.remove_header(&EXPLAIN);
    }
    Entry {
        request,
        client,
        upgrade,
        protocol,
    }
}

fn read(
    header: &RequestHeader,
    peer: IpAddr,
    tls: bool,
    settings: &Settings,
    reading: Reading,
) -> (Result<canonical::Request, Rejection>, Client) {
    let inbound = Inbound {
        method: header.method.as_str(),
        target: header.raw_path(),
        authority: (header.version == Version::HTTP_2)
            .then(|| header.uri.authority().map(|authority| authority.as_str()))
            .flatten(),
        tls,
        peer,
        headers: &header.headers,
    };
    let request = match reading {
        _ if header.version == Version::HTTP_2 && header.headers.len() > settings.headers => {
            Err(Rejection::TooManyHeaders)
        }
        Reading::Proxy => {
            canonical::for_proxy(&inbound, &settings.reading.trust, &settings.reading.paths)
        }
        Reading::Decision => {
            canonical::for_decision(&inbound, &settings.reading.trust, &settings.reading.paths)
        }
    };
    let address = canonical::client_address(peer, &header.headers, &settings.reading.trust);
    (request, Client { peer, address })
}

/// Gives a granted WebSocket handshake back what makes it one.
pub(super) fn restore_upgrade(header: &mut RequestHeader, entry: &Entry) {
    if entry.upgrade == Upgrade::WebSocket {
        header.set(CONNECTION, HeaderValue::from_static("Upgrade"));
        header.set(UPGRADE, entry.protocol.clone().unwrap_or(WEBSOCKET));
    }
}

/// The other end of the connection. Only sockets of other families have none; such a peer is nobody's friend.
pub(super) fn peer(session: &ServerSession) -> IpAddr {
    session
        .client_addr()
        .and_then(|addr| addr.as_inet())
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |addr| {
            addr.ip().to_canonical()
        })
}

/// What the handlers see.
pub(super) fn view<'a>(
    request: &'a canonical::Request,
    headers: &'a HeaderMap,
    client: Client,
    body: Option<&'a dyn BodySource>,
) -> RequestView<'a> {
    let transport_host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or(request.host());
    RequestView {
        canonical: request,
        headers,
        transport_host,
        client,
        body,
    }
}

/// The answer to a target that is understood but is no resource (`*`): what error handlers say where no rule matches.
pub(super) fn unmatched(
    header: &RequestHeader,
    why: Rejection,
    client: Client,
    engine: &Engine,
) -> Option<Response<Bytes>> {
    if why != Rejection::Asterisk {
        return None;
    }
    let host = header.headers.get(HOST)?.as_bytes();
    let described = Described {
        method: header.method.as_str(),
        scheme: Scheme::Http,
        host,
        target: b"/",
    };
    let request = canonical::for_description(&described, &PathPolicy::default()).ok()?;
    let view = view(&request, &header.headers, client, None);
    let snapshot = engine.live().load();
    Some(snapshot.answers.answer(&view, &Denial::new(Reason::NoRule)))
}
