//! What a listener allows: connections, file descriptors, streams, and an end that loses nothing.

use crate::edge_tls::client;
use crate::support::{Client, Doorward, Upstream, get, plain_config, rule};
use serde_json::json;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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
    let end = Instant::now() + Duration::from_secs(20);
    while get(doorward.proxy, "/x", "h.test").status != 200 {
        assert!(Instant::now() < end);
    }
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
    std::thread::sleep(Duration::from_millis(200));
    drop(held);
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let mut client = Client::connect(doorward.proxy);
        client.send("GET /x HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\n\r\n");
        if client.answer().is_some_and(|answer| answer.status == 200) {
            return;
        }
        assert!(Instant::now() < end, "{}", doorward.log());
    }
}

/// Requests that were taken are answered; what comes later finds nobody listening, and is no lost request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_under_load_loses_no_request_that_was_taken() {
    let upstream = Upstream::start();
    let mut doorward = doorward(&upstream, json!({}));
    let (served, stopping) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut tasks = Vec::new();
    for http2 in [false, false, true, true] {
        let (served, stopping) = (served.clone(), stopping.clone());
        let builder = if http2 {
            client().http2_prior_knowledge()
        } else {
            client()
        };
        let client = builder.build().unwrap();
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
                        assert!(error.is_connect(), "{error:?}");
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
}
