//! No text makes the template engine panic, overflow its stack or run without end, neither when it is compiled nor when it is executed.

#![no_main]

use doorward::canonical::{Described, PathPolicy, Scheme, for_description};
use doorward::pipeline::{Captures, Client, Identity, RequestView, Session};
use doorward::template::{Policy, Template};
use doorward::value::{Value, decode};
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use std::sync::Arc;

struct Groups;

impl Captures for Groups {
    fn groups(&self) -> Vec<String> {
        vec!["1234".to_owned(), "abc".to_owned(), String::new()]
    }
}

const EXTRA: &[u8] = br#"{"s":"str","n":42,"f":3.5,"t":true,"nil":null,"arr":["a","b"],"obj":{"a":1,"k":"v","l":[{"id":1}]}}"#;

fuzz_target!(|source: &str| {
    let Ok(template) = Template::compile(source, Policy::Safe) else {
        return;
    };
    let _ = template.warnings();
    let described = Described {
        method: "GET",
        scheme: Scheme::Http,
        host: b"app.test",
        target: b"/a/b?x=1&y=two",
    };
    let canonical = for_description(&described, &PathPolicy::default()).expect("a request");
    let address = IpAddr::from([127, 0, 0, 1]);
    let headers = HeaderMap::new();
    let request = RequestView {
        canonical: &canonical,
        headers: &headers,
        transport_host: "app.test",
        client: Client {
            peer: address,
            address,
        },
        body: None,
    };
    let Ok(Value::Map(extra)) = decode(EXTRA) else {
        return;
    };
    let identity = Identity {
        subject: "alice".into(),
        extra: Some(Arc::new(extra)),
    };
    let mut session = Session::new(&request, identity, &Groups);
    if let Ok(text) = template.render(&mut session) {
        assert!(text.len() <= 1 << 20);
    }
});
