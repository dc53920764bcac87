//! What a collector gets.

use super::*;
use crate::config::{
    Jaeger, JaegerSampling, Otlp, OtlpProtocol, Sampling, TracingProvider, TracingProviders, Zipkin,
};
use prost::Message;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// As much of OTLP as is looked at.
#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resource>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scope>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
}

/// Takes OTLP over HTTP; hands out the head and the spans of each batch.
fn collector() -> (SocketAddr, Receiver<(String, Vec<Span>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, batches) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut seen = Vec::new();
            let mut part = [0; 4096];
            let (head, body) = loop {
                let read = stream.read(&mut part).expect("a request");
                assert_ne!(read, 0, "the request broke off");
                seen.extend_from_slice(&part[..read]);
                let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") else {
                    continue;
                };
                let head = String::from_utf8_lossy(&seen[..end]).to_lowercase();
                let length: usize = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .expect("a length")
                    .parse()
                    .expect("a number");
                if seen.len() >= end + 4 + length {
                    break (head, seen[end + 4..][..length].to_vec());
                }
            };
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .expect("an answer");
            let export = Export::decode(body.as_slice()).expect("an export");
            let scopes = export
                .resources
                .into_iter()
                .flat_map(|resource| resource.scopes);
            let spans = scopes.flat_map(|scope| scope.spans).collect();
            if sender.send((head, spans)).is_err() {
                return;
            }
        }
    });
    (address, batches)
}

fn config(server: Option<SocketAddr>, ratio: f64) -> Tracing {
    let sampling = Sampling {
        sampling_ratio: ratio,
    };
    Tracing {
        provider: server.map(|_| TracingProvider::Otel),
        service_name: "doorward".to_owned(),
        deployment_environment: String::new(),
        providers: TracingProviders {
            jaeger: Jaeger {
                local_agent_address: None,
                sampling: JaegerSampling {
                    server_url: None,
                    trace_id_ratio: 1.0,
                },
            },
            zipkin: Zipkin {
                server_url: None,
                sampling,
            },
            otlp: Otlp {
                server_url: server.map(|server| server.to_string()),
                insecure: true,
                protocol: OtlpProtocol::Http,
                sampling,
                authorization_header: Some("Bearer collector".to_owned().into()),
            },
        },
    }
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn headers(lines: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(TRACEPARENT, HeaderValue::from_static(line));
    }
    headers
}

fn run<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(work)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn a_collector_gets_the_spans_of_a_request_below_the_callers() {
    let (server, batches) = collector();
    let tracer = Tracer::start(&config(Some(server), 0.0)).expect("a tracer");
    let span = tracer.request("proxy", &headers(&[PARENT]), Caller::Trusted);
    let call = run(span.scope(async {
        within("RepositoryMemory.Match", || {});
        step("pipeline.authn", "cookie_session", async { traceparent() }).await
    }));
    span.note_status(200);
    let upstream = span.traceparent().expect("a header");
    drop(span);
    tracer.shut_down();
    let (head, spans) = batches
        .recv_timeout(Duration::from_secs(10))
        .expect("a batch");
    assert!(head.starts_with("post /v1/traces "), "{head}");
    assert!(head.contains("authorization: bearer collector"), "{head}");
    let named = |name: &str| spans.iter().find(|span| span.name == name).expect(name);
    let (request, matched, handler) = (
        named("proxy"),
        named("RepositoryMemory.Match"),
        named("pipeline.authn"),
    );
    assert_eq!(hex(&request.parent_span_id), "b7ad6b7169203331");
    for span in &spans {
        assert_eq!(hex(&span.trace_id), "0af7651916cd43dd8448eb211c80319c");
    }
    assert_eq!(matched.parent_span_id, request.span_id);
    assert_eq!(handler.parent_span_id, request.span_id);
    let told = |span: &Span| format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id));
    assert_eq!(upstream, told(request));
    assert_eq!(call.expect("a header"), told(handler));
}

#[test]
fn a_stranger_cannot_write_into_a_trace() {
    let (server, batches) = collector();
    let tracer = Tracer::start(&config(Some(server), 1.0)).expect("a tracer");
    for (lines, caller) in [
        (&[PARENT][..], Caller::Untrusted),
        (&[PARENT, PARENT], Caller::Trusted),
        (&["00-xyz"], Caller::Trusted),
    ] {
        let span = tracer.request("proxy", &headers(lines), caller);
        assert!(!PARENT.contains(span.ids().expect("ids").0), "{lines:?}");
    }
    tracer.shut_down();
    let (_, spans) = batches
        .recv_timeout(Duration::from_secs(10))
        .expect("a batch");
    assert_eq!(spans.len(), 3);
    assert!(spans.iter().all(|span| span.parent_span_id.is_empty()));
}

#[test]
fn nothing_happens_where_tracing_is_off() {
    let tracer = Tracer::start(&config(None, 1.0)).expect("a tracer");
    assert!(!tracer.is_on());
    let span = tracer.request("proxy", &headers(&[PARENT]), Caller::Trusted);
    assert_eq!(span.ids(), None);
    let seen =
        run(span.scope(async { step("pipeline.authn", "jwt", async { traceparent() }).await }));
    assert_eq!((seen, span.traceparent()), (None, None));
}

#[test]
fn what_can_not_be_sent_is_said_at_start() {
    let mut config = config(Some(([127, 0, 0, 1], 1).into()), 1.0);
    config.provider = Some(TracingProvider::Zipkin);
    assert!(!Tracer::start(&config).expect("a tracer").is_on());
    config.provider = Some(TracingProvider::Otel);
    config.providers.otlp.protocol = OtlpProtocol::Grpc;
    config.providers.otlp.insecure = false;
    assert!(Tracer::start(&config).is_err());
}
