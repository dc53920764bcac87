//! The tower layer around a real gRPC server, asked by a real client; and Connect calls.

use crate::edge_grpc::{Echo, Raw, path, pretender};
use crate::support::{plain_config, rule};
use bytes::Bytes;
use doorward::tower::{Codes, Guard};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codegen::Service;
use tonic::transport::server::TcpConnectInfo;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tower_layer::Layer;

/// A guard with its files.
struct Kept {
    guard: Guard,
    dir: TempDir,
}

fn procedure(id: &str, authority: &str, method: &str, handlers: [&str; 3]) -> Value {
    let mut rule = rule(id, "", handlers, None);
    rule["match"] = json!({ "authority": authority, "full_method": method });
    rule
}

fn write_rules(dir: &TempDir, rules: &str) {
    std::fs::write(dir.path().join("rules.json"), rules).unwrap();
}

fn write_config(dir: &TempDir, mut config: Value) -> PathBuf {
    let rules = dir.path().join("rules.json");
    config["access_rules"]["repositories"] = json!([format!("file://{}", rules.display())]);
    let file = dir.path().join("config.json");
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

async fn guard_with(config: Value, rules: Value) -> Kept {
    let dir = tempfile::tempdir().unwrap();
    write_rules(&dir, &rules.to_string());
    let file = write_config(&dir, config);
    let guard = Guard::start(&[file]).await.unwrap();
    Kept { guard, dir }
}

fn rules() -> Value {
    const HERE: &str = "<127\\.0\\.0\\.1:[0-9]+>";
    let mut open = procedure(
        "open",
        HERE,
        "test.Echo/<(Unary|Talk)>",
        ["anonymous", "allow", "header"],
    );
    let seen =
        r#"{{ .MatchContext.Header.Get "X-Tenant" }}|{{ .MatchContext.Header.Get "Cookie" }}"#;
    open["mutators"][0]["config"] =
        json!({ "headers": { "X-User": "{{ print .Subject }}", "X-Seen": seen } });
    let mut get = procedure(
        "get",
        "h.test",
        "test.Echo/Get",
        ["anonymous", "allow", "noop"],
    );
    get["match"]["allow_http_get"] = true.into();
    json!([
        open,
        get,
        procedure(
            "connect",
            "h.test",
            "test.Echo/Unary",
            ["anonymous", "allow", "header"]
        ),
        procedure(
            "closed",
            HERE,
            "closed.Echo/<.*>",
            ["unauthorized", "allow", "noop"]
        ),
        procedure(
            "refused",
            HERE,
            "refused.Echo/<.*>",
            ["anonymous", "deny", "noop"]
        ),
        procedure(
            "twice",
            HERE,
            "twice.Echo/Unary",
            ["anonymous", "allow", "noop"]
        ),
        procedure(
            "again",
            HERE,
            "twice.Echo/<Un.*>",
            ["anonymous", "allow", "noop"]
        ),
        procedure(
            "broken",
            HERE,
            "broken.Echo/Unary",
            ["noop", "remote", "noop"]
        ),
        rule(
            "http",
            "rpc://<.*>/http.Echo/Unary",
            ["anonymous", "allow", "noop"],
            None
        ),
    ])
}

async fn guard() -> Kept {
    guard_with(plain_config(), rules()).await
}

/// Notes the headers of every call that got through.
#[derive(Clone)]
struct Noting<S> {
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    inner: S,
}

impl<S: Service<http::Request<B>>, B> Service<http::Request<B>> for Noting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> S::Future {
        self.seen.lock().unwrap().push(request.headers().clone());
        self.inner.call(request)
    }
}

struct Running {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    _kept: Kept,
}

/// tonic's server with the guard around everything.
async fn serve(mut kept: Kept) -> Running {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<HeaderMap>>>::default();
    let notes = seen.clone();
    kept.guard = kept.guard.peer(|extensions| {
        let info = extensions.get::<TcpConnectInfo>()?;
        Some(info.remote_addr()?.ip())
    });
    let noting = tower_layer::layer_fn(move |inner| Noting {
        seen: notes.clone(),
        inner,
    });
    let server = tonic::transport::Server::builder()
        .layer(kept.guard.clone())
        .layer(noting)
        .add_service(Echo);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Running {
        address,
        seen,
        _kept: kept,
    }
}

impl Running {
    async fn client(&self) -> tonic::client::Grpc<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        let mut client = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
        client.ready().await.unwrap();
        client
    }

    async fn unary(
        &self,
        target: &'static str,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, Status> {
        self.client().await.unary(request, path(target), Raw).await
    }

    fn came_through(&self) -> Vec<HeaderMap> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The gRPC status of a call whose parts no well-behaved client would write.
    async fn odd(
        &self,
        method: Method,
        authority: &str,
        target: &str,
        host: Option<&str>,
    ) -> String {
        let stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut client, connection) = hyper::client::conn::http2::handshake(executor, io)
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("http://{authority}{target}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request
            .body(Full::new(Bytes::from_static(&[0; 5])))
            .unwrap();
        match client.send_request(request).await {
            Ok(answer) => answer
                .headers()
                .get("grpc-status")
                .map_or("none", |code| code.to_str().unwrap())
                .to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_single_rule_grants_never_reaches_the_service() {
    let running = serve(guard().await).await;
    for target in [
        "/none.Echo/Unary",
        "/closed.Echo/Unary",
        "/refused.Echo/Unary",
        "/twice.Echo/Unary",
        "/broken.Echo/Unary",
        "/http.Echo/Unary",
        "/test.Echo/Unar",
        "/test.Echo/Unaryx",
        "/test.Echo",
        "/",
    ] {
        let refused = running
            .unary(target, pretender(b"x".to_vec()))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{target}");
        assert_eq!(refused.message(), "Unauthorized", "{target}");
    }
    let mut with_credentials = Request::new(b"x".to_vec());
    let bearer = "Bearer nonsense".parse().unwrap();
    with_credentials
        .metadata_mut()
        .insert("authorization", bearer);
    let refused = running.unary("/test.Echo/Unary", with_credentials).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);

    // A stream is refused when it opens, while the client still talks.
    let endless = tokio_stream::once(vec![1]).chain(tokio_stream::pending());
    let mut client = running.client().await;
    let answer: Result<Response<Streaming<Vec<u8>>>, Status> = client
        .streaming(Request::new(endless), path("/test.Echo/Spread"), Raw)
        .await;
    assert_eq!(answer.unwrap_err().code(), Code::Unauthenticated);
    assert!(running.came_through().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_paths_methods_and_authorities_are_refused() {
    let running = serve(guard().await).await;
    let here = running.address.to_string();
    for target in [
        "/test.Echo/Unary/",
        "//test.Echo/Unary",
        "/test.Echo//Unary",
        "/test.Echo/%55nary",
        "/test.Echo%2FUnary",
        "/none/../test.Echo/Unary",
        "/test.Echo/./Unary",
        "/test.Echo/Unary%00",
        "/test.Echo/Unary%0A",
    ] {
        assert_eq!(
            running.odd(Method::POST, &here, target, None).await,
            "16",
            "{target}"
        );
    }
    for method in [Method::GET, Method::PUT, Method::OPTIONS] {
        assert_eq!(
            running.odd(method, &here, "/test.Echo/Unary", None).await,
            "16"
        );
    }
    for authority in ["other.test", "127.0.0.1", "user@127.0.0.1:1"] {
        let status = running
            .odd(Method::POST, authority, "/test.Echo/Unary", None)
            .await;
        assert_eq!(status, "16", "{authority}");
    }
    let two = running
        .odd(Method::POST, "other.test", "/test.Echo/Unary", Some(&here))
        .await;
    assert_eq!(two, "16");
    assert!(running.came_through().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_call_carries_what_the_rule_says_and_nothing_that_pretends_to_be_it() {
    let running = serve(guard().await).await;
    let mut request = pretender(b"hello".to_vec());
    for (name, value) in [
        ("x_user", "admin"),
        ("x-tenant", "blue"),
        ("cookie", "session=1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-original-url", "/admin"),
        ("x-other", "kept"),
    ] {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let answer = running.unary("/test.Echo/Unary", request).await.unwrap();
    assert_eq!(answer.metadata().get("saw-user").unwrap(), "anonymous");
    assert_eq!(answer.into_inner(), b"hello");
    let [seen] = &running.came_through()[..] else {
        panic!("one call")
    };
    assert_eq!(
        seen.get_all("x-user").iter().collect::<Vec<_>>(),
        ["anonymous"]
    );
    assert_eq!(
        seen["x-seen"], "blue|",
        "handlers see authorization and x-* only"
    );
    assert_eq!(
        (&seen["x-other"], &seen["cookie"]),
        (&"kept".parse().unwrap(), &"session=1".parse().unwrap())
    );
    for gone in ["x_user", "x-forwarded-for", "x-original-url"] {
        assert!(!seen.contains_key(gone), "{gone}");
    }

    let mut client = running.client().await;
    let answer: Response<Streaming<Vec<u8>>> = client
        .streaming(
            pretender(tokio_stream::iter([vec![1], vec![2]])),
            path("/test.Echo/Talk"),
            Raw,
        )
        .await
        .unwrap();
    let mut heard = answer.into_inner();
    assert_eq!(heard.message().await.unwrap(), Some(vec![1]));
    assert_eq!(heard.message().await.unwrap(), Some(vec![2]));
    assert_eq!(heard.message().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_say_what_was_wrong_where_that_is_wanted() {
    let mut kept = guard().await;
    kept.guard = kept.guard.codes(Codes::Precise);
    let running = serve(kept).await;
    for (target, code) in [
        ("/none.Echo/Unary", Code::NotFound),
        ("/closed.Echo/Unary", Code::Unauthenticated),
        ("/refused.Echo/Unary", Code::PermissionDenied),
        ("/twice.Echo/Unary", Code::Internal),
        ("/broken.Echo/Unary", Code::Internal),
        ("/test.Echo//Unary", Code::InvalidArgument),
    ] {
        let refused = running.unary(target, Request::new(b"x".to_vec())).await;
        assert_eq!(refused.unwrap_err().code(), code, "{target}");
    }
    assert!(running.came_through().is_empty());
}

/// A Connect call, made in the process.
async fn connect(
    guard: &Guard,
    method: Method,
    target: &str,
    kind: &str,
) -> (StatusCode, HeaderMap, String) {
    let mut guarded = guard.layer(Served);
    let request = http::Request::builder()
        .method(method)
        .uri(target)
        .header("host", "h.test")
        .header("content-type", kind)
        .header("x-user", "admin")
        .body(Full::new(Bytes::from_static(b"{}")))
        .unwrap();
    let (head, body) = guarded.call(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status,
        head.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[derive(Clone)]
struct Served;

impl Service<http::Request<Full<Bytes>>> for Served {
    type Response = http::Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Full<Bytes>>) -> Self::Future {
        std::future::ready(Ok(http::Response::new(Full::new(Bytes::from_static(
            b"served",
        )))))
    }
}

#[tokio::test]
async fn connect_callers_get_their_errors_in_json() {
    let kept = guard().await;
    let json = "application/json";
    for (method, target) in [
        (Method::POST, "/test.Echo/None"),
        (Method::POST, "/test.Echo/Unary/"),
        (Method::GET, "/test.Echo/Unary?connect=v1&message=x"),
        (Method::GET, "/healthz"),
    ] {
        let (status, headers, body) = connect(&kept.guard, method, target, json).await;
        assert_eq!(status, 401, "{target}");
        assert_eq!(headers["content-type"], json);
        assert_eq!(
            body,
            r#"{"code":"unauthenticated","message":"Unauthorized"}"#
        );
    }
    let stream = "application/connect+json";
    let (status, headers, body) =
        connect(&kept.guard, Method::POST, "/test.Echo/None", stream).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &stream.parse().unwrap())
    );
    assert!(
        body.ends_with(r#"{"error":{"code":"unauthenticated","message":"Unauthorized"}}"#)
            && body.starts_with('\u{2}'),
        "{body:?}"
    );

    for (method, target) in [
        (Method::POST, "/test.Echo/Unary"),
        (Method::POST, "/test.Echo/Get"),
        (Method::GET, "/test.Echo/Get?connect=v1&message=x"),
    ] {
        let (status, _, body) = connect(&kept.guard, method, target, json).await;
        assert_eq!((status, &*body), (StatusCode::OK, "served"), "{target}");
    }
    let precise = kept.guard.clone().codes(Codes::Precise);
    let (status, _, body) = connect(&precise, Method::POST, "/test.Echo/None", json).await;
    assert_eq!(
        (status, &*body),
        (
            StatusCode::NOT_FOUND,
            r#"{"code":"not_found","message":"Not Found"}"#
        )
    );
}

/// Waits for what another thread is about to bring about.
async fn until(what: impl AsyncFn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !what().await {
        assert!(Instant::now() < end, "it never happened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_and_configuration_are_followed_until_the_last_guard_is_dropped() {
    let kept = guard_with(plain_config(), json!([])).await;
    assert_eq!(kept.guard.missing(), ["there is no valid rule"]);
    let status = async || {
        connect(
            &kept.guard,
            Method::POST,
            "/test.Echo/Unary",
            "application/json",
        )
        .await
        .0
    };
    assert_eq!(status().await, 401);
    write_rules(&kept.dir, &rules().to_string());
    until(async || status().await == 200).await;
    assert!(kept.guard.missing().is_empty());

    // A broken edit keeps what was good, and a handler that is switched off refuses.
    write_rules(&kept.dir, "[{");
    let mut config = plain_config();
    config["authenticators"]["anonymous"]["enabled"] = false.into();
    assert_eq!(status().await, 200);
    write_config(&kept.dir, config);
    until(async || status().await == 401).await;

    let page = kept.guard.metrics().render();
    assert!(
        page.contains(r#"doorward_decision_duration_seconds_count{door="tower"}"#),
        "{page}"
    );
    let metrics = Arc::downgrade(kept.guard.metrics());
    drop(kept);
    until(async || metrics.upgrade().is_none()).await;
}

#[tokio::test]
async fn a_guard_does_not_begin_without_a_sound_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    assert!(Guard::start(std::slice::from_ref(&file)).await.is_err());
    std::fs::write(&file, r#"{ "autenticators": {} }"#).unwrap();
    let error = Guard::start(&[file]).await.unwrap_err();
    assert!(error.to_string().contains("autenticators"), "{error}");
}
