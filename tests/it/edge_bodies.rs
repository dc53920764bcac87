//! Request bodies of every length and framing, with rules that look at them and rules that don't, over all pairs of protocols.

use crate::edge_tls::client_over;
use crate::stub::{self, Stub};
use crate::support::{Doorward, Http, plain_config, rule, serve};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const PART: usize = 10_007;
const MIB: usize = 1 << 20;

/// The byte at a place of every body here: printable, and no power of two repeats it.
fn byte(at: usize) -> u8 {
    b'!' + (at % 89) as u8
}

/// Says what it got: how many bytes, whether they were the right ones, and what was announced.
async fn tell(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut length, mut right) = (0, true);
    while let Some(Ok(frame)) = request.body_mut().frame().await {
        for got in frame.data_ref().into_iter().flatten() {
            right &= *got == byte(length);
            length += 1;
        }
    }
    let announced = request.headers().get("content-length");
    let announced = announced.map(|value| value.to_str().unwrap().to_owned());
    let told = json!({ "length": length, "right": right, "announced": announced });
    Ok(Response::new(Full::new(Bytes::from(told.to_string()))))
}

async fn upstreams() -> [(Http, SocketAddr); 2] {
    [
        (Http::One, serve(Http::One, tell).await),
        (Http::Two, serve(Http::Two, tell).await),
    ]
}

/// `remote` is a server that `/judged/` asks about each body; `/plain/` asks nobody.
fn doorward(remote: &Stub, upstreams: [(Http, SocketAddr); 2], proxy: Value) -> Doorward {
    let mut config = plain_config();
    config["authorizers"]["remote"] =
        json!({ "enabled": true, "config": { "remote": remote.url("/ask") } });
    config["serve"] = json!({ "proxy": proxy });
    let mut rules = Vec::new();
    for (http, upstream) in upstreams {
        for (path, authorizer) in [("judged", "remote"), ("plain", "allow")] {
            let id = format!("{path} {http:?}");
            let url = format!("http://<[^/]+>/{path}/{http:?}");
            let mut rule = rule(&id, &url, ["anonymous", authorizer, "noop"], Some(upstream));
            rule["match"]["methods"] = json!(["POST", "PUT"]);
            if http == Http::Two {
                rule["upstream"]["protocol"] = "h2c".into();
            }
            rules.push(rule);
        }
    }
    Doorward::start(config, rules.into())
}

/// A body in pieces whose length nobody announces.
fn pieces(length: usize) -> reqwest::Body {
    let parts = (0..length).step_by(PART).map(move |from| {
        let part: Vec<u8> = (from..length.min(from + PART)).map(byte).collect();
        Ok::<_, Infallible>(part)
    });
    reqwest::Body::wrap_stream(tokio_stream::iter(parts))
}

async fn send(client: &reqwest::Client, to: &str, body: reqwest::Body) -> (StatusCode, Value) {
    let answer = client.post(to).body(body).send().await;
    let answer = answer.unwrap_or_else(|error| panic!("{to}: {error:?}"));
    let status = answer.status();
    let body = answer.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_unknown_length_is_judged_up_to_the_limit_and_arrives_byte_for_byte() {
    let remote = Stub::start(|call| {
        let mut got = call.body.bytes().enumerate();
        let right = got.all(|(at, got)| got == byte(at));
        stub::answer(if right { 200 } else { 403 }, &[], "")
    });
    let doorward = doorward(&remote, upstreams().await, json!({}));
    for from in [Http::One, Http::Two] {
        let client = client_over(from).build().unwrap();
        for to in [Http::One, Http::Two] {
            let url = format!("http://{}/judged/{to:?}", doorward.proxy);
            // Around what Pingora keeps by itself, and at the limit.
            for length in [1, 65_536, 65_537, 300_000, MIB] {
                let (status, told) = send(&client, &url, pieces(length)).await;
                let case = format!("{from:?} to {to:?}, {length} bytes: {told}");
                assert_eq!(status, 200, "{case}");
                assert_eq!(told["length"], length, "{case}");
                assert_eq!(told["right"], true, "{case}");
                let judged = remote.take();
                assert_eq!(judged.len(), 1, "{case}");
                assert_eq!(judged[0].body.len(), length, "{case}");
            }
            let (status, _) = send(&client, &url, pieces(MIB + 1)).await;
            assert_eq!(status, 413, "{from:?} to {to:?}");
            assert!(remote.take().is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_nobody_judges_has_no_limit() {
    let remote = Stub::start(|_| stub::answer(403, &[], ""));
    let limits = json!({ "limits": { "body_for_decision": 1000 } });
    let doorward = doorward(&remote, upstreams().await, limits);
    for from in [Http::One, Http::Two] {
        let client = client_over(from).build().unwrap();
        for to in [Http::One, Http::Two] {
            let url = format!("http://{}/plain/{to:?}", doorward.proxy);
            let length = 9 * MIB + 1;
            let (status, told) = send(&client, &url, pieces(length)).await;
            let case = format!("{from:?} to {to:?}: {told}");
            assert_eq!(status, 200, "{case}");
            assert_eq!(told["length"], length, "{case}");
            assert_eq!(told["right"], true, "{case}");
            assert_eq!(told["announced"], Value::Null, "{case}");
            let whole: Vec<u8> = (0..length).map(byte).collect();
            let (status, told) = send(&client, &url, whole.into()).await;
            assert_eq!(status, 200, "{told}");
            assert_eq!(told["announced"], length.to_string(), "{told}");
            assert_eq!(told["right"], true, "{told}");

            let url = format!("http://{}/judged/{to:?}", doorward.proxy);
            let (status, _) = send(&client, &url, pieces(1001)).await;
            assert_eq!(status, 413);
        }
    }
    assert_eq!(remote.count(), 0);
}

/// Whatever frames a body came in, an HTTP/1.1 upstream reads one body and nothing behind it.
#[test]
fn a_chunked_body_ends_once() {
    use crate::h2::{self, H2, Outcome};
    use std::io::{Read, Write};
    let remote = Stub::start(|_| stub::answer(200, &[], ""));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let doorward = doorward(
        &remote,
        [(Http::One, address), (Http::Two, address)],
        json!({}),
    );
    // An empty frame at the end, in the middle, alone, or none.
    for (path, frames) in [
        ("/plain/One", vec!["hello", ""]),
        ("/plain/One", vec!["", "he", "", "llo"]),
        ("/plain/One", vec![""]),
        ("/plain/One", vec!["hello"]),
        ("/judged/One", vec!["hello", ""]),
        ("/judged/One", vec![""]),
    ] {
        let mut client = H2::connect(doorward.proxy);
        let id = client.headers(&h2::fields("POST", path), 0);
        let (last, first) = frames.split_last().unwrap();
        for part in first {
            client.frame(h2::DATA, 0, id, part.as_bytes());
        }
        let upstream = std::thread::spawn({
            let listener = listener.try_clone().unwrap();
            move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut seen = Vec::new();
                let mut space = [0; 4096];
                // Chunked, the end is the last chunk; else nothing follows the head.
                let ended = |seen: &[u8]| {
                    let text = String::from_utf8_lossy(seen).to_ascii_lowercase();
                    text.contains("\r\n\r\n")
                        && (!text.contains("transfer-encoding") || text.ends_with("\r\n0\r\n\r\n"))
                };
                while !ended(&seen) {
                    let read = stream.read(&mut space).unwrap();
                    assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
                    seen.extend_from_slice(&space[..read]);
                }
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .unwrap();
                // To the end: Doorward closes after that answer.
                stream.read_to_end(&mut seen).unwrap();
                String::from_utf8(seen).unwrap()
            }
        });
        // The frame that ends the stream comes when everything before it was taken.
        std::thread::sleep(std::time::Duration::from_millis(100));
        client.frame(h2::DATA, h2::END_STREAM, id, last.as_bytes());
        assert_eq!(
            client.outcome(id),
            Outcome::Answered(200),
            "{path} {frames:?}"
        );
        let seen = upstream.join().unwrap();
        let (head, body) = seen.split_once("\r\n\r\n").unwrap();
        let text: String = frames.concat();
        if head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked")
        {
            assert_eq!(
                body.matches("0\r\n\r\n").count(),
                1,
                "{path} {frames:?} {seen:?}"
            );
            let read: String = body.split("\r\n").skip(1).step_by(2).collect();
            assert_eq!(read, text, "{path} {frames:?} {seen:?}");
        } else {
            assert_eq!(body, text, "{path} {frames:?} {seen:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_judged_body_is_sent_again_where_the_connection_was_closed_meanwhile() {
    let remote = Stub::start(|_| stub::answer(200, &[], ""));
    // The second request finds its connection closing.
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let closing = Stub::start(move |call| {
        assert_eq!(call.body.len(), 200_000);
        match counted.fetch_add(1, Ordering::SeqCst) {
            1 => Vec::new(),
            _ => stub::answer(200, &[], "{}"),
        }
    });
    let upstreams = [
        (Http::One, closing.address),
        (Http::Two, serve(Http::Two, tell).await),
    ];
    let doorward = doorward(&remote, upstreams, json!({}));
    let url = format!("http://{}/judged/One", doorward.proxy);
    for from in [Http::One, Http::Two] {
        seen.store(0, Ordering::SeqCst);
        let client = client_over(from).build().unwrap();
        for _ in 0..2 {
            let request = client.request(Method::PUT, &url).body(pieces(200_000));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{from:?}");
        }
        assert_eq!(seen.load(Ordering::SeqCst), 3, "{from:?}");
        assert_eq!(remote.take().len(), 2, "{from:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_judged_body_that_pauses_for_too_long_is_given_up() {
    let remote = Stub::start(|_| stub::answer(200, &[], ""));
    let idle = json!({ "timeout": { "body_idle": "300ms" } });
    let doorward = doorward(&remote, upstreams().await, idle);
    let url = format!("http://{}/judged/One", doorward.proxy);
    for from in [Http::One, Http::Two] {
        use tokio_stream::StreamExt;
        let first = Ok::<_, Infallible>(vec![0; 1000]);
        let endless = tokio_stream::once(first).chain(tokio_stream::pending());
        let body = reqwest::Body::wrap_stream(endless);
        let (status, _) = send(&client_over(from).build().unwrap(), &url, body).await;
        assert_eq!(status, 400, "{from:?}");
    }
    assert_eq!(remote.count(), 0);
}
