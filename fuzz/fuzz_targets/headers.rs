//! Any header lines: hygiene leaves nothing that a client must not say, and nothing panics on cookies, credentials or addresses.
#![no_main]

use doorward::canonical::credentials::{Basic, TokenFrom, bearer};
use doorward::canonical::headers::{Peer, UnderscoreHeaders, clean, is_hop_by_hop, remove_aliases};
use doorward::canonical::{Forwarded, Trust, client_address, cookies, names};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr};

// Input: header lines.
fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in data.split(|&b| b == b'\n').take(200) {
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(&line[colon + 1..])) {
            headers.append(name, value);
        }
    }
    let trust = Trust { proxies: Trust::default_proxies(), forwarded: Forwarded::Honoured };
    let _address = client_address(IpAddr::V4(Ipv4Addr::LOCALHOST), &headers, &trust);
    for cookie in cookies::read(&headers) {
        let mut line = String::new();
        cookies::append(&mut line, cookie.name, cookie.value.as_bytes(), cookie.quoted);
        let again = HeaderMap::from_iter([(http::header::COOKIE, HeaderValue::from_str(&line).expect("a header value"))]);
        assert_eq!(cookies::read(&again).map(|c| (c.name, c.value)).collect::<Vec<_>>(), [(cookie.name, cookie.value)]);
    }
    let _token = (bearer(&headers), TokenFrom::header("X-Token").find(&headers, None));
    for value in headers.values() {
        let _basic = Basic::parse(value.as_bytes()).and_then(|basic| basic.form_decoded());
        assert!(names::wire_value(value.as_bytes()).iter().all(|b| !matches!(b, b'\r' | b'\n')));
    }

    clean(&mut headers, Peer::Untrusted, UnderscoreHeaders::Keep);
    for name in headers.keys() {
        let folded = name.as_str().replace(['_', '.'], "-");
        assert!(!folded.starts_with("x-forwarded") && !folded.starts_with("forwarded"), "{name}");
        assert!(!is_hop_by_hop(name) || name == http::header::TE, "{name}");
    }
    assert!(headers.get_all(http::header::AUTHORIZATION).iter().count() <= 1);
    let managed = HeaderName::from_static("x-user");
    remove_aliases(&mut headers, &managed, UnderscoreHeaders::DropAliases);
    assert!(headers.keys().all(|name| !names::aliases(name.as_str(), managed.as_str())));
});
