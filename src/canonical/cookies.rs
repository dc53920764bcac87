//! Cookies of requests, read and written as Go's `net/http` does it.

use super::names::is_token;
use http::HeaderMap;
use http::header::COOKIE;

/// Go gives up on requests with more, and so do we: none is read then.
const MAX_COOKIES: usize = 3000;

/// One cookie of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie<'a> {
    pub name: &'a str,
    /// Without the quotes around it.
    pub value: &'a str,
    /// Whether there were quotes.
    pub quoted: bool,
}

/// The cookies of all lines, in order. One with a malformed name or value is passed over.
pub fn read(headers: &HeaderMap) -> impl Iterator<Item = Cookie<'_>> {
    let lines = headers.get_all(COOKIE);
    let count: usize = lines
        .iter()
        .map(|line| line.as_bytes().iter().filter(|&&b| b == b';').count() + 1)
        .sum();
    lines
        .into_iter()
        .take(if count > MAX_COOKIES { 0 } else { usize::MAX })
        .flat_map(|line| line.as_bytes().split(|&b| b == b';'))
        .filter_map(parse)
}

/// The value of the first cookie of that name (case-sensitive).
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    read(headers)
        .find(|cookie| cookie.name == name)
        .map(|cookie| cookie.value)
}

/// Appends a cookie to a `Cookie` line: line breaks in the name become dashes, bytes that a value must not have are dropped, and
/// a value with a space or a comma is quoted.
pub fn append(line: &mut String, name: &str, value: &[u8], quoted: bool) {
    if !line.is_empty() {
        line.push_str("; ");
    }
    line.extend(
        name.chars()
            .map(|c| if matches!(c, '\r' | '\n') { '-' } else { c }),
    );
    line.push('=');
    let quoted = quoted || value.iter().any(|b| matches!(b, b' ' | b','));
    if quoted {
        line.push('"');
    }
    line.extend(
        value
            .iter()
            .copied()
            .filter(|&b| is_value_byte(b))
            .map(char::from),
    );
    if quoted {
        line.push('"');
    }
}

fn parse(part: &[u8]) -> Option<Cookie<'_>> {
    let part = std::str::from_utf8(part).ok()?.trim_matches([' ', '\t']);
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    let name = name.trim_matches([' ', '\t']);
    if !is_token(name.as_bytes()) {
        return None;
    }
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let value = inner.unwrap_or(value);
    value.bytes().all(is_value_byte).then_some(Cookie {
        name,
        value,
        quoted: inner.is_some(),
    })
}

const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b';' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gourl::goldens::{bytes, cases};
    use http::HeaderValue;
    use serde_json::json;

    #[test]
    fn cookies_are_read_and_written_again_as_recorded() {
        for case in cases("headers.json", "cookie_read") {
            let mut headers = HeaderMap::new();
            for line in case.input("lines").as_array().expect("lines") {
                headers.append(
                    COOKIE,
                    HeaderValue::from_bytes(&bytes(line)).expect("a header value"),
                );
            }
            let mut rewritten = String::new();
            let mut found = Vec::new();
            for cookie in read(&headers) {
                append(
                    &mut rewritten,
                    cookie.name,
                    cookie.value.as_bytes(),
                    cookie.quoted,
                );
                found.push([cookie.name, cookie.value]);
            }
            let actual = json!({ "cookies": found, "rewritten": rewritten });
            assert_eq!(case.output(), Some(&actual), "{}", case.name());
        }
    }

    #[test]
    fn cookies_are_written_as_recorded() {
        for case in cases("headers.json", "cookie_write") {
            let mut line = String::new();
            append(
                &mut line,
                &case.text("name"),
                &bytes(case.input("value")),
                false,
            );
            assert_eq!(case.output(), Some(&json!(line)), "{}", case.name());
        }
    }

    #[test]
    fn a_flood_of_cookies_is_not_read() {
        let mut headers = HeaderMap::new();
        let line = "a=1;".repeat(MAX_COOKIES);
        headers.insert(
            COOKIE,
            HeaderValue::from_str(&line).expect("a header value"),
        );
        assert_eq!(read(&headers).count(), 0);
    }
}
