//! WebSocket through the proxy with real peers, and handshakes that come to nothing.

use crate::support::{Client, Doorward, Upstream, plain_config, rule};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Echoes; the first message says who the door says is there.
async fn upstream() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut user = String::new();
                let look = |request: &Request, response: Response| {
                    user = format!(
                        "{:?}",
                        request
                            .headers()
                            .get_all("x-user")
                            .iter()
                            .collect::<Vec<_>>()
                    );
                    Ok(response)
                };
                let mut socket = tokio_tungstenite::accept_hdr_async(stream, look)
                    .await
                    .unwrap();
                socket.send(Message::text(user)).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_close() || socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn doorward(upstream: SocketAddr, config: serde_json::Value) -> Doorward {
    let mut open = rule(
        "open",
        "http://<[^/]+>/open<.*>",
        ["anonymous", "allow", "header"],
        Some(upstream),
    );
    open["mutators"][0]["config"] = json!({ "headers": { "X-User": "{{ print .Subject }}" } });
    let closed = rule(
        "closed",
        "http://<[^/]+>/closed<.*>",
        ["unauthorized", "allow", "noop"],
        Some(upstream),
    );
    Doorward::start(config, json!([open, closed]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_all_sizes_go_both_ways_and_silence_ends_nothing() {
    let mut config = plain_config();
    // Everything else is idle for much longer than this.
    config["serve"]["proxy"]["timeout"] =
        json!({ "body_idle": "200ms", "write_idle": "200ms", "keepalive": "200ms" });
    let doorward = doorward(upstream().await, config);
    let mut request = format!("ws://{}/open", doorward.proxy)
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("x-user", "admin".parse().unwrap());
    let (mut socket, answer) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(answer.status(), 101);
    let hello = socket.next().await.unwrap().unwrap();
    assert_eq!(hello.into_text().unwrap().as_str(), r#"["anonymous"]"#);
    // The one wait that is the subject: twice the longest limit.
    tokio::time::sleep(Duration::from_millis(500)).await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 3_000_000] {
        let message = Message::binary(vec![7_u8; size]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message, "{size}");
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        assert!(message.is_close());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_handshake_is_an_answer_like_any_other() {
    let doorward = doorward(upstream().await, plain_config());
    let refused = tokio_tungstenite::connect_async(format!("ws://{}/closed", doorward.proxy)).await;
    match refused {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 401),
        other => panic!("{other:?}"),
    }
}

const HANDSHAKE: &str = "Host: h.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// The upstream answers 200 to whatever it gets; that settles that nothing was upgraded (security.md S-E10).
#[test]
fn after_a_handshake_that_came_to_nothing_requests_are_requests() {
    let upstream = Upstream::start();
    let doorward = doorward(upstream.address, plain_config());
    let mut client = Client::connect(doorward.proxy);
    client.send(format!("GET /open/ws HTTP/1.1\r\n{HANDSHAKE}"));
    assert_eq!(client.answer().unwrap().status, 200);
    assert!(
        upstream
            .next()
            .to_ascii_lowercase()
            .contains("upgrade: websocket")
    );
    client.send("GET /open/x HTTP/1.1\r\nHost: h.test\r\nX-User: admin\r\n\r\n");
    if let Some(answer) = client.answer() {
        assert_eq!(answer.status, 200);
        let seen = upstream.next();
        assert!(
            seen.contains("X-User: anonymous\r\n") && !seen.contains("admin"),
            "{seen}"
        );
        client.send("GET /closed/x HTTP/1.1\r\nHost: h.test\r\n\r\n");
        assert_eq!(client.answer().unwrap().status, 401);
    }
    // Refused at the door: the connection goes on as well.
    let mut client = Client::connect(doorward.proxy);
    client.send(format!("GET /closed/ws HTTP/1.1\r\n{HANDSHAKE}"));
    assert_eq!(client.answer().unwrap().status, 401);
    client.send("GET /open/x HTTP/1.1\r\nHost: h.test\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 200);
}

/// What follows an upgrade that the upstream doesn't make, or that isn't WebSocket, is judged like any request (S-J02).
#[test]
fn what_is_sent_behind_a_handshake_is_not_slipped_through() {
    for upgrade in ["websocket", "foo", "h2c"] {
        let upstream = Upstream::start();
        let doorward = doorward(upstream.address, plain_config());
        let mut client = Client::connect(doorward.proxy);
        let handshake = HANDSHAKE.replace("websocket", upgrade);
        client.send(format!(
            "GET /open/ws HTTP/1.1\r\n{handshake}GET /closed/x HTTP/1.1\r\nHost: h.test\r\n\r\n"
        ));
        assert_eq!(client.answer().unwrap().status, 200, "{upgrade}");
        let seen = upstream.next().to_ascii_lowercase();
        assert!(!seen.contains("/closed"), "{seen}");
        assert_eq!(seen.contains("upgrade"), upgrade == "websocket", "{seen}");
        if let Some(answer) = client.answer() {
            assert_eq!(answer.status, 401, "{upgrade}");
        }
        assert!(upstream.saw_nothing());
    }
}

/// Answers before it was asked, as a quick upstream seems to on a busy machine, then echoes what comes behind the handshake.
fn hasty_upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                .unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while head.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let mut told = [0; 4];
            if head.read_exact(&mut told).is_ok() {
                stream.write_all(&told).unwrap();
            }
        }
    });
    address
}

#[test]
fn a_tunnel_outlives_a_handshake_that_is_answered_at_once() {
    let doorward = doorward(hasty_upstream(), plain_config());
    for turn in 0..40 {
        let mut client = Client::connect(doorward.proxy);
        client.send(format!("GET /open/ws HTTP/1.1\r\n{HANDSHAKE}"));
        assert_eq!(client.answer().unwrap().status, 101);
        client.send("ping");
        assert_eq!(client.take(4), b"ping", "turn {turn}");
    }
}
