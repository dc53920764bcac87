//! What each door was sent, as the canonical request.

use super::host::canonical_host;
use super::names::is_token;
use super::request::Spelling;
use super::target::{Query, Target};
use super::{OtherScheme, PathPolicy, Rejection, Request, Scheme, Trust};
use http::header::HOST;
use http::{HeaderMap, HeaderName};
use std::borrow::Cow;
use std::net::IpAddr;

/// A request as a transport brought it.
#[derive(Debug, Clone, Copy)]
pub struct Inbound<'a> {
    pub method: &'a str,
    /// The bytes of the request target; for HTTP/2 those of `:path`.
    pub target: &'a [u8],
    /// HTTP/2's `:authority`.
    pub authority: Option<&'a str>,
    /// Whether the connection is encrypted.
    pub tls: bool,
    pub peer: IpAddr,
    pub headers: &'a HeaderMap,
}

/// What Envoy's ext_authz says about a request, or another caller that has its parts apart.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    pub method: &'a str,
    pub scheme: Scheme,
    pub host: &'a [u8],
    /// With the query.
    pub target: &'a [u8],
}

/// The request that the reverse proxy decides on and forwards.
pub fn for_proxy(
    inbound: &Inbound<'_>,
    trust: &Trust,
    policy: &PathPolicy,
) -> Result<Request, Rejection> {
    let (host, target) = inbound.host_and_target()?;
    let method = canonical_method(inbound.method)?;
    let scheme = inbound.scheme(trust, |_| None)?;
    if trust.trusts(inbound.peer) {
        for name in [&METHOD, &FORWARDED_HOST, &URI] {
            let _unused = single(inbound.headers, name)?;
        }
    }
    let target = Target::new(target, Query::Sanitised, policy)?;
    Ok(Request {
        method,
        scheme,
        host: canonical_host(host)?,
        target,
        spelling: Spelling::AsWritten,
    })
}

/// The request that a gateway asks about: `/decisions` is cut from the target, and a trusted peer overrides each part with
/// `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`. The query is always that of the call itself.
pub fn for_decision(
    inbound: &Inbound<'_>,
    trust: &Trust,
    policy: &PathPolicy,
) -> Result<Request, Rejection> {
    let (own_host, own_target) = inbound.host_and_target()?;
    let own_target = decision_target(own_target).ok_or(Rejection::NotADecision)?;
    let own_host = canonical_host(own_host)?;
    let own = Target::new(own_target, Query::AsWritten, policy)?;
    let scheme = inbound.scheme(trust, other_scheme)?;
    if !trust.trusts(inbound.peer) {
        return Ok(Request {
            method: canonical_method(inbound.method)?,
            scheme,
            host: own_host,
            target: own,
            spelling: Spelling::Default,
        });
    }
    let method = match single(inbound.headers, &METHOD)? {
        None => canonical_method(inbound.method)?,
        Some(value) => forwarded_method(value)?,
    };
    let host = match single(inbound.headers, &FORWARDED_HOST)? {
        None => own_host,
        Some(value) => canonical_host(value)
            .map_err(|_| Rejection::MalformedForwarded(FORWARDED_HOST.as_str()))?,
    };
    let target = match single(inbound.headers, &URI)? {
        // A query alone leaves the path as it is, as in the reference.
        None | Some([b'?', ..]) => own,
        Some(value @ [b'/', ..]) => {
            Target::new(value, Query::AsWritten, policy)?.with_query_of(&own)
        }
        Some(_) => return Err(Rejection::MalformedForwarded(URI.as_str())),
    };
    Ok(Request {
        method,
        scheme,
        host,
        target,
        spelling: Spelling::Default,
    })
}

/// The request that a gateway described part by part.
pub fn for_description(
    described: &Described<'_>,
    policy: &PathPolicy,
) -> Result<Request, Rejection> {
    let method = canonical_method(described.method)?;
    let target = origin_form(described.target)?;
    Ok(Request {
        method,
        scheme: described.scheme,
        host: canonical_host(described.host)?,
        target: Target::new(target, Query::AsWritten, policy)?,
        spelling: Spelling::AsWritten,
    })
}

/// The call that a service of the same process is about to serve: `rpc://authority/package.Service/Method`.
///
/// Such services look procedures up by the path as it was written, so one that could be written in another way is refused. A query is
/// left out, as in the reference: it holds a message.
pub fn for_rpc(inbound: &Inbound<'_>, policy: &PathPolicy) -> Result<Request, Rejection> {
    let (host, target) = inbound.host_and_target()?;
    let path = target.split(|&b| b == b'?').next().unwrap_or_default();
    let target = Target::new(path, Query::AsWritten, policy)?;
    if target.path().as_bytes() != path {
        return Err(Rejection::NotAProcedure);
    }
    Ok(Request {
        method: canonical_method(inbound.method)?,
        scheme: Scheme::Rpc,
        host: canonical_host(host)?,
        target,
        spelling: Spelling::AsWritten,
    })
}

/// Whether a target of the API port asks for a decision: its first segment is `decisions`, perhaps with letters encoded.
pub fn is_decision(target: &[u8]) -> bool {
    let path = absolute_form(target).map_or(target, |(_, path)| path);
    decision_target(path).is_some()
}

/// Made once, so that a look-up need not read the name.
static METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

impl<'a> Inbound<'a> {
    /// The authority, not yet checked, and the target behind it.
    fn host_and_target(&self) -> Result<(&'a [u8], &'a [u8]), Rejection> {
        refuse_targets_without_path(self.method, self.target)?;
        let host = self.host()?;
        if self.target.first() == Some(&b'/') {
            return Ok((host, self.target));
        }
        let (authority, rest) = absolute_form(self.target).ok_or(Rejection::NotAPath)?;
        if !authority.eq_ignore_ascii_case(host) {
            return Err(Rejection::HostsDisagree);
        }
        // Without a path it would be decided on as nothing and served as the root.
        if rest.first() == Some(&b'/') {
            Ok((host, rest))
        } else {
            Err(Rejection::NotAPath)
        }
    }

    fn host(&self) -> Result<&'a [u8], Rejection> {
        let mut lines = self.headers.get_all(HOST).iter();
        let line = lines.next().map(|value| value.as_bytes());
        if lines.next().is_some() {
            return Err(Rejection::SeveralHosts);
        }
        match (self.authority.map(str::as_bytes), line) {
            (Some(authority), Some(line)) if !authority.eq_ignore_ascii_case(line) => {
                Err(Rejection::HostsDisagree)
            }
            (Some(host), _) | (None, Some(host)) => Ok(host),
            (None, None) => Err(Rejection::NoHost),
        }
    }

    /// What a trusted peer says, if it is a scheme that this door knows, else that of the connection.
    fn scheme(
        &self,
        trust: &Trust,
        more: impl Fn(&[u8]) -> Option<Scheme>,
    ) -> Result<Scheme, Rejection> {
        let connection = if self.tls {
            Scheme::Https
        } else {
            Scheme::Http
        };
        if !trust.trusts(self.peer) {
            return Ok(connection);
        }
        let told = single(self.headers, &PROTO)?;
        Ok(told
            .and_then(|value| http_scheme(value).or_else(|| more(value)))
            .unwrap_or(connection))
    }
}

fn refuse_targets_without_path(method: &str, target: &[u8]) -> Result<(), Rejection> {
    match (method, target) {
        ("CONNECT", _) => Err(Rejection::Connect),
        ("OPTIONS", b"*") => Err(Rejection::ServerOptions),
        (_, b"*") => Err(Rejection::Asterisk),
        _ => Ok(()),
    }
}

fn origin_form(target: &[u8]) -> Result<&[u8], Rejection> {
    match target {
        b"*" => Err(Rejection::Asterisk),
        [b'/', ..] => Ok(target),
        _ => Err(Rejection::NotAPath),
    }
}

/// Authority and path of `http://authority/path`.
fn absolute_form(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let after_scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find_map(|scheme| {
            let (start, rest) = target.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        })?;
    let end = after_scheme
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(after_scheme.len());
    after_scheme.split_at_checked(end)
}

/// What follows `/decisions`: nothing, a query or a path.
fn decision_target(target: &[u8]) -> Option<&[u8]> {
    let mut rest = target.strip_prefix(b"/")?;
    for &expected in b"decisions" {
        rest = match rest.split_first()? {
            (b'%', tail) => {
                let (byte, tail) = crate::gourl::decode_pair(tail)?;
                (byte == expected).then_some(tail)?
            }
            (&byte, tail) => (byte == expected).then_some(tail)?,
        };
    }
    matches!(rest.first(), None | Some(b'/' | b'?' | b'#')).then_some(rest)
}

/// The usual methods without allocating.
fn canonical_method(method: &str) -> Result<Cow<'static, str>, Rejection> {
    const USUAL: [&str; 8] = [
        "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE",
    ];
    if method == "CONNECT" {
        return Err(Rejection::Connect);
    }
    match USUAL.into_iter().find(|usual| *usual == method) {
        Some(usual) => Ok(Cow::Borrowed(usual)),
        None if is_token(method.as_bytes()) => Ok(Cow::Owned(method.to_owned())),
        None => Err(Rejection::Method),
    }
}

fn forwarded_method(value: &[u8]) -> Result<Cow<'static, str>, Rejection> {
    let malformed = Rejection::MalformedForwarded(METHOD.as_str());
    canonical_method(std::str::from_utf8(value).map_err(|_| malformed)?).map_err(|_| malformed)
}

fn http_scheme(value: &[u8]) -> Option<Scheme> {
    match value {
        _ if value.eq_ignore_ascii_case(b"http") => Some(Scheme::Http),
        _ if value.eq_ignore_ascii_case(b"https") => Some(Scheme::Https),
        _ => None,
    }
}

/// Traefik and others announce WebSocket handshakes as `ws`; the reference matches rules against whatever is told.
fn other_scheme(value: &[u8]) -> Option<Scheme> {
    OtherScheme::parse(value).map(Scheme::Other)
}

/// The only line of that name; an empty one counts as absent, a second one is refused, since no two readers agree which counts.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &'static HeaderName,
) -> Result<Option<&'a [u8]>, Rejection> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next().map(|value| value.as_bytes());
    match lines.next() {
        Some(_) => Err(Rejection::RepeatedForwarded(name.as_str())),
        None => Ok(first.filter(|value| !value.is_empty())),
    }
}
