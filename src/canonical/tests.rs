//! The recorded cases of request targets and upstreams, what must be refused, and properties that hold for any target.

use super::*;
use crate::gourl::Url;
use crate::gourl::goldens::{Case, cases, json};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};

const POLICY: PathPolicy = PathPolicy {
    trailing_slash: TrailingSlash::Keep,
    max_target_bytes: 16 * 1024,
};

fn trust(forwarded: Forwarded) -> Trust {
    Trust {
        proxies: Trust::default_proxies(),
        forwarded,
    }
}

fn map(lines: &[(&str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_bytes(value).expect("a value"));
    }
    headers
}

fn inbound<'a>(target: &'a [u8], headers: &'a HeaderMap) -> Inbound<'a> {
    Inbound {
        method: "GET",
        target,
        authority: None,
        tls: false,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        headers,
    }
}

fn proxied(host: &[u8], target: &[u8]) -> Result<Request, Rejection> {
    let headers = map(&[("host", host)]);
    for_proxy(
        &inbound(target, &headers),
        &trust(Forwarded::Ignored),
        &POLICY,
    )
}

fn decided(target: &[u8], lines: &[(&str, &[u8])]) -> Result<Request, Rejection> {
    let headers = map(lines);
    for_decision(
        &inbound(target, &headers),
        &trust(Forwarded::Honoured),
        &POLICY,
    )
}

fn subject(request: &Request) -> Vec<u8> {
    let mut subject = format!("{}://{}", request.scheme(), request.host()).into_bytes();
    subject.extend_from_slice(&request.path_bytes());
    subject
}

/// Cases that follow the row "host" or "path" of the decisions rather than the record: a request that names no one host, and a
/// path that servers read differently, is refused.
fn is_refused_by_decision(host: &str, target: &str) -> bool {
    let relative = target.starts_with('/');
    let hidden = target
        .split(['/', '\\'])
        .map(|piece| piece.split(';').next().unwrap_or_default());
    let backslash = target.contains('\\') || target.to_ascii_lowercase().contains("%5c");
    let has_dots = hidden.clone().any(|piece| matches!(piece, "." | ".."));
    host.is_empty()
        || host.ends_with('.')
        || host.contains(',')
        || !relative
        || target.contains("%00")
        || target.contains('#')
        || (backslash && has_dots)
        || target.contains("..;")
}

#[test]
fn targets_become_the_recorded_subjects() {
    for case in cases("urls.json", "subject") {
        let (host, target) = (case.text("host"), case.text("target"));
        let actual = proxied(host.as_bytes(), target.as_bytes());
        if is_refused_by_decision(&host, &target) {
            assert!(
                actual.is_err() || absolute_form_agrees(&host, &target),
                "{}: {actual:?}",
                case.name()
            );
            continue;
        }
        let actual = actual.ok().map(|request| {
            let url = request.url();
            json!({
                "subject": json(&subject(&request)), "path": json(&url.path), "raw_path": url.raw_path,
                "raw_query": url.raw_query, "url_string": url.to_string(),
            })
        });
        assert_eq!(case.output(), actual.as_ref(), "{}", case.name());
    }
}

fn absolute_form_agrees(host: &str, target: &str) -> bool {
    target
        .strip_prefix("http://")
        .is_some_and(|rest| rest.split(['/', '?']).next() == Some(host))
}

#[test]
fn decisions_are_about_the_recorded_subjects() {
    for case in cases("urls.json", "decision_subject") {
        let (host, uri) = (case.text("x_forwarded_host"), case.text("x_forwarded_uri"));
        let lines = [
            ("host", case.text("host")),
            ("x-forwarded-host", host.clone()),
            ("x-forwarded-proto", case.text("x_forwarded_proto")),
            ("x-forwarded-uri", uri.clone()),
        ];
        let lines: Vec<(&str, &[u8])> = lines
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        let actual = decided(case.text("target").as_bytes(), &lines);
        // "X-Forwarded-Uri" and "host": what spills into its neighbours is refused.
        if host.contains([',', '/', ' ', '@'])
            || !(uri.is_empty() || uri.starts_with(['/', '?']))
            || uri.contains('#')
        {
            assert!(actual.is_err(), "{}: {actual:?}", case.name());
            continue;
        }
        let request = actual.unwrap_or_else(|why| panic!("{}: {why}", case.name()));
        // "X-Forwarded-Uri" is decoded like any target, and a scheme has one spelling.
        if uri.contains('%') || ![""].contains(&case.text("x_forwarded_proto").as_str()) {
            continue;
        }
        let actual =
            json!({ "subject": json(&subject(&request)), "url_string": request.url().to_string() });
        assert_eq!(case.output(), Some(&actual), "{}", case.name());
    }
}

#[test]
fn a_forwarded_uri_is_decoded_like_any_target() {
    for (uri, path, raw) in [
        ("/a/%2e%2e/b", "/b", "/b"),
        ("/a%3Fb?c", "/a?b", "/a%3Fb"),
        ("/public/..%2Fadmin", "/admin", "/admin"),
        ("//admin/", "/admin", "/admin/"),
    ] {
        let request = decided(
            b"/decisions",
            &[("host", b"h"), ("x-forwarded-uri", uri.as_bytes())],
        )
        .expect(uri);
        assert_eq!((request.path(), request.raw_path()), (path, raw), "{uri}");
    }
    let request = decided(
        b"/decisions/x",
        &[("host", b"h"), ("x-forwarded-proto", b"HTTPS")],
    )
    .expect("a request");
    assert_eq!(request.scheme(), Scheme::Https);
}

fn upstream_of(case: &Case) -> Option<serde_json::Value> {
    let upstream = Url::parse(&case.text("upstream")).ok()?;
    let request = proxied(b"h", case.text("target").as_bytes()).expect("a request");
    let target = UpstreamPath::new(&upstream, &case.text("strip_path"))
        .target(&request)
        .expect("a target");
    Some(target.into_owned().into())
}

#[test]
fn upstreams_are_asked_for_the_recorded_targets() {
    for case in cases("urls.json", "upstream") {
        let Some(expected) = case.output() else {
            assert_eq!(upstream_of(&case), None, "{}", case.name());
            continue;
        };
        // "strip_path": the result always begins with a slash.
        let expected = expected["request_uri"].as_str().expect("a target");
        let expected = if expected.starts_with('/') {
            expected.to_owned()
        } else {
            format!("/{expected}")
        };
        assert_eq!(upstream_of(&case), Some(expected.into()), "{}", case.name());
    }
}

#[test]
fn queries_reach_the_upstream_as_recorded() {
    for case in cases("urls.json", "proxied_query") {
        let request = proxied(b"h", case.text("target").as_bytes()).expect("a request");
        let target = UpstreamPath::default().target(&request).expect("a target");
        assert_eq!(case.output(), Some(&(*target).into()), "{}", case.name());
    }
}

#[test]
fn a_target_that_servers_read_differently_is_refused() {
    for (target, why) in [
        (&b"/a/..;/b"[..], Rejection::HiddenDotSegment),
        (b"/a/%2e%2e;x=1/b", Rejection::HiddenDotSegment),
        (b"/a/..%3bx/b", Rejection::HiddenDotSegment),
        (b"/a/.;/b", Rejection::HiddenDotSegment),
        (b"/a/..\\b", Rejection::HiddenDotSegment),
        (b"/a/..%5cb", Rejection::HiddenDotSegment),
        (b"/a\\..\\b", Rejection::HiddenDotSegment),
        (b"/a%5C..", Rejection::HiddenDotSegment),
        (b"/a%00b", Rejection::Nul),
        (b"/%c0%ae%c0%ae/a", Rejection::Overlong),
        (b"/a%C0%AFb", Rejection::Overlong),
        (b"/%zz", Rejection::MalformedEscape),
        (b"/%", Rejection::MalformedEscape),
        (b"/a#b", Rejection::Fragment),
        (b"/a?b#c", Rejection::Fragment),
        (b"/a b", Rejection::ForbiddenByte),
        (b"/a?b c", Rejection::ForbiddenByte),
        (b"/a\tb", Rejection::ForbiddenByte),
        (b"/a\r\nX: y", Rejection::ForbiddenByte),
        (b"", Rejection::NotAPath),
        (b"a", Rejection::NotAPath),
        (b"?a", Rejection::NotAPath),
        (b"ftp://h/", Rejection::NotAPath),
        (b"http:x", Rejection::NotAPath),
        (b"http://h", Rejection::NotAPath),
        (b"http://h?x", Rejection::NotAPath),
        (b"*", Rejection::Asterisk),
        (b"http://other/", Rejection::HostsDisagree),
        (b"http:///x", Rejection::HostsDisagree),
        (b"http://u@h/x", Rejection::HostsDisagree),
        (b"http://h@other/x", Rejection::HostsDisagree),
    ] {
        assert_eq!(
            proxied(b"h", target),
            Err(why),
            "{}",
            String::from_utf8_lossy(target)
        );
    }
    let long = [b"/".as_slice(), &[b'a'; 16 * 1024]].concat();
    assert_eq!(proxied(b"h", &long), Err(Rejection::TargetTooLong));
}

#[test]
fn a_host_that_servers_read_differently_is_refused() {
    for host in [
        &b"h."[..],
        b"h.:80",
        b"u@h",
        b"h, other",
        b"h other",
        b"h/x",
        b"h?x",
        b"h#x",
        b"h:abc",
        b"h:80:80",
        b"h;for=1",
        b"h\"x",
        b"http://h",
        b":80",
        b"[::1",
        b"[::1]x",
        b"[h]",
        b"[::1%25en0]",
        b"\xc3\xbc.example",
        b"h%2e",
        b"h\\x",
        b"h:-1",
        b"h:+1",
    ] {
        assert_eq!(
            proxied(host, b"/"),
            Err(Rejection::MalformedHost),
            "{}",
            String::from_utf8_lossy(host)
        );
    }
    assert_eq!(proxied(b"", b"/"), Err(Rejection::NoHost));
    let none = HeaderMap::new();
    assert_eq!(
        for_proxy(&inbound(b"/", &none), &trust(Forwarded::Ignored), &POLICY),
        Err(Rejection::NoHost)
    );
    let two = map(&[("host", b"h"), ("host", b"h")]);
    assert_eq!(
        for_proxy(&inbound(b"/", &two), &trust(Forwarded::Ignored), &POLICY),
        Err(Rejection::SeveralHosts)
    );
    let one = map(&[("host", b"other")]);
    let h2 = Inbound {
        authority: Some("h"),
        ..inbound(b"/", &one)
    };
    assert_eq!(
        for_proxy(&h2, &trust(Forwarded::Ignored), &POLICY),
        Err(Rejection::HostsDisagree)
    );
}

#[test]
fn a_host_is_compared_in_lower_case_and_with_its_port() {
    for (host, expected) in [
        (&b"ADMIN.h.Test"[..], "admin.h.test"),
        (b"H:8080", "h:8080"),
        (b"[::1]:80", "[::1]:80"),
        (b"a_b", "a_b"),
        (b"h:", "h:"),
    ] {
        let request = proxied(host, b"/");
        if host == b"h:" {
            assert_eq!(request, Err(Rejection::MalformedHost));
        } else {
            assert_eq!(request.expect("a request").host(), expected);
        }
    }
}

#[test]
fn methods_without_a_resource_have_outcomes_of_their_own() {
    let headers = map(&[("host", b"h")]);
    let ask = |method, target| {
        for_proxy(
            &Inbound {
                method,
                ..inbound(target, &headers)
            },
            &trust(Forwarded::Ignored),
            &POLICY,
        )
    };
    assert_eq!(ask("OPTIONS", b"*").map_err(Rejection::status), Err(200));
    assert_eq!(ask("PROPFIND", b"*").map_err(Rejection::status), Err(404));
    assert_eq!(
        ask("CONNECT", b"h:443").map_err(Rejection::status),
        Err(405)
    );
    assert_eq!(ask("CONNECT", b"/x").map_err(Rejection::status), Err(405));
    assert_eq!(ask("GET /x HTTP/1.1\r\nX:", b"/"), Err(Rejection::Method));
    assert_eq!(
        ask("PROPFIND", b"/").expect("a request").method(),
        "PROPFIND"
    );
}

#[test]
fn an_untrusted_peer_chooses_neither_scheme_nor_host_nor_path() {
    let lines: &[(&str, &[u8])] = &[
        ("host", b"h"),
        ("x-forwarded-uri", b"/public"),
        ("x-forwarded-host", b"other"),
        ("x-forwarded-proto", b"https"),
        ("x-forwarded-method", b"OPTIONS"),
        ("x-forwarded-uri", b"/two"),
    ];
    let headers = map(lines);
    let stranger = Inbound {
        peer: IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)),
        ..inbound(b"/decisions/admin", &headers)
    };
    let request = for_decision(&stranger, &trust(Forwarded::Honoured), &POLICY).expect("a request");
    assert_eq!(request.to_string(), "GET http://h/admin");
    let stranger = Inbound {
        target: b"/admin",
        ..stranger
    };
    let request = for_proxy(&stranger, &trust(Forwarded::Honoured), &POLICY).expect("a request");
    assert_eq!(request.to_string(), "GET http://h/admin");
    let friend = inbound(b"/admin", &headers);
    let request = for_proxy(&friend, &trust(Forwarded::Ignored), &POLICY).expect("a request");
    assert_eq!(request.to_string(), "GET http://h/admin");
}

#[test]
fn a_repeated_forwarded_header_of_a_trusted_peer_is_refused() {
    for name in [
        "x-forwarded-method",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-uri",
    ] {
        let lines: &[(&str, &[u8])] = &[("host", b"h"), (name, b"/a"), (name, b"/a")];
        assert_eq!(
            decided(b"/decisions", lines),
            Err(Rejection::RepeatedForwarded(name))
        );
        let headers = map(lines);
        let refused = for_proxy(
            &inbound(b"/", &headers),
            &trust(Forwarded::Honoured),
            &POLICY,
        );
        assert_eq!(refused, Err(Rejection::RepeatedForwarded(name)));
    }
}

#[test]
fn a_malformed_forwarded_part_is_refused() {
    for (name, value) in [
        ("x-forwarded-uri", &b"http://h/public"[..]),
        ("x-forwarded-uri", b"public"),
        ("x-forwarded-uri", b"/public#x"),
        ("x-forwarded-uri", b"/a b"),
        ("x-forwarded-uri", b"*"),
        ("x-forwarded-host", b"h/public"),
        ("x-forwarded-host", b"u@h"),
        ("x-forwarded-host", b"h, other"),
        ("x-forwarded-method", b"GET /x"),
        ("x-forwarded-method", b"CONNECT"),
    ] {
        let refused = decided(b"/decisions/x", &[("host", b"h"), (name, value)]);
        assert_eq!(
            refused.map_err(Rejection::status),
            Err(400),
            "{name}: {}",
            String::from_utf8_lossy(value)
        );
    }
}

#[test]
fn only_what_is_below_decisions_is_decided_on() {
    for (target, path) in [
        (&b"/decisions"[..], ""),
        (b"/decisions/", "/"),
        (b"/%64ecisions/x", "/x"),
        (b"/decisions//x", "/x"),
        (b"/decisions/./x", "/x"),
        (b"/decisions/../rules", "/rules"),
        (b"/decisions?x", ""),
    ] {
        assert_eq!(
            decided(target, &[("host", b"h")])
                .expect("a request")
                .path(),
            path
        );
    }
    for target in [
        &b"/decisionsfoo"[..],
        b"/Decisions/x",
        b"/decisions%2Fx",
        b"/decisions%3Fx",
        b"/x/decisions/y",
        b"/rules",
        b"/",
    ] {
        assert_eq!(
            decided(target, &[("host", b"h")]),
            Err(Rejection::NotADecision)
        );
        assert!(!is_decision(target));
    }
}

#[test]
fn a_trailing_slash_is_forwarded_but_not_matched() {
    let strip = PathPolicy {
        trailing_slash: TrailingSlash::Strip,
        ..POLICY
    };
    let headers = map(&[("host", b"h")]);
    for (target, path, kept, stripped) in [
        (&b"/a/"[..], "/a", "/a/", "/a"),
        (b"/a%2Fb/", "/a/b", "/a%2Fb/", "/a%2Fb"),
        (b"/a%2F", "/a", "/a%2F", "/a"),
        (b"/a//b/", "/a/b", "/a/b/", "/a/b"),
        (b"/a/.", "/a", "/a", "/a"),
        (b"/", "/", "/", "/"),
        (b"//", "/", "/", "/"),
        (b"/%2F", "/", "/", "/"),
    ] {
        let request = proxied(b"h", target).expect("a request");
        assert_eq!((request.path(), request.raw_path()), (path, kept));
        let request = for_proxy(
            &inbound(target, &headers),
            &trust(Forwarded::Ignored),
            &strip,
        )
        .expect("a request");
        assert_eq!((request.path(), request.raw_path()), (path, stripped));
    }
}

#[test]
fn an_encoded_slash_is_seen_however_it_is_written() {
    for (target, has) in [
        (&b"/a%2Fb"[..], true),
        (b"/a%2fb", true),
        (b"/a/b", false),
        (b"/a%20b?c=%2F", false),
    ] {
        let request = proxied(b"h", target).expect("a request");
        assert_eq!(request.has_encoded_slash(), has, "{target:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_matched_one_by_one_and_forwarded_as_they_are() {
    let request = proxied(b"h", b"/%ff%e2%82/\xc3\xa9").expect("a request");
    assert_eq!(request.path(), "/\u{fffd}\u{fffd}\u{fffd}/é");
    assert_eq!(request.raw_path(), "/%FF%E2%82/%C3%A9");
    let request = proxied(b"h", b"/%ff?\xff=%41").expect("a request");
    assert_eq!(
        (request.raw_path(), request.query()),
        ("/%ff", Some("%FF=%41"))
    );
}

#[test]
fn cutting_a_prefix_never_makes_another_path() {
    let upstream = Url::parse("http://b").expect("a url");
    for target in [
        "/api../admin/s",
        "/api./admin",
        "/api..",
        "/api%2e%2e/x",
        "/api..;x/y",
        "/api..%5cadmin",
    ] {
        let request = proxied(b"h", target.as_bytes()).expect(target);
        let target = UpstreamPath::new(&upstream, "/api").target(&request);
        assert_eq!(target, Err(Rejection::HiddenDotSegment), "{request}");
    }
    for (target, expected) in [
        ("/apikeys", "/keys"),
        ("/api//evil.test/x", "/evil.test/x"),
        ("/api/users/", "/users/"),
        ("/api/", "/"),
        ("/api?x", "/?x"),
    ] {
        let request = proxied(b"h", target.as_bytes()).expect(target);
        assert_eq!(
            UpstreamPath::new(&upstream, "api/")
                .target(&request)
                .expect(target),
            expected
        );
    }
}

/// Targets made of the pieces that paths are disguised with, and arbitrary bytes.
fn targets() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "/", "/", "/", ".", "..", "a", "b", "%2e", "%2E", "%2f", "%2F", "\\", "%5c", ";", "%3b",
        "?", "=", "&", "%25", "%", "é", "%ff", "%C3%A9", "+", "%20", "admin", "public", "(", "%00",
        "#", " ", "*", "//", "%c0%ae", "%3f", "%23",
    ];
    let pieces = proptest::collection::vec(proptest::sample::select(PIECES), 0..12);
    let grammar = pieces.prop_map(|pieces| format!("/{}", pieces.concat()).into_bytes());
    prop_oneof![4 => grammar, 1 => proptest::collection::vec(any::<u8>(), 0..24)]
}

/// How a server that resolves everything it can would see the forwarded path.
fn eager(raw: &str) -> Vec<Vec<u8>> {
    let decoded = crate::gourl::path_unescape(raw).expect("a valid encoding");
    let pieces = decoded.split(|b| matches!(b, b'/' | b'\\'));
    pieces
        .map(|piece| {
            piece
                .split(|&b| b == b';')
                .next()
                .unwrap_or_default()
                .to_vec()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn what_is_forwarded_parses_back_to_the_same_request(target in targets()) {
        let Ok(request) = proxied(b"h", &target) else { return Ok(()); };
        let raw = UpstreamPath::default().target(&request).expect("a target");
        let again = proxied(b"h", raw.as_bytes()).expect("what is forwarded is understood");
        prop_assert_eq!((again.path(), again.raw_path(), again.query()), (request.path(), request.raw_path(), request.query()));
        prop_assert_eq!(again.path_bytes(), request.path_bytes());
    }

    #[test]
    fn what_is_forwarded_has_no_dot_segment_in_any_reading(target in targets(), strip in "/?[ab./;]{0,4}", base in "(/[ab])?") {
        let Ok(request) = proxied(b"h", &target) else { return Ok(()); };
        prop_assert!(request.path().starts_with('/'));
        let upstream = Url::parse(&format!("http://b{base}")).expect("a url");
        let Ok(target) = UpstreamPath::new(&upstream, &strip).target(&request) else { return Ok(()); };
        let raw = target.split('?').next().unwrap_or_default();
        prop_assert!(raw.starts_with('/') && !raw.starts_with("//"), "{}", raw);
        prop_assert!(target.bytes().all(|b| b > b' ' && b != 0x7f && b != b'#'), "{}", target);
        prop_assert!(raw.is_ascii());
        prop_assert!(eager(raw).iter().all(|segment| segment != b"." && segment != b".."), "{}", raw);
        // Go's own reading of the forwarded path is the path that was judged, where nothing was cut or put before it.
        if strip.is_empty() && base.is_empty() {
            let url = Url::parse_request_uri(raw).expect("a url");
            let judged = crate::gourl::path::clean(&url.path);
            prop_assert_eq!(judged, request.path_bytes().into_owned());
        }
    }

    #[test]
    fn both_doors_see_the_same_path(target in targets()) {
        let proxy = proxied(b"h", &target);
        let headers: &[(&str, &[u8])] = &[("host", b"h")];
        let below = [b"/decisions".as_slice(), &target].concat();
        if target.first() == Some(&b'/') {
            let decision = decided(&below, headers);
            prop_assert_eq!(decision.map(|request| request.path().to_owned()), proxy.clone().map(|request| request.path().to_owned()));
        }
        let Ok(value) = HeaderValue::from_bytes(&target) else { return Ok(()); };
        if target.first() == Some(&b'/') {
            let forwarded = decided(b"/decisions", &[("host", b"h"), ("x-forwarded-uri", value.as_bytes())]);
            prop_assert_eq!(forwarded.map(|request| request.raw_path().to_owned()), proxy.map(|request| request.raw_path().to_owned()));
        }
    }
}

fn called(authority: &str, target: &[u8], lines: &[(&str, &[u8])]) -> Result<Request, Rejection> {
    let headers = map(lines);
    let inbound = Inbound {
        method: "POST",
        authority: Some(authority),
        ..inbound(target, &headers)
    };
    for_rpc(&inbound, &POLICY)
}

#[test]
fn a_call_is_refused_where_its_procedure_could_be_written_in_another_way() {
    for target in [
        &b"/a.B/C/"[..],
        b"//a.B/C",
        b"/a.B//C",
        b"/a.B/%43",
        b"/a.B%2FC",
        b"/x/../a.B/C",
        b"/a.B/./C",
        b"/a.B/C%00",
        b"/a.B/C#x",
        b"/a.B/C\\..\\D",
        b"a.B/C",
        b"*",
        b"",
    ] {
        let refused = called("h.test", target, &[]);
        assert!(refused.is_err(), "{}", target.escape_ascii());
    }
    for authority in ["", "user@h.test", "h.test.", "h.test,i.test", "h.test:x"] {
        assert!(called(authority, b"/a.B/C", &[]).is_err(), "{authority}");
    }
    let other = called("h.test", b"/a.B/C", &[("host", b"i.test")]);
    assert_eq!(other, Err(Rejection::HostsDisagree));
}

#[test]
fn a_call_is_its_authority_and_procedure_whatever_is_forwarded_or_asked() {
    let forwarded: [(&str, &[u8]); 2] = [
        ("x-forwarded-host", b"i.test"),
        ("x-forwarded-uri", b"/a.B/D"),
    ];
    let request = called("H.test:50051", b"/a.B/C?message=x", &forwarded).expect("a call");
    assert_eq!(request.to_string(), "POST rpc://h.test:50051/a.B/C");
    assert_eq!(request.query(), None);
}
