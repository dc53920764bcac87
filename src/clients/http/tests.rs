use super::*;
use crate::clients::stub::{Reply, Stub};
use crate::clients::{Repeat, Retry};
use http::HeaderValue;
use std::time::Duration;

fn client() -> Http {
    Http::new(Settings::default(), None).unwrap()
}

fn get(stub: &Stub, path: &str) -> Call {
    Call::new(Method::GET, stub.url(path))
}

fn eager(max_delay: u64, give_up_after: u64) -> Retry {
    Retry {
        repeat: Repeat::Always,
        max_delay: Duration::from_millis(max_delay),
        give_up_after: Duration::from_millis(give_up_after),
    }
}

#[tokio::test]
async fn an_answer_comes_back_complete() {
    let stub = Stub::start(|_, _| Reply::text(200, "hello")).await;
    let answer = client().send(get(&stub, "/x")).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "hello");
}

#[tokio::test]
async fn redirects_are_answers() {
    let stub = Stub::start(|_, _| Reply::text(302, "").header("Location", "/elsewhere")).await;
    let answer = client().send(get(&stub, "/x")).await.unwrap();
    assert_eq!(answer.status, 302);
    assert_eq!(stub.calls().len(), 1);
}

#[tokio::test]
async fn a_server_error_is_tried_five_times() {
    let stub = Stub::start(|_, _| Reply::text(503, "busy")).await;
    let mut call = get(&stub, "/x");
    call.retry = eager(2, 5_000);
    let answer = client().send(call).await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(stub.calls().len(), 5);
}

#[tokio::test]
async fn the_first_good_answer_ends_the_tries() {
    let stub = Stub::start(|_, n| Reply::text(if n < 3 { 500 } else { 200 }, "")).await;
    let mut call = get(&stub, "/x");
    call.method = Method::POST;
    call.body = Bytes::from_static(b"again");
    call.retry = eager(2, 5_000);
    assert_eq!(client().send(call).await.unwrap().status, 200);
    let calls = stub.calls();
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call.body == "again"));
}

#[tokio::test]
async fn a_call_that_is_not_idempotent_is_made_once() {
    let stub = Stub::start(|_, _| Reply::text(500, "")).await;
    let mut call = get(&stub, "/x");
    call.method = Method::POST;
    call.retry = Retry {
        repeat: Repeat::Idempotent,
        ..eager(2, 5_000)
    };
    client().send(call).await.unwrap();
    assert_eq!(stub.calls().len(), 1);
}

#[tokio::test]
async fn a_long_retry_after_is_not_waited_for() {
    let stub = Stub::start(|_, _| Reply::text(429, "").header("Retry-After", "3600")).await;
    let mut call = get(&stub, "/x");
    call.retry = eager(2, 5_000);
    assert_eq!(client().send(call).await.unwrap().status, 429);
    assert_eq!(stub.calls().len(), 1);
}

#[tokio::test]
async fn a_silent_server_is_a_timeout() {
    let stub = Stub::start(|_, _| Reply::never()).await;
    let mut call = get(&stub, "/x");
    call.timeouts = Some(Timeouts {
        total: Duration::from_millis(50),
        ..Timeouts::default()
    });
    let error = client().send(call).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }), "{error:?}");
}

/// It takes the connection and says nothing to the handshake, which belongs to connecting.
#[tokio::test]
async fn connecting_has_a_limit_of_its_own() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let (soon, late) = (Duration::from_millis(50), Duration::from_secs(3600));
    for (connect, total) in [(soon, late), (late, soon)] {
        let mut call = Call::new(Method::GET, Url::parse(&url).unwrap());
        call.timeouts = Some(Timeouts { connect, total });
        let error = client().send(call).await.unwrap_err();
        let of_connecting = matches!(error, CallError::Connect { .. });
        assert_eq!(of_connecting, connect == soon, "{error:?}");
    }
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error_without_credentials() {
    let url = Url::parse("http://user:secret@127.0.0.1:1/path?token=secret").unwrap();
    let error = client()
        .send(Call::new(Method::GET, url))
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Connect { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    let stub = Stub::start(|_, _| Reply::endless()).await;
    let error = client().send(get(&stub, "/x")).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge { .. }), "{error:?}");
    assert!(stub.sent() < 64 << 20, "{} bytes were taken", stub.sent());
}

#[tokio::test]
async fn an_announced_length_beyond_the_limit_is_refused() {
    let stub = Stub::start(|_, _| Reply::text(200, &"x".repeat((1 << 20) + 1))).await;
    let error = client().send(get(&stub, "/x")).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_garbled() {
    let stub = Stub::start(|_, _| Reply::cut()).await;
    let error = client().send(get(&stub, "/x")).await.unwrap_err();
    assert!(matches!(error, CallError::Garbled { .. }), "{error:?}");
}

#[tokio::test]
async fn a_dead_server_is_left_alone_after_a_while() {
    let http = client();
    let url = Url::parse("http://127.0.0.1:1/").unwrap();
    let mut last = None;
    for _ in 0..30 {
        last = http.send(Call::new(Method::GET, url.clone())).await.err();
    }
    assert!(matches!(last, Some(CallError::Broken { .. })), "{last:?}");
    assert!(http.counters.refused.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn hop_by_hop_and_framing_headers_stay_here() {
    let stub = Stub::start(|_, _| Reply::text(200, "")).await;
    let mut call = get(&stub, "/x");
    for (name, value) in [
        ("connection", "close, X-Nominated"),
        ("x-nominated", "1"),
        ("transfer-encoding", "chunked"),
        ("content-length", "99"),
        ("host", "evil.test"),
        ("te", "trailers"),
        ("upgrade", "websocket"),
        ("expect", "100-continue"),
        ("x-kept", "1"),
    ] {
        call.headers.append(name, HeaderValue::from_static(value));
    }
    client().send(call).await.unwrap();
    let calls = stub.calls();
    let sent = &calls.first().unwrap().head.to_lowercase();
    assert!(sent.contains("x-kept: 1"));
    for gone in [
        "x-nominated",
        "chunked",
        ": 99",
        "evil.test",
        "te:",
        "upgrade",
        "expect",
    ] {
        assert!(!sent.contains(gone), "{gone} in {sent}");
    }
}

#[tokio::test]
async fn nothing_is_sent_that_the_caller_did_not_ask_for() {
    let stub = Stub::start(|_, _| Reply::text(200, "")).await;
    let mut call = get(&stub, "/x?y=%20z");
    call.headers.insert("x-one", HeaderValue::from_static("1"));
    client().send(call).await.unwrap();
    let mut call = get(&stub, "/x");
    call.url.set_username("us%65r").unwrap();
    call.url.set_password(Some("p:w")).unwrap();
    call.method = Method::POST;
    client().send(call).await.unwrap();
    let names = |asked: &crate::clients::stub::Asked| {
        let mut names: Vec<String> = asked
            .head
            .lines()
            .skip(1)
            .filter_map(|line| Some(line.split_once(':')?.0.to_lowercase()))
            .collect();
        names.sort();
        names.join(" ")
    };
    let calls = stub.calls();
    assert_eq!(names(&calls[0]), "host user-agent x-one");
    assert_eq!(calls[0].line(), ("GET", "/x?y=%20z"));
    assert_eq!(
        names(&calls[1]),
        "authorization content-length host user-agent"
    );
    assert!(
        calls[1].head.contains("Basic dXNlcjpwOnc="),
        "{}",
        calls[1].head
    );
}

#[tokio::test]
async fn each_call_carries_the_trace() {
    let stub = Stub::start(|_, _| Reply::text(200, "")).await;
    let propagate: Propagate = Arc::new(|headers: &mut HeaderMap| {
        headers.insert("traceparent", HeaderValue::from_static("00-1-2-01"));
    });
    let http = Http::new(Settings::default(), Some(propagate)).unwrap();
    http.send(get(&stub, "/x")).await.unwrap();
    assert!(stub.calls().first().unwrap().head.contains("00-1-2-01"));
}

#[test]
fn rate_limit_headers_are_the_only_ones_passed_on() {
    let mut headers = HeaderMap::new();
    headers.append("retry-after", HeaderValue::from_static("7"));
    headers.append("x-ratelimit-limit", HeaderValue::from_static("1"));
    headers.append("x-ratelimit-limit", HeaderValue::from_static("2"));
    headers.append("x-ratelimit-reset", HeaderValue::from_static(""));
    headers.append("set-cookie", HeaderValue::from_static("a=b"));
    let kept = rate_limits(&headers);
    assert_eq!(kept.len(), 2);
    assert_eq!(kept.get("x-ratelimit-limit").unwrap(), "1");
}

#[test]
fn a_missing_certificate_file_is_named() {
    let settings = Settings {
        ca: Some("/no/such/file.pem".into()),
        ..Settings::default()
    };
    let error = Http::new(settings, None).unwrap_err().to_string();
    assert!(error.contains("/no/such/file.pem"), "{error}");
}
