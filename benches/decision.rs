//! What a whole decision costs: canonical form, rule, pipeline, without a network.
//!
//! `cargo bench --bench decision`. Aims, in CPU time: 5 µs for a token seen before, 2 µs of them for an `id_token` from memory.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what can't be set up can't be measured"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use doorward::app;
use doorward::canonical::{self, Forwarded, Inbound, PathPolicy, Trust};
use doorward::clients::Clients;
use doorward::clients::http::{Answer, Call, CallError, StandIn};
use doorward::clients::keys::{Signer, generate, parse_set};
use doorward::engine::Engine;
use doorward::pipeline::{Client, RequestView};
use doorward::snapshot::Live;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The authenticators, authorizer and mutators of one rule each.
const PIPELINES: &[(&str, &str, &str)] = &[
    ("noop, header", "noop", "header"),
    ("jwt seen before, header", "jwt", "header"),
    ("jwt seen before, id_token from memory", "jwt", "id_token"),
    (
        "introspection from memory, header",
        "oauth2_introspection",
        "header",
    ),
];

/// Says that every token is good.
#[derive(Debug)]
struct Introspection;

impl StandIn for Introspection {
    fn answer(&self, _: &Call) -> Result<Answer, CallError> {
        let body =
            json!({"active": true, "sub": "somebody", "scope": "read", "exp": 4_102_444_800_u64});
        Ok(Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        })
    }
}

struct World {
    engine: Engine,
    headers: HeaderMap,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let keys = generate("RS256", Some("key-1"), 0).unwrap().to_string();
    std::fs::write(folder.path().join("keys.json"), &keys).unwrap();
    let signer = Signer::choose(&parse_set(keys.as_bytes()).unwrap().0).unwrap();
    let claims = json!({
        "iss": "https://id.example/", "sub": "248289761001", "aud": ["api"], "exp": 4_102_444_800_u64, "iat": 1_700_000_000,
        "client_id": "web", "scope": "openid read write", "roles": ["user", "admin"], "email": "somebody@example.com",
    });
    let token = signer.sign(claims.to_string().as_bytes()).unwrap();
    let config = folder.path().join("config.json");
    std::fs::write(&config, configuration(folder.path()).to_string()).unwrap();
    let inspected = app::inspect_with(&[config], [], |settings| {
        Clients::without_network(settings, Arc::new(Introspection))
    })
    .unwrap();
    assert!(inspected.problems.is_empty(), "{}", inspected.problems);
    let authorization = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    World {
        engine: Engine::new(Arc::new(Live::new(inspected.snapshot))),
        headers: [
            (http::header::HOST, HeaderValue::from_static("api.example")),
            (http::header::AUTHORIZATION, authorization),
            (
                http::header::ACCEPT,
                HeaderValue::from_static("application/json"),
            ),
        ]
        .into_iter()
        .collect(),
        runtime: tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap(),
        _folder: folder,
    }
}

fn configuration(folder: &Path) -> Value {
    let keys = format!("file://{}/keys.json", folder.display());
    let rules: Vec<Value> = PIPELINES
        .iter()
        .enumerate()
        .map(|(n, (_, authenticator, mutator))| {
            json!({
                "id": format!("rule-{n}"),
                "match": {"url": format!("http://api.example/{n}/<.*>"), "methods": ["GET"]},
                "authenticators": [{"handler": authenticator}],
                "authorizer": {"handler": "allow"},
                "mutators": [{"handler": mutator}],
                "upstream": {"url": "http://127.0.0.1:9"},
            })
        })
        .collect();
    std::fs::write(folder.join("rules.json"), json!(rules).to_string()).unwrap();
    json!({
        "access_rules": {"repositories": [format!("file://{}/rules.json", folder.display())]},
        "authenticators": {
            "noop": {"enabled": true},
            "jwt": {"enabled": true, "config": {"jwks_urls": [keys], "jwks_ttl": "1h", "allowed_algorithms": ["RS256"]}},
            "oauth2_introspection": {"enabled": true, "config": {
                "introspection_url": "http://id.example/introspect", "cache": {"enabled": true, "ttl": "1h"},
            }},
        },
        "authorizers": {"allow": {"enabled": true}},
        "mutators": {
            "header": {"enabled": true, "config": {"headers": {"X-User": "{{ print .Subject }}"}}},
            "id_token": {"enabled": true, "config": {"issuer_url": "https://door.example/", "jwks_url": keys}},
        },
    })
}

impl World {
    async fn decide(&self, trust: &Trust, policy: &PathPolicy, target: &str) {
        let inbound = Inbound {
            method: "GET",
            target: target.as_bytes(),
            authority: None,
            tls: false,
            peer: PEER,
            headers: &self.headers,
        };
        let request = canonical::for_proxy(&inbound, trust, policy).unwrap();
        let view = RequestView {
            canonical: &request,
            headers: &self.headers,
            transport_host: "api.example",
            client: Client {
                peer: PEER,
                address: PEER,
            },
            body: None,
        };
        let decision = self.engine.decide(self.engine.find(&request), &view).await;
        assert!(
            black_box(&decision).outcome.is_ok(),
            "{:?}",
            decision.outcome
        );
    }
}

fn decisions(criterion: &mut Criterion) {
    let world = world();
    let trust = Trust {
        proxies: Vec::new(),
        forwarded: Forwarded::Ignored,
    };
    let policy = PathPolicy::default();
    let mut group = criterion.benchmark_group("decision");
    for (n, (name, _, _)) in PIPELINES.iter().enumerate() {
        let target = format!("/{n}/orders/17?page=2");
        let decide = || {
            let decided = world.decide(&trust, &policy, black_box(&target));
            world.runtime.block_on(decided);
        };
        group.bench_function(*name, |bench| bench.iter(decide));
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
