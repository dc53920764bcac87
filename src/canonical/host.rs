//! The one host that a request is for.

use super::Rejection;
use std::net::Ipv6Addr;

/// Checks an authority and puts it in lower case. A port counts as written. User information, a trailing dot, an empty or
/// impossible port, and any character that is in no host name are refused: servers disagree about each.
pub(super) fn canonical_host(authority: &[u8]) -> Result<Box<str>, Rejection> {
    if authority.is_empty() {
        return Err(Rejection::NoHost);
    }
    let text = std::str::from_utf8(authority).map_err(|_| Rejection::MalformedHost)?;
    let (name, port) = match text.rfind(']') {
        Some(at) => split_after(text, at).ok_or(Rejection::MalformedHost)?,
        None => text
            .split_once(':')
            .map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let sound = is_name(name) && port.is_none_or(is_port);
    if sound {
        Ok(text.to_ascii_lowercase().into())
    } else {
        Err(Rejection::MalformedHost)
    }
}

/// `[::1]:80` at the bracket.
fn split_after(text: &str, bracket: usize) -> Option<(&str, Option<&str>)> {
    let (name, rest) = text.split_at_checked(bracket + 1)?;
    match rest {
        "" => Some((name, None)),
        _ => Some((name, Some(rest.strip_prefix(':')?))),
    }
}

fn is_name(name: &str) -> bool {
    if let Some(inner) = name.strip_prefix('[') {
        return inner
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    !name.is_empty()
        && !name.ends_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// Digits, as in the reference: a port that no server can have matches no rule, or one that names it.
fn is_port(port: &str) -> bool {
    (1..=9).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit())
}
