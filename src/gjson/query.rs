//! `#(path op value)`: which items of a list are meant.

use super::scan::{part, rest, trim};
use super::work::Work;
use super::{Kind, Raw, text};
use std::borrow::Cow;
use std::cmp::Ordering;

/// What an item must be like.
#[derive(Debug, Default)]
pub(super) struct Query<'p> {
    /// Leads from the item to the value that is compared; empty for the item itself.
    pub(super) path: &'p [u8],
    op: Op,
    value: Cow<'p, [u8]>,
    pub(super) which: Which,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Which {
    #[default]
    First,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Op {
    /// The value must be there.
    #[default]
    Exists,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    NotLike,
}

impl<'p> Query<'p> {
    /// Reads the query that a path begins with; also returns where the path goes on. `None` where its bracket is never closed.
    pub(super) fn parse(path: &'p [u8]) -> Option<(Query<'p>, usize)> {
        let outline = Outline::of(path)?;
        let behind = outline.end + 1;
        let which = match path.get(behind) {
            Some(b'#') => Which::All,
            _ => Which::First,
        };
        let Some(op_at) = outline.op else {
            let query = Query {
                path: trim(part(path, 2, outline.end)),
                which,
                ..Query::default()
            };
            return Some((query, behind));
        };
        let (op, value) = split_op(trim(part(path, op_at, outline.end)));
        Some((
            Query {
                path: trim(part(path, 2, op_at)),
                op,
                value: unquote(value, outline.escaped),
                which,
            },
            behind,
        ))
    }

    /// Whether an item is meant whose compared value is this one.
    pub(super) fn matches(&self, work: &mut Work, value: &Raw<'_>) -> bool {
        if let Some(wanted) = self.value.strip_prefix(b"~") {
            let holds = match wanted {
                b"*" => value.exists(),
                b"null" => matches!(value.kind(), Kind::Missing | Kind::Null),
                b"true" => truth(value) == Some(true),
                b"false" => {
                    truth(value) == Some(false)
                        || matches!(value.kind(), Kind::Missing | Kind::Null)
                }
                _ => return false,
            };
            return self.op == Op::Exists || of_bool(self.op, holds, b"true");
        }
        if !value.exists() {
            return false;
        }
        match (self.op, value.kind()) {
            (Op::Exists, _) => true,
            (Op::Like, Kind::String) => is_like(work, &text::string(value), &self.value),
            (Op::NotLike, Kind::String) => !is_like(work, &text::string(value), &self.value),
            (op, Kind::String) => op.holds(Some(text::string(value).as_ref().cmp(&self.value))),
            (op, Kind::Number) => {
                let wanted = text::number(&self.value);
                op.holds(text::number(value.bytes()).partial_cmp(&wanted))
            }
            (op, Kind::True) => of_bool(op, true, &self.value),
            (op, Kind::False) => of_bool(op, false, &self.value),
            (_, Kind::Missing | Kind::Null | Kind::Json) => false,
        }
    }
}

/// Where the parts of a query are.
struct Outline {
    op: Option<usize>,
    /// The closing bracket.
    end: usize,
    /// Whether a quoted string has an escape.
    escaped: bool,
}

impl Outline {
    fn of(path: &[u8]) -> Option<Outline> {
        let mut op = None;
        let mut escaped = false;
        let mut depth = 1;
        let mut at = 2;
        while let Some(b) = path.get(at) {
            match b {
                b'!' | b'=' | b'<' | b'>' | b'%' if depth == 1 && op.is_none() => op = Some(at),
                b'\\' => at += 1,
                b'[' | b'(' => depth += 1,
                b']' | b')' => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(Outline {
                            op,
                            end: at,
                            escaped,
                        });
                    }
                }
                b'"' => {
                    at += 1;
                    while let Some(b) = path.get(at).filter(|&&b| b != b'"') {
                        if *b == b'\\' {
                            escaped = true;
                            at += 1;
                        }
                        at += 1;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        None
    }
}

fn split_op(text: &[u8]) -> (Op, &[u8]) {
    let (op, length) = match text {
        [b'!', b'=', ..] => (Op::NotEqual, 2),
        [b'!', b'%', ..] => (Op::NotLike, 2),
        [b'<', b'=', ..] => (Op::LessOrEqual, 2),
        [b'>', b'=', ..] => (Op::GreaterOrEqual, 2),
        [b'=', b'=', ..] => (Op::Equal, 2),
        [b'<', ..] => (Op::Less, 1),
        [b'>', ..] => (Op::Greater, 1),
        [b'=', ..] => (Op::Equal, 1),
        [b'%', ..] => (Op::Like, 1),
        _ => (Op::Exists, 0),
    };
    (op, trim(rest(text, length)))
}

fn unquote(value: &[u8], escaped: bool) -> Cow<'_, [u8]> {
    match value {
        [b'"', inner @ .., b'"'] if escaped => text::unescape(inner),
        [b'"', inner @ .., b'"'] => Cow::Borrowed(inner),
        _ => Cow::Borrowed(value),
    }
}

impl Op {
    /// `None` is the order of what has none (NaN).
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Op::Equal => order == Some(Ordering::Equal),
            Op::NotEqual => order != Some(Ordering::Equal),
            Op::Less => order == Some(Ordering::Less),
            Op::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Op::Greater => order == Some(Ordering::Greater),
            Op::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Op::Exists | Op::Like | Op::NotLike => false,
        }
    }
}

/// `false` is less than `true`; other words are neither.
fn of_bool(op: Op, value: bool, wanted: &[u8]) -> bool {
    let same: &[u8] = if value { b"true" } else { b"false" };
    match op {
        Op::Equal => wanted == same,
        Op::NotEqual => wanted != same,
        Op::Greater => value && wanted == b"false",
        Op::Less => !value && wanted == b"true",
        Op::GreaterOrEqual => value,
        Op::LessOrEqual => !value,
        Op::Exists | Op::Like | Op::NotLike => false,
    }
}

/// Whether a value counts as true or as false; `None` for neither.
fn truth(value: &Raw<'_>) -> Option<bool> {
    match value.kind() {
        Kind::True => Some(true),
        Kind::False => Some(false),
        Kind::Number => Some(text::number(value.bytes()) != 0.0),
        Kind::String => text::boolean(&text::string(value)),
        Kind::Missing | Kind::Null | Kind::Json => None,
    }
}

/// Whether a text is like a pattern: `*` stands for anything, `?` for one character, a backslash takes the next one as it is.
///
/// Goes back to the last `*` only, so that the time is at most the product of both lengths; that is taken from the work that is left.
pub(super) fn is_like(work: &mut Work, text: &[u8], pattern: &[u8]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while work.take(1) {
        let stepped = match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            (Some(b'?'), Some(_)) => Some((1, character(text, t))),
            (Some(b'\\'), Some(b)) if pattern.get(p + 1) == Some(b) => Some((2, 1)),
            (Some(b'\\'), _) | (_, None) | (None, _) => None,
            (Some(wanted), Some(b)) => (wanted == b).then_some((1, 1)),
        };
        if let Some((in_pattern, in_text)) = stepped {
            p += in_pattern;
            t += in_text;
            continue;
        }
        match star {
            Some((behind, from)) if from < text.len() => {
                star = Some((behind, from + 1));
                p = behind;
                t = from + 1;
            }
            Some(_) | None => return false,
        }
    }
    false
}

/// The length of the UTF-8 character at a place.
fn character(text: &[u8], at: usize) -> usize {
    1 + rest(text, at + 1)
        .iter()
        .take(3)
        .take_while(|&&b| b & 0xc0 == 0x80)
        .count()
}
