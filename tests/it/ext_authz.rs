//! Envoy's gRPC ext_authz, asked by a real gRPC client.

use crate::ports::free_port;
use crate::support::{Doorward, closed, open, plain_config, rule};
use doorward::config::merge;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;

struct Asked {
    doorward: Doorward,
    address: SocketAddr,
}

fn start() -> Asked {
    start_with(json!({}))
}

/// With more keys at the door.
fn start_with(door: Value) -> Asked {
    let port = free_port();
    let mut config = plain_config();
    config["serve"] = json!({ "ext_authz": { "host": "127.0.0.1", "port": port } });
    merge(&mut config["serve"]["ext_authz"], door);
    let mut named = rule(
        "named",
        "http://h.test/named/<.*>",
        ["anonymous", "allow", "header"],
        None,
    );
    named["mutators"][0]["config"] = json!({ "headers": { "X-User": "{{ print .Subject }}" } });
    let rules = json!([
        open("open", "http://h.test/public<(/.*)?>", None),
        closed("closed", "http://h.test/admin<(/.*)?>", None),
        rule(
            "refused",
            "http://h.test/refused/<.*>",
            ["anonymous", "deny", "noop"],
            None
        ),
        named,
    ]);
    Asked {
        doorward: Doorward::start(config, rules),
        address: SocketAddr::from(([127, 0, 0, 1], port)),
    }
}

/// What Envoy says of a request.
pub fn description(path: &str, headers: &[(&str, &str)]) -> CheckRequest {
    let http = HttpRequest {
        method: "GET".into(),
        host: "h.test".into(),
        scheme: "http".into(),
        path: path.into(),
        headers: headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect::<HashMap<_, _>>(),
        ..HttpRequest::default()
    };
    let attributes = AttributeContext {
        request: Some(Request {
            http: Some(http),
            ..Request::default()
        }),
        ..AttributeContext::default()
    };
    CheckRequest {
        attributes: Some(attributes),
    }
}

async fn check(asked: &Asked, path: &str, headers: &[(&str, &str)]) -> CheckResponse {
    let mut client = AuthorizationClient::connect(format!("http://{}", asked.address))
        .await
        .unwrap();
    client
        .check(description(path, headers))
        .await
        .unwrap()
        .into_inner()
}

fn status(answer: &CheckResponse) -> i32 {
    match answer.http_response.as_ref().unwrap() {
        HttpResponse::DeniedResponse(denied) => denied.status.as_ref().unwrap().code,
        HttpResponse::OkResponse(_) => 200,
        HttpResponse::ErrorResponse(_) => 500,
    }
}

#[tokio::test]
async fn a_query_is_no_part_of_the_path_that_is_judged() {
    let asked = start();
    for (path, expected) in [
        ("/public/x?y=/../admin", 200),
        ("/admin/x?z=/public/", 401),
        ("/admin?/public", 401),
        ("/public/../admin/x", 401),
        ("/public/%2e%2e/admin/x", 401),
        ("//admin/x", 401),
        ("/refused/x", 403),
        ("/elsewhere", 404),
        ("admin/x", 400),
        ("*", 404),
        ("http://h.test/public/x", 400),
        ("", 400),
    ] {
        assert_eq!(status(&check(&asked, path, &[]).await), expected, "{path}");
    }
    drop(asked.doorward);
}

#[tokio::test]
async fn denials_bring_the_same_answer_as_the_other_doors() {
    let asked = start();
    let answer = check(&asked, "/admin/x", &[]).await;
    assert_eq!(answer.status.as_ref().unwrap().code, 16);
    let Some(HttpResponse::DeniedResponse(denied)) = answer.http_response else {
        panic!("a denial")
    };
    let direct = crate::support::get(asked.doorward.api, "/decisions/admin/x", "h.test");
    assert_eq!(denied.body, direct.body);
    assert_eq!(
        denied.body.parse::<serde_json::Value>().unwrap()["error"]["code"],
        401
    );
}

#[tokio::test]
async fn a_client_s_own_identity_headers_are_replaced_and_their_aliases_removed() {
    let asked = start();
    let answer = check(
        &asked,
        "/named/x",
        &[
            ("x-user", "admin"),
            ("x_user", "admin"),
            ("x_forwarded_for", "10.0.0.1"),
        ],
    )
    .await;
    let Some(HttpResponse::OkResponse(granted)) = answer.http_response else {
        panic!("a grant")
    };
    let set: Vec<_> = granted
        .headers
        .iter()
        .map(|option| option.header.as_ref().unwrap())
        .collect();
    assert_eq!(set.len(), 1);
    assert_eq!(
        (set[0].key.as_str(), set[0].value.as_str()),
        ("x-user", "anonymous")
    );
    let mut removed = granted.headers_to_remove.clone();
    removed.sort();
    assert_eq!(removed, ["x_forwarded_for", "x_user"]);
    let metadata = answer.dynamic_metadata.unwrap().fields;
    assert!(format!("{metadata:?}").contains("named"));
}

#[tokio::test]
async fn a_described_request_is_bounded_like_one_that_comes_itself() {
    let limits = json!({ "limits": { "headers": 3, "header_bytes": 2000, "target_bytes": 100 } });
    let asked = start_with(limits);
    let long = "v".repeat(1000);
    let path = |length: usize| format!("/public/{}", "p".repeat(length - "/public/".len()));
    for (path, headers, expected) in [
        (path(100), &[][..], 200),
        (path(101), &[], 414),
        (path(9), &[("a", "1"), ("b", "2"), ("c", "3")], 200),
        (
            path(9),
            &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")],
            431,
        ),
        (path(9), &[("a", &long)], 200),
        (path(9), &[("a", &long), ("b", &long)], 431),
    ] {
        let answer = check(&asked, &path, headers).await;
        assert_eq!(status(&answer), expected, "{} {}", path, headers.len());
    }
}

/// Names that the upstream must not see.
async fn removed(door: Value) -> Vec<String> {
    let asked = start_with(door);
    let forwarded = [("x-forwarded-for", "192.0.2.7"), ("x-own", "1")];
    match check(&asked, "/public/x", &forwarded).await.http_response {
        Some(HttpResponse::OkResponse(granted)) => granted.headers_to_remove,
        other => panic!("a grant: {other:?}"),
    }
}

#[tokio::test]
async fn forwarding_headers_are_believed_only_of_a_gateway_that_is_trusted() {
    assert_eq!(removed(json!({})).await, [""; 0]);
    let elsewhere = json!({ "trusted_proxies": ["192.0.2.0/24"] });
    assert_eq!(removed(elsewhere).await, ["x-forwarded-for"]);
}

#[tokio::test]
async fn what_is_no_check_is_refused_in_grpc_s_own_words() {
    let asked = start();
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", asked.address))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = AuthorizationClient::new(channel);
    let empty = client
        .check(CheckRequest { attributes: None })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        status(&empty),
        400,
        "a request without a description is refused, not let through"
    );
}
