//! What clients see.

use super::ERROR_HANDLERS;
use crate::canonical::{Described, PathPolicy, Scheme, for_description};
use crate::clients::Clients;
use crate::handlers::{BuildContext, BuildError, find};
use crate::matcher::Strategy;
use crate::pipeline::{Client, Denial, ErrorHandler, Reason, RequestView};
use crate::template::Policy;
use bytes::Bytes;
use http::{HeaderMap, Response};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

fn build(id: &str, settings: &Value) -> Result<Arc<dyn ErrorHandler>, BuildError> {
    let clients = Arc::new(Clients::default());
    let context = BuildContext {
        clients: &clients,
        strategy: Strategy::Regexp,
        templates: &Policy::default(),
    };
    (find(ERROR_HANDLERS, id).expect("a handler").build)(settings, &context)
}

fn render(
    handler: &dyn ErrorHandler,
    method: &str,
    target: &str,
    denial: &Denial,
) -> Response<Bytes> {
    let described = Described {
        method,
        scheme: Scheme::Http,
        host: b"app.test",
        target: target.as_bytes(),
    };
    let canonical = for_description(&described, &PathPolicy::default()).expect("a request");
    let local = IpAddr::from([127, 0, 0, 1]);
    let request = RequestView {
        canonical: &canonical,
        headers: &HeaderMap::new(),
        transport_host: "app.test",
        client: Client {
            peer: local,
            address: local,
        },
        body: None,
    };
    handler.render(&request, denial)
}

fn text(answer: &Response<Bytes>) -> &str {
    std::str::from_utf8(answer.body()).expect("text")
}

fn limited() -> Denial {
    let mut denial = Denial::new(Reason::RateLimited);
    let mut limits = HeaderMap::new();
    limits.insert("retry-after", "7".parse().expect("a value"));
    denial.rate_limits = Some(Box::new(limits));
    denial
}

#[test]
fn json_passes_rate_limits_on_verbose_or_not() {
    for verbose in [true, false] {
        let handler = build("json", &json!({ "verbose": verbose })).expect("a handler");
        let answer = render(&*handler, "GET", "/", &limited());
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers()["retry-after"], "7");
        assert!(text(&answer).contains("Too many requests"), "{answer:?}");
    }
}

#[test]
fn json_says_why_only_where_it_is_asked_to() {
    let denial = Denial::new(Reason::DependencyUnavailable)
        .saying("connection to db-host-7 refused")
        .because("db-host-7 is down");
    let quiet = build("json", &json!({})).expect("a handler");
    assert!(!text(&render(&*quiet, "GET", "/", &denial)).contains("db-host"));
    let verbose = build("json", &json!({ "verbose": true })).expect("a handler");
    let answer = render(&*verbose, "GET", "/", &denial);
    assert_eq!(answer.status(), 503);
    assert!(text(&answer).contains("db-host-7 is down"));
}

#[test]
fn a_redirect_takes_the_url_that_was_asked_for_along() {
    let settings = json!({ "to": "https://login.test/?z=1", "return_to_query_param": "return_to" });
    let handler = build("redirect", &settings).expect("a handler");
    let answer = render(
        &*handler,
        "GET",
        "/a?b=c&d",
        &Denial::new(Reason::Unauthorized),
    );
    assert_eq!(answer.status(), 302);
    let location = "https://login.test/?return_to=http%3A%2F%2Fapp.test%2Fa%3Fb%3Dc%26d&z=1";
    assert_eq!(answer.headers()["location"], location);
    assert_eq!(
        text(&answer),
        format!(
            "<a href=\"{}\">Found</a>.\n\n",
            location.replace('&', "&amp;")
        )
    );
}

#[test]
fn a_redirect_is_a_page_for_get_only() {
    let handler = build("redirect", &json!({ "to": "/login", "code": 301 })).expect("a handler");
    let denial = Denial::new(Reason::Unauthorized);
    let answer = render(&*handler, "GET", "/", &denial);
    assert_eq!(
        (answer.status().as_u16(), text(&answer)),
        (301, "<a href=\"/login\">Moved Permanently</a>.\n\n")
    );
    let answer = render(&*handler, "HEAD", "/", &denial);
    assert_eq!(text(&answer), "");
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let answer = render(&*handler, "POST", "/", &denial);
    assert_eq!(text(&answer), "");
    assert!(!answer.headers().contains_key("content-type"));
}

#[test]
fn a_relative_redirect_depends_on_the_path() {
    let handler = build("redirect", &json!({ "to": "login?x=1" })).expect("a handler");
    let denial = Denial::new(Reason::Unauthorized);
    let answer = render(&*handler, "GET", "/a/b/c", &denial);
    assert_eq!(answer.headers()["location"], "/a/b/login?x=1");
    let answer = render(&*handler, "GET", "/a/%0d%0aX:y/c", &denial);
    assert!(!answer.headers()["location"].as_bytes().contains(&b'\n'));
}

#[test]
fn a_challenge_quotes_its_realm() {
    let denial = Denial::new(Reason::Forbidden);
    for (settings, expected) in [
        (json!({}), r#"Basic realm="Please authenticate.""#),
        (
            json!({ "realm": "" }),
            r#"Basic realm="Please authenticate.""#,
        ),
        (json!({ "realm": r#"a "b\c"# }), r#"Basic realm="a \"b\\c""#),
    ] {
        let handler = build("www_authenticate", &settings).expect("a handler");
        let answer = render(&*handler, "GET", "/", &denial);
        assert_eq!(answer.headers()["www-authenticate"], expected);
        assert_eq!(
            (answer.status().as_u16(), text(&answer)),
            (401, "Unauthorized\n")
        );
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
    assert!(
        build(
            "www_authenticate",
            &json!({ "realm": "a\r\nSet-Cookie: x" })
        )
        .is_err()
    );
}

#[test]
fn networks_are_checked_at_load() {
    for network in ["bad", "10.0/8", "010.0.0.0/8", "10.0.0.0/33", "10.0.0.0"] {
        let settings = json!({ "when": [{ "request": { "cidr": [network] } }] });
        assert!(build("json", &settings).is_err(), "{network}");
    }
}

#[test]
fn a_page_shows_a_target_as_it_was_written() {
    let handler =
        build("redirect", &json!({ "to": "https://login.test/ä?q=<" })).expect("a handler");
    let answer = render(&*handler, "GET", "/", &Denial::new(Reason::Unauthorized));
    assert_eq!(
        answer.headers()["location"],
        "https://login.test/%c3%a4?q=<"
    );
    assert_eq!(
        text(&answer),
        "<a href=\"https://login.test/ä?q=&lt;\">Found</a>.\n\n"
    );
}

/// Status and brief words of each cause. A new cause does not build without an answer here.
fn expected(reason: Reason) -> (u16, &'static str) {
    const INTERNAL: &str = "An internal server error occurred";
    match reason {
        Reason::BadRequest => (400, "The request was malformed"),
        Reason::BodyTooLarge => (413, "The request body is too large"),
        Reason::TargetTooLong => (414, "The request target is too long"),
        Reason::HeadersTooLarge => (431, "The request headers are too large"),
        Reason::NoRule | Reason::DependencyNotFound => (404, "could not be found"),
        Reason::Unauthorized => (401, "could not be authorized"),
        Reason::Forbidden => (403, "was forbidden"),
        Reason::RateLimited => (429, "Too many requests"),
        Reason::DependencyUnavailable => (503, "can not be processed at the moment"),
        Reason::DependencyTimeout => (504, "did not answer in time"),
        Reason::SeveralRules
        | Reason::MatchOverrun
        | Reason::Misconfigured
        | Reason::UnknownHandler
        | Reason::Incomplete
        | Reason::NoUpstream
        | Reason::Dependency
        | Reason::Failed
        | Reason::Panicked => (500, INTERNAL),
    }
}

#[test]
fn every_cause_has_an_answer_from_every_handler() {
    let brief = build("json", &json!({})).expect("a handler");
    let verbose = build("json", &json!({ "verbose": true })).expect("a handler");
    let redirect = build("redirect", &json!({ "to": "/login" })).expect("a handler");
    let challenge = build("www_authenticate", &json!({})).expect("a handler");
    for reason in Reason::ALL {
        let denial = Denial::new(reason).because("secret words");
        let (status, words) = expected(reason);
        let answer = render(&*brief, "GET", "/", &denial);
        assert_eq!(answer.status(), status, "{reason:?}");
        assert!(text(&answer).contains(words), "{}", text(&answer));
        assert!(!text(&answer).contains("secret"), "{}", text(&answer));
        let answer = render(&*verbose, "GET", "/", &denial);
        assert_eq!(answer.status(), status, "{reason:?}");
        assert!(
            text(&answer).contains(&*denial.message),
            "{}",
            text(&answer)
        );
        assert!(text(&answer).contains("\"reason\":\"secret words\""));
        assert_eq!(render(&*redirect, "GET", "/", &denial).status(), 302);
        assert_eq!(render(&*challenge, "GET", "/", &denial).status(), 401);
    }
}
