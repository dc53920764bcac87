//! What the canonical request and header hygiene cost.
//!
//! `cargo bench --bench canonical`. The usual target takes one pass and two allocations (host and target).

#![allow(
    clippy::expect_used,
    reason = "a bench stops where something is not as it should be"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use doorward::canonical::headers::{Peer, UnderscoreHeaders, clean};
use doorward::canonical::{
    Forwarded, Inbound, PathPolicy, Trust, UpstreamPath, client_address, for_decision, for_proxy,
};
use doorward::gourl::Url;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn browser() -> HeaderMap {
    headers(&[
        ("host", "api.example.com"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        ),
        (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br"),
        ("cookie", "session=0123456789abcdef; theme=dark"),
        ("authorization", "Bearer 0123456789abcdef"),
        ("cache-control", "no-cache"),
    ])
}

fn gateway() -> HeaderMap {
    headers(&[
        ("host", "doorward:4456"),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "api.example.com"),
        ("x-forwarded-uri", "/users/1234/orders?page=2&size=20"),
        ("x-forwarded-for", "203.0.113.9, 10.0.0.3"),
    ])
}

fn canonical(c: &mut Criterion) {
    let policy = PathPolicy::default();
    let trust = Trust {
        proxies: Trust::default_proxies(),
        forwarded: Forwarded::Honoured,
    };
    let (direct, forwarded) = (browser(), gateway());
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let inbound = |target: &'static str, headers| Inbound {
        method: "GET",
        target: target.as_bytes(),
        authority: None,
        tls: false,
        peer,
        headers,
    };
    for (name, target) in [
        ("plain", "/users/1234/orders?page=2&size=20"),
        ("encoded", "/users/J%C3%BCrgen/orders?page=2&size=20"),
        ("unclean", "/users//./1234/../5678/orders?page=2&size=20"),
    ] {
        let inbound = inbound(target, &direct);
        c.bench_function(&format!("canonical/proxy/{name}"), |b| {
            b.iter(|| for_proxy(black_box(&inbound), &trust, &policy));
        });
    }
    let call = inbound("/decisions", &forwarded);
    c.bench_function("canonical/decision/forwarded", |b| {
        b.iter(|| for_decision(black_box(&call), &trust, &policy))
    });
    c.bench_function("canonical/client_address", |b| {
        b.iter(|| client_address(black_box(peer), &forwarded, &trust))
    });
    c.bench_function("canonical/headers/nothing_to_remove", |b| {
        let mut headers = browser();
        b.iter(|| {
            clean(
                black_box(&mut headers),
                Peer::Untrusted,
                UnderscoreHeaders::DropAliases,
            )
        });
    });
    let request = for_proxy(
        &inbound("/users/1234/orders?page=2&size=20", &direct),
        &trust,
        &policy,
    )
    .expect("a request");
    for (name, upstream, strip) in [
        ("same", "http://b", ""),
        ("base", "http://b/srv", ""),
        ("strip", "http://b", "/users"),
    ] {
        let path = UpstreamPath::new(&Url::parse(upstream).expect("a url"), strip);
        c.bench_function(&format!("canonical/upstream/{name}"), |b| {
            b.iter(|| path.target(black_box(&request)))
        });
    }
}

criterion_group!(benches, canonical);
criterion_main!(benches);
