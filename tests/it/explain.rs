//! Explanations: told to those who may ask, of what was decided, without what is secret.

use crate::support::{Answer, Doorward, Upstream, ask, plain_config, rule};
use serde_json::{Value, json};

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
