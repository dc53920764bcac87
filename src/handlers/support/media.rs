//! Media types in `Accept` and `Content-Type` (RFC 9110 §8.3 and §12.5.1).

use crate::canonical::names::is_token;

/// A type and a subtype in lower case; either can be `*`. Parameters are read and forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaRange {
    kind: String,
    subtype: String,
}

impl MediaRange {
    /// Whether this range, which an operator wrote, takes what a client sent. Wildcards of clients are literal: `*/*` is not taken for
    /// an `application/json`.
    pub(crate) fn covers(&self, sent: &MediaRange) -> bool {
        (self.kind == "*" && self.subtype == "*")
            || (self.kind == sent.kind && (self.subtype == "*" || self.subtype == sent.subtype))
    }
}

/// The types that an `Accept` line accepts: those with a weight of zero are not. A malformed element is passed over, as clients send
/// such ones beside good ones (`*; q=.2`).
pub(crate) fn accepted(line: &[u8]) -> Vec<MediaRange> {
    elements(line)
        .filter_map(parse)
        .filter(|(_, weight)| *weight == Weight::Positive)
        .map(|(range, _)| range)
        .collect()
}

/// The types of a `Content-Type` line, which should hold one; none where any part of it is malformed.
pub(crate) fn content_types(line: &[u8]) -> Vec<MediaRange> {
    let types: Option<Vec<_>> = elements(line).map(parse).collect();
    let ranges = types.unwrap_or_default().into_iter();
    ranges.map(|(range, _)| range).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Positive,
    Zero,
}

/// The elements of a list; empty ones mean nothing.
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(line, b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Splits at a separator that does not stand in a quoted string.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |&b| {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        b == separator && !quoted
    })
}

fn parse(element: &[u8]) -> Option<(MediaRange, Weight)> {
    let mut parts = split(element, b';').map(<[u8]>::trim_ascii);
    let name = parts.next()?;
    let slash = name.iter().position(|&b| b == b'/')?;
    let (kind, subtype) = name.split_at_checked(slash)?;
    let range = MediaRange {
        kind: lower_token(kind)?,
        subtype: lower_token(subtype.get(1..)?)?,
    };
    let mut weight = Weight::Positive;
    for parameter in parts.filter(|part| !part.is_empty()) {
        let equals = parameter.iter().position(|&b| b == b'=')?;
        let (name, value) = parameter.split_at_checked(equals)?;
        let value = value.get(1..)?;
        if !is_token(name) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"q") {
            weight = parse_weight(value)?;
        } else if !is_token(value) && !is_quoted(value) {
            return None;
        }
    }
    Some((range, weight))
}

fn lower_token(token: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(token)
        .ok()
        .filter(|_| is_token(token))?;
    Some(text.to_ascii_lowercase())
}

fn is_quoted(value: &[u8]) -> bool {
    let Some(inner) = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
    else {
        return false;
    };
    let mut escaped = false;
    for &b in inner {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return false,
            _ => {}
        }
    }
    !escaped
}

/// `0` to `1`; more digits than RFC 9110 allows are sent and do no harm.
fn parse_weight(value: &[u8]) -> Option<Weight> {
    let (whole, fraction) = match value {
        [whole] => (*whole, &[][..]),
        [whole, b'.', fraction @ ..] => (*whole, fraction),
        _ => return None,
    };
    let zeros = fraction.iter().all(|&b| b == b'0');
    match whole {
        b'1' if zeros => Some(Weight::Positive),
        b'0' if zeros => Some(Weight::Zero),
        b'0' if fraction.iter().all(u8::is_ascii_digit) => Some(Weight::Positive),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(line: &str, wanted: &str) -> bool {
        let wanted = accepted(wanted.as_bytes());
        let sent = accepted(line.as_bytes());
        sent.iter()
            .any(|sent| wanted.iter().any(|wanted| wanted.covers(sent)))
    }

    fn is(line: &str, wanted: &str) -> bool {
        let wanted = accepted(wanted.as_bytes());
        let sent = content_types(line.as_bytes());
        sent.iter()
            .any(|sent| wanted.iter().any(|wanted| wanted.covers(sent)))
    }

    #[test]
    fn parameters_do_not_hide_a_type_or_its_neighbours() {
        for line in [
            "application/json;charset=utf-8, text/html",
            "text/html;level=1;q=0.3, application/json",
            r#"text/html;a="x,y;z\"",application/json;q=1.000"#,
            "Application/JSON ; Q=0.5",
            ", ,application/json",
        ] {
            assert!(accepts(line, "application/json"), "{line}");
        }
    }

    #[test]
    fn what_is_excluded_or_malformed_is_not_accepted() {
        for line in [
            "application/json;q=0",
            "application/json;q=0.000, text/html",
            "application/json;q=2",
            "application/json;q=.5",
            "application/json;q=\"1\"",
            "application/json;charset",
            "application/json;a=\"x",
            "application/json text/html",
            "application/json/x",
            "*/*",
            "application/*",
            "json",
            ",;=;,",
        ] {
            assert!(!accepts(line, "application/json"), "{line}");
        }
    }

    #[test]
    fn one_malformed_element_of_an_accept_line_leaves_the_others() {
        assert!(accepts(
            "text/html, image/gif, *; q=.2, */*; q=.2",
            "text/html"
        ));
    }

    #[test]
    fn a_content_type_is_good_as_a_whole_or_not_at_all() {
        assert!(is("application/json; charset=utf-8", "application/json"));
        assert!(is("text/plain, application/json", "application/*"));
        assert!(!is("application/json, ;;=/", "application/json"));
        assert!(!is("not a type;;=/", "*/*"));
    }
}
