//! The main job, end to end: the examples of the reference's introduction, and how the frame behaves under odd clients.

use crate::support::{Client, Doorward, Upstream, ask, closed, get, open, plain_config, rule};
use serde_json::json;
use std::time::Duration;

fn introduction(upstream: &Upstream) -> Doorward {
    let rules = json!([
        open(
            "open",
            "http://door.test/my-service/<.*>",
            Some(upstream.address)
        ),
        closed(
            "closed",
            "http://door.test/closed/<.*>",
            Some(upstream.address)
        ),
        rule(
            "refused",
            "http://door.test/refused/<.*>",
            ["anonymous", "deny", "noop"],
            Some(upstream.address)
        ),
        open("no-upstream", "http://door.test/nowhere/<.*>", None),
    ]);
    Doorward::start(plain_config(), rules)
}

#[test]
fn what_no_rule_grants_reaches_no_upstream() {
    let upstream = Upstream::start();
    let doorward = introduction(&upstream);
    for (target, status) in [
        ("/other", 404),
        ("/closed/x", 401),
        ("/refused/x", 403),
        ("/nowhere/x", 500),
        ("/my-service/../closed/x", 401),
    ] {
        let answer = get(doorward.proxy, target, "door.test");
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{target}"
        );
        assert_eq!(answer.json()["error"]["code"], status, "{target}");
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn a_granted_request_is_forwarded() {
    let upstream = Upstream::start();
    let doorward = introduction(&upstream);
    let answer = get(doorward.proxy, "/my-service/whatever?a=b", "door.test");
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    assert!(
        upstream
            .next()
            .starts_with("GET /my-service/whatever?a=b HTTP/1.1\r\n")
    );
}

#[test]
fn the_same_is_decided_for_other_gateways() {
    let upstream = Upstream::start();
    let doorward = introduction(&upstream);
    let granted = ask(
        doorward.api,
        "GET /decisions/my-service/whatever HTTP/1.1\r\nHost: door.test\r\nX-Mine: 1\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(
        (
            granted.status,
            granted.header("x-mine"),
            granted.body.as_str()
        ),
        (200, Some("1"), "")
    );
    for (target, status) in [
        ("/decisions/other", 404),
        ("/decisions/closed/x", 401),
        ("/decisions/refused/x", 403),
    ] {
        assert_eq!(
            get(doorward.api, target, "door.test").status,
            status,
            "{target}"
        );
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn a_refused_request_s_body_is_never_the_next_request() {
    let upstream = Upstream::start();
    let doorward = introduction(&upstream);
    let mut client = Client::connect(doorward.proxy);
    let body = "GET /my-service/smuggled HTTP/1.1\r\nHost: door.test\r\n\r\n";
    client.send(format!(
        "POST /closed/x HTTP/1.1\r\nHost: door.test\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(client.answer().unwrap().status, 401);
    client.send("GET /my-service/own HTTP/1.1\r\nHost: door.test\r\nConnection: close\r\n\r\n");
    if let Some(answer) = client.answer() {
        assert_eq!(answer.status, 200);
        assert!(upstream.next().starts_with("GET /my-service/own "));
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start();
    let doorward = introduction(&upstream);
    for (to, prefix) in [(doorward.proxy, ""), (doorward.api, "/decisions")] {
        let mut client = Client::connect(to);
        client.send(format!(
            "GET {prefix}/my-service/1 HTTP/1.1\r\nHost: door.test\r\n\r\nGET {prefix}/closed/2 HTTP/1.1\r\nHost: door.test\r\n\r\nGET {prefix}/refused/3 HTTP/1.1\r\nHost: door.test\r\nConnection: close\r\n\r\n"
        ));
        let statuses: Vec<u16> = (0..3).map(|_| client.answer().unwrap().status).collect();
        assert_eq!(statuses, [200, 401, 403]);
        assert!(client.is_closed());
    }
}

#[test]
fn a_head_that_does_not_end_is_answered_at_its_deadline() {
    let upstream = Upstream::start();
    let mut config = plain_config();
    config["serve"] = json!({ "proxy": { "timeout": { "header": "200ms" } } });
    let doorward = Doorward::start(
        config,
        json!([rule(
            "open",
            "http://door.test/<.*>",
            ["noop", "allow", "noop"],
            Some(upstream.address)
        )]),
    );
    let mut client = Client::connect(doorward.proxy);
    client.send("GET / HTTP/1.1\r\nHost: door");
    assert_eq!(client.answer().unwrap().status, 408);
    let mut preface = Client::connect(doorward.proxy);
    preface.send("PRI * HTTP/2.0\r\n");
    assert_eq!(preface.answer().unwrap().status, 408);
}

#[test]
fn an_idle_process_is_gone_at_once_and_requests_in_flight_finish() {
    let upstream = Upstream::start();
    let mut doorward = introduction(&upstream);
    let mut idle = Client::connect(doorward.proxy);
    idle.send("GET /closed/x HTTP/1.1\r\nHost: door.test\r\n\r\n");
    assert_eq!(idle.answer().unwrap().status, 401);
    let mut busy = Client::connect(doorward.proxy);
    busy.send("POST /my-service/slow HTTP/1.1\r\nHost: door.test\r\nContent-Length: 4\r\n\r\nab");
    // The head is through once it was decided on, as the idle connection's was; only then the signal goes out.
    doorward.page_with("doorward_decision_duration_seconds_count{door=\"proxy\"} 2\n");
    doorward.signal("TERM");
    assert!(idle.is_closed(), "idle connections end");
    busy.send("cd");
    assert_eq!(busy.answer().unwrap().status, 200);
    assert!(upstream.next().ends_with("abcd"));
    assert_eq!(
        doorward.wait(Duration::from_secs(1)),
        Some(0),
        "{}",
        doorward.log()
    );
}

#[test]
fn secrets_of_refused_requests_stay_out_of_the_log() {
    let upstream = Upstream::start();
    let doorward = introduction(&upstream);
    for raw in [
        "GET /x HTTP/1.1\r\nHost: door.test\r\nAuthorization: Bearer hush-hush\r\nBad Line\r\n\r\n",
        "\x00hush-hush\r\n\r\n",
    ] {
        let mut client = Client::connect(doorward.proxy);
        client.send(raw);
        assert_eq!(client.answer().unwrap().status, 400);
    }
    assert!(!doorward.log().contains("hush-hush"));
}
