//! Any forwarding headers: a trusted peer's are refused or mean what they say, an untrusted peer's mean nothing.
#![no_main]

use doorward::canonical::{
    Described, PathPolicy, Scheme, client_address, for_decision, for_description,
};
use doorward_fuzz::{GATEWAY, STRANGER, header_lines, inbound, meant, trust};
use http::header::HOST;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

const TARGET: &[u8] = b"/decisions/own?query";

// Input: header lines.
fuzz_target!(|data: &[u8]| {
    let mut headers = header_lines(data);
    headers.insert(HOST, HeaderValue::from_static("own.test"));
    let (trust, paths) = (trust(), PathPolicy::default());
    let alone = HeaderMap::from_iter([(HOST, headers[HOST].clone())]);
    let decide =
        |peer, headers| for_decision(&inbound("GET", TARGET, peer, headers), &trust, &paths);

    assert_eq!(decide(STRANGER, &headers), decide(STRANGER, &alone));
    assert_eq!(client_address(STRANGER, &headers, &trust), STRANGER);
    the_left_of_a_chain_is_hearsay(&headers);

    let Ok(request) = decide(GATEWAY, &headers) else {
        return;
    };
    let told = |name| {
        headers
            .get(name)
            .map(HeaderValue::as_bytes)
            .filter(|value| !value.is_empty())
    };
    let target = told("x-forwarded-uri").filter(|uri| uri.starts_with(b"/"));
    let described = Described {
        method: told("x-forwarded-method").map_or("GET", |method| {
            std::str::from_utf8(method).expect("a method")
        }),
        scheme: Scheme::Http,
        host: told("x-forwarded-host").unwrap_or(b"own.test"),
        target: target.unwrap_or(b"/own"),
    };
    let described = for_description(&described, &paths).expect("what one door accepts");
    assert_eq!(meant(&request), meant(&described));
    assert_eq!(request.query(), Some("query"));
});

/// Whoever is not trusted may write whatever it likes in front of its own address.
fn the_left_of_a_chain_is_hearsay(headers: &HeaderMap) {
    let address = client_address(GATEWAY, headers, &trust());
    if trust().is_proxy(address) {
        return;
    }
    let mut longer = HeaderMap::new();
    longer.append(
        "x-forwarded-for",
        HeaderValue::from_static("6.6.6.6, 10.0.0.1"),
    );
    for line in headers.get_all("x-forwarded-for") {
        longer.append("x-forwarded-for", line.clone());
    }
    assert_eq!(client_address(GATEWAY, &longer, &trust()), address);
}
