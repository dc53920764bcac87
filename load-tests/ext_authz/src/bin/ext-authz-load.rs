//! `ext-authz-load PORT HOST PATH SECONDS CONNECTIONS CALLS`: asks as Envoy does, with so many calls in flight on each connection, on
//! one thread. Prints one line of JSON: calls a second, latencies in microseconds, and how many were not granted or failed.

use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress, address};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use std::time::{Duration, Instant};
use tonic::transport::{Channel, Endpoint};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What one caller saw.
#[derive(Default)]
struct Seen {
    took: Vec<Duration>,
    denied: usize,
    failed: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [port, host, path, seconds, connections, calls] = &words[..] else {
        panic!("usage: ext-authz-load PORT HOST PATH SECONDS CONNECTIONS CALLS")
    };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let lasts = Duration::from_secs(number(seconds));
    let question = question(host, path);
    let mut channels = Vec::new();
    for _ in 0..number(connections) {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).expect("a port");
        channels.push(endpoint.connect().await.expect("a server"));
    }
    let began = Instant::now();
    let mut callers = Vec::new();
    for channel in channels {
        for _ in 0..number(calls) {
            let caller = call(channel.clone(), question.clone(), began + lasts);
            callers.push(tokio::spawn(caller));
        }
    }
    let mut all = Seen::default();
    for caller in callers {
        let seen = caller.await.expect("no panic");
        all.took.extend(seen.took);
        all.denied += seen.denied;
        all.failed += seen.failed;
    }
    report(all, began.elapsed());
}

/// One question after another until the end.
async fn call(channel: Channel, question: CheckRequest, end: Instant) -> Seen {
    let mut client = AuthorizationClient::new(channel);
    let mut seen = Seen::default();
    while Instant::now() < end {
        let asked = Instant::now();
        match client.check(question.clone()).await {
            Ok(answer) => match answer.into_inner().http_response {
                Some(HttpResponse::OkResponse(_)) => seen.took.push(asked.elapsed()),
                Some(HttpResponse::DeniedResponse(_) | HttpResponse::ErrorResponse(_)) | None => {
                    seen.denied += 1;
                    seen.took.push(asked.elapsed());
                }
            },
            Err(_) => seen.failed += 1,
        }
    }
    seen
}

fn report(mut all: Seen, lasted: Duration) {
    all.took.sort_unstable();
    let at = |share: f64| {
        let index = (all.took.len() as f64 * share) as usize;
        all.took.get(index).map_or(0, Duration::as_micros)
    };
    println!(
        r#"{{"rps":{:.1},"p50_us":{},"p99_us":{},"denied":{},"failed":{}}}"#,
        all.took.len() as f64 / lasted.as_secs_f64(),
        at(0.5),
        at(0.99),
        all.denied,
        all.failed
    );
}

/// The attributes and headers that Envoy sends for a browser's request.
fn question(host: &str, path: &str) -> CheckRequest {
    let headers = [
        (":authority", host),
        (":method", "GET"),
        (":path", path),
        (":scheme", "http"),
        ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en"),
        ("cookie", "theme=dark; session=0123456789abcdef"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",
        ),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "2b5f3c3e-8a3c-4f0e-9d7a-5d1c0b6a7e11"),
    ];
    let http = HttpRequest {
        id: "1234567890".to_owned(),
        method: "GET".to_owned(),
        host: host.to_owned(),
        scheme: "http".to_owned(),
        path: path.to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..HttpRequest::default()
    };
    let source = Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: "127.0.0.1".to_owned(),
            port_specifier: Some(PortSpecifier::PortValue(40000)),
            ..SocketAddress::default()
        })),
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer {
                address: Some(source),
                ..Peer::default()
            }),
            request: Some(Request {
                http: Some(http),
                ..Request::default()
            }),
            ..AttributeContext::default()
        }),
    }
}
