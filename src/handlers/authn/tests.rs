//! What authenticators do when the servers that they ask are unwell, and what they never do.

use super::AUTHENTICATORS;
use crate::canonical::{Described, PathPolicy, Request, Scheme, for_description};
use crate::clients::Clients;
use crate::clients::keys::{Signer, generate, parse_set};
use crate::clients::stub::{Asked, Reply, Stub};
use crate::handlers::{BuildContext, BuildError, find};
use crate::matcher::Strategy;
use crate::pipeline::{Authenticator, Authn, Client, Denial, Identity, Reason, RequestView};
use crate::template::Policy;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn build_with(
    clients: &Arc<Clients>,
    id: &str,
    settings: &Value,
) -> Result<Arc<dyn Authenticator>, BuildError> {
    let context = BuildContext {
        clients,
        strategy: Strategy::Regexp,
        templates: &Policy::default(),
    };
    (find(AUTHENTICATORS, id).unwrap().build)(settings, &context)
}

fn build(id: &str, settings: &Value) -> Arc<dyn Authenticator> {
    build_with(&Arc::new(Clients::default()), id, settings).unwrap()
}

fn request(target: &str) -> Request {
    let described = Described {
        method: "GET",
        scheme: Scheme::Http,
        host: b"app.test",
        target: target.as_bytes(),
    };
    for_description(&described, &PathPolicy::default()).unwrap()
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.clone(), value.parse().unwrap()))
        .collect()
}

async fn ask_with(
    handler: &dyn Authenticator,
    target: &str,
    headers: &HeaderMap,
) -> Result<Option<Identity>, Denial> {
    let local = IpAddr::from([127, 0, 0, 1]);
    let canonical = request(target);
    let view = RequestView {
        canonical: &canonical,
        headers,
        transport_host: "app.test",
        client: Client {
            peer: local,
            address: local,
        },
        body: None,
    };
    match handler.authenticate(&view).await? {
        Authn::Identified(identity) => Ok(Some(identity)),
        Authn::Skip => Ok(None),
    }
}

async fn ask(handler: &dyn Authenticator, token: &str) -> Result<Option<Identity>, Denial> {
    let headers = headers(&[
        (AUTHORIZATION, &format!("Bearer {token}")),
        (COOKIE, &format!("sid={token}")),
    ]);
    ask_with(handler, "/x", &headers).await
}

async fn ask_basic(handler: &dyn Authenticator) -> Result<Option<Identity>, Denial> {
    // c:s3cr3t-value
    let headers = headers(&[(AUTHORIZATION, "Basic YzpzM2NyM3QtdmFsdWU=")]);
    ask_with(handler, "/x", &headers).await
}

fn introspection(url: &url::Url, more: Value) -> Value {
    let mut settings =
        json!({ "introspection_url": url.as_str(), "timeout": { "total": "300ms" } });
    merge(&mut settings, more);
    settings
}

fn session(url: &url::Url, more: Value) -> Value {
    let mut settings = json!({
        "check_session_url": url.as_str(), "preserve_path": true,
        "subject_from": "subject", "extra_from": "extra", "timeout": { "total": "300ms" },
    });
    merge(&mut settings, more);
    settings
}

fn merge(base: &mut Value, more: Value) {
    let Value::Object(more) = more else { return };
    base.as_object_mut().unwrap().extend(more);
}

/// What a server can do wrong, and a word for it.
fn faults() -> Vec<(&'static str, Reply)> {
    vec![
        ("hangs up", Reply::cut()),
        ("never answers", Reply::never()),
        (
            "answers 500",
            Reply::text(500, r#"{"subject":"a","active":true,"sub":"a"}"#),
        ),
        ("answers 503", Reply::text(503, "")),
        (
            "answers 401",
            Reply::text(401, r#"{"subject":"a","active":true}"#),
        ),
        ("answers 204", Reply::text(204, "")),
        (
            "answers 201",
            Reply::text(201, r#"{"subject":"a","active":true}"#),
        ),
        (
            "redirects",
            Reply::text(302, "").header("Location", "/elsewhere"),
        ),
        (
            "answers a page",
            Reply::text(200, r#"<p>{"subject":"a","active":true}</p>"#),
        ),
        (
            "answers half",
            Reply::text(200, r#"{"subject":"a","active":true"#),
        ),
        ("answers a list", Reply::text(200, r#"["subject"]"#)),
        ("never ends", Reply::endless()),
    ]
}

#[tokio::test]
async fn no_fault_of_a_server_lets_anybody_in() {
    for (fault, reply) in faults() {
        let stub = Stub::start(move |_, _| reply.clone()).await;
        let url = stub.url("/ask");
        for (id, settings) in [
            (
                "cookie_session",
                session(&url, json!({ "require_subject": true })),
            ),
            (
                "bearer_token",
                session(&url, json!({ "require_subject": true })),
            ),
            ("oauth2_introspection", introspection(&url, json!({}))),
        ] {
            let handler = build(id, &settings);
            let began = Instant::now();
            let found = ask(&*handler, "s3cr3t-value").await;
            let denial = found.expect_err(&format!("{id} where the server {fault}"));
            assert!(!format!("{denial:?}").contains("s3cr3t"), "{id} {fault}");
            assert!(began.elapsed() < Duration::from_secs(3), "{id} {fault}");
        }
        let settings = json!({ "token_url": url.as_str(), "timeout": { "total": "300ms" } });
        let handler = build("oauth2_client_credentials", &settings);
        let denial = ask_basic(&*handler).await.expect_err(fault);
        assert!(!format!("{denial:?}").contains("s3cr3t"), "{fault}");
        assert!(stub.sent() < 1 << 30);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_lets_nobody_in() {
    let url = url::Url::parse("http://user:s3cr3t@127.0.0.1:1/ask?key=s3cr3t").unwrap();
    for (id, settings, reason) in [
        (
            "cookie_session",
            session(&url, json!({})),
            Reason::Forbidden,
        ),
        ("bearer_token", session(&url, json!({})), Reason::Forbidden),
        (
            "oauth2_introspection",
            introspection(&url, json!({})),
            Reason::Dependency,
        ),
    ] {
        let denial = ask(&*build(id, &settings), "t").await.unwrap_err();
        assert_eq!(denial.reason, reason, "{id}");
        assert!(!format!("{denial:?}").contains("s3cr3t"), "{id}");
    }
    let handler = build(
        "oauth2_client_credentials",
        &json!({ "token_url": url.as_str() }),
    );
    let denial = ask_basic(&*handler).await.unwrap_err();
    assert_eq!(denial.reason, Reason::DependencyUnavailable);
}

#[tokio::test]
async fn a_429_is_passed_on_with_its_rate_limits_and_nothing_else() {
    let stub = Stub::start(|_, _| {
        Reply::text(429, "slow down")
            .header("Retry-After", "7")
            .header("X-RateLimit-Limit", "10")
            .header("Set-Cookie", "a=b")
    })
    .await;
    let url = stub.url("/ask");
    let check = |denial: Denial| {
        assert_eq!(denial.reason, Reason::RateLimited);
        let limits = denial.rate_limits.unwrap();
        assert_eq!(limits.get("retry-after").unwrap(), "7");
        assert_eq!(limits.len(), 2);
    };
    check(
        ask(&*build("cookie_session", &session(&url, json!({}))), "t")
            .await
            .unwrap_err(),
    );
    check(
        ask(&*build("bearer_token", &session(&url, json!({}))), "t")
            .await
            .unwrap_err(),
    );
    check(
        ask(
            &*build("oauth2_introspection", &introspection(&url, json!({}))),
            "t",
        )
        .await
        .unwrap_err(),
    );
    let handler = build(
        "oauth2_client_credentials",
        &json!({ "token_url": url.as_str() }),
    );
    check(ask_basic(&*handler).await.unwrap_err());
}

#[tokio::test]
async fn a_thousand_requests_with_one_fresh_token_make_one_call() {
    for cache in [true, false] {
        let stub = Stub::start(|_, _| Reply::json(&json!({ "active": true, "sub": "a" }))).await;
        let settings = introspection(
            &stub.url("/introspect"),
            json!({ "cache": { "enabled": cache }, "timeout": { "total": "5s" } }),
        );
        let handler = build("oauth2_introspection", &settings);
        let asked = (0..1000).map(|_| ask(&*handler, "fresh"));
        let found = futures_util::future::join_all(asked).await;
        assert!(found.iter().all(|found| matches!(found, Ok(Some(_)))));
        assert_eq!(stub.calls().len(), 1, "cache: {cache}");
    }
}

#[tokio::test]
async fn a_remembered_answer_counts_for_the_question_that_it_answered() {
    let stub = Stub::start(|asked: &Asked, _| {
        let one = asked.head.contains("x-tenant: one") || asked.head.contains("X-Tenant: one");
        Reply::json(&json!({ "active": one, "sub": "a", "scope": "read", "aud": "x" }))
    })
    .await;
    let clients = Arc::new(Clients::default());
    let handler = |more: Value| {
        let mut all = json!({
            "introspection_request_headers": { "X-Tenant": "one" },
            "cache": { "enabled": true }, "timeout": { "total": "5s" },
        });
        merge(&mut all, more);
        let settings = introspection(&stub.url("/introspect"), all);
        build_with(&clients, "oauth2_introspection", &settings).unwrap()
    };
    let plain = handler(json!({}));
    ask(&*plain, "t").await.unwrap();
    ask(&*plain, "t").await.unwrap();
    assert_eq!(stub.calls().len(), 1);
    let stricter = [
        json!({ "target_audience": ["y"] }),
        json!({ "trusted_issuers": ["i"] }),
        json!({ "scope_strategy": "exact", "required_scope": ["admin"] }),
    ];
    for more in stricter {
        let denial = ask(&*handler(more.clone()), "t").await.unwrap_err();
        assert_eq!(denial.reason, Reason::Forbidden, "{more}");
    }
    assert_eq!(stub.calls().len(), 1);
    let other = handler(json!({ "introspection_request_headers": { "X-Tenant": "two" } }));
    assert_eq!(
        ask(&*other, "t").await.unwrap_err().reason,
        Reason::Unauthorized
    );
    let other = handler(json!({ "preserve_host": true }));
    ask(&*other, "t").await.unwrap();
    let delegated = handler(json!({ "required_scope": ["read"] }));
    ask(&*delegated, "t").await.unwrap();
    ask(&*delegated, "t").await.unwrap();
    assert_eq!(stub.calls().len(), 5);
}

#[tokio::test]
async fn a_token_is_refused_the_moment_it_ends_even_from_memory() {
    let ends = std::time::SystemTime::now() + Duration::from_secs(1);
    let ends = ends
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let stub = Stub::start(move |_, _| Reply::json(&json!({ "active": true, "exp": ends }))).await;
    let settings = introspection(
        &stub.url("/introspect"),
        json!({ "cache": { "enabled": true, "ttl": "1h" } }),
    );
    let handler = build("oauth2_introspection", &settings);
    let _ = ask(&*handler, "t").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(
        ask(&*handler, "t").await.unwrap_err().reason,
        Reason::Unauthorized
    );
}

#[tokio::test]
async fn sessions_are_remembered_only_where_that_is_asked_for() {
    let stub =
        Stub::start(|_, _| Reply::json(&json!({ "subject": "a", "extra": { "k": 1 } }))).await;
    let forgetful = build("cookie_session", &session(&stub.url("/s"), json!({})));
    ask(&*forgetful, "t").await.unwrap();
    ask(&*forgetful, "t").await.unwrap();
    assert_eq!(stub.calls().len(), 2);
    let settings = session(&stub.url("/s"), json!({ "cache": { "enabled": true } }));
    let remembering = build("cookie_session", &settings);
    let first = ask(&*remembering, "t").await.unwrap();
    assert_eq!(ask(&*remembering, "t").await.unwrap(), first);
    assert_eq!(stub.calls().len(), 3);
    ask(&*remembering, "other").await.unwrap();
    assert_eq!(stub.calls().len(), 4, "another cookie is another question");
}

#[tokio::test]
async fn a_request_chooses_path_and_query_of_a_session_check_and_never_its_host() {
    let stub = Stub::start(|_, _| Reply::json(&json!({ "subject": "a" }))).await;
    let settings = session(
        &stub.url("/s"),
        json!({ "preserve_path": false, "preserve_query": false }),
    );
    let handler = build("cookie_session", &settings);
    let cookie = headers(&[(COOKIE, "sid=1")]);
    for target in [
        "/@evil.test/x?y=1",
        "/a%2F%2Fevil.test",
        "/x/..%2fy",
        "/?//evil.test",
    ] {
        ask_with(&*handler, target, &cookie).await.unwrap();
    }
    assert_eq!(stub.calls().len(), 4);
    for asked in stub.calls() {
        assert!(
            !asked.head.to_lowercase().contains("host: evil"),
            "{}",
            asked.head
        );
    }
}

#[tokio::test]
async fn nothing_is_asked_about_credentials_of_another_kind() {
    let stub = Stub::start(|_, _| Reply::json(&json!({ "active": true, "subject": "a" }))).await;
    let url = stub.url("/ask");
    let nothing = HeaderMap::new();
    let basic = headers(&[(AUTHORIZATION, "Basic YTpi")]);
    for (id, settings) in [
        (
            "cookie_session",
            session(&url, json!({ "only": ["other"] })),
        ),
        ("bearer_token", session(&url, json!({ "prefix": "ory_" }))),
        (
            "oauth2_introspection",
            introspection(&url, json!({ "prefix": "ory_" })),
        ),
    ] {
        let handler = build(id, &settings);
        for headers in [&nothing, &basic] {
            let found = ask_with(&*handler, "/x", headers).await.unwrap();
            assert_eq!(found, None, "{id}");
        }
        assert_eq!(ask(&*handler, "t").await.unwrap(), None, "{id}");
    }
    assert!(stub.calls().is_empty());
}

#[test]
fn urls_that_cannot_be_called_are_found_at_load() {
    let clients = Arc::new(Clients::default());
    for url in ["ftp://h/x", "http:///x", "mailto:a@b", "not a url", ""] {
        let settings = json!({ "check_session_url": url, "subject_from": "s", "extra_from": "e" });
        let built = build_with(&clients, "cookie_session", &settings);
        assert!(built.is_err(), "{url}");
    }
}

/// A signing key, and a server that publishes it with its metadata.
async fn issuer() -> (Stub, Signer) {
    let keys = generate("ES256", Some("k"), 0).unwrap();
    let signer = Signer::choose(&parse_set(keys.to_string().as_bytes()).unwrap().0).unwrap();
    let stub = Stub::start(move |asked, _| {
        let host = asked
            .head
            .lines()
            .find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("host: ")
                    .map(str::to_owned)
            })
            .unwrap();
        match asked.line().1 {
            "/.well-known/openid-configuration" => Reply::json(&json!({
                "issuer": format!("http://{host}"), "jwks_uri": format!("http://{host}/keys"),
            })),
            "/wrong/.well-known/openid-configuration" => Reply::json(&json!({
                "issuer": "https://elsewhere.test", "jwks_uri": format!("http://{host}/keys"),
            })),
            "/keys" => Reply::json(&keys),
            _ => Reply::text(404, ""),
        }
    })
    .await;
    (stub, signer)
}

#[tokio::test]
async fn an_issuer_s_keys_are_found_and_only_its_tokens_are_trusted() {
    let (stub, signer) = issuer().await;
    let name = stub.url("").as_str().trim_end_matches('/').to_owned();
    let settings = json!({ "issuer_url": name, "allowed_algorithms": ["ES256"] });
    let handler = build("jwt", &settings);
    let token = |issuer: &str| {
        signer
            .sign(json!({ "sub": "a", "iss": issuer }).to_string().as_bytes())
            .unwrap()
    };
    let found = ask(&*handler, &token(&name)).await.unwrap().unwrap();
    assert_eq!(&*found.subject, "a");
    assert!(
        ask(&*handler, &token("https://elsewhere.test"))
            .await
            .is_err()
    );
    assert_eq!(ask(&*handler, "opaque").await.unwrap(), None);
    assert_eq!(stub.calls().len(), 2);

    let settings =
        json!({ "issuer_url": format!("{name}/wrong"), "allowed_algorithms": ["ES256"] });
    let handler = build("jwt", &settings);
    let token = token(&format!("{name}/wrong"));
    assert!(
        ask(&*handler, &token).await.is_err(),
        "metadata of another issuer"
    );
}

#[tokio::test]
async fn valid_tokens_are_served_while_unknown_key_ids_pour_in() {
    let (stub, signer) = issuer().await;
    let settings = json!({
        "jwks_urls": [stub.url("/keys").as_str()], "allowed_algorithms": ["ES256"],
    });
    let handler = build("jwt", &settings);
    let good = signer.sign(b"{\"sub\":\"a\"}").unwrap();
    ask(&*handler, &good).await.unwrap();
    let (_, rest) = good.split_once('.').unwrap();
    for n in 0..10_000 {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let header = json!({ "alg": "ES256", "kid": format!("made-up-{n}") }).to_string();
        let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
        assert!(ask(&*handler, &forged).await.is_err());
        if n % 100 == 0 {
            assert!(ask(&*handler, &good).await.unwrap().is_some());
        }
    }
    assert!(stub.calls().len() <= 3, "{} fetches", stub.calls().len());
}

#[test]
fn every_example_builds() {
    let clients = Arc::new(Clients::default());
    for kind in AUTHENTICATORS {
        let settings: Value = serde_json::from_str(kind.example).unwrap();
        build_with(&clients, kind.id, &settings).expect(kind.id);
    }
}
