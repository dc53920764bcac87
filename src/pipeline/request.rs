//! One request, whatever carried it here.

use super::BodySource;
use crate::canonical;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::net::IpAddr;

/// Who sent the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The client itself: the peer or, behind trusted proxies, the right-most address in `X-Forwarded-For` that is not trusted.
    pub address: IpAddr,
}

/// What handlers see of a request.
pub struct RequestView<'a> {
    /// What was matched and will be forwarded.
    pub canonical: &'a canonical::Request,
    /// End-to-end headers: hop-by-hop, untrusted forwarding headers and ambiguous names are gone. Repeated lines are kept in order.
    pub headers: &'a HeaderMap,
    /// The `Host` line (or `:authority`) of the transport's request, which `preserve_host` passes on; at the decision API not
    /// `X-Forwarded-Host`.
    pub transport_host: &'a str,
    pub client: Client,
    /// Absent where no handler of the rule needs one.
    pub body: Option<&'a dyn BodySource>,
}

impl RequestView<'_> {
    /// The first line of that name.
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.get(name)
    }

    /// The first line of that name as text; `None` where it is absent or not text.
    pub fn header_text(&self, name: &HeaderName) -> Option<&str> {
        self.header(name)
            .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }
}

impl fmt::Debug for RequestView<'_> {
    /// No header values: they may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestView")
            .field("canonical", self.canonical)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
