//! Every cause of a refusal that rules alone can bring about, through every error handler, at both doors.

use crate::support::{Answer, Doorward, Upstream, ask, closed, open, plain_config, rule};
use serde_json::{Value, json};

/// A request and what it must be told.
struct Case {
    path: &'static str,
    status: u16,
    phrase: &'static str,
    /// Of a brief answer.
    message: &'static str,
    doors: &'static [Door],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Proxy,
    Decisions,
}

const BOTH: &[Door] = &[Door::Proxy, Door::Decisions];
const UNAUTHORIZED: &str = "The request could not be authorized";
const FORBIDDEN: &str = "The requested action was forbidden";
const NOT_FOUND: &str = "The requested resource could not be found";
const INTERNAL: &str = "An internal server error occurred, please contact the system administrator";

const fn internal(path: &'static str) -> Case {
    Case {
        path,
        status: 500,
        phrase: "Internal Server Error",
        message: INTERNAL,
        doors: BOTH,
    }
}

const CASES: &[Case] = &[
    Case {
        path: "unauthorized",
        status: 401,
        phrase: "Unauthorized",
        message: UNAUTHORIZED,
        doors: BOTH,
    },
    Case {
        path: "nobody-responsible",
        status: 401,
        phrase: "Unauthorized",
        message: UNAUTHORIZED,
        doors: BOTH,
    },
    Case {
        path: "forbidden",
        status: 403,
        phrase: "Forbidden",
        message: FORBIDDEN,
        doors: BOTH,
    },
    Case {
        path: "no-rule",
        status: 404,
        phrase: "Not Found",
        message: NOT_FOUND,
        doors: BOTH,
    },
    internal("several-rules"),
    internal("misconfigured"),
    internal("unknown-handler"),
    internal("no-authenticators"),
    internal("no-mutators"),
    internal("failed"),
    Case {
        doors: &[Door::Proxy],
        ..internal("no-upstream")
    },
];

fn rules(upstream: &Upstream) -> Value {
    let url = |path: &str| format!("http://door.test/{path}");
    let to = Some(upstream.address);
    let granting = |path: &str| rule(path, &url(path), ["noop", "allow", "noop"], to);
    let with = |path: &str, member: &str, value: Value| {
        let mut rule = granting(path);
        rule[member] = value;
        rule
    };
    json!([
        closed("unauthorized", &url("unauthorized"), to),
        open("nobody", &url("nobody-responsible"), to),
        rule("forbidden", &url("forbidden"), ["noop", "deny", "noop"], to),
        granting("several-rules"),
        rule(
            "also",
            &url("<several.rules>"),
            ["noop", "allow", "noop"],
            to
        ),
        with(
            "misconfigured",
            "mutators",
            json!([{ "handler": "cookie" }])
        ),
        with(
            "unknown-handler",
            "mutators",
            json!([{ "handler": "nothing" }])
        ),
        with("no-authenticators", "authenticators", json!([])),
        with("no-mutators", "mutators", json!([])),
        with(
            "failed",
            "mutators",
            json!([{ "handler": "header", "config": { "headers": { "X-A": "{{ .Nope }}" } } }]),
        ),
        rule(
            "no-upstream",
            &url("no-upstream"),
            ["noop", "allow", "noop"],
            None
        ),
    ])
}

fn start(upstream: &Upstream, fallback: &str) -> Doorward {
    let mut config = plain_config();
    config["errors"] = json!({
        "fallback": [fallback],
        "handlers": {
            "redirect": { "enabled": true, "config": { "to": "/login", "return_to_query_param": "rt" } },
            "www_authenticate": { "enabled": true, "config": { "realm": "a \"b\"" } },
        },
    });
    Doorward::start(config, rules(upstream))
}

/// What the doors answer to a case. All send the same credentials, which nobody is responsible for.
fn answers(doorward: &Doorward, case: &Case, method: &str) -> Vec<Answer> {
    let at = |door: &Door| {
        let (to, prefix) = match door {
            Door::Proxy => (doorward.proxy, ""),
            Door::Decisions => (doorward.api, "/decisions"),
        };
        ask(
            to,
            &format!(
                "{method} {prefix}/{} HTTP/1.1\r\nHost: door.test\r\nAuthorization: x\r\nX-Request-ID: r<1>\r\n\
                 Connection: close\r\n\r\n",
                case.path
            ),
        )
    };
    case.doors.iter().map(at).collect()
}

#[test]
fn json_answers_every_refusal_with_the_same_words_at_both_doors() {
    let upstream = Upstream::start();
    let doorward = start(&upstream, "json");
    for case in CASES {
        let body = format!(
            "{{\"error\":{{\"code\":{},\"status\":\"{}\",\"request\":\"r\\u003c1\\u003e\",\"message\":\"{}\"}}}}\n",
            case.status, case.phrase, case.message
        );
        for answer in answers(&doorward, case, "GET") {
            assert_eq!(
                (answer.status, &answer.body),
                (case.status, &body),
                "{}",
                case.path
            );
            assert_eq!(
                answer.header("content-type"),
                Some("application/json"),
                "{}",
                case.path
            );
        }
        for answer in answers(&doorward, case, "HEAD") {
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (case.status, ""),
                "{}",
                case.path
            );
        }
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn redirect_leads_from_every_refusal_to_the_login_and_back() {
    let upstream = Upstream::start();
    let doorward = start(&upstream, "redirect");
    for case in CASES {
        let location = format!("/login?rt=http%3A%2F%2Fdoor.test%2F{}", case.path);
        for answer in answers(&doorward, case, "GET") {
            assert_eq!(answer.status, 302, "{}", case.path);
            assert_eq!(
                answer.header("location"),
                Some(location.as_str()),
                "{}",
                case.path
            );
            assert_eq!(
                answer.header("content-type"),
                Some("text/html; charset=utf-8")
            );
            assert_eq!(
                answer.body,
                format!("<a href=\"{location}\">Found</a>.\n\n")
            );
        }
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn www_authenticate_asks_for_credentials_whatever_was_refused() {
    let upstream = Upstream::start();
    let doorward = start(&upstream, "www_authenticate");
    for case in CASES {
        for answer in answers(&doorward, case, "GET") {
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (401, "Unauthorized\n"),
                "{}",
                case.path
            );
            assert_eq!(
                answer.header("www-authenticate"),
                Some(r#"Basic realm="a \"b\"""#)
            );
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(
                answer.header("content-type"),
                Some("text/plain; charset=utf-8")
            );
        }
    }
    assert!(upstream.saw_nothing());
}
