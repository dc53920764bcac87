//! What servers that Doorward asks may do to it, and what clients may do to it through them (security.md B03, B04, D03, G07, G08,
//! G10, G11, H06, H10).

use crate::stub::{self, Call, Stub};
use crate::support::{
    Client, Doorward, Upstream, ask, closed, get, plain_config, rule, with_header,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How much a hostile answer may add to the process's memory.
const BOUND: u64 = 32 << 20;

/// Handlers that ask `store`, beside the plain ones.
fn config(store: &Stub) -> Value {
    let mut config = plain_config();
    config["authenticators"]["cookie_session"] = json!({ "enabled": true, "config": { "check_session_url": store.url("/whoami"), "preserve_path": true } });
    config["authenticators"]["bearer_token"] = json!({ "enabled": true, "config": { "check_session_url": store.url("/whoami"), "preserve_path": true } });
    config["authenticators"]["oauth2_introspection"] = json!({ "enabled": true, "config": { "introspection_url": store.url("/introspect"), "cache": { "enabled": true } } });
    config["authenticators"]["jwt"] =
        json!({ "enabled": true, "config": { "jwks_urls": [store.url("/jwks")] } });
    config["authorizers"]["remote"] =
        json!({ "enabled": true, "config": { "remote": store.url("/check"), "headers": {} } });
    config["mutators"]["header"] =
        json!({ "enabled": true, "config": { "headers": { "X-User": "{{ print .Subject }}" } } });
    config["mutators"]["hydrator"] =
        json!({ "enabled": true, "config": { "api": { "url": store.url("/hydrate") } } });
    config
}

#[test]
fn an_answer_without_end_is_refused_within_bounds() {
    let huge = format!("{{\"subject\":\"{}\"}}", "x".repeat(96 << 20));
    let store =
        Stub::start(move |_| stub::answer(200, &[("Content-Type", "application/json")], &huge));
    let upstream = Upstream::start();
    let rules = json!([
        rule(
            "session",
            "http://h.test/session/<.*>",
            ["cookie_session", "allow", "noop"],
            Some(upstream.address)
        ),
        rule(
            "introspect",
            "http://h.test/introspect/<.*>",
            ["oauth2_introspection", "allow", "noop"],
            Some(upstream.address)
        ),
        rule(
            "jwt",
            "http://h.test/jwt/<.*>",
            ["jwt", "allow", "noop"],
            Some(upstream.address)
        ),
        rule(
            "hydrate",
            "http://h.test/hydrate/<.*>",
            ["anonymous", "allow", "hydrator"],
            Some(upstream.address)
        ),
    ]);
    let doorward = Doorward::start(config(&store), rules);
    let before = doorward.resident();
    for area in ["session", "introspect", "jwt", "hydrate"] {
        let raw = with_header(
            &format!("GET /{area}/x"),
            "Cookie: session=a\r\nAuthorization: Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AAAA",
        );
        let answer = ask(doorward.proxy, &raw);
        assert!(answer.status >= 400, "{area}: {answer:?}");
    }
    let grown = doorward.resident().saturating_sub(before);
    assert!(grown < BOUND, "{grown} bytes");
    assert!(upstream.saw_nothing());
}

#[test]
fn no_two_credentials_share_an_answer() {
    // The subject is the credential itself, slowly enough that calls overlap.
    let store = Stub::start(|call| {
        std::thread::sleep(Duration::from_millis(5));
        let token = match call.target() {
            "/introspect" => call
                .body
                .split('&')
                .find_map(|part| part.strip_prefix("token="))
                .unwrap_or_default()
                .replace("%7C", "|")
                .replace("%3A", ":"),
            _ => call
                .header("cookie")
                .unwrap_or_default()
                .replace("session=", ""),
        };
        stub::json(
            200,
            &json!({ "active": true, "sub": token, "subject": token, "scope": "a b" }),
        )
    });
    let upstream = Upstream::start();
    let rules = json!([
        rule(
            "session",
            "http://h.test/session/<.*>",
            ["cookie_session", "allow", "header"],
            None
        ),
        rule(
            "introspect",
            "http://h.test/introspect/<.*>",
            ["oauth2_introspection", "allow", "header"],
            None
        ),
    ]);
    let doorward = Doorward::start(config(&store), rules);
    let api = doorward.api;
    let tokens: Vec<String> = (0..25)
        .flat_map(|n| {
            [
                format!("a|{n}"),
                format!("a{n}|"),
                format!("a:{n}"),
                format!("a{n}"),
            ]
        })
        .collect();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let tokens = tokens.clone();
            std::thread::spawn(move || {
                for token in tokens {
                    for (area, header) in [
                        ("session", format!("Cookie: session={token}")),
                        ("introspect", format!("Authorization: Bearer {token}")),
                    ] {
                        let answer = ask(
                            api,
                            &with_header(&format!("GET /decisions/{area}/x"), &header),
                        );
                        assert_eq!(
                            (answer.status, answer.header("x-user")),
                            (200, Some(token.as_str())),
                            "{area}"
                        );
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn made_up_keys_do_not_flood_the_key_server() {
    let keys = Stub::start(|_| stub::json(200, &json!({ "keys": [] })));
    let rules = json!([rule(
        "jwt",
        "http://h.test/<.*>",
        ["jwt", "allow", "noop"],
        None
    )]);
    let doorward = Doorward::start(config(&keys), rules);
    for n in 0..200_u32 {
        // {"alg":"RS256","kid":"…"}, with a kid of digits.
        let kid: String = n.to_be_bytes().iter().map(|b| format!("{b:03}")).collect();
        let head = base64_url(&format!("{{\"alg\":\"RS256\",\"kid\":\"{kid}\"}}"));
        let raw = with_header(
            "GET /decisions/x",
            &format!("Authorization: Bearer {head}.e30.AAAA"),
        );
        assert_eq!(ask(doorward.api, &raw).status, 401);
    }
    assert!(keys.count() <= 5, "{} calls for 200 tokens", keys.count());
}

fn base64_url(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().enumerate().fold(0_u32, |bits, (n, byte)| {
            bits | u32::from(*byte) << (16 - 8 * n)
        });
        for n in 0..=chunk.len() {
            out.push(char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]));
        }
    }
    out
}

#[test]
fn requests_in_flight_finish_on_the_rules_that_they_began_with() {
    let released = Arc::new(AtomicBool::new(false));
    let gate = released.clone();
    let store = Stub::start(move |_| {
        while !gate.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        stub::json(200, &json!({ "subject": "cleo" }))
    });
    let before = json!([rule(
        "session",
        "http://h.test/<.*>",
        ["cookie_session", "allow", "noop"],
        None
    )]);
    let after = json!([rule(
        "refused",
        "http://h.test/<.*>",
        ["anonymous", "deny", "noop"],
        None
    )]);
    let doorward = Doorward::start(config(&store), before);
    let api = doorward.api;
    let waiting: Vec<_> = (0..32)
        .map(|n| {
            std::thread::spawn(move || {
                ask(
                    api,
                    &with_header("GET /decisions/x", &format!("Cookie: session={n}")),
                )
                .status
            })
        })
        .collect();
    let end = Instant::now() + Duration::from_secs(4);
    while store.count() < 32 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
    replace(&doorward, &after.to_string());
    let end = Instant::now() + Duration::from_secs(10);
    while get(api, "/decisions/x", "h.test").status != 403 {
        assert!(
            Instant::now() < end,
            "the new rules do not come: {}",
            doorward.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    released.store(true, Ordering::SeqCst);
    for thread in waiting {
        let status = thread.join().unwrap();
        // Those that had reached the store finish with its answer; a time limit may have come first.
        assert!(matches!(status, 200 | 401 | 403 | 500), "{status}");
    }
    assert!(!doorward.log().contains("panicked"));
}

/// Puts another rule file in place of the old one, in one step.
fn replace(doorward: &Doorward, rules: &str) {
    let new = doorward.dir.path().join("rules.new");
    std::fs::write(&new, rules).unwrap();
    std::fs::rename(new, doorward.dir.path().join("rules.json")).unwrap();
}

#[test]
fn what_breaks_at_runtime_opens_no_door() {
    let store = Stub::start(|_| stub::json(200, &json!({ "subject": "cleo" })));
    let upstream = Upstream::start();
    let rules = json!([
        closed("closed", "http://h.test/admin/<.*>", Some(upstream.address)),
        rule(
            "session",
            "http://h.test/session/<.*>",
            ["cookie_session", "allow", "noop"],
            Some(upstream.address)
        ),
    ]);
    let doorward = Doorward::start(config(&store), rules);
    let closed = || get(doorward.proxy, "/admin/x", "h.test").status;
    assert_eq!(closed(), 401);
    for broken in [
        "",
        "{",
        "[{\"id\":\"closed\"",
        "null",
        "[{\"id\":1}]",
        "\0\0\0",
    ] {
        replace(&doorward, broken);
        for _ in 0..10 {
            assert!(matches!(closed(), 401 | 404 | 500), "{broken:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    std::fs::remove_file(doorward.dir.path().join("rules.json")).unwrap();
    for _ in 0..20 {
        assert!(matches!(closed(), 401 | 404 | 500));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(upstream.saw_nothing());
    assert!(!doorward.log().contains("panicked"));
}

#[test]
fn bytes_that_are_no_text_open_no_door() {
    let store = Stub::start(|_: &Call| stub::answer(403, &[], ""));
    let upstream = Upstream::start();
    let rules = json!([rule(
        "remote",
        "http://h.test/<.*>",
        ["anonymous", "remote", "noop"],
        Some(upstream.address)
    )]);
    let doorward = Doorward::start(config(&store), rules);
    for header in [
        &b"X-A: \xff\xfe"[..],
        b"Cookie: \xff=\xfe",
        b"Content-Type: \xff",
        b"Authorization: \xff",
    ] {
        let mut client = Client::connect(doorward.proxy);
        client.send(
            [
                b"GET /x HTTP/1.1\r\nHost: h.test\r\n",
                header,
                b"\r\nConnection: close\r\n\r\n",
            ]
            .concat(),
        );
        assert!(client.answer().is_none_or(|answer| answer.status >= 400));
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn no_endpoint_and_no_error_shows_a_secret() {
    let store = Stub::start(|_| stub::answer(500, &[], "hush-from-the-store"));
    let upstream = Upstream::start();
    let mut config = config(&store);
    config["authenticators"]["oauth2_introspection"]["config"]["pre_authorization"] = json!({
        "enabled": true, "client_id": "door", "client_secret": "hush-client-secret", "token_url": store.url("/token"),
    });
    config["authenticators"]["cookie_session"]["config"]["additional_headers"] =
        json!({ "X-Api-Key": "hush-api-key" });
    config["errors"] = json!({ "fallback": ["json"], "handlers": { "json": { "enabled": true, "config": { "verbose": true } } } });
    config["log"] = json!({ "level": "trace" });
    let rules = json!([
        rule(
            "session",
            "http://h.test/session/<.*>",
            ["cookie_session", "allow", "noop"],
            Some(upstream.address)
        ),
        rule(
            "introspect",
            "http://h.test/introspect/<.*>",
            ["oauth2_introspection", "allow", "noop"],
            Some(upstream.address)
        ),
    ]);
    let doorward = Doorward::start(config, rules);
    let mut seen = String::new();
    for target in [
        "/rules",
        "/rules/session",
        "/rules/introspect",
        "/health/alive",
        "/health/ready",
        "/version",
        "/.well-known/jwks.json",
        "/metrics",
        "/",
        "/debug",
        "/config",
    ] {
        let answer = get(doorward.api, target, "api.test");
        seen.push_str(&format!("{answer:?}"));
    }
    for area in ["session", "introspect", "none"] {
        let headers = "Cookie: session=hush-cookie\r\nAuthorization: Bearer hush-token";
        for (door, prefix) in [(doorward.proxy, ""), (doorward.api, "/decisions")] {
            let answer = ask(
                door,
                &with_header(&format!("GET {prefix}/{area}/x?token=hush-query"), headers),
            );
            assert!(answer.status >= 400);
            seen.push_str(&format!("{answer:?}"));
        }
    }
    assert!(!seen.contains("hush"), "{seen}");
    assert!(!doorward.log().contains("hush"), "{}", doorward.log());
    assert!(upstream.saw_nothing());
}
