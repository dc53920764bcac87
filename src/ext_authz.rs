//! What Envoy's ext_authz asks about, as a canonical request. It needs no server, so that it can be tried on its own.

use crate::canonical::{self, Described, PathPolicy, Rejection, Request, Scheme, headers};
use crate::pipeline::{Client, Denial, Reason};
use crate::reading::Policy;
use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::address;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;

/// Envoy says so where it cut the body off at its own limit.
const PARTIAL_BODY: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");

/// How much of headers the client behind the gateway may send.
#[derive(Debug, Clone, Copy)]
pub struct HeaderLimits {
    pub lines: usize,
    /// As on the wire of HTTP/1.
    pub bytes: usize,
}

/// What Envoy asks about.
#[derive(Debug)]
pub struct Asked {
    pub request: Result<Request, Rejection>,
    /// Cleaned as at the other doors.
    pub headers: HeaderMap,
    pub client: Client,
    /// The body that Envoy sent along (`with_request_body`).
    pub body: Result<Bytes, Denial>,
    /// Names that the upstream must not see, since Doorward took them away.
    pub removed: Vec<String>,
}

impl Asked {
    pub fn new(asked: CheckRequest, peer: IpAddr, reading: &Policy, limits: HeaderLimits) -> Asked {
        let attributes = asked.attributes.unwrap_or_default();
        let source = source(&attributes).unwrap_or(peer);
        let http = attributes
            .request
            .and_then(|request| request.http)
            .unwrap_or_default();
        let mut headers = header_map(&http);
        let address = canonical::client_address(source, &headers, &reading.trust);
        let request = if limits.are_passed(&headers) {
            Err(Rejection::TooManyHeaders)
        } else {
            describe(&http, &reading.paths)
        };
        let partial = headers
            .get(PARTIAL_BODY)
            .is_some_and(|value| value == "true");
        let before: Vec<HeaderName> = headers.keys().cloned().collect();
        // Envoy itself is the trusted peer here; what it lets its clients say of forwarding is its configuration's business.
        reading.clean(&mut headers, peer);
        let removed = before
            .iter()
            .filter(|name| !headers.contains_key(*name) && !headers::is_hop_by_hop(name))
            .map(|name| name.as_str().to_owned())
            .collect();
        let body = if partial {
            Err(Denial::new(Reason::BodyTooLarge))
        } else {
            Ok(body(http))
        };
        Asked {
            request,
            headers,
            client: Client {
                peer: source,
                address,
            },
            body,
            removed,
        }
    }
}

impl HeaderLimits {
    fn are_passed(self, headers: &HeaderMap) -> bool {
        let line =
            |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
        headers.len() > self.lines || headers.iter().map(line).sum::<usize>() > self.bytes
    }
}

fn source(attributes: &AttributeContext) -> Option<IpAddr> {
    let address = attributes
        .source
        .as_ref()?
        .address
        .as_ref()?
        .address
        .as_ref()?;
    match address {
        address::Address::SocketAddress(socket) => socket.address.parse().ok(),
        address::Address::Pipe(_) | address::Address::EnvoyInternalAddress(_) => None,
    }
}

/// All lines in order where Envoy sends them raw (`encode_raw_headers`), else one a name.
fn header_map(http: &HttpRequest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &[u8]| {
        // Pseudo-headers are described by fields of their own.
        if let (false, Ok(name), Ok(value)) = (
            name.starts_with(':'),
            HeaderName::try_from(name),
            HeaderValue::from_bytes(value),
        ) {
            headers.append(name, value);
        }
    };
    match &http.header_map {
        Some(map) => {
            for header in &map.headers {
                let value = if header.raw_value.is_empty() {
                    header.value.as_bytes()
                } else {
                    &header.raw_value
                };
                add(&header.key, value);
            }
        }
        None => http
            .headers
            .iter()
            .for_each(|(name, value)| add(name, value.as_bytes())),
    }
    headers
}

fn describe(http: &HttpRequest, paths: &PathPolicy) -> Result<Request, Rejection> {
    let scheme = if http.scheme.eq_ignore_ascii_case("https") {
        Scheme::Https
    } else {
        Scheme::Http
    };
    // `path` holds the query too; `query` is set where Envoy split it off.
    let target = if http.query.is_empty() || http.path.contains('?') {
        http.path.clone()
    } else {
        format!("{}?{}", http.path, http.query)
    };
    let described = Described {
        method: &http.method,
        scheme,
        host: http.host.as_bytes(),
        target: target.as_bytes(),
    };
    canonical::for_description(&described, paths)
}

fn body(http: HttpRequest) -> Bytes {
    if http.raw_body.is_empty() {
        http.body.into_bytes().into()
    } else {
        http.raw_body.into()
    }
}
