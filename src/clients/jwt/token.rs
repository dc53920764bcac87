//! The text of a token (RFC 7515, compact serialisation).

use super::Refusal;
use crate::clients::keys::Algorithm;
use crate::value::{self, Escape, Map, Value};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longer texts are refused unread.
const MAX_TOKEN: usize = 64 * 1024;

/// Three parts between dots.
#[derive(Clone, Copy)]
pub(super) struct Token<'a> {
    header: &'a str,
    claims: &'a str,
    pub(super) signature: &'a str,
    /// What is signed: the first two parts.
    pub(super) message: &'a [u8],
    length: usize,
}

/// What the header says that matters. Keys and URLs in it are never used.
pub(super) struct Header {
    /// `None` for names that aren't known, `none` among them.
    pub(super) alg: Option<Algorithm>,
    /// Never empty.
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    /// Whether there is a `crit`: no extension is understood.
    pub(super) critical: bool,
}

impl<'a> Token<'a> {
    /// `None` unless there are exactly three parts.
    pub(super) fn split(token: &'a [u8]) -> Option<Token<'a>> {
        let mut dots = token.iter().enumerate().filter(|(_, byte)| **byte == b'.');
        let (_, second) = (dots.next()?, dots.next()?.0);
        if dots.next().is_some() {
            return None;
        }
        // What isn't text is no base64 either.
        let text = std::str::from_utf8(token).unwrap_or("..");
        let mut parts = text.split('.');
        Some(Token {
            header: parts.next()?,
            claims: parts.next()?,
            signature: parts.next()?,
            message: token.get(..second)?,
            length: token.len(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn header(&self) -> Result<Header, Refusal> {
        const MALFORMED: Refusal = Refusal::Malformed("the header is no JSON object");
        if self.length > MAX_TOKEN {
            return Err(Refusal::Malformed("it is too long"));
        }
        let text = decode(self.header)?;
        let Ok(Value::Map(members)) = value::decode(&text) else {
            return Err(MALFORMED);
        };
        // What two readers could read differently is refused (RFC 7515, 4).
        let written = value::members(&text).map_err(|_| MALFORMED)?;
        if written.len() != members.len() {
            return Err(Refusal::Malformed("the header repeats a member"));
        }
        let text_of = |name: &str| members.get(name).and_then(Value::as_str);
        let kid = match members.get("kid") {
            None | Some(Value::Null) => None,
            Some(Value::String(kid)) if !kid.is_empty() => Some(kid.clone()),
            Some(_) => return Err(Refusal::NoKeyId),
        };
        Ok(Header {
            alg: text_of("alg").and_then(Algorithm::parse),
            kid,
            typ: text_of("typ").map(str::to_owned),
            critical: members.contains_key("crit"),
        })
    }

    pub(super) fn claims(&self) -> Result<Map, Refusal> {
        match value::decode(&decode(self.claims)?) {
            Ok(Value::Map(claims)) => Ok(claims),
            Ok(_) | Err(_) => Err(Refusal::Malformed("the claims are no JSON object")),
        }
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Refusal::Malformed("a part is not base64url"))
}

/// The claims of a token that may be anybody's, as JSON, for verbose answers and for nothing else.
pub fn unverified_claims(token: &[u8]) -> Option<String> {
    let token = Token::split(token)?;
    token.header().ok()?;
    let claims = token.claims().ok()?;
    let mut text = Vec::new();
    value::encode(&mut text, &Value::Map(claims), Escape::Html);
    String::from_utf8(text).ok()
}
