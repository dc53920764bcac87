//! Explanations: told to those who may ask, of what was decided, without what is secret.

use crate::stub::{self, Stub};
use crate::support::{Answer, Doorward, Upstream, ask, plain_config, rule};
use serde_json::{Value, json};
use std::process::Command;

fn start(upstream: &Upstream, on: bool) -> Doorward {
    let mut config = plain_config();
    config["serve"]["proxy"]["explain"] = on.into();
    config["serve"]["api"]["explain"] = on.into();
    let to = Some(upstream.address);
    let rules = json!([
        rule(
            "open",
            "http://door.test/open",
            ["noop", "allow", "noop"],
            to
        ),
        rule(
            "closed",
            "http://door.test/closed",
            ["noop", "deny", "noop"],
            to
        ),
    ]);
    Doorward::start(config, rules)
}

fn request(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: door.test\r\nAuthorization: Bearer hunter2\r\nX-Doorward-Explain: 1\r\n\
         Connection: close\r\n\r\n"
    )
}

fn why(answer: &Answer) -> Value {
    let text = answer.header("x-doorward-explain").expect("an explanation");
    assert!(
        !text.contains("hunter2") && !text.contains("secret"),
        "{text}"
    );
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_trusted_caller_is_told_each_step_at_both_doors() {
    let upstream = Upstream::start();
    let doorward = start(&upstream, true);
    for (to, prefix) in [(doorward.proxy, ""), (doorward.api, "/decisions")] {
        let answer = ask(to, &request(&format!("{prefix}/closed?secret=1")));
        let why = why(&answer);
        assert_eq!(answer.status, 403);
        assert_eq!(why["rule"], "closed");
        assert_eq!(
            (&why["outcome"], &why["reason"]),
            (&json!("denied"), &json!("forbidden"))
        );
        assert_eq!(why["request"]["path"], "/closed");
        let steps: Vec<_> = why["steps"].as_array().expect("steps").iter().collect();
        assert_eq!(
            (&steps[0]["handler"], &steps[0]["outcome"]),
            (&json!("noop"), &json!("passed"))
        );
        assert_eq!(
            (&steps[1]["handler"], &steps[1]["outcome"]),
            (&json!("deny"), &json!("forbidden"))
        );
        assert_eq!(steps.len(), 2);
        let unmatched = ask(to, &request(&format!("{prefix}/none")));
        let why = self::why(&unmatched);
        assert_eq!(
            (&why["rule"], &why["reason"]),
            (&Value::Null, &json!("no_rule"))
        );
        assert_eq!(why["candidates"][0]["outcome"], "another path");
    }
    let answer = ask(doorward.proxy, &request("/open"));
    assert_eq!(
        (answer.status, &why(&answer)["outcome"]),
        (200, &json!("granted"))
    );
    assert!(
        !upstream
            .next()
            .to_lowercase()
            .contains("x-doorward-explain")
    );
}

fn question(body: &str) -> String {
    format!(
        "POST /decisions/explain HTTP/1.1\r\nHost: door.test\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_request_that_was_not_sent_can_be_explained() {
    let upstream = Upstream::start();
    let doorward = start(&upstream, true);
    let body = r#"{"method":"GET","url":"http://door.test/closed?secret=1","headers":{"Authorization":"hunter2"}}"#;
    let answer = ask(doorward.api, &question(body));
    assert_eq!(answer.status, 200);
    assert_eq!(
        (&answer.json()["rule"], &answer.json()["status"]),
        (&json!("closed"), &json!(403))
    );
    assert!(!answer.body.contains("hunter2") && !answer.body.contains("secret"));
    assert_eq!(ask(doorward.api, &question("nonsense")).status, 400);
    assert!(upstream.saw_nothing());
}

#[test]
fn nobody_is_told_where_explanations_are_off() {
    let upstream = Upstream::start();
    let doorward = start(&upstream, false);
    for (to, target) in [
        (doorward.proxy, "/closed"),
        (doorward.api, "/decisions/closed"),
    ] {
        let answer = ask(to, &request(target));
        assert_eq!(
            (answer.status, answer.header("x-doorward-explain")),
            (403, None)
        );
    }
    assert_eq!(ask(doorward.api, &question("{}")).status, 404);
}

/// What `doorward explain` prints of a request with these headers, and its exit code.
fn explained(dir: &std::path::Path, url: &str, headers: &[&str]) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(["explain", "GET", url, "--config", "config.json"]);
    for header in headers {
        command.args(["-H", header]);
    }
    let output = command.current_dir(dir).output().unwrap();
    let all = [output.stdout, output.stderr].concat();
    (String::from_utf8(all).unwrap(), output.status.code())
}

#[test]
fn the_command_line_judges_a_request_by_its_headers_as_a_stranger_s() {
    let store = Stub::start(|_| stub::json(200, &json!({ "subject": "alice" })));
    let mut config = plain_config();
    let session = json!({ "check_session_url": store.url("/whoami"), "only": ["sid"] });
    config["authenticators"]["cookie_session"] = json!({ "enabled": true, "config": session });
    config["serve"]["proxy"]["trust_forwarded_headers"] = true.into();
    let mut both = rule(
        "both",
        "http://door.test/<.*>",
        ["cookie_session", "allow", "noop"],
        None,
    );
    let mut one = both.clone();
    one["id"] = "one".into();
    one["match"]["url"] = "http://one.test/<.*>".into();
    both["authenticators"] = json!([{ "handler": "cookie_session" }, { "handler": "anonymous" }]);
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.json");
    std::fs::write(&rules, json!([both, one]).to_string()).unwrap();
    config["access_rules"] = json!({ "repositories": [format!("file://{}", rules.display())] });
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    let would_ask = format!(
        "`cookie_session` takes the request, and would ask {}",
        store.url("")
    );
    for (headers, code, says) in [
        (&[][..], 0, vec!["rule `both`", "not `one`", "another host"]),
        (
            &["X-Own: 1"],
            0,
            vec![
                "`cookie_session` finds no credentials of its kind",
                "`anonymous` takes the request, as `anonymous`",
            ],
        ),
        (&["Cookie: sid=hunter2"], 0, vec![&would_ask]),
        (
            &["host: one.test", "X-Own: 1"],
            0,
            vec![
                "rule `one`",
                "not `both`",
                "no authenticator takes the request: answered 401",
            ],
        ),
        // Where this counted, the scheme would be another one.
        (
            &["X-Forwarded-Proto: https"],
            0,
            vec!["rule `both`", "header `x-forwarded-proto` goes no further"],
        ),
        (
            &["Host: a.test", "Host: b.test"],
            1,
            vec!["refused with 400 before any rule", "several hosts"],
        ),
        (&["nonsense"], 255, vec!["`Name: value`"]),
    ] {
        let (text, ended) = explained(dir.path(), "http://door.test/x", headers);
        assert_eq!(ended, Some(code), "{headers:?}: {text}");
        for says in says {
            assert!(text.contains(says), "{headers:?}: no {says:?} in {text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert_eq!(store.count(), 0, "nobody is asked");
}
