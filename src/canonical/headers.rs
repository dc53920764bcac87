//! Which headers of a client's request go no further.
//!
//! Hop-by-hop headers and those that `Connection` names end here. So do forwarding headers of a client that is not trusted, and
//! their spellings with `_` or `.`, which many servers read as the same variable. This happens before a pipeline runs, so that
//! neither handlers nor their calls see them; what mutators set comes later and is out of a client's reach.

use super::names::{aliases, fold, trim};
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A set of headers that can be cleaned in place. A door implements it for its transport's type.
pub trait Fields {
    fn map(&self) -> &HeaderMap;
    /// Removes all lines of that name.
    fn remove(&mut self, name: &HeaderName);
    /// Replaces all lines of that name by one.
    fn set(&mut self, name: HeaderName, value: HeaderValue);
}

impl Fields for HeaderMap {
    fn map(&self) -> &HeaderMap {
        self
    }

    fn remove(&mut self, name: &HeaderName) {
        HeaderMap::remove(self, name);
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.insert(name, value);
    }
}

/// Whether the peer's forwarding headers count ([`super::Trust::trusts`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Trusted,
    Untrusted,
}

/// Names with `_` or `.` (`access_rules.underscore_headers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnderscoreHeaders {
    /// Removed where they stand for a header that Doorward manages.
    #[default]
    DropAliases,
    /// Removed, whatever they stand for.
    Drop,
    /// Kept, but never as aliases of forwarding headers.
    Keep,
}

/// What a client wants the connection to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    No,
    WebSocket,
}

/// Removes what must go no further; the common request loses nothing and allocates nothing. Not for the headers that a body is still
/// to be read by: its framing is among what goes.
///
/// A WebSocket upgrade is reported and taken out like the rest; no other upgrade exists. `TE: trailers` stays.
pub fn clean(fields: &mut impl Fields, peer: Peer, underscores: UnderscoreHeaders) -> Upgrade {
    let upgrade = wanted_upgrade(fields.map());
    let trailers = accepts_trailers(fields.map());
    let mut doomed: Vec<HeaderName> = Vec::new();
    doomed.extend(
        fields
            .map()
            .iter()
            .filter(|(name, value)| {
                must_go(name.as_str(), peer, underscores) || says_nothing(name.as_str(), value)
            })
            .map(|(name, _)| name.clone()),
    );
    doomed.extend(empty_forwarded(fields.map()).cloned());
    nominate(fields.map(), &mut doomed);
    for name in &doomed {
        fields.remove(name);
    }
    if trailers {
        fields.set(TE, HeaderValue::from_static("trailers"));
    }
    keep_first_authorization(fields);
    upgrade
}

/// Removes what an upstream said to the next hop only, from an answer that does not switch protocols. `Transfer-Encoding` stays: the
/// body is still to be framed by it.
pub fn clean_answer(fields: &mut impl Fields) {
    let map = fields.map();
    if !map.keys().any(is_hop_by_hop) {
        return;
    }
    let mut doomed: Vec<HeaderName> = map
        .keys()
        .filter(|name| is_hop_by_hop(name) && **name != TRANSFER_ENCODING)
        .cloned()
        .collect();
    nominate(map, &mut doomed);
    for name in &doomed {
        fields.remove(name);
    }
}

/// Removes every spelling of a header that some server would take for `name`, before a mutator's value is set.
pub fn remove_aliases(fields: &mut impl Fields, name: &HeaderName, underscores: UnderscoreHeaders) {
    fields.remove(name);
    if underscores == UnderscoreHeaders::Keep {
        return;
    }
    let doomed: Vec<HeaderName> = fields
        .map()
        .keys()
        .filter(|other| aliases(other.as_str(), name.as_str()))
        .cloned()
        .collect();
    for other in &doomed {
        fields.remove(other);
    }
}

/// Whether a header is the door's to write, whatever a pipeline sets: framing and routing. The reference ignores these names too.
pub fn is_the_doors(name: &HeaderName) -> bool {
    matches!(*name, HOST | CONTENT_LENGTH | TRANSFER_ENCODING | TRAILER)
}

/// Whether handlers' answers and calls must not carry this header on: it belongs to one connection.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    is_hop_by_hop_name(name.as_str())
}

fn is_hop_by_hop_name(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "proxy-connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

fn must_go(name: &str, peer: Peer, underscores: UnderscoreHeaders) -> bool {
    match name.as_bytes().first() {
        Some(b'c' | b'h' | b'k' | b'p' | b't' | b'u') if is_hop_by_hop_name(name) => true,
        Some(b'f') if starts_with_folded(name, "forwarded") => true,
        Some(b'x') if starts_with_folded(name, "x-forwarded") => {
            peer == Peer::Untrusted || has_alias_byte(name)
        }
        Some(b'x') if peer == Peer::Untrusted && overrides_target(name) => true,
        Some(_) | None => underscores == UnderscoreHeaders::Drop && has_alias_byte(name),
    }
}

/// An empty forwarding header is none, as in the reference.
fn says_nothing(name: &str, value: &HeaderValue) -> bool {
    value.is_empty()
        && matches!(
            name,
            "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto"
        )
}

/// Headers by which frameworks serve another URL than the one on the request line, and Envoy's own.
fn overrides_target(name: &str) -> bool {
    const NAMES: [&str; 3] = ["x-original-url", "x-rewrite-url", "x-replaced-path"];
    NAMES.into_iter().any(|other| aliases(name, other)) || starts_with_folded(name, "x-envoy-")
}

fn starts_with_folded(name: &str, prefix: &str) -> bool {
    name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(|(a, b)| fold(a) == b)
}

fn has_alias_byte(name: &str) -> bool {
    name.bytes().any(|b| matches!(b, b'_' | b'.'))
}

/// Forwarding headers that say nothing: they count as absent and go no further.
fn empty_forwarded(headers: &HeaderMap) -> impl Iterator<Item = &HeaderName> {
    let forwarded = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-forwarded"));
    forwarded.filter(|name| headers.get_all(*name).iter().all(|value| value.is_empty()))
}

/// The names that `Connection` lists, less those that a client has no say over: it can make neither Host nor what a trusted proxy
/// said go away.
fn nominate(headers: &HeaderMap, doomed: &mut Vec<HeaderName>) {
    for token in tokens(headers, &CONNECTION) {
        let usual = [&b"close"[..], b"keep-alive", b"upgrade", b"te"]
            .iter()
            .any(|usual| token.eq_ignore_ascii_case(usual));
        if usual {
            continue;
        }
        let Ok(name) = HeaderName::from_bytes(token) else {
            continue;
        };
        let fixed = matches!(name.as_str(), "host" | "content-length")
            || starts_with_folded(name.as_str(), "x-forwarded");
        if !fixed {
            doomed.push(name);
        }
    }
}

fn wanted_upgrade(headers: &HeaderMap) -> Upgrade {
    let mut protocols = tokens(headers, &UPGRADE);
    let (Some(protocol), None) = (protocols.next(), protocols.next()) else {
        return Upgrade::No;
    };
    let asked = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
    if asked && protocol.eq_ignore_ascii_case(b"websocket") {
        Upgrade::WebSocket
    } else {
        Upgrade::No
    }
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case(b"trailers"))
}

/// The elements of a comma-separated header, of all lines.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|&b| b == b','))
        .map(trim)
        .filter(|token| !token.is_empty())
}

/// Authenticators look at the first line, so only that one may reach an upstream.
fn keep_first_authorization(fields: &mut impl Fields) {
    let mut lines = fields.map().get_all(AUTHORIZATION).iter();
    let first = lines.next().cloned();
    if let (Some(first), Some(_)) = (first, lines.next()) {
        fields.set(AUTHORIZATION, first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    /// The names left, sorted.
    fn left(lines: &[(&str, &str)], peer: Peer, underscores: UnderscoreHeaders) -> Vec<String> {
        let mut headers = map(lines);
        clean(&mut headers, peer, underscores);
        let mut names: Vec<String> = headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn forwarding_headers_of_the_untrusted_go_in_every_spelling() {
        for name in [
            "X-Forwarded-For",
            "x-forwarded-prefix",
            "X-Forwarded",
            "X-ForwardedThing",
            "Forwarded",
            "Forwarded-For",
            "X_Forwarded_For",
            "X.Forwarded.Host",
            "X_Forwarded-Proto",
            "X-Original-URL",
            "X_Rewrite_Url",
            "X-Replaced-Path",
            "X-Envoy-Original-Path",
        ] {
            assert_eq!(
                left(&[(name, "1")], Peer::Untrusted, UnderscoreHeaders::Keep),
                [""; 0],
                "{name}"
            );
        }
    }

    #[test]
    fn a_trusted_peer_keeps_its_forwarding_headers_but_no_aliases() {
        let lines = [
            ("X-Forwarded-For", "1"),
            ("X_Forwarded_For", "2"),
            ("Forwarded", "3"),
            ("X-Forwarded-User", "4"),
        ];
        assert_eq!(
            left(&lines, Peer::Trusted, UnderscoreHeaders::DropAliases),
            ["x-forwarded-for", "x-forwarded-user"]
        );
    }

    #[test]
    fn hop_by_hop_and_nominated_headers_go() {
        let lines = [
            ("Connection", "close, X-Drop"),
            ("connection", ",, authorization ,"),
            ("X-Drop", "1"),
            ("Authorization", "x"),
            ("Keep-Alive", "1"),
            ("Proxy-Connection", "x"),
            ("Proxy-Authorization", "x"),
            ("TE", "gzip"),
            ("Trailer", "x"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "x"),
            ("X-Stay", "1"),
            ("Cookie", "a=b"),
        ];
        assert_eq!(
            left(&lines, Peer::Untrusted, UnderscoreHeaders::DropAliases),
            ["cookie", "x-stay"]
        );
    }

    #[test]
    fn nominating_host_or_what_a_proxy_said_has_no_effect() {
        let lines = [
            ("Connection", "Host, X-Forwarded-For, Content-Length"),
            ("Host", "h"),
            ("X-Forwarded-For", "1"),
            ("Content-Length", "0"),
        ];
        let names = left(&lines, Peer::Trusted, UnderscoreHeaders::DropAliases);
        assert_eq!(names, ["content-length", "host", "x-forwarded-for"]);
    }

    #[test]
    fn trailers_stay_and_only_websocket_is_an_upgrade() {
        let mut headers = map(&[
            ("TE", "gzip, trailers"),
            ("Connection", "Upgrade"),
            ("Upgrade", "WebSocket"),
        ]);
        assert_eq!(
            clean(
                &mut headers,
                Peer::Untrusted,
                UnderscoreHeaders::DropAliases
            ),
            Upgrade::WebSocket
        );
        assert_eq!(headers, map(&[("te", "trailers")]));
        for lines in [
            [("Connection", "upgrade"), ("Upgrade", "h2c")],
            [("Connection", "close"), ("Upgrade", "websocket")],
            [("Connection", "upgrade"), ("Upgrade", "websocket, h2c")],
        ] {
            assert_eq!(
                clean(
                    &mut map(&lines),
                    Peer::Untrusted,
                    UnderscoreHeaders::DropAliases
                ),
                Upgrade::No,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn only_the_first_authorization_stays_and_other_repeats_are_kept() {
        let mut headers = map(&[
            ("Authorization", "a"),
            ("Authorization", "b"),
            ("Accept", "x"),
            ("Accept", "y"),
        ]);
        clean(
            &mut headers,
            Peer::Untrusted,
            UnderscoreHeaders::DropAliases,
        );
        assert_eq!(
            headers,
            map(&[("authorization", "a"), ("accept", "x"), ("accept", "y")])
        );
    }

    #[test]
    fn a_managed_header_loses_all_its_spellings() {
        let lines = [
            ("X-User", "m"),
            ("X-User", "m"),
            ("X_User", "m"),
            ("x.user", "m"),
            ("X-User-Agent", "ok"),
            ("X_Tenant", "ok"),
        ];
        let mut headers = map(&lines);
        remove_aliases(
            &mut headers,
            &HeaderName::from_static("x-user"),
            UnderscoreHeaders::DropAliases,
        );
        assert_eq!(headers, map(&[("x-user-agent", "ok"), ("x_tenant", "ok")]));
        let mut headers = map(&lines);
        remove_aliases(
            &mut headers,
            &HeaderName::from_static("x-user"),
            UnderscoreHeaders::Keep,
        );
        assert!(!headers.contains_key("x-user") && headers.contains_key("x_user"));
    }

    #[test]
    fn underscores_can_be_forbidden_altogether() {
        assert_eq!(
            left(
                &[("X_Tenant", "1"), ("a.b", "2"), ("c-d", "3")],
                Peer::Trusted,
                UnderscoreHeaders::Drop
            ),
            ["c-d"]
        );
    }
}
