//! What operators see: the metrics page, the lines of the log, the spans of a request.

use crate::ports::free_port;
use crate::support::{Client, Doorward, PATIENCE, Upstream, ask, get, plain_config, rule};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

fn start(mut config: Value, upstream: &Upstream) -> Doorward {
    let base = plain_config();
    for (name, section) in base.as_object().unwrap() {
        config[name] = section.clone();
    }
    let url = |name: &str| format!("http://door.test/{name}<.*>");
    Doorward::start(
        config,
        json!([
            rule(
                "open",
                &url("open"),
                ["noop", "allow", "noop"],
                Some(upstream.address)
            ),
            rule(
                "shut",
                &url("shut"),
                ["noop", "deny", "noop"],
                Some(upstream.address)
            ),
        ]),
    )
}

#[test]
fn the_metrics_page_is_where_it_is_configured_and_counts_decisions_by_rule() {
    let upstream = Upstream::start();
    let doorward = start(
        json!({ "serve": { "prometheus": { "metrics_path": "/own" } } }),
        &upstream,
    );
    for target in ["/open/1", "/open/2", "/shut", "/none"] {
        get(doorward.proxy, target, "door.test");
    }
    get(doorward.api, "/decisions/open", "door.test");
    let page = doorward.page_with(
        "service=\"oathkeeper-api\",method=\"GET\",request=\"/decisions\",status_code=\"200\"} 1\n",
    );
    for line in [
        "doorward_decisions_total{rule=\"open\",outcome=\"granted\",reason=\"\"} 3\n",
        "doorward_decisions_total{rule=\"shut\",outcome=\"denied\",reason=\"forbidden\"} 1\n",
        "doorward_decisions_total{rule=\"\",outcome=\"denied\",reason=\"no_rule\"} 1\n",
        "doorward_upstream_duration_seconds_count{rule=\"open\"} 2\n",
        "doorward_decision_duration_seconds_count{door=\"proxy\"} 4\n",
        "doorward_rules{state=\"valid\"} 2\n",
        "doorward_generation 1\n",
        "request=\"/open\",status_code=\"200\"} 2\n",
    ] {
        assert!(page.contains(line), "no {line:?} in\n{page}");
    }
    assert!(
        get(doorward.metrics, "/own?x", "m")
            .body
            .contains("doorward_build_info")
    );
    for other in ["/", "/metrics/", "/debug/pprof/", "/rules"] {
        assert_eq!(get(doorward.metrics, other, "m").status, 404, "{other}");
    }
    let posted = ask(
        doorward.metrics,
        "POST /metrics HTTP/1.1\r\nHost: m\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(posted.status, 405);
    check_with_promtool(&page);
}

#[test]
fn request_paths_are_whole_collapsed_or_hidden() {
    for (keys, label) in [
        (json!({}), "/open"),
        (json!({ "collapse_request_paths": false }), "/open/1"),
        (json!({ "hide_request_paths": true }), ""),
        (
            json!({ "hide_request_paths": true, "collapse_request_paths": false }),
            "",
        ),
    ] {
        let upstream = Upstream::start();
        let doorward = start(json!({ "serve": { "prometheus": keys } }), &upstream);
        assert_eq!(get(doorward.proxy, "/open/1", "door.test").status, 200);
        doorward.page_with(&format!(
            "service=\"oathkeeper-proxy\",method=\"GET\",request=\"{label}\",status_code=\"200\"}} 1\n"
        ));
    }
}

/// Where there is a promtool; its absence is no failure of Doorward.
fn check_with_promtool(page: &str) {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else { return };
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words =
        String::from_utf8_lossy(&said.stderr).into_owned() + &String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && words.is_empty(), "{words}");
}

#[test]
fn what_never_became_a_request_and_what_no_upstream_answered_is_counted() {
    let gone = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let config = plain_config();
    let doorward = Doorward::start(
        config,
        json!([rule(
            "gone",
            "http://door.test/<.*>",
            ["noop", "allow", "noop"],
            Some(gone)
        )]),
    );
    assert_eq!(get(doorward.proxy, "/x", "door.test").status, 502);
    let mut client = Client::connect(doorward.proxy);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nHost : b\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 400);
    doorward
        .page_with("doorward_refused_total{listener=\"serve.proxy\",reason=\"bad_request\"} 1\n");
    doorward.page_with("doorward_upstream_errors_total{reason=\"connect\"} 1\n");
}

/// The lines of a log in JSON, once there are as many about requests as expected.
fn request_lines(doorward: &Doorward, expected: usize) -> Vec<Value> {
    let end = Instant::now() + PATIENCE;
    loop {
        let log = doorward.log();
        let lines: Vec<Value> = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|line: &Value| line.get("audience").is_none())
            .collect();
        if lines.len() >= expected {
            return lines;
        }
        assert!(Instant::now() < end, "too few lines in\n{log}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn each_request_leaves_an_access_line_and_a_decision_line_without_secrets() {
    let upstream = Upstream::start();
    let config = json!({ "log": { "format": "json" } });
    let doorward = start(config, &upstream);
    let raw = "GET /shut?token=hush HTTP/1.1\r\nHost: door.test\r\nAuthorization: Bearer hush\r\nCookie: s=hush\r\nUser-Agent: a\tlevel=info granted=true\"\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(doorward.proxy, raw).status, 403);
    assert_eq!(get(doorward.proxy, "/open/x", "door.test").status, 200);
    let lines = request_lines(&doorward, 4);
    assert!(!doorward.log().contains("hush"));
    let find = |message: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["msg"] == message).collect()
    };
    let denied = find("Access request denied")[0];
    assert_eq!(denied["rule_id"], "shut");
    assert_eq!(denied["granted"], false);
    assert_eq!(denied["subject"], "");
    assert_eq!(denied["authorization_handler"], "deny");
    assert_eq!(denied["reason_id"], "forbidden");
    assert_eq!(denied["http_url"], "http://door.test/shut");
    assert_eq!(denied["http_user_agent"], "a\tlevel=info granted=true\"");
    let granted = find("Access request granted")[0];
    assert_eq!(granted["rule_id"], "open");
    assert!(granted["took"].as_u64().unwrap() > 0);
    let access = find("completed handling request");
    assert_eq!(access.len(), 2);
    let answered = access
        .iter()
        .find(|line| line["http_response"]["status"] == 200)
        .unwrap();
    assert_eq!(answered["http_request"]["path"], "/open/x");
    assert_eq!(answered["http_response"]["size"], 5);
}

/// Takes what is posted to it and hands out the bodies.
fn collector() -> (SocketAddr, Receiver<Vec<u8>>) {
    collector_at(TcpListener::bind("127.0.0.1:0").unwrap())
}

fn collector_at(listener: TcpListener) -> (SocketAddr, Receiver<Vec<u8>>) {
    let address = listener.local_addr().unwrap();
    let (sender, bodies) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut seen = Vec::new();
            let mut part = [0; 8192];
            while let Ok(n @ 1..) = stream.read(&mut part) {
                seen.extend_from_slice(&part[..n]);
                let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
                let Some((head, _)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.unwrap_or("0").trim().parse().unwrap();
                let end = seen
                    .windows(4)
                    .position(|four| four == b"\r\n\r\n")
                    .unwrap()
                    + 4;
                if seen.len() >= end + length {
                    break;
                }
            }
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = sender.send(seen);
        }
    });
    (address, bodies)
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|part| part == what)
}

#[test]
fn the_spans_of_a_request_join_the_trace_of_a_trusted_caller_and_go_on_to_the_upstream() {
    let (address, bodies) = collector();
    let upstream = Upstream::start();
    let config = json!({
        "log": { "format": "json" },
        "tracing": { "provider": "otel", "providers": { "otlp": { "server_url": address.to_string(), "insecure": true, "sampling": { "sampling_ratio": 1.0 } } } },
    });
    let mut doorward = start(config, &upstream);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let caller = "b7ad6b7169203331";
    let raw = format!(
        "GET /open HTTP/1.1\r\nHost: door.test\r\ntraceparent: 00-{trace}-{caller}-01\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(ask(doorward.proxy, &raw).status, 200);
    let seen = upstream.next().to_ascii_lowercase();
    let parents: Vec<&str> = seen
        .lines()
        .filter_map(|line| line.strip_prefix("traceparent: "))
        .collect();
    let [parent] = parents[..] else {
        panic!("one parent in {seen}")
    };
    assert!(
        parent.starts_with(&format!("00-{trace}-")) && parent.ends_with("-01"),
        "{parent}"
    );
    assert!(
        !parent.contains(caller),
        "the upstream's parent is Doorward's span"
    );
    for line in request_lines(&doorward, 2) {
        assert_eq!(line["otel"]["trace_id"], trace, "{line}");
        assert!(
            parent.contains(line["otel"]["span_id"].as_str().unwrap()),
            "{line}"
        );
    }
    doorward.signal("TERM");
    let body = bodies.recv_timeout(PATIENCE).unwrap();
    let trace_bytes = u128::from_str_radix(trace, 16).unwrap().to_be_bytes();
    let caller_bytes = u64::from_str_radix(caller, 16).unwrap().to_be_bytes();
    for what in [
        &trace_bytes[..],
        &caller_bytes,
        b"proxy",
        b"match",
        b"doorward.rule",
    ] {
        assert!(holds(&body, what), "{:?}", String::from_utf8_lossy(what));
    }
    assert_eq!(doorward.wait(PATIENCE), Some(0));
}

/// Jaeger's port for OTLP is a fixed one; every process of the machine has addresses enough to find one of its own where it is free.
#[test]
fn jaeger_gets_spans_at_its_agent_s_host_and_zipkin_is_said_to_get_none() {
    let process = std::process::id().to_be_bytes();
    let host = format!("127.{}.{}.9", process[2], process[3]);
    let Ok(listener) = TcpListener::bind((host.as_str(), 4318)) else {
        eprintln!("SKIPPED: {host}:4318 can't be listened at");
        return;
    };
    let (_, bodies) = collector_at(listener);
    let upstream = Upstream::start();
    for (ratio, sent) in [(0.0, false), (1.0, true)] {
        let jaeger = json!({ "local_agent_address": format!("{host}:6831"), "sampling": { "trace_id_ratio": ratio } });
        let tracing = json!({ "provider": "jaeger", "providers": { "jaeger": jaeger } });
        let mut doorward = start(json!({ "tracing": tracing }), &upstream);
        let told = "Jaeger is sent OTLP over HTTP";
        doorward.eventually(told, || doorward.log().contains(told));
        assert_eq!(get(doorward.proxy, "/open", "door.test").status, 200);
        doorward.signal("TERM");
        // Whatever there is to send is sent before the end.
        assert_eq!(doorward.wait(PATIENCE), Some(0));
        assert_eq!(bodies.try_iter().count() > 0, sent, "{ratio}");
    }
    let zipkin = json!({ "server_url": "http://127.0.0.1:1/" });
    let tracing = json!({ "provider": "zipkin", "providers": { "zipkin": zipkin } });
    let doorward = start(json!({ "tracing": tracing }), &upstream);
    let told = "nothing is traced: Zipkin's own protocol is not spoken";
    doorward.eventually(told, || doorward.log().contains(told));
}
