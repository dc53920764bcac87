//! A path, piece by piece. Which piece a text is depends on the value that it is applied to.

use super::modifiers;
use super::query::Query;
use super::scan::{group_end, part, rest};
use std::borrow::Cow;

/// What comes behind a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then<'p> {
    End,
    /// The rest is applied to the value at hand, while the document is scanned.
    Within(&'p [u8]),
    /// The rest is applied to the result as a document of its own.
    Pipe(&'p [u8]),
}

impl<'p> Then<'p> {
    pub(super) fn within(self) -> Option<&'p [u8]> {
        match self {
            Then::Within(path) => Some(path),
            Then::End | Then::Pipe(_) => None,
        }
    }
}

/// A piece as an object takes it.
#[derive(Debug)]
pub(super) struct KeyStep<'p> {
    pub(super) key: Cow<'p, [u8]>,
    /// Whether `*` and `?` in the key stand for others.
    pub(super) wild: bool,
    pub(super) then: Then<'p>,
}

pub(super) fn key_step(path: &[u8]) -> KeyStep<'_> {
    let mut wild = false;
    let mut plain: Option<Vec<u8>> = None;
    let mut at = 0;
    let mut then = Then::End;
    let mut end = path.len();
    while let Some(&b) = path.get(at) {
        match b {
            b'|' => {
                then = Then::Pipe(rest(path, at + 1));
                end = at;
                break;
            }
            b'.' => {
                then = behind_dot(rest(path, at + 1));
                end = at;
                break;
            }
            b'\\' => {
                let key = plain.get_or_insert_with(|| part(path, 0, at).to_vec());
                key.extend(path.get(at + 1));
                at += 2;
                continue;
            }
            b'*' | b'?' => wild = true,
            _ => {}
        }
        if let Some(key) = &mut plain {
            key.push(b);
        }
        at += 1;
    }
    let key = plain.map_or_else(|| Cow::Borrowed(part(path, 0, end)), Cow::Owned);
    KeyStep { key, wild, then }
}

fn behind_dot(path: &[u8]) -> Then<'_> {
    if begins_a_pipe(path) {
        Then::Pipe(path)
    } else {
        Then::Within(path)
    }
}

/// Whether a dot before this works like a pipe: before modifiers and multipaths.
fn begins_a_pipe(path: &[u8]) -> bool {
    match path.first() {
        Some(b'[' | b'{') => true,
        Some(b'@') => {
            let name = path.split(|b| matches!(b, b'.' | b'|' | b':')).next();
            name.and_then(|name| name.get(1..))
                .is_some_and(modifiers::is_known)
        }
        _ => false,
    }
}

/// A piece as a list takes it.
#[derive(Debug)]
pub(super) struct ItemStep<'p> {
    pub(super) choice: Choice<'p>,
    pub(super) then: Then<'p>,
}

#[derive(Debug)]
pub(super) enum Choice<'p> {
    /// `None` where no item is meant.
    Index(Option<usize>),
    /// `#`
    Count,
    /// `#.key`
    Map(&'p [u8]),
    /// `#(…)` or `#(…)#`
    Query(Query<'p>),
}

pub(super) fn item_step(path: &[u8]) -> ItemStep<'_> {
    let mut sharp = false;
    let mut query = None;
    let mut at = 0;
    let mut then = Then::End;
    let mut end = path.len();
    if matches!(path, [b'#', b'(' | b'[', ..]) {
        sharp = true;
        let Some((found, behind)) = Query::parse(path) else {
            // Its bracket is never closed: the whole path is a query for anything.
            let choice = Choice::Query(Query::default());
            return ItemStep { choice, then };
        };
        query = Some(found);
        at = behind;
    }
    while let Some(&b) = path.get(at) {
        match b {
            b'|' => {
                then = Then::Pipe(rest(path, at + 1));
                end = at;
                break;
            }
            b'.' => {
                let behind = rest(path, at + 1);
                then = if sharp {
                    Then::Within(behind)
                } else {
                    behind_dot(behind)
                };
                end = at;
                break;
            }
            b'#' => sharp = true,
            _ => {}
        }
        at += 1;
    }
    let choice = match (query, part(path, 0, end), then) {
        (Some(query), ..) => Choice::Query(query),
        (None, b"#", Then::Within(key)) => Choice::Map(key),
        (None, b"#", _) => Choice::Count,
        (None, _, _) if sharp => Choice::Index(None),
        (None, digits, _) => Choice::Index(index(digits)),
    };
    ItemStep { choice, then }
}

/// Wraps around at 2^64, as recorded.
fn index(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0_u64, |number, digit| {
        number
            .wrapping_mul(10)
            .wrapping_add(u64::from(digit - b'0'))
    });
    i64::try_from(number)
        .ok()
        .and_then(|number| usize::try_from(number).ok())
}

/// Splits the path of `#.path` and `#(…).path` at the pipe that belongs to the whole, not to each item.
pub(super) fn split_pipe(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let split = |at: usize| (part(path, 0, at), rest(path, at + 1));
    if path.first() == Some(&b'{') {
        let end = group_end(path, 0);
        return (path.get(end) == Some(&b'|')).then(|| split(end));
    }
    let mut at = 0;
    while let Some(b) = path.get(at) {
        match b {
            b'\\' => at += 1,
            b'|' => return Some(split(at)),
            b'.' if path.get(at + 1) == Some(&b'#') => {
                at += 2;
                let bracket = path.get(at)?;
                if let b'(' | b'[' = bracket {
                    at = query_end(path, at, *bracket);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The place of the bracket that closes the one at `start`.
fn query_end(path: &[u8], start: usize, open: u8) -> usize {
    let close = if open == b'(' { b')' } else { b']' };
    let mut depth = 0;
    let mut quoted = false;
    let mut at = start;
    while let Some(&b) = path.get(at) {
        match b {
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            _ if b == open => depth += 1,
            _ if b == close => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// One part of a multipath.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Selector<'p> {
    /// As written before a colon; may be quoted.
    pub(super) name: &'p [u8],
    pub(super) path: &'p [u8],
}

/// The parts of the multipath that a path begins with, and what is behind it; `None` where its bracket is never closed.
pub(super) fn selectors(path: &[u8]) -> Option<(Vec<Selector<'_>>, &[u8])> {
    let mut found = Vec::new();
    let mut depth = 1_usize;
    let mut start = 1;
    let mut colon = None;
    let mut modifier = false;
    let mut at = 1;
    while let Some(b) = path.get(at) {
        let mut closes = false;
        match b {
            b'\\' => at += 1,
            b'@' => modifier |= matches!(path.get(at - 1), Some(b'.' | b'|')),
            b':' if !modifier && depth == 1 => colon = colon.or(Some(at)),
            b',' => closes = depth == 1,
            b'"' => at = group_end(path, at) - 1,
            b'[' | b'(' | b'{' => depth += 1,
            b']' | b')' | b'}' => {
                depth -= 1;
                closes = depth == 0;
            }
            _ => {}
        }
        if closes {
            found.push(match colon.take() {
                None => Selector {
                    name: b"",
                    path: part(path, start, at),
                },
                Some(colon) => Selector {
                    name: part(path, start, colon),
                    path: part(path, colon + 1, at),
                },
            });
            if depth == 0 {
                return Some((found, rest(path, at + 1)));
            }
            modifier = false;
            start = at + 1;
        }
        at += 1;
    }
    None
}

impl Selector<'_> {
    /// The last key of the path, which names the value where nothing else does; `_` where that is no simple one.
    pub(super) fn last_key(&self) -> &[u8] {
        let path = self.path;
        let cut = (0..path.len()).rev().find(|&at| {
            matches!(path.get(at), Some(b'|' | b'.'))
                && (at == 0 || path.get(at - 1) != Some(&b'\\'))
        });
        let name = cut.map_or(path, |at| rest(path, at + 1));
        let simple = name.iter().all(|b| *b >= b' ' && !b"[]{}()#|!".contains(b));
        if simple { name } else { b"_" }
    }
}
