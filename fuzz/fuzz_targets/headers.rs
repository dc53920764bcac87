//! Any header lines: hygiene leaves nothing that a client must not say, and nothing panics on cookies or credentials.
#![no_main]

use doorward::canonical::credentials::{Basic, TokenFrom, bearer};
use doorward::canonical::headers::{Peer, UnderscoreHeaders, clean, is_hop_by_hop, remove_aliases};
use doorward::canonical::{cookies, names};
use doorward_fuzz::{assert_clean, header_lines};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

// Input: header lines.
fuzz_target!(|data: &[u8]| {
    let mut headers = header_lines(data);
    for cookie in cookies::read(&headers) {
        let mut line = String::new();
        cookies::append(
            &mut line,
            cookie.name,
            cookie.value.as_bytes(),
            cookie.quoted,
        );
        let again = HeaderMap::from_iter([(
            http::header::COOKIE,
            HeaderValue::from_str(&line).expect("a header value"),
        )]);
        assert_eq!(
            cookies::read(&again)
                .map(|c| (c.name, c.value))
                .collect::<Vec<_>>(),
            [(cookie.name, cookie.value)]
        );
    }
    let _token = (
        bearer(&headers),
        TokenFrom::header("X-Token").find(&headers, None),
    );
    for value in headers.values() {
        let _basic = Basic::parse(value.as_bytes()).and_then(|basic| basic.form_decoded());
        assert!(
            names::wire_value(value.as_bytes())
                .iter()
                .all(|b| !matches!(b, b'\r' | b'\n'))
        );
    }

    clean(&mut headers, Peer::Untrusted, UnderscoreHeaders::Keep);
    assert_clean(&headers);
    for name in headers.keys() {
        assert!(!is_hop_by_hop(name) || name == http::header::TE, "{name}");
    }
    assert!(headers.get_all(http::header::AUTHORIZATION).iter().count() <= 1);
    let managed = HeaderName::from_static("x-user");
    remove_aliases(&mut headers, &managed, UnderscoreHeaders::DropAliases);
    assert!(
        headers
            .keys()
            .all(|name| !names::aliases(name.as_str(), managed.as_str()))
    );
});
