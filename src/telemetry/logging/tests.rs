//! Whole lines, from what is logged to what comes out.

use super::*;
use crate::telemetry::Metrics;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::io;
use std::sync::Mutex;

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logs(changes: Value) -> (Arc<Logs>, Memory) {
    let mut config = json!({
        "level": "info", "format": "json", "leak_sensitive_values": false, "redaction_text": "(hidden)",
        "sample_ratio": 1.0, "subject": "shown",
    });
    crate::config::merge(&mut config, changes);
    let memory = Memory::default();
    let config = serde_json::from_value(config).unwrap();
    let dropped = Metrics::default().log_lines_dropped.with([]);
    (
        Arc::new(Logs::new(&config, memory.clone(), dropped)),
        memory,
    )
}

fn written(logs: &Logs, memory: &Memory) -> Vec<Value> {
    logs.flush();
    let bytes = memory.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn request_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("authorization", "Bearer hush"),
        ("cookie", "session=hush"),
        ("user-agent", "curl\t\"x\""),
        ("x-token", "hush"),
        ("x-empty", ""),
        ("accept", "a/b"),
        ("accept", "c/d"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers
}

fn access<'a>(request_headers: &'a HeaderMap, response_headers: &'a HeaderMap) -> Access<'a> {
    Access {
        remote: Some(([127, 0, 0, 1], 4000).into()),
        method: "GET",
        scheme: "http",
        host: b"door.test",
        target: b"/a%20b?token=hush",
        request_headers,
        status: 302,
        size: 12,
        response_headers: Some(response_headers),
        took: Duration::from_micros(7),
        trace: Some(TraceIds {
            trace: "0af7651916cd43dd8448eb211c80319c",
            span: "b7ad6b7169203331",
        }),
    }
}

#[test]
fn an_access_line_has_the_reference_s_fields_and_no_secrets() {
    let (logs, memory) = logs(json!({}));
    logs.redaction()
        .credentials()
        .learn(&json!({ "token_from": { "header": "X-Token" } }));
    let request = request_headers();
    let mut response = HeaderMap::new();
    response.insert("set-cookie", HeaderValue::from_static("session=hush"));
    response.insert(
        "location",
        HeaderValue::from_static("https://login/?code=hush"),
    );
    logs.access(&access(&request, &response));
    let [line] = &written(&logs, &memory)[..] else {
        panic!("one line");
    };
    assert!(!line.to_string().contains("hush"), "{line}");
    assert_eq!(
        line["http_request"],
        json!({
            "remote": "127.0.0.1:4000", "method": "GET", "host": "door.test", "scheme": "http", "path": "/a%20b", "query": "(hidden)",
            "headers": { "authorization": "(hidden)", "cookie": "(hidden)", "user-agent": "curl\t\"x\"", "x-token": "(hidden)", "x-empty": null, "accept": "a/b" },
        })
    );
    assert_eq!(
        line["http_response"],
        json!({
            "status": 302, "size": 12, "text_status": "Found", "took": 7000,
            "headers": { "set-cookie": "(hidden)", "location": "https://login/" },
        })
    );
    assert_eq!(line["otel"]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(line["level"], "info");
    assert!(line.get("service_name").is_none());
}

#[test]
fn secrets_are_shown_where_the_configuration_says_so() {
    let (logs, memory) = logs(json!({ "leak_sensitive_values": true }));
    let (request, response) = (request_headers(), HeaderMap::new());
    logs.access(&access(&request, &response));
    let line = &written(&logs, &memory)[0];
    assert_eq!(line["http_request"]["query"], "token=hush");
    assert_eq!(line["http_request"]["headers"]["cookie"], "session=hush");
}

fn decided<'a>(headers: &'a HeaderMap, denied: Option<Denied<'a>>) -> Decided<'a> {
    Decided {
        door: "proxy",
        method: "GET",
        scheme: "https",
        host: "door.test",
        path: "/a",
        request_headers: headers,
        rule: Some("my-rule"),
        subject: Some("peter"),
        took: Duration::from_micros(3),
        denied,
        trace: None,
    }
}

#[test]
fn a_grant_is_information_and_a_refusal_a_warning_that_says_who_and_why() {
    let (logs, memory) = logs(json!({}));
    let headers = HeaderMap::new();
    logs.decision(&decided(&headers, None));
    logs.decision(&decided(
        &headers,
        Some(Denied {
            status: StatusCode::FORBIDDEN,
            message: "no",
            explanation: Some("because\nof"),
            reason: "forbidden",
            stage: Some("authorization"),
            handler: Some("deny"),
        }),
    ));
    let lines = written(&logs, &memory);
    assert_eq!(lines[0]["granted"], true);
    assert_eq!(lines[0]["level"], "info");
    assert_eq!(lines[0]["http_url"], "https://door.test/a");
    assert_eq!(lines[0]["subject"], "peter");
    assert_eq!(lines[0]["took"], 3000);
    assert_eq!(lines[1]["level"], "warning");
    assert_eq!(lines[1]["reason_id"], "forbidden");
    assert_eq!(lines[1]["authorization_handler"], "deny");
    assert_eq!(
        lines[1]["error"],
        json!({ "message": "no", "reason": "because\nof", "status": "Forbidden", "status_code": 403 })
    );
}

#[test]
fn the_subject_can_be_left_out() {
    let (logs, memory) = logs(json!({ "subject": "redacted" }));
    let headers = HeaderMap::new();
    logs.decision(&decided(&headers, None));
    assert_eq!(written(&logs, &memory)[0]["subject"], "(hidden)");
}

#[test]
fn sampling_keeps_every_failure() {
    let (logs, _) = logs(json!({ "sample_ratio": 0.0 }));
    assert!(!logs.samples(200) && !logs.samples(302));
    assert!(logs.samples(401) && logs.samples(502));
}

#[test]
fn levels_hold_for_requests_too() {
    let (logs, memory) = logs(json!({ "level": "error" }));
    let headers = HeaderMap::new();
    logs.decision(&decided(&headers, None));
    logs.access(&access(&headers, &headers));
    assert!(!logs.samples(500));
    assert!(written(&logs, &memory).is_empty());
}

#[test]
fn libraries_speak_only_when_they_warn() {
    let (logs, memory) = logs(json!({ "level": "trace" }));
    tracing::subscriber::with_default(Bridge(logs.clone()), || {
        tracing::trace!(target: "h2::codec", "frame=Headers authorization: hush");
        tracing::info!(target: "hyper", "hush");
        tracing::warn!(target: "hyper", secret = "hush", "kept");
        tracing::debug!(target: "doorward::rules", rule = "a", count = 3, on = true, "read");
    });
    let lines = written(&logs, &memory);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["msg"], "kept");
    assert!(!lines[0].to_string().contains("hush"));
    assert_eq!(lines[1]["rule"], "a");
    assert_eq!(lines[1]["count"], 3);
    assert_eq!(lines[1]["on"], true);
    assert_eq!(lines[1]["audience"], "application");
}
