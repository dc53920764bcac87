//! Raw HTTP/1 that is meant to get past a decision (security.md A03, B01, B05, E02, E04, E10, G09, G13, G14, H11, H14, J01, J02, J03,
//! J10). Each test begins with what must not get through.

use crate::h2::{self, H2, Outcome};
use crate::stub::{self, Stub};
use crate::support::{Client, Doorward, Upstream, ask, closed, get, open, plain_config, rule};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

fn rules(upstream: SocketAddr) -> Value {
    json!([
        open("open", "http://h.test/public/<.*>", Some(upstream)),
        closed("closed", "http://h.test/admin/<.*>", Some(upstream)),
    ])
}

fn start(upstream: &Upstream) -> Doorward {
    Doorward::start(plain_config(), rules(upstream.address))
}

fn with_timeouts(upstream: &Upstream, timeouts: Value) -> Doorward {
    let mut config = plain_config();
    config["serve"] = json!({ "proxy": { "timeout": timeouts }, "api": { "timeout": timeouts } });
    Doorward::start(config, rules(upstream.address))
}

/// Every way to write a path that might be judged as one thing and served as another.
pub const CORPUS: &[(&str, u16)] = &[
    ("/public/x", 200),
    ("/public/x/", 200),
    ("/public/a%20b", 200),
    ("/public/a%2Fb", 200),
    ("/public/caf%C3%A9", 200),
    ("/public/%ff", 200),
    ("/public/x?y=/../admin", 200),
    ("/public/..a", 200),
    ("/public/x;v=1", 200),
    ("/public/%252e%252e/admin/s", 200),
    ("/public/..%252fadmin", 200),
    ("/admin/s", 401),
    ("/public/../admin/s", 401),
    ("/public/./../admin/s", 401),
    ("/public/%2e%2e/admin/s", 401),
    ("/public/.%2E/admin/s", 401),
    ("/public/..%2fadmin/s", 401),
    ("/public%2F..%2Fadmin/s", 401),
    ("//admin/s", 401),
    ("/%2fadmin/s", 401),
    ("/public//../admin/s", 401),
    ("/%61dmin/s", 401),
    ("/admin%2fs", 401),
    ("/admin/./s", 401),
    ("/admin/s?x=/public/", 401),
    ("/admin/s?/../public/x", 401),
    ("/public/..;/admin/s", 400),
    ("/public/..\\admin/s", 400),
    ("/public/..%5cadmin/s", 400),
    ("/public/%2e%2e;x=1/admin/s", 400),
    ("/public/%00", 400),
    ("/public/%zz", 400),
    ("/public/%", 400),
    ("/public/%c0%ae%c0%ae/admin/s", 400),
    ("/", 404),
    ("/public", 404),
    ("/Public/x", 404),
];

#[test]
fn every_door_decides_the_same_about_every_spelling_of_a_path() {
    let upstream = Upstream::start();
    let doorward = start(&upstream);
    for &(target, status) in CORPUS {
        let forwarded = format!(
            "GET /decisions HTTP/1.1\r\nHost: gw.test\r\nX-Forwarded-Host: h.test\r\nX-Forwarded-Uri: {target}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            get(doorward.proxy, target, "h.test").status,
            status,
            "proxy: {target}"
        );
        assert_eq!(
            get(doorward.api, &format!("/decisions{target}"), "h.test").status,
            status,
            "decision: {target}"
        );
        assert_eq!(
            ask(doorward.api, &forwarded).status,
            status,
            "forwarded: {target}"
        );
        match H2::connect(doorward.proxy).ask(&h2::fields("GET", target)) {
            Outcome::Answered(seen) => assert_eq!(seen, status, "HTTP/2: {target}"),
            Outcome::Reset | Outcome::Closed => assert_eq!(status, 400, "HTTP/2: {target}"),
        }
    }
    // What reached the upstream stays below what was granted, however a server reads it.
    for _ in 0..2 * CORPUS.iter().filter(|(_, status)| *status == 200).count() {
        let request = upstream.next();
        let path = request.split([' ', '?']).nth(1).unwrap().to_owned();
        assert!(
            path.starts_with("/public/")
                && !path.contains("/../")
                && !path.contains('\\')
                && !path.contains('#'),
            "{request}"
        );
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn a_fragment_is_neither_judged_nor_served() {
    let upstream = Upstream::start();
    let doorward = start(&upstream);
    for target in [
        "/public/x#/../admin/s",
        "/admin/s#/public/",
        "/public/#",
        "/public/x?a#b",
    ] {
        assert_eq!(
            get(doorward.proxy, target, "h.test").status,
            400,
            "{target}"
        );
        assert_eq!(
            get(doorward.api, &format!("/decisions{target}"), "h.test").status,
            400,
            "{target}"
        );
        let forwarded = format!(
            "GET /decisions HTTP/1.1\r\nHost: h.test\r\nX-Forwarded-Uri: {target}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(ask(doorward.api, &forwarded).status, 400, "{target}");
        // HTTP/2's parser cuts it before anything of ours sees it.
        let outcome = H2::connect(doorward.proxy).ask(&h2::fields("GET", target));
        if outcome == Outcome::Answered(200) {
            let request = upstream.next();
            assert!(
                target.starts_with("/public/")
                    && !request.contains('#')
                    && !request.contains("admin"),
                "{request}"
            );
        } else {
            assert!(outcome.is_refusal(), "{target}: {outcome:?}");
        }
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn a_stranger_s_forwarded_headers_decide_nothing() {
    let upstream = Upstream::start();
    let mut config = plain_config();
    config["serve"] = json!({
        "proxy": { "trusted_proxies": ["10.0.0.0/8"], "trust_forwarded_headers": true },
        "api": { "trusted_proxies": ["10.0.0.0/8"] },
    });
    let doorward = Doorward::start(config, rules(upstream.address));
    let lies = "X-Forwarded-Uri: /public/x\r\nX-Forwarded-Host: other\r\nX-Forwarded-Method: OPTIONS\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 10.0.0.1\r\n";
    for (door, target) in [
        (doorward.proxy, "/admin/x"),
        (doorward.api, "/decisions/admin/x"),
    ] {
        let answer = ask(
            door,
            &format!("GET {target} HTTP/1.1\r\nHost: h.test\r\n{lies}Connection: close\r\n\r\n"),
        );
        assert_eq!(answer.status, 401, "{target}");
    }
    assert!(upstream.saw_nothing());
    let answer = ask(
        doorward.proxy,
        &format!("GET /public/x HTTP/1.1\r\nHost: h.test\r\n{lies}Connection: close\r\n\r\n"),
    );
    assert_eq!(answer.status, 200);
    assert!(!upstream.next().to_ascii_lowercase().contains("forwarded"));
    // Not even where a stranger contradicts itself.
    let twice =
        format!("GET /public/x HTTP/1.1\r\nHost: h.test\r\n{lies}{lies}Connection: close\r\n\r\n");
    assert_eq!(ask(doorward.proxy, &twice).status, 200);
}

#[test]
fn a_refused_body_is_never_the_next_request() {
    let upstream = Upstream::start();
    let doorward = start(&upstream);
    let smuggled = "GET /public/smuggled HTTP/1.1\r\nHost: h.test\r\n\r\n";
    let length = smuggled.len();
    for (door, prefix) in [(doorward.proxy, ""), (doorward.api, "/decisions")] {
        for (framing, body) in [
            (format!("Content-Length: {length}\r\n"), smuggled.to_owned()),
            (
                "Transfer-Encoding: chunked\r\n".to_owned(),
                format!("{length:x}\r\n{smuggled}\r\n0\r\n\r\n"),
            ),
            (
                format!("Expect: 100-continue\r\nContent-Length: {length}\r\n"),
                smuggled.to_owned(),
            ),
            (
                format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
                format!("0\r\n\r\n{smuggled}"),
            ),
            (
                "Transfer-Encoding: chunked, identity\r\n".to_owned(),
                format!("0\r\n\r\n{smuggled}"),
            ),
            (
                "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n".to_owned(),
                format!("0\r\n\r\n{smuggled}"),
            ),
            (
                "Content-Length: 0\r\nContent-Length: 47\r\n".to_owned(),
                smuggled.to_owned(),
            ),
        ] {
            let mut client = Client::connect(door);
            client.send(format!(
                "POST {prefix}/admin/x HTTP/1.1\r\nHost: h.test\r\n{framing}\r\n{body}"
            ));
            let first = client.answer().unwrap();
            assert!(matches!(first.status, 400 | 401), "{framing}: {first:?}");
            client.send(format!(
                "GET {prefix}/admin/own HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\n\r\n"
            ));
            let second = client.answer();
            assert!(
                second
                    .as_ref()
                    .is_none_or(|answer| matches!(answer.status, 400 | 401)),
                "{framing}: {second:?}"
            );
        }
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn bytes_behind_an_upgrade_that_did_not_happen_are_another_request() {
    let upstream = Upstream::start();
    let doorward = start(&upstream);
    for protocol in ["foo", "h2c", "websocket"] {
        let mut client = Client::connect(doorward.proxy);
        client.send(format!(
            "GET /public/1 HTTP/1.1\r\nHost: h.test\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\
             GET /admin/2 HTTP/1.1\r\nHost: h.test\r\n\r\n"
        ));
        assert_eq!(client.answer().unwrap().status, 200, "{protocol}");
        assert!(
            client.answer().is_none_or(|answer| answer.status == 401),
            "{protocol}"
        );
        let request = upstream.next();
        assert!(
            request.starts_with("GET /public/1 ") && !request.contains("/admin/2"),
            "{request}"
        );
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn a_refused_handshake_leaves_no_tunnel() {
    let upstream = Stub::start(|call| {
        let status = if call.header("upgrade").is_some() {
            404
        } else {
            200
        };
        stub::answer(status, &[], "x")
    });
    let doorward = Doorward::start(plain_config(), rules(upstream.address));
    let mut client = Client::connect(doorward.proxy);
    client.send("GET /public/ws HTTP/1.1\r\nHost: h.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 404);
    client.send("GET /admin/x HTTP/1.1\r\nHost: h.test\r\n\r\n");
    assert!(client.answer().is_none_or(|answer| answer.status == 401));
    let calls = upstream.take();
    assert_eq!(calls.len(), 1, "{calls:?}");
}

#[test]
fn connect_and_trace_open_nothing() {
    let upstream = Upstream::start();
    let doorward = start(&upstream);
    for (door, prefix) in [(doorward.proxy, ""), (doorward.api, "/decisions")] {
        for target in ["h.test:443", &format!("{prefix}/public/x"), "*"] {
            let mut client = Client::connect(door);
            client.send(format!("CONNECT {target} HTTP/1.1\r\nHost: h.test\r\n\r\nGET {prefix}/admin/x HTTP/1.1\r\nHost: h.test\r\n\r\n"));
            let first = client.answer().unwrap();
            assert!((400..=501).contains(&first.status), "{target}: {first:?}");
            assert!(
                client.answer().is_none_or(|answer| answer.status == 401),
                "{target}"
            );
        }
        let trace = ask(
            door,
            &format!(
                "TRACE {prefix}/public/x HTTP/1.1\r\nHost: h.test\r\nCookie: secret\r\nConnection: close\r\n\r\n"
            ),
        );
        assert!(
            trace.status >= 400 && !trace.body.contains("secret"),
            "{trace:?}"
        );
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn no_name_of_a_health_checker_opens_a_door() {
    let upstream = Upstream::start();
    let doorward = start(&upstream);
    for agent in ["kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0"] {
        let raw = format!(
            "GET /admin/x HTTP/1.1\r\nHost: h.test\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(ask(doorward.proxy, &raw).status, 401, "{agent}");
    }
    for target in [
        "/health/alive",
        "/health/ready",
        "/metrics",
        "/rules",
        "/.well-known/jwks.json",
        "/decisions/public/x",
        "/version",
        "/debug/pprof/",
    ] {
        assert_eq!(
            get(doorward.proxy, target, "h.test").status,
            404,
            "{target} is the application's at the proxy"
        );
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn slow_clients_are_let_go() {
    let upstream = Upstream::start();
    let doorward = with_timeouts(
        &upstream,
        json!({ "header": "300ms", "body_idle": "300ms", "keepalive": "300ms" }),
    );
    for (door, prefix) in [(doorward.proxy, ""), (doorward.api, "/decisions")] {
        // One byte of a head at a time.
        let mut trickle = Client::connect(door);
        let begun = Instant::now();
        for byte in format!(
            "GET {prefix}/public/x HTTP/1.1\r\nX-Slow: {}",
            "a".repeat(200)
        )
        .bytes()
        {
            trickle.send([byte]);
            std::thread::sleep(Duration::from_millis(20));
            if begun.elapsed() > Duration::from_secs(2) {
                break;
            }
        }
        assert!(trickle.answer().is_none_or(|answer| answer.status == 408));
        // A body that was announced and does not come.
        let mut body = Client::connect(door);
        body.send(format!(
            "POST {prefix}/admin/x HTTP/1.1\r\nHost: h.test\r\nContent-Length: 10\r\n\r\n"
        ));
        let begun = Instant::now();
        assert!(
            body.answer()
                .is_none_or(|answer| answer.status == 401 || answer.status == 408)
        );
        assert!(body.is_closed());
        assert!(begun.elapsed() < Duration::from_secs(5));
        // A connection that says nothing, and one that has said enough.
        let mut silent = Client::connect(door);
        assert!(silent.is_closed());
        let mut idle = Client::connect(door);
        idle.send(format!(
            "GET {prefix}/admin/x HTTP/1.1\r\nHost: h.test\r\n\r\n"
        ));
        assert_eq!(idle.answer().unwrap().status, 401);
        assert!(idle.is_closed());
    }
    assert!(upstream.saw_nothing());
}

#[test]
fn a_granted_body_that_does_not_come_is_given_up() {
    let upstream = Stub::start(|_| stub::answer(200, &[], "late"));
    let mut config = plain_config();
    config["serve"] = json!({ "proxy": { "timeout": { "body_idle": "300ms" } } });
    let doorward = Doorward::start(config, rules(upstream.address));
    let mut client = Client::connect(doorward.proxy);
    client.send("POST /public/x HTTP/1.1\r\nHost: h.test\r\nContent-Length: 10\r\n\r\nab");
    let begun = Instant::now();
    assert!(client.answer().is_none_or(|answer| answer.status >= 400));
    assert!(client.is_closed());
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(upstream.take().is_empty(), "half a request is none");
}

#[test]
fn a_pattern_that_backtracks_costs_only_its_own_request() {
    let upstream = Upstream::start();
    let mut all = rules(upstream.address);
    all.as_array_mut().unwrap().push(open(
        "slow",
        "http://h.test/slow/<(?=(a+)+$)(a+)+b>",
        Some(upstream.address),
    ));
    let doorward = Doorward::start(plain_config(), all);
    let hostile = format!("/slow/{}!", "a".repeat(4_000));
    let address = doorward.proxy;
    let attackers: Vec<_> = (0..8)
        .map(|_| {
            let hostile = hostile.clone();
            std::thread::spawn(move || {
                (0..20)
                    .map(|_| get(address, &hostile, "h.test").status)
                    .collect::<Vec<u16>>()
            })
        })
        .collect();
    let mut worst = Duration::ZERO;
    for _ in 0..50 {
        let begun = Instant::now();
        assert_eq!(get(address, "/admin/x", "h.test").status, 401);
        worst = worst.max(begun.elapsed());
    }
    for attacker in attackers {
        let statuses = attacker.join().unwrap();
        assert!(statuses.iter().all(|status| *status >= 400), "{statuses:?}");
    }
    assert!(worst < Duration::from_secs(2), "{worst:?}");
    assert!(upstream.saw_nothing());
}

#[test]
fn words_in_a_rule_stay_within_it() {
    let upstream = Upstream::start();
    let mut all = rules(upstream.address);
    for (n, url) in [
        "http://h.test/a>|http://h.test/admin/<.*",
        "http://h.test/<`a`\n.*>",
        "http://h.test/<.*>\",\"authorizer\":{\"handler\":\"allow\"}",
        "<<.*>",
        "<(?:>",
        "<)|(.*>",
    ]
    .iter()
    .enumerate()
    {
        all.as_array_mut().unwrap().push(rule(
            &format!("odd-{n}\n\"}},{{"),
            url,
            ["anonymous", "allow", "noop"],
            Some(upstream.address),
        ));
    }
    let doorward = Doorward::start(plain_config(), all);
    assert_eq!(get(doorward.proxy, "/admin/x", "h.test").status, 401);
    assert!(upstream.saw_nothing());
    assert_eq!(get(doorward.proxy, "/public/x", "h.test").status, 200);
}

#[test]
fn an_upstream_whose_certificate_nobody_trusts_gets_nothing() {
    let upstream = Stub::start_tls(|_| stub::answer(200, &[], "served"));
    let mut all = Vec::new();
    for (id, host) in [("ip", "127.0.0.1"), ("name", "localhost")] {
        let mut rule = rule(
            id,
            &format!("http://h.test/{id}/<.*>"),
            ["anonymous", "allow", "noop"],
            None,
        );
        rule["upstream"] = json!({ "url": format!("https://{host}:{}", upstream.address.port()) });
        all.push(rule);
    }
    let doorward = Doorward::start(plain_config(), Value::Array(all));
    for target in ["/ip/x", "/name/x"] {
        let answer = get(doorward.proxy, target, "h.test");
        assert_eq!((answer.status, answer.body.as_str()), (502, ""), "{target}");
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn the_log_holds_no_line_of_the_client_s_making() {
    let upstream = Upstream::start();
    let mut config = plain_config();
    config["log"] = json!({ "level": "debug", "format": "text" });
    let doorward = Doorward::start(config, rules(upstream.address));
    let evil = "GET /admin/%0Alevel=info%0D%1B[31mgranted HTTP/1.1\r\nHost: h.test\r\nUser-Agent: a\tlevel=info granted=true\"\x1b[31m\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n";
    let status = ask(doorward.proxy, evil).status;
    assert!(matches!(status, 400 | 401), "{status}");
    let plain = "GET /admin/%0Alevel=info%0D%1B[31mgranted?q=%0Ax HTTP/1.1\r\nHost: h.test\r\nUser-Agent: a\tlevel=info granted=true\"\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(doorward.proxy, plain).status, 404);
    let log = doorward.log();
    assert!(!log.contains('\u{1b}'), "{log}");
    assert!(
        !log.lines()
            .any(|line| line.trim_start().starts_with("level=info")),
        "{log}"
    );
}

#[test]
fn a_prefix_is_not_cut_into_another_path() {
    let upstream = Upstream::start();
    let mut api = open("api", "http://h.test/api<.*>", Some(upstream.address));
    api["upstream"]["strip_path"] = "/api".into();
    let doorward = Doorward::start(plain_config(), json!([api]));
    for target in [
        "/api../admin/s",
        "/api%2e%2e/admin/s",
        "/api..;/x",
        "/api..%2fadmin",
    ] {
        let answer = get(doorward.proxy, target, "h.test");
        assert_eq!(answer.status, 400, "{target}");
        assert_eq!(answer.json()["error"]["code"], 400, "{target}");
    }
    assert!(upstream.saw_nothing());
    assert_eq!(get(doorward.proxy, "/apikeys", "h.test").status, 200);
    assert!(upstream.next().starts_with("GET /keys "));
}

#[test]
fn an_upstream_cannot_switch_to_what_was_not_asked_for() {
    let upstream = Stub::start(|call| match call.target() {
        "/public/asked" | "/public/not-asked" | "/public/h2c" => {
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo/1\r\n\r\n"
                .to_vec()
        }
        _ => stub::answer(200, &[], "smuggled"),
    });
    let doorward = Doorward::start(plain_config(), rules(upstream.address));
    for (target, upgrade) in [
        ("/public/not-asked", ""),
        (
            "/public/asked",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        ),
        (
            "/public/h2c",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        ),
    ] {
        let mut client = Client::connect(doorward.proxy);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: h.test\r\n{upgrade}\r\nGET /admin/smuggled HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\n\r\n"));
        assert_eq!(client.answer().unwrap().status, 502, "{target}");
        assert!(
            client.answer().is_none_or(|answer| answer.status == 401),
            "{target}"
        );
    }
    assert!(
        upstream
            .take()
            .iter()
            .all(|call| call.target() != "/admin/smuggled")
    );
}
