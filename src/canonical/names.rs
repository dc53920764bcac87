//! Names and values of headers.

use std::borrow::Cow;

/// Whether the name is made of the characters that RFC 9110 allows in a field name, and not empty.
pub fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| is_token_byte(byte))
}

/// Letters, digits and fifteen punctuation marks (RFC 9110, section 5.6.2).
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// The spelling that Go gives a name: `x-user-id` becomes `X-User-Id`; what is no name stays as it is.
pub fn spell(name: &str) -> Cow<'_, str> {
    if !is_token(name.as_bytes()) {
        return Cow::Borrowed(name);
    }
    let mut start = true;
    let mut spelled = String::with_capacity(name.len());
    for c in name.chars() {
        spelled.push(if start {
            c.to_ascii_uppercase()
        } else {
            c.to_ascii_lowercase()
        });
        start = c == '-';
    }
    Cow::Owned(spelled)
}

/// A value as it goes on the wire in an answer: line breaks become spaces, and spaces and tabs around it are dropped.
pub fn wire_value(value: &[u8]) -> Cow<'_, [u8]> {
    let value = trim(value);
    if !value.iter().any(|b| matches!(b, b'\r' | b'\n')) {
        return Cow::Borrowed(value);
    }
    let flat: Vec<u8> = value
        .iter()
        .map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b })
        .collect();
    Cow::Owned(trim(&flat).to_vec())
}

/// Whether a value may be sent in a request: no control characters but the tab.
pub fn is_sendable_value(value: &[u8]) -> bool {
    value.iter().all(|&b| b == b'\t' || !b.is_ascii_control())
}

/// Without spaces and tabs at both ends.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether two names are the same to a server that reads `_` and `.` in a name as `-` and knows no case.
pub fn aliases(name: &str, other: &str) -> bool {
    name.len() == other.len()
        && name
            .bytes()
            .zip(other.bytes())
            .all(|(a, b)| fold(a) == fold(b))
}

/// How CGI-like servers fold the bytes of a name.
pub(super) const fn fold(byte: u8) -> u8 {
    match byte {
        b'_' | b'.' => b'-',
        _ => byte.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gourl::goldens::{bytes, cases, json};

    #[test]
    fn names_are_spelled_as_recorded() {
        for case in cases("headers.json", "canonical") {
            let name = case.text("name");
            assert_eq!(case.output(), Some(&spell(&name).into()), "{}", case.name());
            assert_eq!(
                case.member("valid_name"),
                &is_token(name.as_bytes()),
                "{}",
                case.name()
            );
        }
    }

    #[test]
    fn values_are_written_as_recorded() {
        for case in cases("headers.json", "value") {
            let value = bytes(case.input("value"));
            assert_eq!(
                case.output(),
                Some(&json(&wire_value(&value))),
                "{}",
                case.name()
            );
            assert_eq!(
                case.member("valid_in_request"),
                &is_sendable_value(&value),
                "{}",
                case.name()
            );
        }
    }

    #[test]
    fn underscores_and_dots_stand_for_dashes() {
        for alias in ["x-user", "X_User", "x.USER", "X-USER"] {
            assert!(aliases("x-user", alias), "{alias}");
        }
        for other in ["x-user-", "xuser", "x~user", "x-user-agent", ""] {
            assert!(!aliases("x-user", other), "{other}");
        }
    }
}
