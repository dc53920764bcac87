//! HTTP/2 that is malformed, hostile or merely odd (security.md A07, E02, G09, H07, H08, D06, J01, J05, J06, J07): nobody is served
//! who would not be over HTTP/1.1, memory stays bounded, and the next client is served.

use crate::h2::{
    self, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, H2, HEADERS, Outcome, PING,
    RST_STREAM, SETTINGS, fields,
};
use crate::ports::free_port;
use crate::support::{Doorward, Upstream, closed, get, open, plain_config};
use serde_json::json;
use std::net::SocketAddr;

/// What a flood may add to the process's memory.
const BOUND: u64 = 64 << 20;

struct Fixture {
    doorward: Doorward,
    upstream: Upstream,
}

fn fixture() -> Fixture {
    let upstream = Upstream::start();
    let rules = json!([
        open("open", "http://h.test/public/<.*>", Some(upstream.address)),
        closed("closed", "http://h.test/admin/<.*>", Some(upstream.address)),
        open("tls-only", "https://h.test/<.*>", Some(upstream.address)),
    ]);
    Fixture {
        doorward: Doorward::start(plain_config(), rules),
        upstream,
    }
}

impl Fixture {
    /// Both doors, with the prefix of their targets.
    fn doors(&self) -> [(SocketAddr, &'static str); 2] {
        [(self.doorward.proxy, ""), (self.doorward.api, "/decisions")]
    }

    fn still_serves(&self) {
        assert_eq!(
            get(self.doorward.proxy, "/public/after", "h.test").status,
            200
        );
        assert!(self.upstream.next().starts_with("GET /public/after "));
        assert!(
            !self.doorward.log().contains("panicked"),
            "{}",
            self.doorward.log()
        );
    }
}

#[test]
fn the_same_is_decided_over_http2() {
    let fixture = fixture();
    for (door, prefix) in fixture.doors() {
        let mut h2 = H2::connect(door);
        for (target, status) in [
            ("/public/x", 200),
            ("/admin/x", 401),
            ("/other", 404),
            ("/public/../admin/x", 401),
            ("//admin/x", 401),
            ("/public/%2e%2e/admin/x", 401),
            ("/public/..%2Fadmin/x", 401),
            ("/public/..;/admin/x", 400),
            ("/public/..%5cadmin/x", 400),
            ("/public/%00", 400),
            ("/admin/x?/public/", 401),
        ] {
            let path = format!("{prefix}{target}");
            assert_eq!(
                h2.ask(&fields("GET", &path)),
                Outcome::Answered(status),
                "{path}"
            );
        }
    }
    assert!(fixture.upstream.next().starts_with("GET /public/x "));
    assert!(fixture.upstream.saw_nothing());
    fixture.still_serves();
}

#[test]
fn a_path_that_is_none_is_refused() {
    let fixture = fixture();
    for (door, prefix) in fixture.doors() {
        for path in [
            "admin.Svc/Method",
            "public/x",
            "*",
            "",
            "http://h.test/public/x",
            "?x",
            "#/public/x",
        ] {
            let outcome = H2::connect(door).ask(&fields("GET", path));
            assert!(outcome.is_refusal(), "{path:?}: {outcome:?}");
        }
        for path in [
            "/public/x HTTP/1.1\r\nX-Evil: y",
            "/public/a b",
            "/public/\0",
            "/admin/x#/public/",
            "/public/\u{7f}",
        ] {
            let path = format!("{prefix}{path}");
            let outcome = H2::connect(door).ask(&fields("GET", &path));
            assert!(outcome.is_refusal(), "{path:?}: {outcome:?}");
        }
    }
    assert!(fixture.upstream.saw_nothing());
    fixture.still_serves();
}

#[test]
fn a_method_that_is_none_is_refused() {
    let fixture = fixture();
    for (door, prefix) in fixture.doors() {
        let path = format!("{prefix}/public/x");
        for method in ["GET /admin/x", "GET\r\nX: y", "", "G\0T", "CONNECT"] {
            let outcome = H2::connect(door).ask(&fields(method, &path));
            assert!(outcome.is_refusal(), "{method:?}: {outcome:?}");
        }
        let connect =
            H2::connect(door).ask(&[(":method", "CONNECT"), (":authority", "h.test:443")]);
        assert!(connect.is_refusal(), "{connect:?}");
    }
    assert!(fixture.upstream.saw_nothing());
    fixture.still_serves();
}

#[test]
fn the_connection_decides_the_scheme() {
    let fixture = fixture();
    for (door, prefix) in fixture.doors() {
        for scheme in ["https", "HTTPS", "HtTpS", "ftp", "http://h.test/?"] {
            let path = format!("{prefix}/only-over-tls");
            let outcome = H2::connect(door).ask(&[
                (":method", "GET"),
                (":scheme", scheme),
                (":authority", "h.test"),
                (":path", &path),
            ]);
            assert!(outcome.is_refusal(), "{scheme}: {outcome:?}");
        }
    }
    assert!(fixture.upstream.saw_nothing());
}

#[test]
fn two_hosts_or_an_odd_one_are_refused() {
    let fixture = fixture();
    for (door, prefix) in fixture.doors() {
        let path = format!("{prefix}/public/x");
        for authority in [
            "h.test, evil.test",
            "user@h.test",
            "h.test.",
            "h.test:99999",
            "h.test/x",
            "h.test#x",
            "",
            " h.test",
        ] {
            let outcome = H2::connect(door).ask(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", authority),
                (":path", &path),
            ]);
            assert!(outcome.is_refusal(), "{authority:?}: {outcome:?}");
        }
        let mut two = fields("GET", &path);
        two.push(("host", "admin.h.test"));
        assert!(H2::connect(door).ask(&two).is_refusal());
        let mut none = fields("GET", &path);
        none.remove(2);
        assert!(H2::connect(door).ask(&none).is_refusal());
        let capitals = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "H.TEST"),
            (":path", &*path),
        ];
        assert_eq!(H2::connect(door).ask(&capitals), Outcome::Answered(200));
    }
    assert!(fixture.upstream.next().starts_with("GET /public/x "));
    assert!(fixture.upstream.saw_nothing());
}

#[test]
fn malformed_header_lists_are_refused() {
    let fixture = fixture();
    for (door, prefix) in fixture.doors() {
        let path = format!("{prefix}/public/x");
        let with = |extra: &[(&'static str, &'static str)]| {
            [fields("GET", &path), extra.to_vec()].concat()
        };
        for list in [
            with(&[(":path", "/admin/x")]),
            with(&[("x", "y"), (":path", "/public/y")]),
            with(&[("X-Upper", "y")]),
            with(&[("connection", "close")]),
            with(&[("transfer-encoding", "chunked")]),
            with(&[("te", "gzip")]),
            with(&[("x-a", "a\r\nx-b: c")]),
            with(&[("x-a", "a\0b")]),
            with(&[("x a", "b")]),
            with(&[("x:a", "b")]),
            with(&[("", "b")]),
            with(&[(":unknown", "b")]),
            with(&[("content-length", "5")]),
        ] {
            let outcome = H2::connect(door).ask(&list);
            assert!(outcome.is_refusal(), "{list:?}: {outcome:?}");
        }
    }
    assert!(fixture.upstream.saw_nothing());
    fixture.still_serves();
}

#[test]
fn a_refused_request_s_body_disturbs_nobody() {
    let fixture = fixture();
    for (door, prefix) in fixture.doors() {
        let mut h2 = H2::connect(door);
        let (closed, open) = (format!("{prefix}/admin/x"), format!("{prefix}/public/x"));
        let refused = h2.headers(&fields("POST", &closed), 0);
        for _ in 0..3 {
            h2.frame(DATA, 0, refused, &[b'x'; 16 * 1024]);
        }
        let outcome = h2.outcome(refused);
        assert_eq!(outcome, Outcome::Answered(401));
        assert_eq!(h2.ask(&fields("GET", &open)), Outcome::Answered(200));
    }
    assert!(fixture.upstream.next().starts_with("GET /public/x "));
    assert!(fixture.upstream.saw_nothing());
}

#[test]
fn a_goaway_followed_by_settings_is_survived() {
    let fixture = fixture();
    for (door, _) in fixture.doors() {
        let mut h2 = H2::connect(door);
        h2.frame(GOAWAY, 0, 0, &[0; 8]);
        h2.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
        h2.frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]);
        while h2.read().is_some() {}
    }
    fixture.still_serves();
}

#[test]
fn a_flood_of_resets_is_bounded() {
    let fixture = fixture();
    for (door, prefix) in fixture.doors() {
        let before = fixture.doorward.resident();
        let mut h2 = H2::connect(door);
        let path = format!("{prefix}/public/flood");
        let block = h2::block(&fields("GET", &path));
        let mut sent = 0;
        for id in (1..60_000).step_by(2) {
            let mut bytes = h2::frame(HEADERS, END_HEADERS | END_STREAM, id, &block);
            bytes.extend(h2::frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
            if !h2.raw(&bytes) {
                break;
            }
            sent += 1;
        }
        let grown = fixture.doorward.resident().saturating_sub(before);
        assert!(grown < BOUND, "{grown} bytes after {sent} resets");
    }
    while !fixture.upstream.saw_nothing() {}
    assert_eq!(
        get(fixture.doorward.proxy, "/public/after", "h.test").status,
        200
    );
}

#[test]
fn a_header_list_that_unpacks_to_megabytes_is_refused() {
    let fixture = fixture();
    for (door, prefix) in fixture.doors() {
        let before = fixture.doorward.resident();
        let path = format!("{prefix}/public/bomb");
        let mut h2 = H2::connect(door);
        // No window for answers: whatever is produced stays with the server.
        h2.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
        let mut outcomes = Vec::new();
        for stream in 0..50 {
            let mut block = h2::block(&fields("GET", &path));
            if stream == 0 {
                // One entry of 4,000 bytes in the table, by incremental indexing.
                block.push(0x40);
                h2::integer(&mut block, 7, 0, 1);
                block.push(b'a');
                h2::integer(&mut block, 7, 0, 3_000);
                block.extend_from_slice(&[b'b'; 3_000]);
            }
            // Each byte refers to it again.
            block.extend_from_slice(&vec![0xbe; 12_000]);
            let id = 1 + 2 * stream;
            if !h2.frame(HEADERS, END_HEADERS | END_STREAM, id, &block) {
                break;
            }
            outcomes.push(id);
        }
        let first = h2.outcome(1);
        assert!(first.is_refusal(), "{first:?}");
        let grown = fixture.doorward.resident().saturating_sub(before);
        assert!(grown < BOUND, "{grown} bytes");
    }
    assert!(fixture.upstream.saw_nothing());
    fixture.still_serves();
}

#[test]
fn a_header_block_without_end_is_refused() {
    let fixture = fixture();
    for (door, _) in fixture.doors() {
        let before = fixture.doorward.resident();
        let mut h2 = H2::connect(door);
        h2.frame(HEADERS, 0, 1, &h2::block(&fields("GET", "/public/x")));
        let piece = h2::block(&[("x-filler", &"f".repeat(8_000))]);
        let mut sent = 0;
        while sent < 20_000 && h2.frame(CONTINUATION, 0, 1, &piece) {
            sent += 1;
        }
        assert!(sent < 20_000, "160 MB of headers were taken");
        assert!(fixture.doorward.resident().saturating_sub(before) < BOUND);
    }
    assert!(fixture.upstream.saw_nothing());
    fixture.still_serves();
}

#[test]
fn empty_data_frames_and_pings_cost_no_memory() {
    let fixture = fixture();
    for (door, prefix) in fixture.doors() {
        let before = fixture.doorward.resident();
        let path = format!("{prefix}/admin/x");
        let mut h2 = H2::connect(door);
        let id = h2.headers(&fields("POST", &path), 0);
        let empty = h2::frame(DATA, 0, id, &[]).repeat(1_000);
        for _ in 0..300 {
            if !h2.raw(&empty) {
                break;
            }
        }
        let mut pings = H2::connect(door);
        let ping = h2::frame(PING, 0, 0, &[0; 8]).repeat(1_000);
        let reader = std::time::Instant::now();
        for _ in 0..50 {
            if !pings.raw(&ping) || reader.elapsed().as_secs() > 10 {
                break;
            }
            // Reading keeps the pipes open; the answers themselves are bounded by what is sent.
            while pings.read().is_some_and(|(kind, ..)| kind != PING) {}
        }
        let grown = fixture.doorward.resident().saturating_sub(before);
        assert!(grown < BOUND, "{grown} bytes");
    }
    assert!(fixture.upstream.saw_nothing());
    fixture.still_serves();
}

#[test]
fn a_client_that_never_finishes_its_preface_is_dropped() {
    let mut config = plain_config();
    config["serve"] = json!({ "proxy": { "timeout": { "header": "200ms" } }, "api": { "timeout": { "header": "200ms" } } });
    let doorward = Doorward::start(config, json!([]));
    for door in [doorward.proxy, doorward.api] {
        let mut client = crate::support::Client::connect(door);
        client.send("PRI * HTTP/2.0\r\n\r\n");
        assert!(client.answer().is_none_or(|answer| answer.status == 408));
    }
}

/// One field of a protobuf message, with its length before it.
fn proto(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    let mut length = content.len();
    while length >= 128 {
        out.push((length % 128) as u8 | 128);
        length /= 128;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

/// An ext_authz question about one request, as Envoy asks it.
fn check_request(method: &str, scheme: &str, host: &str, path: &str) -> Vec<u8> {
    let http = [
        proto(2, method.as_bytes()),
        proto(4, path.as_bytes()),
        proto(5, host.as_bytes()),
        proto(6, scheme.as_bytes()),
    ];
    let message = proto(1, &proto(4, &proto(2, &http.concat())));
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

/// Whether the gRPC door grants: the status in its answer is absent or zero.
fn is_granted(h2: &mut H2, question: &[u8]) -> bool {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "authz.test"),
        (":path", "/envoy.service.auth.v3.Authorization/Check"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let id = h2.headers(&fields, 0);
    h2.frame(DATA, END_STREAM, id, question);
    assert_eq!(h2.outcome(id), Outcome::Answered(200));
    loop {
        let (kind, _, stream, payload) = h2.read().expect("an answer");
        if kind == DATA && stream == id && payload.len() >= 5 {
            // CheckResponse.status is field 1, its code field 1 of that.
            let message = &payload[5..];
            assert_eq!(message.first(), Some(&0x0a), "{message:?}");
            return message[1] == 0 || message[2] != 8 || message[3] == 0;
        }
    }
}

#[test]
fn a_path_that_came_with_its_query_is_matched_without_it() {
    let upstream = Upstream::start();
    let port = free_port();
    let mut config = plain_config();
    config["serve"] = json!({ "ext_authz": { "host": "127.0.0.1", "port": port } });
    let rules = json!([
        open("open", "http://h.test/public/<.*>", Some(upstream.address)),
        closed("closed", "http://h.test/admin/<.*>", Some(upstream.address)),
    ]);
    let _doorward = Doorward::start(config, rules);
    let mut h2 = H2::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    for &(path, status) in crate::security_h1::CORPUS {
        let granted = is_granted(&mut h2, &check_request("GET", "http", "h.test", path));
        assert_eq!(granted, status == 200, "{path}");
    }
    for (method, scheme, host, path) in [
        ("GET", "http", "h.test", "/admin/x?/public/"),
        ("GET", "http", "h.test", "/public/x?y=/../admin#"),
        ("GET", "https", "h.test", "/public/x"),
        ("GET /", "http", "h.test", "/public/x"),
        ("GET", "http", "h.test, other", "/public/x"),
        ("GET", "http", "u@h.test", "/public/x"),
        ("GET", "http", "", "/public/x"),
        ("GET", "http", "h.test", "public/x"),
        ("GET", "http", "h.test", "http://h.test/public/x"),
        ("GET", "http", "h.test", ""),
        ("CONNECT", "http", "h.test", "/public/x"),
    ] {
        let granted = is_granted(&mut h2, &check_request(method, scheme, host, path));
        assert!(!granted, "{method} {scheme} {host} {path}");
    }
    assert!(is_granted(
        &mut h2,
        &check_request("GET", "http", "H.TEST", "/public/x")
    ));
}
