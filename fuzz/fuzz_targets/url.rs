//! Any text as a URL, a query or a rule source: no panic, and what is printed parses to the same again.
#![no_main]

use doorward::gourl::{Url, location, parse_query, path, redirect_url, repository};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let query = parse_query(text);
    assert!(
        parse_query(&query.values.encode()).complete
            || query.values.encode().matches('&').count() >= 9_999
    );
    let clean = path::clean(text.as_bytes());
    assert_eq!(path::clean(&clean), clean);
    let _repository = repository(text);
    let request = Url::parse_request_uri("http://h/a/b?c").expect("a url");
    let location = location(&redirect_url(text, "return_to", &request), text.as_bytes());
    assert!(
        location
            .bytes()
            .all(|b| b.is_ascii() && !b.is_ascii_control())
    );
    for parse in [Url::parse, Url::parse_request_uri] {
        let Ok(url) = parse(text) else { continue };
        let _parts = (
            url.request_uri(),
            url.redacted(),
            url.hostname().len(),
            url.port().len(),
            url.query(),
        );
        let _joined = (
            url.join_path(&[text]),
            request.resolve_reference(&url),
            url.resolve_reference(&request),
        );
        if let Ok(again) = parse(&url.to_string()) {
            assert_eq!(again.to_string(), url.to_string());
        }
    }
});
