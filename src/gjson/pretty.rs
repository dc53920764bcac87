//! `@pretty` and `@ugly`, as tidwall/pretty 1.2 lays JSON out.

use super::scan::{At, part, position, string_end, value_at};
use super::work::Work;
use super::{Kind, Raw, text};
use std::cmp::Ordering;

/// How documents are laid out.
#[derive(Debug)]
pub(super) struct Layout {
    /// Lists without objects that fit into so many columns stand on one line.
    pub(super) width: i64,
    pub(super) prefix: Vec<u8>,
    pub(super) indent: Vec<u8>,
    pub(super) sort_keys: bool,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout {
            width: 80,
            prefix: Vec::new(),
            indent: b"  ".to_vec(),
            sort_keys: false,
        }
    }
}

/// Without white space between the tokens.
pub(super) fn ugly(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut at = 0;
    while let Some(&b) = json.get(at) {
        let end = match b {
            b'"' => string_end(json, at).unwrap_or(json.len()),
            _ => at + 1,
        };
        if b > b' ' {
            out.extend_from_slice(part(json, at, end));
        }
        at = end;
    }
    out
}

pub(super) fn pretty(work: &mut Work, json: &[u8], layout: &Layout) -> Vec<u8> {
    let mut printer = Printer {
        json,
        layout,
        out: layout.prefix.clone(),
        line: 0,
    };
    printer.value(work, 0, 0);
    if !printer.out.is_empty() {
        printer.out.push(b'\n');
    }
    printer.out
}

struct Printer<'a> {
    json: &'a [u8],
    layout: &'a Layout,
    out: Vec<u8>,
    /// Where the current line begins in `out`.
    line: usize,
}

impl Printer<'_> {
    /// Writes the value at or behind a place; returns its end.
    fn value(&mut self, work: &mut Work, at: usize, depth: usize) -> usize {
        let at = position(self.json, at, |b| b > b' ');
        match (self.json.get(at), value_at(self.json, at)) {
            (Some(b'['), _) => self
                .on_one_line(at)
                .unwrap_or_else(|| self.nested(work, at, depth)),
            (Some(b'{'), _) => self.nested(work, at, depth),
            (_, At::Value(_, end)) => {
                self.out.extend_from_slice(part(self.json, at, end));
                end
            }
            (_, At::Broken | At::Other) => self.json.len(),
        }
    }

    /// A list that has no object and fits; nothing is written where it does not.
    fn on_one_line(&mut self, at: usize) -> Option<usize> {
        let used = i64::try_from(self.out.len() - self.line).unwrap_or(i64::MAX);
        let columns = self.layout.width.saturating_sub(used);
        if self.layout.width <= 0 || columns <= 3 {
            return None;
        }
        let columns = usize::try_from(columns).ok()?;
        let mut line = Vec::new();
        let mut depth = 0_usize;
        let mut at = at;
        loop {
            at = position(self.json, at, |b| b > b' ');
            let end = match (*self.json.get(at)?, value_at(self.json, at)) {
                (b'{', _) => return None,
                (b'[', _) => {
                    depth += 1;
                    at + 1
                }
                (b']', _) => {
                    depth -= 1;
                    at + 1
                }
                (b',', _) => {
                    line.extend_from_slice(b", ");
                    at += 1;
                    continue;
                }
                (_, At::Value(_, end)) => end,
                (_, At::Broken | At::Other) => return None,
            };
            line.extend_from_slice(part(self.json, at, end));
            at = end;
            if line.len() > columns {
                return None;
            }
            if depth == 0 {
                self.out.extend_from_slice(&line);
                return Some(at);
            }
        }
    }

    /// Brackets with each part on a line of its own.
    fn nested(&mut self, work: &mut Work, at: usize, depth: usize) -> usize {
        work.take(self.out.len() - self.line);
        work.deeper(|work| Some(self.nested_inner(work, at, depth)))
            .unwrap_or(self.json.len())
    }

    fn nested_inner(&mut self, work: &mut Work, at: usize, depth: usize) -> usize {
        let is_object = self.json.get(at) == Some(&b'{');
        let close = if is_object { b'}' } else { b']' };
        self.out.extend(self.json.get(at));
        let mut at = at + 1;
        let mut members: Vec<Member> = Vec::new();
        let mut count = 0;
        loop {
            at = position(self.json, at, |b| b > b' ' && b != b',');
            match self.json.get(at) {
                None => return at,
                Some(&b) if b == close => break,
                Some(b'"') => {}
                Some(_) if is_object => {
                    at += 1;
                    continue;
                }
                Some(_) => {}
            }
            if count > 0 {
                self.out.push(b',');
            }
            count += 1;
            self.line = self.out.len();
            self.out.push(b'\n');
            let written = self.out.len();
            self.indent(depth + 1);
            let key = at;
            if is_object {
                at = string_end(self.json, at).unwrap_or(self.json.len());
                self.out.extend_from_slice(part(self.json, key, at));
                self.out.extend_from_slice(b": ");
                at = position(self.json, at, |b| b > b' ' && b != b':');
            }
            let value = at;
            at = self.value(work, at, depth + 1);
            if work.is_spent() {
                return at;
            }
            members.push(Member {
                key: (key, value),
                value: (value, at),
                written: (written, self.out.len()),
            });
        }
        if is_object && self.layout.sort_keys {
            self.sort(members);
        }
        if count > 0 {
            self.line = self.out.len();
            self.out.push(b'\n');
            self.indent(depth);
        }
        self.out.push(close);
        at + 1
    }

    fn indent(&mut self, depth: usize) {
        self.out.extend_from_slice(&self.layout.prefix);
        for _ in 0..depth {
            self.out.extend_from_slice(&self.layout.indent);
        }
    }

    /// Puts members that are written already into the order of their keys, and of their values where keys are the same.
    fn sort(&mut self, mut members: Vec<Member>) {
        let (Some(first), Some(last)) = (members.first(), members.last()) else {
            return;
        };
        let (start, end) = (first.written.0, last.written.1);
        let json = self.json;
        members.sort_by(|a, b| {
            order(part_of(json, a.key), part_of(json, b.key))
                .then_with(|| order(part_of(json, a.value), part_of(json, b.value)))
        });
        let mut sorted = Vec::with_capacity(end - start);
        for (index, member) in members.iter().enumerate() {
            if index > 0 {
                sorted.extend_from_slice(b",\n");
            }
            sorted.extend_from_slice(part_of(&self.out, member.written));
        }
        self.out.truncate(start);
        self.out.append(&mut sorted);
    }
}

/// Places of a member: in the document and in what was written.
struct Member {
    /// To the beginning of the value.
    key: (usize, usize),
    value: (usize, usize),
    written: (usize, usize),
}

fn part_of(text: &[u8], (start, end): (usize, usize)) -> &[u8] {
    part(text, start, end)
}

/// By kind, then by what the values say.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (value(a), value(b));
    let rank = |value: &Raw<'_>| match value.kind() {
        Kind::Missing | Kind::Null => 0,
        Kind::False => 1,
        Kind::Number => 2,
        Kind::String => 3,
        Kind::True => 4,
        Kind::Json => 5,
    };
    rank(&a).cmp(&rank(&b)).then_with(|| match a.kind() {
        Kind::String => text::string(&a).cmp(&text::string(&b)),
        Kind::Number => text::number(a.bytes()).total_cmp(&text::number(b.bytes())),
        _ => a.bytes().cmp(b.bytes()),
    })
}

fn value(text: &[u8]) -> Raw<'_> {
    match value_at(text, 0) {
        At::Value(kind, end) => Raw::new(kind, part(text, 0, end)),
        At::Other | At::Broken => Raw::default(),
    }
}
