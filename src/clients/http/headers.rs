//! Which headers travel on.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Belong to one connection (RFC 9110, 7.6.1) or to the message that they came with; never sent on.
static FRAMING: [HeaderName; 13] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Takes hop-by-hop and framing headers out, those that `Connection` names included.
pub fn strip(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in FRAMING.iter().chain(&nominated) {
        headers.remove(name);
    }
}

/// The headers that a 429 brings along, first value each: what the reference passes on.
pub fn rate_limits(headers: &HeaderMap) -> HeaderMap {
    const NAMES: [HeaderName; 5] = [
        header::RETRY_AFTER,
        HeaderName::from_static("x-ratelimit-limit"),
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderName::from_static("x-ratelimit-reset"),
        HeaderName::from_static("x-ratelimit-type"),
    ];
    let mut kept = HeaderMap::new();
    for name in NAMES {
        if let Some(value) = headers.get(&name).filter(|value| !value.is_empty()) {
            kept.insert(name, HeaderValue::clone(value));
        }
    }
    kept
}
