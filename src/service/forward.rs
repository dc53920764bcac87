//! The way to the upstream: which server, over which connection, and what happens when it fails.

use super::upstream::{Need, Peers, Tries, is_replayable};
use crate::canonical::cookies;
use crate::upstreams::{HashOn, NoServer, Policy, Upstream};
use http::HeaderMap;
use pingora::http::RequestHeader;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{BError, Error, ErrorSource, ErrorType, Result};

/// Chooses a server and an address of it, and says how to connect.
pub(super) async fn peer(
    peers: &Peers,
    upstream: &Upstream,
    subject: &str,
    request: &RequestHeader,
    need: Need,
    tries: &mut Tries,
) -> Result<Box<HttpPeer>> {
    let key = affinity(upstream, subject, &request.headers);
    let lease = upstream.choose(key, tries.servers()).map_err(|NoServer| {
        let why = "every server of the upstream has as many requests as it may have";
        Error::explain(ErrorType::HTTPStatus(503), why)
    })?;
    tries.begin(lease, upstream);
    let Some(server) = tries.server(upstream) else {
        return Err(Error::explain(ErrorType::InternalError, "no such server"));
    };
    let found = peers.address(upstream, server, tries.addresses()).await;
    let found = found.map_err(|error| no_connection(upstream, tries, error))?;
    let mut peer = peers.peer(upstream, server, found.address, need)?;
    tries.shape(&mut peer);
    tries.found(found);
    Ok(Box::new(peer))
}

/// What a hash policy goes by; `None` where the request doesn't have it.
fn affinity<'r>(upstream: &Upstream, subject: &'r str, headers: &'r HeaderMap) -> Option<&'r [u8]> {
    let Policy::Hash(on) = &upstream.settings().policy else {
        return None;
    };
    let found = match on {
        HashOn::Subject => subject.as_bytes(),
        HashOn::Header(name) => headers.get(name)?.as_bytes(),
        HashOn::Cookie(name) => cookies::find(headers, name)?.as_bytes(),
    };
    Some(found).filter(|found| !found.is_empty())
}

/// Nothing reached the upstream.
pub(super) fn no_connection(upstream: &Upstream, tries: &mut Tries, mut error: BError) -> BError {
    error.set_retry(tries.another_after_no_connection(upstream));
    error
}

/// Something reached the upstream, or may have.
pub(super) fn broke(
    upstream: &Upstream,
    tries: &mut Tries,
    request: &RequestHeader,
    what: Broken,
    mut error: BError,
) -> BError {
    if !matches!(error.esource(), ErrorSource::Upstream) {
        error.set_retry(false);
        return error;
    }
    let replayable = what.can_be_sent_again && is_replayable(&request.method, &request.headers);
    let closed = matches!(
        error.etype(),
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError
    );
    error.retry.decide_reuse(what.pooled);
    let again = if replayable && closed && what.pooled {
        tries.another_after_closed()
    } else if replayable && error.retry() {
        // Pingora's own: a connection that goes away, a server that only pretends to speak HTTP/2.
        tries.another_of_the_same()
    } else {
        tries.another_after_failure(upstream, replayable)
    };
    error.set_retry(again);
    error
}

/// How far a request came.
pub(super) struct Broken {
    /// The body is still there, and the client has seen nothing of an answer.
    pub can_be_sent_again: bool,
    /// The connection was one that had served before.
    pub pooled: bool,
}
