//! Text to URL.

use super::escape::{Mode, escape, unescape};
use super::{Url, Userinfo};
use std::net::Ipv6Addr;

/// Why a text is no URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("empty url")]
    Empty,
    #[error("control character in url")]
    ControlCharacter,
    #[error("missing scheme before `:`")]
    MissingScheme,
    #[error("neither an absolute url nor a path that begins with `/`")]
    NotARequestUri,
    #[error("colon in the first path segment")]
    ColonInFirstSegment,
    #[error("user information has a character that must be encoded")]
    Userinfo,
    #[error("malformed host")]
    Host,
    #[error("port is not a number")]
    Port,
    #[error("malformed percent escape")]
    Escape,
}

impl Url {
    /// Reads any URL or relative reference. (Go's `Parse`.)
    pub fn parse(text: &str) -> Result<Url, ParseError> {
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut url = parse(rest, Context::Anywhere)?;
        url.set_fragment(fragment)?;
        Ok(url)
    }

    /// Reads the target of a request: an absolute URL, a path that begins with `/`, or `*`. There is no fragment: `#` counts as
    /// part of the path or query. (Go's `ParseRequestURI`.)
    pub fn parse_request_uri(text: &str) -> Result<Url, ParseError> {
        parse(text, Context::Request)
    }

    /// Sets the path from its encoded form; `raw_path` is kept only where the default encoding would differ.
    pub fn set_path(&mut self, encoded: &str) -> Result<(), ParseError> {
        (self.path, self.raw_path) = decode_with_hint(encoded, Mode::Path)?;
        Ok(())
    }

    /// Notes how the path was written, as [`Self::set_path`] does, without changing the path.
    pub fn hint_at_encoding(&mut self, written: &str) {
        let default =
            unescape(written.as_bytes(), Mode::Path).map(|decoded| escape(&decoded, Mode::Path));
        self.raw_path = if default.as_deref() == Some(written) {
            String::new()
        } else {
            written.to_owned()
        };
    }

    fn set_fragment(&mut self, encoded: &str) -> Result<(), ParseError> {
        (self.fragment, self.raw_fragment) = decode_with_hint(encoded, Mode::Fragment)?;
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Anywhere,
    Request,
}

fn decode_with_hint(encoded: &str, mode: Mode) -> Result<(Vec<u8>, String), ParseError> {
    let decoded = unescape(encoded.as_bytes(), mode).ok_or(ParseError::Escape)?;
    let hint = if escape(&decoded, mode) == encoded {
        String::new()
    } else {
        encoded.to_owned()
    };
    Ok((decoded, hint))
}

fn parse(text: &str, context: Context) -> Result<Url, ParseError> {
    if text.bytes().any(|b| b.is_ascii_control()) {
        return Err(ParseError::ControlCharacter);
    }
    if text.is_empty() && context == Context::Request {
        return Err(ParseError::Empty);
    }
    let mut url = Url::default();
    if text == "*" {
        url.path = b"*".to_vec();
        return Ok(url);
    }
    let (scheme, rest) = split_scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    let rest = match rest.split_once('?') {
        Some((rest, "")) => {
            url.force_query = true;
            rest
        }
        Some((rest, query)) => {
            url.raw_query = query.to_owned();
            rest
        }
        None => rest,
    };
    if !rest.starts_with('/') {
        if url.is_abs() {
            url.opaque = rest.to_owned();
            return Ok(url);
        }
        refuse_rootless(rest, context)?;
    }
    let path = read_authority(&mut url, rest, context)?;
    url.set_path(path)?;
    Ok(url)
}

fn refuse_rootless(rest: &str, context: Context) -> Result<(), ParseError> {
    if context == Context::Request {
        return Err(ParseError::NotARequestUri);
    }
    match rest.split('/').next() {
        Some(first) if first.contains(':') => Err(ParseError::ColonInFirstSegment),
        Some(_) | None => Ok(()),
    }
}

/// The scheme, empty if there is none, and what follows it.
fn split_scheme(text: &str) -> Result<(&str, &str), ParseError> {
    let end = text
        .bytes()
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')));
    let Some((scheme, rest)) = end.and_then(|at| text.split_at_checked(at)) else {
        return Ok(("", text));
    };
    match (scheme.as_bytes().first(), rest.strip_prefix(':')) {
        (None, Some(_)) => Err(ParseError::MissingScheme),
        (Some(first), Some(rest)) if first.is_ascii_alphabetic() => Ok((scheme, rest)),
        (Some(_), Some(_)) | (_, None) => Ok(("", text)),
    }
}

/// Reads `//user@host:port` if it is there; what remains is the path.
fn read_authority<'a>(
    url: &mut Url,
    rest: &'a str,
    context: Context,
) -> Result<&'a str, ParseError> {
    let may_have_one = url.is_abs() || (context == Context::Anywhere && !rest.starts_with("///"));
    let Some(after) = rest.strip_prefix("//").filter(|_| may_have_one) else {
        url.omit_host = url.is_abs() && rest.starts_with('/');
        return Ok(rest);
    };
    let end = after.find('/').unwrap_or(after.len());
    let (authority, path) = after.split_at_checked(end).unwrap_or((after, ""));
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    url.host = parse_host(&url.scheme, host)?;
    url.user = user.map(parse_userinfo).transpose()?;
    Ok(path)
}

fn parse_userinfo(text: &str) -> Result<Userinfo, ParseError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
    if !text.bytes().all(allowed) {
        return Err(ParseError::Userinfo);
    }
    let decode =
        |part: &str| unescape(part.as_bytes(), Mode::UserPassword).ok_or(ParseError::Escape);
    Ok(match text.split_once(':') {
        Some((username, password)) => Userinfo {
            username: decode(username)?,
            password: Some(decode(password)?),
        },
        None => Userinfo {
            username: decode(text)?,
            password: None,
        },
    })
}

/// `host[:port]`, decoded. A host that does not decode to UTF-8 is refused: no name server knows it.
fn parse_host(scheme: &str, host: &str) -> Result<String, ParseError> {
    match host.rfind('[') {
        Some(0) => return parse_ip_literal(host),
        Some(_) => return Err(ParseError::Host),
        None => {}
    }
    // A colon can't be part of a host, but some databases list several hosts with ports: only HTTP is strict.
    let after_colon = match scheme {
        "http" | "https" => host.split_once(':'),
        _ => host.rsplit_once(':'),
    };
    if after_colon.is_some_and(|(_, port)| !is_port(port)) {
        return Err(ParseError::Port);
    }
    decode_host(host, Mode::Host)
}

/// `[fe80::1%25en0]:80`, see RFC 3986 and RFC 6874.
fn parse_ip_literal(host: &str) -> Result<String, ParseError> {
    let (inside, port) = host
        .strip_prefix('[')
        .and_then(|host| host.rsplit_once(']'))
        .ok_or(ParseError::Host)?;
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return Err(ParseError::Port);
    }
    let zone_at = inside.find("%25").unwrap_or(inside.len());
    let (address, zone) = inside.split_at_checked(zone_at).ok_or(ParseError::Host)?;
    let address = decode_host(address, Mode::Host)? + &decode_host(zone, Mode::Zone)?;
    if !is_ipv6(&address) {
        return Err(ParseError::Host);
    }
    Ok(format!("[{address}]{port}"))
}

fn is_ipv6(address: &str) -> bool {
    let (address, zone) = match address.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (address, None),
    };
    zone != Some("") && address.parse::<Ipv6Addr>().is_ok()
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn decode_host(text: &str, mode: Mode) -> Result<String, ParseError> {
    let decoded = unescape(text.as_bytes(), mode).ok_or(ParseError::Host)?;
    String::from_utf8(decoded).map_err(|_| ParseError::Host)
}
