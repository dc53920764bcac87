//! The recorded conditions.

use super::*;
use crate::canonical::{
    Described, Forwarded, PathPolicy, Scheme, Trust, client_address, for_description,
};
use crate::gourl::goldens::{Case, cases};
use crate::pipeline::{Client, Reason};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use std::net::SocketAddr;

/// Where Doorward does better than what was recorded.
///
/// `Accept`, `Content-Type conditions`: case is ignored on both sides, parameters hide nothing (also in the configuration), `q=0` excludes, and what is malformed (weights above
/// one, types without a slash, spaces inside) does not match, and is no error.
const BY_THE_RFC: &[&str] = &[
    "accept/014",
    "accept/024",
    "accept/029",
    "accept/032",
    "accept/033",
    "accept/040",
    "accept/045",
    "accept/048",
    "accept/049",
    "accept/050",
    "accept/053",
    "accept/054",
    "accept/061",
    "accept/066",
    "accept/069",
    "accept/070",
    "accept/071",
    "accept/074",
    "accept/075",
    "accept/083",
    "accept/085",
    "accept/090",
    "accept/100",
    "accept/101",
    "accept/113",
    "accept/123",
    "accept/139",
    "accept/147",
    "accept/156",
    "accept/176",
    "accept/184",
    "content-type/007",
    "content-type/015",
    "content-type/033",
    "content-type/080",
];

/// `when.request.remote_ip`: the address is the right-most one that is not trusted, and an entry that is no address ends the chain.
/// `cidr` is looked at.
const BY_THE_ADDRESS: &[&str] = &["conditions/026", "remote-ip/004"];

fn differs(case: &Case) -> bool {
    BY_THE_RFC.contains(&case.name()) || BY_THE_ADDRESS.contains(&case.name())
}

fn headers(case: &Case) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in case.input("lines").as_array().into_iter().flatten() {
        let (name, value) = line
            .as_str()
            .expect("a line")
            .split_once(':')
            .expect("a colon");
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).expect("a name"),
            HeaderValue::from_bytes(value.trim().as_bytes()).expect("a value"),
        );
    }
    headers
}

fn peer(case: &Case) -> IpAddr {
    let peer = case.input("peer").as_str().unwrap_or("192.0.2.1:1234");
    peer.parse::<SocketAddr>()
        .map_or(IpAddr::from([192, 0, 2, 1]), |peer| peer.ip())
}

/// `None` where the conditions are refused.
fn verdict(case: &Case) -> Option<bool> {
    let settings = Settings::deserialize(case.input("when")).expect("conditions");
    let when = When::build(settings).ok()?;
    let headers = headers(case);
    let trust = Trust {
        proxies: vec![
            "127.0.0.0/8".parse().expect("a range"),
            "10.0.0.0/8".parse().expect("a range"),
        ],
        forwarded: Forwarded::Honoured,
    };
    let peer = peer(case);
    let described = Described {
        method: "GET",
        scheme: Scheme::Http,
        host: b"a.test",
        target: b"/",
    };
    let canonical = for_description(&described, &PathPolicy::default()).expect("a request");
    let request = RequestView {
        canonical: &canonical,
        headers: &headers,
        transport_host: "a.test",
        client: Client {
            peer,
            address: client_address(peer, &headers, &trust),
        },
        body: None,
    };
    // An error without a status counts as an internal one.
    let status = case
        .input("status")
        .as_u64()
        .filter(|&status| status != 0)
        .unwrap_or(500);
    let status = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok());
    let denial =
        Denial::new(Reason::Failed).answered_with(status.unwrap_or(StatusCode::IM_A_TEAPOT));
    Some(when.verdict(&request, &denial) == Verdict::Takes)
}

/// What is required. A malformed `Content-Type` is an error in the reference, and here only no match.
fn expected(case: &Case) -> Option<bool> {
    let recorded = case.output().and_then(Value::as_bool);
    match recorded {
        None if case.name().starts_with("content-type/") => Some(false),
        None if matches!(case.name(), "remote-ip/014") => Some(false),
        _ => recorded,
    }
}

#[test]
fn conditions_hold_where_recorded() {
    let mut wrong = Vec::new();
    for case in cases("when.json", "when") {
        let actual = verdict(&case);
        if differs(&case) == (actual == expected(&case)) {
            wrong.push(format!("{} {:?}", case.name(), actual));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
