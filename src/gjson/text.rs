//! Strings and numbers: from their text, and to it.

use super::{Kind, Raw};
use std::borrow::Cow;

/// What a string says. Of the text of other values: itself.
pub(super) fn string<'v>(value: &'v Raw<'_>) -> Cow<'v, [u8]> {
    let text = value.bytes();
    if value.kind != Kind::String {
        return Cow::Borrowed(text);
    }
    let inner = text.strip_prefix(b"\"").unwrap_or(text);
    unescape(inner.strip_suffix(b"\"").unwrap_or(inner))
}

/// Resolves escapes; stops at what can't stand in a string.
pub(super) fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') && text.iter().all(|&b| b >= b' ') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'\\' => match escape(&mut out, rest) {
                Some(behind) => rest = behind,
                None => break,
            },
            b if *b < b' ' => break,
            b => out.push(*b),
        }
    }
    Cow::Owned(out)
}

/// Reads what follows a backslash; `None` where that is no escape.
fn escape<'t>(out: &mut Vec<u8>, text: &'t [u8]) -> Option<&'t [u8]> {
    let (kind, mut rest) = text.split_first()?;
    match kind {
        b'\\' | b'/' | b'"' => out.push(*kind),
        b'b' => out.push(8),
        b'f' => out.push(12),
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'u' => {
            let mut unit = hex4(rest)?;
            rest = rest.get(4..)?;
            if (0xd800..0xe000).contains(&unit) {
                unit = match rest {
                    [b'\\', b'u', low @ ..] if low.len() >= 4 => {
                        rest = low.get(4..)?;
                        pair(unit, hex4(low).unwrap_or(0))
                    }
                    _ => 0xfffd,
                };
            }
            let c = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        _ => return None,
    }
    Some(rest)
}

fn hex4(text: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(text.get(..4)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

fn pair(high: u32, low: u32) -> u32 {
    match (high, low) {
        (0xd800..0xdc00, 0xdc00..0xe000) => 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00),
        _ => 0xfffd,
    }
}

/// The number that a text begins to be; 0 where it is none.
pub(super) fn number(text: &[u8]) -> f64 {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0)
}

/// A value as plain text: numbers without an exponent, strings without quotes, `null` empty.
pub(super) fn plain(value: &Raw<'_>) -> Vec<u8> {
    let text = value.bytes();
    match value.kind {
        Kind::Missing | Kind::Null => Vec::new(),
        Kind::False => b"false".to_vec(),
        Kind::True => b"true".to_vec(),
        Kind::String => string(value).into_owned(),
        Kind::Json => text.to_vec(),
        Kind::Number => {
            let digits = text.strip_prefix(b"-").unwrap_or(text);
            if digits.iter().all(u8::is_ascii_digit) {
                return text.to_vec();
            }
            let number = number(text);
            if number.is_infinite() {
                return if number > 0.0 {
                    b"+Inf".to_vec()
                } else {
                    b"-Inf".to_vec()
                };
            }
            number.to_string().into_bytes()
        }
    }
}

/// Go's `strconv.ParseBool` of the text in lower case.
pub(super) fn boolean(text: &[u8]) -> Option<bool> {
    match text.to_ascii_lowercase().as_slice() {
        b"1" | b"t" | b"true" => Some(true),
        b"0" | b"f" | b"false" => Some(false),
        _ => None,
    }
}
