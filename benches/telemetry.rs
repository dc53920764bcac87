//! What a request costs that is counted and leaves its lines.

#![allow(clippy::unwrap_used, reason = "what can't be set up can't be measured")]

use criterion::{Criterion, criterion_group, criterion_main};
use doorward::config::RequestPaths;
use doorward::telemetry::Metrics;
use doorward::telemetry::logging::{Access, Decided, Logs};
use doorward::telemetry::metrics::Known;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::json;
use std::hint::black_box;
use std::io::sink;
use std::time::Duration;

const TOOK: Duration = Duration::from_micros(70);

fn counting(criterion: &mut Criterion) {
    let metrics = Metrics::new("ory_oathkeeper_", RequestPaths::Collapsed);
    let rule = metrics.rule(&"rule-99".into());
    let decisions = metrics.decisions.with(["proxy"]);
    criterion.bench_function("telemetry/count a request and its decision", |bench| {
        bench.iter(|| {
            decisions.observe(black_box(TOOK));
            rule.granted();
            rule.upstream(TOOK);
            let target = black_box(&b"/service-99/some/path?with=query"[..]);
            metrics
                .proxy
                .observe(&Method::GET, target, 200, TOOK, Known::Matched);
        });
    });
}

fn headers() -> HeaderMap {
    [
        ("host", "door.example"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ),
        (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br"),
        ("cookie", "session=0123456789abcdef0123456789abcdef"),
        ("authorization", "Bearer 0123456789abcdef0123456789abcdef"),
    ]
    .into_iter()
    .map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    })
    .collect()
}

fn lines(criterion: &mut Criterion) {
    let (request, mut response) = (headers(), HeaderMap::new());
    response.insert("content-type", HeaderValue::from_static("application/json"));
    response.insert("content-length", HeaderValue::from_static("512"));
    for format in ["json", "text"] {
        let config = json!({
            "level": "info", "format": format, "leak_sensitive_values": false, "redaction_text": "(hidden)",
            "sample_ratio": 1.0, "subject": "shown",
        });
        let logs = Logs::new(
            &serde_json::from_value(config).unwrap(),
            sink(),
            Metrics::default().log_lines_dropped.with([]),
        );
        let access = Access {
            remote: Some(([127, 0, 0, 1], 4000).into()),
            method: "GET",
            scheme: "http",
            host: b"door.example",
            target: b"/service-99/some/path?with=query",
            request_headers: &request,
            status: 200,
            size: 512,
            response_headers: Some(&response),
            took: TOOK,
            trace: None,
        };
        let decided = Decided {
            door: "proxy",
            method: "GET",
            scheme: "http",
            host: "door.example",
            path: "/service-99/some/path",
            request_headers: &request,
            rule: Some("rule-99"),
            subject: Some("peter"),
            took: TOOK,
            denied: None,
            trace: None,
        };
        criterion.bench_function(&format!("telemetry/access line, {format}"), |bench| {
            bench.iter(|| logs.access(black_box(&access)));
        });
        criterion.bench_function(&format!("telemetry/decision line, {format}"), |bench| {
            bench.iter(|| logs.decision(black_box(&decided)));
        });
    }
}

criterion_group!(telemetry, counting, lines);
criterion_main!(telemetry);
