//! Where values begin and end. Trusts the document to be JSON, and stays within it where a path made it something else.

use super::{Kind, Raw};

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// A value and its end.
    Value(Kind, usize),
    /// No value begins here.
    Other,
    /// A string that never ends.
    Broken,
}

pub(super) fn value_at(json: &[u8], start: usize) -> At {
    let Some(&first) = json.get(start) else {
        return At::Other;
    };
    match first {
        b'"' => string_end(json, start).map_or(At::Broken, |end| At::Value(Kind::String, end)),
        b'{' | b'[' => At::Value(Kind::Json, squash(json, start)),
        b'n' if json.get(start + 1).is_some_and(|&b| b != b'u') => number(json, start),
        b'n' => At::Value(Kind::Null, literal_end(json, start)),
        b't' => At::Value(Kind::True, literal_end(json, start)),
        b'f' => At::Value(Kind::False, literal_end(json, start)),
        b'+' | b'-' | b'0'..=b'9' | b'i' | b'I' | b'N' => number(json, start),
        _ => At::Other,
    }
}

fn number(json: &[u8], start: usize) -> At {
    let end = position(json, start + 1, |b| {
        b <= b' ' || matches!(b, b',' | b']' | b'}')
    });
    At::Value(Kind::Number, end)
}

fn literal_end(json: &[u8], start: usize) -> usize {
    position(json, start + 1, |b| !b.is_ascii_lowercase())
}

/// The place of the first byte that fits; the end of the text where none does.
pub(super) fn position(json: &[u8], start: usize, fits: impl Fn(u8) -> bool) -> usize {
    let rest = json.get(start..).unwrap_or_default();
    rest.iter()
        .position(|&b| fits(b))
        .map_or(json.len(), |at| start + at)
}

/// The end of the string whose opening quote stands at `start`.
pub(super) fn string_end(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match json.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The end of the bracketed text that begins at `start`, whatever stands there; the end of the document where it is not closed.
/// Kinds of brackets are not told apart.
pub(super) fn squash(json: &[u8], start: usize) -> usize {
    let mut depth = 1_usize;
    let mut at = start + 1;
    while let Some(b) = json.get(at) {
        match b {
            b'"' => match string_end(json, at) {
                Some(end) => {
                    at = end;
                    continue;
                }
                None => return json.len(),
            },
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    json.len()
}

/// The end of the string or bracketed text at `start`.
pub(super) fn group_end(text: &[u8], start: usize) -> usize {
    match text.get(start) {
        Some(b'"') => string_end(text, start).unwrap_or(text.len()),
        _ => squash(text, start),
    }
}

/// A part of a text; empty where there is no such part.
pub(super) fn part(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.get(start..end).unwrap_or_default()
}

/// A part of a text to its end.
pub(super) fn rest(text: &[u8], start: usize) -> &[u8] {
    text.get(start..).unwrap_or_default()
}

/// The first value of a text. An object or list takes the rest of the text along.
pub(super) fn first(json: &[u8]) -> Raw<'_> {
    let start = position(json, 0, |b| b > b' ');
    match value_at(json, start) {
        At::Value(Kind::Json, _) => Raw::new(Kind::Json, rest(json, start)),
        At::Value(kind, end) => Raw::new(kind, part(json, start, end)),
        At::Broken => Raw::new(Kind::String, rest(json, start)),
        At::Other => Raw::default(),
    }
}

/// The next value at or behind a place, with its end.
pub(super) fn next(json: &[u8], mut at: usize) -> Option<(Raw<'_>, usize)> {
    while at < json.len() {
        match value_at(json, at) {
            At::Value(kind, end) => return Some((Raw::new(kind, part(json, at, end)), end)),
            At::Broken => return None,
            At::Other => at += 1,
        }
    }
    None
}

/// The members of an object (with their keys as written), the items of a list, or a scalar alone.
pub(super) fn children(json: &[u8]) -> impl Iterator<Item = (Option<&[u8]>, Raw<'_>)> {
    let value = first(json);
    let start = position(json, 0, |b| b > b' ') + 1;
    let shape = match (value.kind, json.get(start - 1)) {
        (Kind::Missing, _) => Shape::Done,
        (Kind::Json, Some(b'{')) => Shape::Object,
        (Kind::Json, _) => Shape::List,
        _ => Shape::Scalar,
    };
    Children {
        json,
        at: start,
        shape,
    }
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Object,
    List,
    Scalar,
    Done,
}

struct Children<'a> {
    json: &'a [u8],
    at: usize,
    shape: Shape,
}

impl<'a> Iterator for Children<'a> {
    type Item = (Option<&'a [u8]>, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match self.shape {
            Shape::Done => None,
            Shape::Scalar => {
                self.shape = Shape::Done;
                Some((None, first(self.json)))
            }
            Shape::List => {
                let (value, end) = next(self.json, self.at)?;
                self.at = end;
                Some((None, value))
            }
            Shape::Object => {
                let quote = position(self.json, self.at, |b| b == b'"');
                let key_end = string_end(self.json, quote)?;
                let key = part(self.json, quote, key_end);
                let (value, end) = next(self.json, key_end)?;
                self.at = end;
                Some((Some(key), value))
            }
        }
    }
}

/// Without white space around it.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let start = position(text, 0, |b| b > b' ');
    let end = text.iter().rposition(|&b| b > b' ').map_or(0, |at| at + 1);
    part(text, start, end)
}
