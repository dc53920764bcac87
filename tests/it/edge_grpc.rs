//! gRPC through the proxy: the four kinds of calls with their trailers, and refusals in gRPC's own form.

use crate::support::{Doorward, plain_config, rule};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Service;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};

/// Messages as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(to, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; bytes::Buf::remaining(from)];
        bytes::Buf::copy_to_slice(from, &mut item);
        Ok(Some(item))
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Messages = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Status>> + Send>>;

/// Echoes; what it says of the caller's `x-user` goes into the answer's metadata.
#[derive(Debug, Clone, Copy)]
pub struct Echo;

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

fn seen(metadata: &MetadataMap) -> MetadataMap {
    let mut seen = MetadataMap::new();
    let user = metadata
        .get("x-user")
        .map_or("nobody", |v| v.to_str().unwrap());
    seen.insert("saw-user", user.parse().unwrap());
    seen
}

fn answer<T>(message: T, metadata: MetadataMap) -> Response<T> {
    Response::from_parts(metadata, message, Default::default())
}

macro_rules! method {
    ($name:ident, $request:ty, $response:ty, $body:expr) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl Service<Request<$request>> for $name {
            type Response = Response<$response>;
            type Error = Status;
            type Future = Boxed<Result<Response<$response>, Status>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<$request>) -> Self::Future {
                Box::pin($body(request))
            }
        }
    };
}

method!(Unary, Vec<u8>, Vec<u8>, |request: Request<Vec<u8>>| async {
    let seen = seen(request.metadata());
    let message = request.into_inner();
    if message == b"fail" {
        return Err(Status::with_metadata(Code::Aborted, "as asked", seen));
    }
    Ok(answer(message, seen))
});

method!(Collect, Streaming<Vec<u8>>, Vec<u8>, |request: Request<
    Streaming<Vec<u8>>,
>| async {
    let seen = seen(request.metadata());
    let mut messages = request.into_inner();
    let mut all = Vec::new();
    while let Some(message) = messages.next().await {
        all.extend(message?);
    }
    Ok(answer(all, seen))
});

impl tonic::server::ServerStreamingService<Vec<u8>> for Spread {
    type Response = Vec<u8>;
    type ResponseStream = Messages;
    type Future = Boxed<Result<Response<Messages>, Status>>;

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let seen = seen(request.metadata());
        let mut parts: Vec<Result<Vec<u8>, Status>> = request
            .into_inner()
            .into_iter()
            .map(|b| Ok(vec![b]))
            .collect();
        // A failure after messages can only be told in trailers.
        parts.push(Err(Status::with_metadata(
            Code::DataLoss,
            "at the end",
            seen,
        )));
        let messages: Messages = Box::pin(tokio_stream::iter(parts));
        Box::pin(async { Ok(Response::new(messages)) })
    }
}

#[derive(Clone, Copy)]
struct Spread;

#[derive(Clone, Copy)]
struct Talk;

impl tonic::server::StreamingService<Vec<u8>> for Talk {
    type Response = Vec<u8>;
    type ResponseStream = Messages;
    type Future = Boxed<Result<Response<Messages>, Status>>;

    fn call(&mut self, request: Request<Streaming<Vec<u8>>>) -> Self::Future {
        let messages: Messages = Box::pin(request.into_inner());
        Box::pin(async { Ok(Response::new(messages)) })
    }
}

impl Service<http::Request<tonic::body::Body>> for Echo {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Boxed<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Raw);
            Ok(match request.uri().path() {
                "/test.Echo/Unary" => grpc.unary(Unary, request).await,
                "/test.Echo/Collect" => grpc.client_streaming(Collect, request).await,
                "/test.Echo/Spread" => grpc.server_streaming(Spread, request).await,
                "/test.Echo/Talk" => grpc.streaming(Talk, request).await,
                other => panic!("{other}"),
            })
        })
    }
}

async fn upstream() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(Echo);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

fn doorward(upstream: SocketAddr) -> Doorward {
    let to = |id: &str, service: &str, handlers, url: String| {
        let pattern = format!("http://<[^/]+>/{service}/<.*>");
        let mut rule = rule(id, &pattern, handlers, None);
        rule["upstream"] = json!({ "url": url });
        rule
    };
    let mut open = to(
        "open",
        "test.Echo",
        ["anonymous", "allow", "header"],
        format!("http://{upstream}"),
    );
    open["mutators"][0]["config"] = json!({ "headers": { "X-User": "{{ print .Subject }}" } });
    let dead = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let rules = json!([
        open,
        to(
            "closed",
            "closed.Echo",
            ["unauthorized", "allow", "noop"],
            dead.clone()
        ),
        to(
            "refused",
            "refused.Echo",
            ["anonymous", "deny", "noop"],
            dead.clone()
        ),
        to("dead", "dead.Echo", ["anonymous", "allow", "noop"], dead),
    ]);
    let config: Value = plain_config();
    Doorward::start(config, rules)
}

async fn channel(doorward: &Doorward) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", doorward.proxy)).unwrap();
    endpoint.connect().await.unwrap()
}

pub fn path(path: &'static str) -> http::uri::PathAndQuery {
    http::uri::PathAndQuery::from_static(path)
}

pub fn pretender<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("x-user", "admin".parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_kinds_of_calls_go_through_with_their_trailers() {
    let doorward = doorward(upstream().await);
    let mut call = tonic::client::Grpc::new(channel(&doorward).await);

    call.ready().await.unwrap();
    let big = vec![7; 3_000_000];
    let answer: Response<Vec<u8>> = call
        .unary(pretender(big.clone()), path("/test.Echo/Unary"), Raw)
        .await
        .unwrap();
    assert_eq!(answer.metadata().get("saw-user").unwrap(), "anonymous");
    assert_eq!(answer.into_inner(), big);

    call.ready().await.unwrap();
    let failure: Result<Response<Vec<u8>>, Status> = call
        .unary(
            Request::new(b"fail".to_vec()),
            path("/test.Echo/Unary"),
            Raw,
        )
        .await;
    let failure = failure.unwrap_err();
    assert_eq!(
        (failure.code(), failure.message()),
        (Code::Aborted, "as asked")
    );
    assert_eq!(failure.metadata().get("saw-user").unwrap(), "anonymous");

    call.ready().await.unwrap();
    let parts = tokio_stream::iter((0..100_u8).map(|b| vec![b; 1000]));
    let answer: Response<Vec<u8>> = call
        .client_streaming(pretender(parts), path("/test.Echo/Collect"), Raw)
        .await
        .unwrap();
    assert_eq!(answer.get_ref().len(), 100_000);

    call.ready().await.unwrap();
    let answer: Response<Streaming<Vec<u8>>> = call
        .server_streaming(pretender(b"abc".to_vec()), path("/test.Echo/Spread"), Raw)
        .await
        .unwrap();
    let mut messages = answer.into_inner();
    for expected in b"abc" {
        assert_eq!(messages.message().await.unwrap(), Some(vec![*expected]));
    }
    let end = messages.message().await.unwrap_err();
    assert_eq!((end.code(), end.message()), (Code::DataLoss, "at the end"));
    assert_eq!(end.metadata().get("saw-user").unwrap(), "anonymous");

    call.ready().await.unwrap();
    let (say, said) = tokio::sync::mpsc::channel(1);
    let said = tokio_stream::wrappers::ReceiverStream::new(said);
    say.send(b"0".to_vec()).await.unwrap();
    let answer: Response<Streaming<Vec<u8>>> = call
        .streaming(pretender(said), path("/test.Echo/Talk"), Raw)
        .await
        .unwrap();
    let mut heard = answer.into_inner();
    // Each word is heard before the next one is said: nothing waits for more.
    for turn in 1..20_u8 {
        assert_eq!(heard.message().await.unwrap(), Some(vec![b'0' + turn - 1]));
        say.send(vec![b'0' + turn]).await.unwrap();
    }
    drop(say);
    heard.message().await.unwrap().unwrap();
    assert_eq!(heard.message().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_statuses_of_grpc() {
    let doorward = doorward(upstream().await);
    let grpc = tonic::client::Grpc::new(channel(&doorward).await);
    for (target, code) in [
        ("/closed.Echo/Unary", Code::Unauthenticated),
        ("/refused.Echo/Unary", Code::PermissionDenied),
        ("/none.Echo/Unary", Code::NotFound),
        ("/dead.Echo/Unary", Code::Unavailable),
    ] {
        let mut call = grpc.clone();
        call.ready().await.unwrap();
        let answer: Result<Response<Vec<u8>>, Status> = call
            .unary(Request::new(b"x".to_vec()), path(target), Raw)
            .await;
        assert_eq!(answer.unwrap_err().code(), code, "{target}");

        // The client goes on talking; the answer doesn't wait for its end.
        call.ready().await.unwrap();
        let endless = tokio_stream::once(vec![1]).chain(tokio_stream::pending());
        let answer: Result<Response<Streaming<Vec<u8>>>, Status> = call
            .streaming(Request::new(endless), path(target), Raw)
            .await;
        assert_eq!(answer.unwrap_err().code(), code, "{target}");
    }
}
