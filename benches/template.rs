//! Templates as rules have them.
//!
//! `cargo bench --bench template`

#![allow(clippy::expect_used, reason = "what can't be set up can't be measured")]

use criterion::{Criterion, criterion_group, criterion_main};
use doorward::canonical::{Described, PathPolicy, Scheme, for_description};
use doorward::pipeline::{Captures, Client, Identity, RequestView, Session};
use doorward::template::{Policy, Template};
use doorward::value::{Value, decode};
use http::{HeaderMap, HeaderValue};
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

struct Groups;

impl Captures for Groups {
    fn groups(&self) -> Vec<String> {
        vec!["1234".to_owned(), "abc".to_owned()]
    }
}

const EXTRA: &str = r#"{"email":"alice@example.com","roles":["admin","user","auditor"],"exp":1516239022,
    "realm_access":{"roles":["offline_access"]},"iss":"https://issuer.example.com/","name":"Alice"}"#;

const CLAIMS: &str = r#"{"sub":{{ .Subject | toJson }},"roles":{{ .Extra.roles | toJson }},"exp":{{ .Extra.exp | int64 }}}"#;

const TEMPLATES: &[(&str, &str)] = &[
    ("literal", "from-config"),
    ("print_subject", "{{ print .Subject }}"),
    ("claim", "{{ print .Extra.email }}"),
    ("nested", "{{ index .Extra.realm_access.roles 0 }}"),
    ("join", r#"{{ .Extra.roles | join "," }}"#),
    ("header", r#"{{ .MatchContext.Header.Get "X-Tenant" }}"#),
    (
        "group",
        "{{ printIndex .MatchContext.RegexpCaptureGroups 0 }}",
    ),
    ("claims", CLAIMS),
];

fn rendering(c: &mut Criterion) {
    let described = Described {
        method: "GET",
        scheme: Scheme::Https,
        host: b"app.test",
        target: b"/users/1234/abc?x=1",
    };
    let canonical = for_description(&described, &PathPolicy::default()).expect("a request");
    let address = IpAddr::from([127, 0, 0, 1]);
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant", HeaderValue::from_static("acme"));
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
    let Ok(Value::Map(extra)) = decode(EXTRA.as_bytes()) else {
        return;
    };
    let identity = Identity {
        subject: "alice".into(),
        extra: Some(Arc::new(extra)),
    };
    let mut session = Session::new(&request, identity, &Groups);
    let mut group = c.benchmark_group("template");
    for (name, source) in TEMPLATES {
        let template = Template::compile(source, Policy::Safe).expect("a template");
        group.bench_function(*name, |b| {
            b.iter(|| {
                let text = template.render(black_box(&mut session)).expect("text");
                black_box(text.len())
            });
        });
    }
    group.finish();
}

fn compiling(c: &mut Criterion) {
    c.bench_function("template/compile", |b| {
        b.iter(|| Template::compile(black_box(CLAIMS), Policy::Safe));
    });
}

criterion_group!(benches, rendering, compiling);
criterion_main!(benches);
