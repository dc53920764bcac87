//! Where a request carries a token, and HTTP Basic.

use super::cookies;
use crate::gourl::{Mode, parse_query, unescape};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use std::borrow::Cow;

/// Go decodes base64 whose last digit has bits to spare.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Where to look for a token (`token_from`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TokenFrom {
    /// `Authorization: Bearer …`.
    #[default]
    Bearer,
    /// The whole value of that header.
    Header(HeaderName),
    /// The first value of that name in the query.
    Query(Box<str>),
    /// The first cookie of that name.
    Cookie(Box<str>),
    /// A header whose name cannot occur.
    Nowhere,
}

impl TokenFrom {
    /// `Authorization`, spelled exactly so, means the bearer token; in any other spelling the whole value, as in the reference.
    pub fn header(name: &str) -> TokenFrom {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(_) if name == "Authorization" => TokenFrom::Bearer,
            Ok(name) => TokenFrom::Header(name),
            Err(_) => TokenFrom::Nowhere,
        }
    }

    /// The token of a request, never empty; it need not be text. `query` is without the question mark.
    pub fn find<'a>(
        &self,
        headers: &'a HeaderMap,
        query: Option<&'a str>,
    ) -> Option<Cow<'a, [u8]>> {
        let token = match self {
            TokenFrom::Bearer => Cow::Borrowed(bearer(headers)?),
            TokenFrom::Header(name) => Cow::Borrowed(headers.get(name)?.as_bytes()),
            TokenFrom::Query(name) => {
                Cow::Owned(parse_query(query?).values.get(name.as_bytes())?.to_vec())
            }
            TokenFrom::Cookie(name) => Cow::Borrowed(cookies::find(headers, name)?.as_bytes()),
            TokenFrom::Nowhere => return None,
        };
        (!token.is_empty()).then_some(token)
    }
}

/// The token of the first `Authorization` line: what follows `Bearer` (in any case) and one space, untrimmed.
pub fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    strip_scheme(headers.get(AUTHORIZATION)?.as_bytes(), b"bearer ")
}

fn strip_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = value.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// A user and a password. No `Debug` that prints the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    pub user: Vec<u8>,
    pub password: Vec<u8>,
}

impl Basic {
    /// Reads the value of an `Authorization` header; `None` if it is not Basic or malformed.
    pub fn parse(authorization: &[u8]) -> Option<Basic> {
        let encoded = strip_scheme(authorization, b"basic ")?;
        let encoded: Vec<u8> = encoded
            .iter()
            .copied()
            .filter(|b| !matches!(b, b'\r' | b'\n'))
            .collect();
        let decoded = BASE64.decode(encoded).ok()?;
        let colon = decoded.iter().position(|&b| b == b':')?;
        let (user, password) = decoded.split_at_checked(colon)?;
        Some(Basic {
            user: user.to_vec(),
            password: password.get(1..)?.to_vec(),
        })
    }

    /// Both parts form-decoded, as OAuth 2 clients encode them (RFC 6749, section 2.3.1); `None` for a malformed escape.
    pub fn form_decoded(&self) -> Option<Basic> {
        let decode = |part: &[u8]| unescape(part, Mode::QueryComponent);
        Some(Basic {
            user: decode(&self.user)?,
            password: decode(&self.password)?,
        })
    }
}

impl std::fmt::Debug for Basic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Basic")
            .field("password", &"***")
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gourl::goldens::{bytes, cases, json};
    use http::HeaderValue;
    use serde_json::{Value, json};

    #[test]
    fn basic_credentials_are_read_as_recorded() {
        for case in cases("headers.json", "basic_auth") {
            let actual = match Basic::parse(&bytes(case.input("authorization"))) {
                None => json!({ "ok": false }),
                Some(basic) => {
                    let mut value = json!({ "ok": true, "user": json(&basic.user), "password": json(&basic.password) });
                    match basic.form_decoded() {
                        Some(decoded) => {
                            value["decoded_user"] = json(&decoded.user);
                            value["decoded_password"] = json(&decoded.password);
                        }
                        None => value["decode_error"] = true.into(),
                    }
                    value
                }
            };
            assert_eq!(case.output(), Some(&actual), "{}", case.name());
        }
    }

    #[test]
    fn tokens_are_found_as_recorded() {
        for case in cases("headers.json", "token_from") {
            let mut headers = HeaderMap::new();
            for line in case.input("lines").as_array().into_iter().flatten() {
                let line = bytes(line);
                let colon = line.iter().position(|&b| b == b':').expect("a colon");
                let name = HeaderName::from_bytes(&line[..colon]).expect("a name");
                let value = super::super::names::trim(&line[colon + 1..]);
                headers.append(name, HeaderValue::from_bytes(value).expect("a value"));
            }
            let from = match case.input("token_from") {
                Value::Object(members) => {
                    members
                        .iter()
                        .next()
                        .map_or(TokenFrom::Bearer, |(kind, name)| {
                            let name = name.as_str().expect("a name");
                            match kind.as_str() {
                                "header" => TokenFrom::header(name),
                                "query_parameter" => TokenFrom::Query(name.into()),
                                "cookie" => TokenFrom::Cookie(name.into()),
                                other => panic!("unknown place {other}"),
                            }
                        })
                }
                _ => TokenFrom::Bearer,
            };
            let target = case.text("target");
            let query = target.split_once('?').map(|(_, query)| query);
            let token = from.find(&headers, query).unwrap_or_default();
            assert_eq!(case.output(), Some(&json(&token)), "{}", case.name());
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let basic = Basic::parse(b"Basic dTpzZWNyZXQ=").expect("valid");
        assert!(!format!("{basic:?}").contains("secret"));
    }
}
