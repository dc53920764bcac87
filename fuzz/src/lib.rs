//! What several targets share.

use doorward::canonical::{Forwarded, Inbound, PathPolicy, Rejection, Request, Trust, for_proxy};
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::{IpAddr, Ipv4Addr};

/// A peer that is trusted.
pub const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A peer that is not.
pub const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));

pub fn trust() -> Trust {
    Trust {
        proxies: Trust::default_proxies(),
        forwarded: Forwarded::Honoured,
    }
}

/// Header lines, without those that no parser would let through.
pub fn header_lines(text: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.split(|&b| b == b'\n').take(200) {
        let Some(colon) = line.iter().position(|&b| b == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    headers
}

/// As it came to the reverse proxy, with nothing but a host.
pub fn proxied(method: &str, host: &HeaderValue, target: &[u8]) -> Result<Request, Rejection> {
    let headers = HeaderMap::from_iter([(HOST, host.clone())]);
    for_proxy(
        &inbound(method, target, GATEWAY, &headers),
        &trust(),
        &PathPolicy::default(),
    )
}

pub fn inbound<'a>(
    method: &'a str,
    target: &'a [u8],
    peer: IpAddr,
    headers: &'a HeaderMap,
) -> Inbound<'a> {
    Inbound {
        method,
        target,
        authority: None,
        tls: false,
        peer,
        headers,
    }
}

/// What rules are matched against and upstreams are sent, without the scheme and the query.
pub fn meant(request: &Request) -> (&str, &str, &str, &str) {
    (
        request.method(),
        request.host(),
        request.path(),
        request.raw_path(),
    )
}

/// Holds of every header map that handlers and upstreams see of an untrusted peer's request.
pub fn assert_clean(headers: &HeaderMap) {
    for name in headers.keys() {
        let folded = name.as_str().replace(['_', '.'], "-");
        assert!(
            !folded.starts_with("x-forwarded") && !folded.starts_with("forwarded"),
            "{name}"
        );
    }
}
