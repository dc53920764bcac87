//! Answers that go on for as long as they like: server-sent events and calls, with silences between their parts.
//!
//! All idle limits are short here, and the silences are longer.

use crate::edge_tls::{client, client_over};
use crate::support::{Doorward, Http, get, plain_config, rule, serve};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::json;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio_stream::wrappers::ReceiverStream;

const LIMIT: Duration = Duration::from_millis(600);
/// The waits that are the subject.
const SILENCE: Duration = LIMIT.saturating_mul(3);
/// So short that a busy machine does not make a silence of it, and so many that together they are longer than one.
const PAUSE: Duration = Duration::from_millis(60);
const PAUSES: usize = 40;

type Events = StreamBody<ReceiverStream<Result<Frame<Bytes>, Infallible>>>;

/// `/upload` waits for the whole body, `/steady` says something all the time, everything else has silences, and `/mute` even before its head.
async fn tell(mut request: Request<Incoming>) -> Result<Response<Events>, Infallible> {
    let steady = request.uri().path() == "/steady";
    if request.uri().path() == "/upload" {
        while let Some(Ok(_)) = request.body_mut().frame().await {}
    }
    if request.uri().path() == "/mute" {
        tokio::time::sleep(SILENCE).await;
    }
    let (say, said) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let (pause, events) = if steady {
            (PAUSE, PAUSES)
        } else {
            (SILENCE, 2)
        };
        for number in 0..events {
            tokio::time::sleep(pause).await;
            let event = Bytes::from(format!("data: {number}\n\n"));
            if say.send(Ok(Frame::data(event))).await.is_err() {
                return;
            }
        }
    });
    let answer = Response::builder().header("content-type", "text/event-stream");
    Ok(answer
        .body(StreamBody::new(ReceiverStream::new(said)))
        .unwrap())
}

async fn doorward() -> Doorward {
    let mut config = plain_config();
    let limit = format!("{}ms", LIMIT.as_millis());
    config["serve"]["proxy"]["timeout"] = json!({ "read": limit, "write": limit, "idle": limit });
    let mut rules = Vec::new();
    for (host, http) in [("one", Http::One), ("two", Http::Two)] {
        let mut rule = rule(
            host,
            &format!("http://{host}.test<(:[0-9]+)?>/<.*>"),
            ["noop", "allow", "noop"],
            Some(serve(http, tell).await),
        );
        if http == Http::Two {
            rule["upstream"]["protocol"] = "h2c".into();
        }
        rules.push(rule);
    }
    Doorward::start(config, rules.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_may_be_far_apart_and_go_on_for_long() {
    let doorward = doorward().await;
    let mut asked = Vec::new();
    for http in [Http::One, Http::Two] {
        let client = client_over(http)
            .resolve("one.test", doorward.proxy)
            .resolve("two.test", doorward.proxy);
        let client = client.build().unwrap();
        for host in ["one", "two"] {
            for (path, accept, events) in [
                ("far", "text/event-stream", 2),
                // Nobody has to say that it wants events where there is always something to hear.
                ("steady", "*/*", PAUSES),
            ] {
                let port = doorward.proxy.port();
                let request = client.get(format!("http://{host}.test:{port}/{path}"));
                let request = request.header("accept", accept);
                asked.push(async move {
                    let case = format!("{path}, HTTP {http:?}, upstream {host}");
                    let answer = request.send().await.unwrap();
                    assert_eq!(answer.status(), 200, "{case}");
                    let text = answer.text().await;
                    let text = text.unwrap_or_else(|error| panic!("{case}: {error:?}"));
                    assert_eq!(text.matches("data: ").count(), events, "{case}");
                });
            }
        }
    }
    let begin = Instant::now();
    futures_util::future::join_all(asked).await;
    assert!(begin.elapsed() > LIMIT * 3);
}

/// Over HTTP/2 Pingora counts an upstream's silence from the head on, however much of the body is still on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_may_take_longer_than_an_upstream_may_be_silent() {
    let doorward = doorward().await;
    for host in ["one", "two"] {
        let name = format!("{host}.test");
        let client = client().resolve(&name, doorward.proxy).build().unwrap();
        let (say, said) = tokio::sync::mpsc::channel::<Result<Bytes, Infallible>>(1);
        tokio::spawn(async move {
            for _ in 0..PAUSES {
                tokio::time::sleep(PAUSE).await;
                let _ = say.send(Ok(Bytes::from_static(b"part"))).await;
            }
        });
        let url = format!("http://{name}:{}/upload", doorward.proxy.port());
        let body = reqwest::Body::wrap_stream(ReceiverStream::new(said));
        let request = client.post(url).header("accept", "text/plain").body(body);
        assert_eq!(request.send().await.unwrap().status(), 200, "{host}");
    }
}

/// Whoever wants no events waits no longer than the limit.
#[test]
fn an_upstream_that_says_nothing_is_given_up() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let doorward = runtime.block_on(doorward());
    for host in ["one.test", "two.test"] {
        assert_eq!(get(doorward.proxy, "/mute", host).status, 504, "{host}");
    }
}
