//! What a listener allows: connections, file descriptors, streams, and an end that loses nothing.

use crate::edge_tls::client_over;
use crate::h2::{self, H2, Outcome};
use crate::support::{Client, Doorward, Http, Upstream, get, plain_config, rule};
use serde_json::json;
use std::error::Error;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn doorward(upstream: &Upstream, serve: serde_json::Value) -> Doorward {
    let mut config = plain_config();
    config["serve"]["proxy"] = serve;
    let all = rule(
        "all",
        "http://<[^/]+>/<.*>",
        ["noop", "allow", "noop"],
        Some(upstream.address),
    );
    Doorward::start(config, json!([all]))
}

#[test]
fn connections_beyond_the_limit_are_told_so_and_room_is_given_back() {
    let upstream = Upstream::start();
    let doorward = doorward(&upstream, json!({ "limits": { "connections": 2 } }));
    let request = "GET /x HTTP/1.1\r\nHost: h.test\r\n\r\n";
    let mut held: Vec<Client> = (0..2).map(|_| Client::connect(doorward.proxy)).collect();
    for client in &mut held {
        client.send(request);
        assert_eq!(client.answer().unwrap().status, 200);
    }
    let mut third = Client::connect(doorward.proxy);
    third.send(request);
    let answer = third.answer().unwrap();
    assert_eq!(
        (answer.status, answer.header("connection")),
        (503, Some("close"))
    );
    drop((held, third));
    doorward.eventually("there is room again", || {
        get(doorward.proxy, "/x", "h.test").status == 200
    });
}

/// Heads at the limits pass, those beyond are answered, over HTTP/1.1 and HTTP/2.
#[test]
fn heads_beyond_the_limits_are_refused_by_what_is_too_much() {
    let upstream = Upstream::start();
    let limits = json!({ "limits": { "headers": 20, "target_bytes": 100, "header_bytes": 4000 } });
    let doorward = doorward(&upstream, limits);
    let many = |count: usize| -> Vec<(String, String)> {
        (0..count).map(|n| (format!("x-{n}"), "v".into())).collect()
    };
    let long = |bytes: usize| vec![("x-long".to_owned(), "v".repeat(bytes))];
    for (path, headers, status) in [
        (format!("/{}", "p".repeat(99)), many(0), 200),
        (format!("/{}", "p".repeat(100)), many(0), 414),
        ("/x".into(), many(15), 200),
        ("/x".into(), many(40), 431),
        ("/x".into(), long(3000), 200),
        ("/x".into(), long(4000), 431),
    ] {
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: h.test\r\n");
        for (name, value) in &headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut client = Client::connect(doorward.proxy);
        client.send(format!("{request}\r\n"));
        let answered = client.answer().unwrap().status;
        assert_eq!(answered, status, "HTTP/1.1 {path} {}", headers.len());

        let mut fields = h2::fields("GET", &path);
        fields.extend(
            headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let outcome = H2::connect(doorward.proxy).ask(&fields);
        assert_eq!(
            outcome,
            Outcome::Answered(status),
            "HTTP/2 {path} {}",
            headers.len()
        );
    }
    let refused = |reason: &str| {
        let page = get(doorward.metrics, "/metrics", "m.test").body;
        let series =
            format!("doorward_refused_total{{listener=\"serve.proxy\",reason=\"{reason}\"}} ");
        page.lines().any(|line| line.starts_with(&series))
    };
    assert!(refused("target_too_long") && refused("headers_too_large"));
}

#[test]
fn a_connection_has_so_many_requests_and_streams_as_it_may() {
    let upstream = Upstream::start();
    let limits = json!({ "limits": { "requests": 3, "streams": 2 } });
    let doorward = doorward(&upstream, limits);
    let mut client = Client::connect(doorward.proxy);
    for number in 1..=3 {
        client.send("GET /x HTTP/1.1\r\nHost: h.test\r\n\r\n");
        let answer = client.answer().unwrap();
        assert_eq!(answer.status, 200);
        let closes = answer.header("connection") == Some("close");
        assert_eq!(closes, number == 3, "{number}");
    }
    assert!(client.is_closed());

    let fields = h2::fields("GET", "/x");
    let mut h2 = H2::connect(doorward.proxy);
    for _ in 0..2 {
        assert_eq!(h2.ask(&fields), Outcome::Answered(200));
    }
    let (mut answered, mut farewell) = (false, false);
    let last = h2.headers(&fields, h2::END_STREAM);
    while let Some((kind, flags, stream, payload)) = h2.read() {
        match kind {
            h2::HEADERS => answered |= stream == last,
            h2::GOAWAY => farewell = true,
            // Whoever says goodbye wants to know that it was heard.
            h2::PING if flags & h2::ACK == 0 => {
                h2.frame(h2::PING, h2::ACK, 0, &payload);
            }
            _ => {}
        }
    }
    assert!(answered && farewell, "closed in good order");

    // Who doesn't hear it can't go on for ever.
    let mut h2 = H2::connect(doorward.proxy);
    let outcomes: Vec<Outcome> = (0..8).map(|_| h2.ask(&fields)).collect();
    assert!(
        outcomes.iter().any(|outcome| outcome.is_refusal()),
        "{outcomes:?}"
    );

    // Requests whose bodies don't end hold their streams.
    let mut h2 = H2::connect(doorward.proxy);
    let post = h2::fields("POST", "/x");
    let held = [h2.headers(&post, 0), h2.headers(&post, 0)];
    let beyond = h2.headers(&post, 0);
    assert_eq!(h2.outcome(beyond), Outcome::Reset);
    for id in held {
        h2.frame(h2::RST_STREAM, 0, id, &[0, 0, 0, 8]);
    }
    assert_eq!(h2.ask(&fields), Outcome::Answered(200));
}

/// Requests that Pingora or the door in front of it answers before an application sees them, with the status and the word of each.
fn never_seen() -> [(&'static [u8], u16, &'static str); 9] {
    [
        (
            b"CONNECT h.test:443 HTTP/1.1\r\nHost: h.test:443",
            405,
            "method_not_allowed",
        ),
        (
            b"CONNECT /decisions/MARK HTTP/1.1\r\nHost: h.test",
            405,
            "method_not_allowed",
        ),
        (
            b"GET http://other.test/MARK HTTP/1.1\r\nHost: h.test",
            400,
            "bad_request",
        ),
        (
            b"GET http://MARK@h.test/ HTTP/1.1\r\nHost: h.test",
            400,
            "bad_request",
        ),
        (
            b"GET http:/\\MARK HTTP/1.1\r\nHost: h.test",
            400,
            "bad_request",
        ),
        (
            b"GET /decisions/MARK\xff HTTP/1.1\r\nHost: h.test",
            400,
            "bad_request",
        ),
        (b"GET /MARK\x80 HTTP/1.0", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: MARK@h.test", 400, "bad_request"),
        (
            b"POST /MARK\xff HTTP/1.1\r\nHost: h.test\r\nContent-Length: 100000",
            400,
            "bad_request",
        ),
    ]
}

/// They are answered as whatever else a door refuses, counted and logged, and are the last of their connection.
#[test]
fn what_pingora_refuses_is_answered_counted_and_logged_by_the_door() {
    let upstream = Upstream::start();
    let mut config = plain_config();
    config["log"]["level"] = "trace".into();
    let all = rule(
        "all",
        "http://<[^/]+>/<.*>",
        ["noop", "allow", "noop"],
        Some(upstream.address),
    );
    let doorward = Doorward::start(config, json!([all]));
    let doors = [(doorward.proxy, "serve.proxy"), (doorward.api, "serve.api")];
    for (door, _) in doors {
        for (head, status, _) in never_seen() {
            let request = String::from_utf8_lossy(head);
            let mut client = Client::connect(door);
            client.send(head);
            client.send("\r\nAuthorization: MARK\r\n\r\n");
            if head.starts_with(b"POST") {
                client.send("b".repeat(50_000));
            }
            client.send("GET /decisions/MARK HTTP/1.1\r\nHost: h.test\r\n\r\n");
            let answer = client.answer().unwrap();
            assert_eq!(answer.status, status, "{request}");
            assert_eq!(answer.json()["error"]["code"], status, "{request}");
            assert_eq!(answer.header("connection"), Some("close"), "{request}");
            assert_eq!(answer.header("server"), None, "{request}");
            assert!(client.is_closed(), "{request}");
        }
    }
    for (_, listener) in doors {
        for reason in ["bad_request", "method_not_allowed"] {
            let of_it = never_seen()
                .into_iter()
                .filter(|(_, _, why)| *why == reason);
            let count = of_it.count();
            let labels = format!("listener=\"{listener}\",reason=\"{reason}\"");
            doorward.page_with(&format!("doorward_refused_total{{{labels}}} {count}\n"));
            let told = |line: &&str| {
                line.contains("refused before a request")
                    && line.contains(listener)
                    && line.contains(reason)
            };
            doorward.eventually("as many lines", || {
                doorward.log().lines().filter(told).count() == count
            });
        }
    }
    let log = doorward.log();
    assert!(!log.contains("MARK"), "{log}");
    assert!(upstream.saw_nothing());
    assert_eq!(get(doorward.proxy, "/x", "h.test").status, 200);
}

/// Each request of a connection has to arrive anew.
#[test]
fn requests_before_a_refused_one_are_served() {
    let upstream = Upstream::start();
    let doorward = doorward(&upstream, json!({}));
    for (door, target) in [(doorward.proxy, "/x"), (doorward.api, "/decisions/x")] {
        let mut client = Client::connect(door);
        for _ in 0..3 {
            client.send(format!("GET {target} HTTP/1.1\r\nHost: h.test\r\n\r\n"));
            assert_eq!(client.answer().unwrap().status, 200);
        }
        client.send("GET http://other.test/ HTTP/1.1\r\nHost: h.test\r\n\r\n");
        let refused = client.answer().unwrap();
        assert_eq!((refused.status, refused.header("server")), (400, None));
        assert!(client.is_closed());
    }
    doorward
        .page_with("doorward_refused_total{listener=\"serve.proxy\",reason=\"bad_request\"} 1\n");
    doorward.page_with("doorward_refused_total{listener=\"serve.api\",reason=\"bad_request\"} 1\n");
}

/// Pingora would answer in its own name, and only at the proxy.
#[test]
fn a_tunnel_over_http2_is_refused_by_the_door() {
    let upstream = Upstream::start();
    let doorward = doorward(&upstream, json!({}));
    for (door, listener) in [(doorward.proxy, "serve.proxy"), (doorward.api, "serve.api")] {
        let mut h2 = H2::connect(door);
        let connect = [(":method", "CONNECT"), (":authority", "h.test:443")];
        assert_eq!(h2.ask(&connect), Outcome::Answered(405));
        let labels = format!("listener=\"{listener}\",reason=\"method_not_allowed\"");
        doorward.page_with(&format!("doorward_refused_total{{{labels}}} 1\n"));
    }
    assert!(upstream.saw_nothing());
}

/// What Pingora or its HTTP/2 library refuses never reaches the proxy's own log and counters.
#[test]
fn streams_that_never_became_requests_are_counted() {
    let upstream = Upstream::start();
    let doorward = doorward(&upstream, json!({}));
    let mut h2 = H2::connect(doorward.proxy);
    let good = h2::fields("GET", "/x");
    assert_eq!(h2.ask(&good), Outcome::Answered(200));
    let lengths = [("content-length", "1"), ("content-length", "2")];
    for odd in [
        [&good[..], &lengths].concat(),
        [&good[..], &[("A", "b")]].concat(),
    ] {
        assert!(h2.ask(&odd).is_refusal());
    }
    drop(h2);
    let series = "doorward_refused_total{listener=\"serve.proxy\",reason=\"http2_stream\"} 2";
    let told = "HTTP/2 streams that never became requests";
    doorward.page_with(series);
    doorward.eventually(told, || doorward.log().contains(told));
}

#[test]
fn running_out_of_file_descriptors_is_survived() {
    let upstream = Upstream::start();
    let doorward = doorward(&upstream, json!({}));
    let limited = Command::new("prlimit")
        .args(["--pid", &doorward.pid().to_string(), "--nofile=64:64"])
        .status();
    assert!(limited.unwrap().success());
    let held: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(doorward.proxy).unwrap())
        .collect();
    let used = || std::fs::read_dir(format!("/proc/{}/fd", doorward.pid())).unwrap();
    doorward.eventually("all are in use", || used().count() >= 64);
    drop(held);
    doorward.eventually("it serves again", || {
        let mut client = Client::connect(doorward.proxy);
        client.send("GET /x HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\n\r\n");
        client.answer().is_some_and(|answer| answer.status == 200)
    });
}

/// Whether the system took the connection and nobody accepted it any more.
fn is_reset(error: &reqwest::Error) -> bool {
    let causes = std::iter::successors(error.source(), |&error: &&(dyn Error + 'static)| {
        error.source()
    });
    causes
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

/// Requests that were taken are answered: whatever reached the upstream. What comes later finds nobody listening, and is no lost request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_under_load_loses_no_request_that_was_taken() {
    let upstream = Upstream::start();
    let mut doorward = doorward(&upstream, json!({}));
    let (served, stopping) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut tasks = Vec::new();
    for http in [Http::One, Http::One, Http::Two, Http::Two] {
        let (served, stopping) = (served.clone(), stopping.clone());
        let client = client_over(http).build().unwrap();
        let url = format!("http://{}/x", doorward.proxy);
        tasks.push(tokio::spawn(async move {
            loop {
                match client.get(&url).send().await {
                    Ok(answer) => {
                        assert_eq!(answer.status(), 200);
                        assert_eq!(answer.text().await.unwrap(), "hello");
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => {
                        assert!(stopping.load(Ordering::Relaxed), "{error:?}");
                        assert!(error.is_connect() || is_reset(&error), "{error:?}");
                        return;
                    }
                }
            }
        }));
    }
    while served.load(Ordering::Relaxed) < 50 {
        tokio::task::yield_now().await;
    }
    stopping.store(true, Ordering::Relaxed);
    doorward.signal("TERM");
    for task in tasks {
        task.await.unwrap();
    }
    let code = tokio::task::spawn_blocking(move || doorward.wait(Duration::from_secs(10)));
    assert_eq!(code.await.unwrap(), Some(0));
    assert_eq!(upstream.unseen(), served.load(Ordering::Relaxed));
}
