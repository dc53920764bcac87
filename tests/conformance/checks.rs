//! Checks of the runner itself: a runner that can't fail proves nothing.

use crate::data::{self, home};
use crate::exceptions::Exceptions;
use crate::jwt::Tokens;
use crate::partial::Partial;
use crate::run::{judge, tokens};
use crate::suite::{Step, Suite};
use crate::verdict::{Difference, Outcome, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

pub struct Check {
    pub name: &'static str,
    pub run: fn(),
}

pub const ALL: [Check; 6] = [
    Check {
        name: "the_cases_of_comparing_come_out_as_they_say",
        run: the_cases_of_comparing_come_out_as_they_say,
    },
    Check {
        name: "a_planted_wrong_expectation_is_found",
        run: a_planted_wrong_expectation_is_found,
    },
    Check {
        name: "an_exit_that_was_not_expected_is_found",
        run: an_exit_that_was_not_expected_is_found,
    },
    Check {
        name: "an_exception_is_held_to_what_it_requires_and_told_when_stale",
        run: an_exception_is_held_to_what_it_requires_and_told_when_stale,
    },
    Check {
        name: "a_token_is_shown_by_what_it_holds_and_by_whether_it_is_genuine",
        run: a_token_is_shown_by_what_it_holds_and_by_whether_it_is_genuine,
    },
    Check {
        name: "a_suite_with_a_misspelt_key_is_not_played",
        run: a_suite_with_a_misspelt_key_is_not_played,
    },
];

#[derive(Deserialize)]
struct Case {
    name: String,
    /// A partial expectation …
    require: Option<Value>,
    /// … or a whole step.
    step: Option<Step>,
    got: Value,
    falls_short_at: Vec<String>,
}

fn the_cases_of_comparing_come_out_as_they_say() {
    let cases: Vec<Case> = data::read(&home().join("cases.json")).unwrap();
    for case in cases {
        let differences = match (case.require, case.step) {
            (Some(require), None) => Partial::parse(&require).unwrap().shortfalls(&case.got, ""),
            (None, Some(Step::Request(step))) => step.expectation.differences(&case.got),
            _ => panic!("{}: neither a `require` nor a request", case.name),
        };
        assert_eq!(places(&differences), case.falls_short_at, "{}", case.name);
    }
}

fn a_planted_wrong_expectation_is_found() {
    let wrong = |place: &str, value: Value| {
        let mut suite = small_suite();
        *suite.pointer_mut(&format!("/requests/1/{place}")).unwrap() = value;
        failures(&played(suite, &Exceptions::default()))
    };
    assert_eq!(
        failures(&played(small_suite(), &Exceptions::default())),
        [""; 0],
        "nothing is wrong"
    );
    assert_eq!(
        wrong("expect/response/status", 201.into()),
        ["second: response.status"]
    );
    assert_eq!(
        wrong("expect/upstream/0/headers/x-user", json!(["root"])),
        ["second: upstream.0.headers.x-user.0"]
    );
    assert_eq!(
        wrong("expect/response/body/json/target", "/other".into()),
        ["second: response.body.json.target"]
    );
    assert_eq!(wrong("expect/calls", json!([{}])), ["second: calls"]);
    assert_eq!(
        wrong("expect", json!({})),
        [
            "second: response.status",
            "second: response.headers",
            "second: response.body",
            "second: upstream",
            "second: calls",
        ]
    );
}

fn an_exit_that_was_not_expected_is_found() {
    let mut suite = small_suite();
    suite["config"]["no_such_key"] = true.into();
    suite["expect_exit"] = "nonzero".into();
    let ended = |suite: &Value| failures(&played(suite.clone(), &Exceptions::default()));
    assert_eq!(ended(&suite), [""; 0]);
    suite["expect_exit"] = "zero".into();
    assert_eq!(ended(&suite), ["exit: exit"]);
    suite["expect_exit"] = Value::Null;
    let problem = judged(suite, &Exceptions::default()).err().unwrap();
    assert!(problem.contains("did not come up"), "{problem}");
}

fn an_exception_is_held_to_what_it_requires_and_told_when_stale() {
    let exception = |status: u16| -> Exceptions {
        let written = json!([{
            "suite": "small", "step": "second", "why": "", "require": { "response": { "status": status } },
        }]);
        serde_json::from_value(written).unwrap()
    };
    let mut other = small_suite();
    other["requests"][1]["expect"]["response"]["status"] = 201.into();

    let verdicts = played(other.clone(), &exception(200));
    assert!(matches!(verdicts[1].outcome, Outcome::Excepted { .. }));
    let verdicts = played(other, &exception(202));
    assert_eq!(failures(&verdicts), ["second: response.status"]);
    let verdicts = played(small_suite(), &exception(200));
    assert!(matches!(verdicts[1].outcome, Outcome::Stale));
}

fn a_token_is_shown_by_what_it_holds_and_by_whether_it_is_genuine() {
    let tokens = tokens().unwrap();
    let shown = |wanted: Value| {
        let token = tokens.make(wanted).unwrap();
        tokens.shown(&format!("a {token} b"))
    };
    for (key, alg) in [
        ("rsa1", "RS256"),
        ("rsa512", "RS512"),
        ("hs1", "HS256"),
        ("ec1", "ES256"),
    ] {
        let claims = json!({ "sub": "ü", "exp": 90, "iat": 30, "n": 1e-7 });
        let kid = tokens.keys.named(key).unwrap();
        let kid = kid.text("kid").unwrap();
        let view = |genuine: bool| {
            format!(
                "a <jwt {{\"alg\": \"{alg}\", \"claims\": {{\"n\": 1e-07, \"sub\": \"\\u00fc\"}}, \"has\": [\"exp\", \"iat\"], \
                 \"kid\": \"{kid}\", \"lifetime\": 60, \"signature_ok\": {genuine}}}> b"
            )
        };
        assert_eq!(shown(json!({ "key": key, "claims": claims })), view(true));
        assert_eq!(
            shown(json!({ "key": key, "claims": claims, "tamper": true })),
            view(false)
        );
    }
    let stranger = shown(json!({ "key": "rsa_stranger", "claims": { "sub": "x" } }));
    assert!(stranger.contains("\"signature_ok\": false"), "{stranger}");
    assert_eq!(
        tokens.shown("eyJhbGciOiJub25lIn0.eyJ4.x"),
        "eyJhbGciOiJub25lIn0.eyJ4.x"
    );
}

fn a_suite_with_a_misspelt_key_is_not_played() {
    let refused = |place: &str, key: &str| {
        let mut suite = small_suite();
        suite.pointer_mut(place).unwrap()[key] = json!([]);
        judged(suite, &Exceptions::default()).err().unwrap()
    };
    assert!(refused("", "rquests").contains("rquests"));
    assert!(refused("/requests/1", "header").contains("header"));
    assert!(refused("/stubs/0", "matches").contains("matches"));
    let mut suite = small_suite();
    suite["requests"][1]["require"] = json!({ "response": { "$matches": "x" } });
    let problem = judged(suite, &Exceptions::default()).err().unwrap();
    assert!(problem.contains("$matches"), "{problem}");
}

/// One rule and two requests that go as they say.
fn small_suite() -> Value {
    let request = |name: &str, target: &str| {
        json!({
            "name": name,
            "target": target,
            "expect": {
                "response": {
                    "status": 200,
                    "headers": { "content-type": ["application/json"], "x-upstream": ["echo"] },
                    "body": { "json": { "upstream": "echo", "method": "GET", "target": target } },
                },
                "upstream": [{
                    "method": "GET",
                    "target": target,
                    "headers": { "host": ["${UPSTREAM}"], "x-user": ["guest"] },
                    "body": { "text": "" },
                }],
                "calls": [],
            },
        })
    };
    json!({
        "about": "A suite that holds.",
        "config": {
            "authenticators": { "anonymous": { "enabled": true, "config": { "subject": "guest" } } },
            "authorizers": { "allow": { "enabled": true } },
            "mutators": { "header": { "enabled": true, "config": { "headers": { "X-User": "{{ .Subject }}" } } } },
        },
        "rules": [{
            "id": "all",
            "match": { "url": "http://${PROXY}/<.*>", "methods": ["GET"] },
            "authenticators": [{ "handler": "anonymous" }],
            "authorizer": { "handler": "allow" },
            "mutators": [{ "handler": "header" }],
            "upstream": { "url": "http://${UPSTREAM}" },
        }],
        "stubs": [{ "match": { "path": "/never" }, "reply": { "status": 204 } }],
        "requests": [request("first", "/1"), request("second", "/2")],
    })
}

fn judged(suite: Value, exceptions: &Exceptions) -> Result<Vec<Verdict>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("small.json");
    std::fs::write(&file, suite.to_string()).unwrap();
    let tokens: Tokens = tokens()?;
    judge(&Suite::read(Path::new(&file))?, &tokens, exceptions)
}

fn played(suite: Value, exceptions: &Exceptions) -> Vec<Verdict> {
    judged(suite, exceptions).unwrap()
}

/// `step: place` of everything that failed.
fn failures(verdicts: &[Verdict]) -> Vec<String> {
    verdicts
        .iter()
        .flat_map(|verdict| match &verdict.outcome {
            Outcome::Failed(differences) => places(differences)
                .into_iter()
                .map(|place| format!("{}: {place}", verdict.step))
                .collect(),
            Outcome::Passed | Outcome::Excepted { .. } | Outcome::Stale => Vec::new(),
        })
        .collect()
}

fn places(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(|it| it.place.clone()).collect()
}
