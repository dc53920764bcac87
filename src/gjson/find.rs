//! The look-up itself.

use super::query::{Query, Which, is_like};
use super::scan::{At, first, next, part, position, rest, string_end, value_at};
use super::steps::{Choice, Selector, Then, item_step, key_step, selectors, split_pipe};
use super::work::Work;
use super::{Kind, Raw, modifiers, text};
use crate::value::{self, Escape, encode_string};
use std::borrow::Cow;

/// What a path leads to in a document.
pub(super) fn find<'a>(work: &mut Work, document: &'a [u8], path: &[u8]) -> Raw<'a> {
    work.deeper(|work| {
        let mut hop = Hop::to(work, document, path);
        loop {
            hop = match hop {
                Hop::Done(value) => return value,
                Hop::On(Cow::Borrowed(document), path) => Hop::to(work, document, path),
                Hop::On(Cow::Owned(document), path) => Hop::to(work, &document, path).into_owned(),
            };
        }
    })
}

/// A path as far as the next pipe.
enum Hop<'a, 'p> {
    Done(Raw<'a>),
    /// The rest of the path is applied to a new document.
    On(Cow<'a, [u8]>, &'p [u8]),
}

impl<'a, 'p> Hop<'a, 'p> {
    fn into_owned(self) -> Hop<'static, 'p> {
        match self {
            Hop::Done(value) => Hop::Done(value.into_owned()),
            Hop::On(document, path) => Hop::On(Cow::Owned(document.into_owned()), path),
        }
    }

    fn to(work: &mut Work, document: &'a [u8], mut path: &'p [u8]) -> Hop<'a, 'p> {
        if !work.take(document.len() + path.len()) {
            return Hop::Done(Raw::default());
        }
        match path {
            [b'@', _, ..] => {
                if let Some((made, behind)) = modifiers::run(work, document, path) {
                    return Hop::behind(made, behind);
                }
            }
            [b'!', _, ..] => {
                if let Some((literal, behind)) = literal(path) {
                    return Hop::behind(Cow::Owned(literal.to_vec()), behind);
                }
            }
            [b'[' | b'{', _, ..] => match selectors(path) {
                Some((parts, behind)) if matches!(behind.first(), None | Some(b'|' | b'.')) => {
                    let made = select(work, document, path.first() == Some(&b'{'), &parts);
                    if behind.is_empty() {
                        return Hop::Done(Raw::made(made));
                    }
                    return Hop::On(Cow::Owned(made), rest(behind, 1));
                }
                // What follows such a bracket is taken for the path, as recorded.
                Some((_, behind)) => path = behind,
                None => path = b"",
            },
            _ => {}
        }
        Hop::search(work, document, path)
    }

    fn behind(made: Cow<'a, [u8]>, path: &'p [u8]) -> Hop<'a, 'p> {
        if let Some(b'|' | b'.') = path.first() {
            return Hop::On(made, rest(path, 1));
        }
        Hop::Done(match made {
            Cow::Borrowed(made) => first(made),
            Cow::Owned(made) => first(&made).into_owned(),
        })
    }

    fn search(work: &mut Work, document: &'a [u8], path: &'p [u8]) -> Hop<'a, 'p> {
        let mut search = Search {
            work,
            json: document,
            found: Raw::default(),
            pipe: None,
        };
        if let [b'.', b'.', path @ ..] = path {
            search.list(0, path);
        } else {
            let start = position(document, 0, |b| matches!(b, b'{' | b'['));
            match document.get(start) {
                Some(b'{') => search.object(start + 1, path),
                Some(_) => search.list(start + 1, path),
                None => (start, false),
            };
        }
        match search.pipe {
            Some(pipe) => Hop::On(search.found.text, pipe),
            None => Hop::Done(search.found),
        }
    }
}

/// The JSON literal of `!literal`, and what is behind it. Brackets end themselves; strings and numbers take all the rest, as recorded.
fn literal(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let path = rest(path, 1);
    if let Some(b'{' | b'[' | b'"' | b'+' | b'-' | b'0'..=b'9') = path.first() {
        return path.split_at_checked(super::scan::squash(path, 0));
    }
    let end = position(path, 0, |b| matches!(b, b'|' | b'.'));
    let (name, behind) = path.split_at_checked(end)?;
    let known = [&b"true"[..], b"false", b"null", b"nan", b"inf"];
    known
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
        .then_some((name, behind))
}

/// `{a,b}` and `[a,b]`.
fn select(work: &mut Work, document: &[u8], object: bool, parts: &[Selector<'_>]) -> Vec<u8> {
    let (open, close) = if object { (b'{', b'}') } else { (b'[', b']') };
    let mut out = vec![open];
    for selector in parts {
        let value = find(work, document, selector.path);
        if !value.exists() || !work.take(value.bytes().len()) {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        if object {
            push_name(&mut out, selector);
            out.push(b':');
        }
        out.extend_from_slice(value.bytes());
    }
    out.push(close);
    out
}

fn push_name(out: &mut Vec<u8>, selector: &Selector<'_>) {
    let name = selector.name;
    if name.first() == Some(&b'"') && value::is_valid(name) {
        out.extend_from_slice(name);
    } else if name.is_empty() {
        encode_string(out, selector.last_key(), Escape::Html);
    } else {
        encode_string(out, name, Escape::Html);
    }
}

/// One pass over a document. A place and whether it was a hit are what each part returns.
struct Search<'w, 'a, 'p> {
    work: &'w mut Work,
    json: &'a [u8],
    found: Raw<'a>,
    pipe: Option<&'p [u8]>,
}

impl<'a, 'p> Search<'_, 'a, 'p> {
    /// Looks into the object whose first member begins at `at`. A key whose value has no such path is passed over: the next member that
    /// fits may have it.
    fn object(&mut self, mut at: usize, path: &'p [u8]) -> (usize, bool) {
        let step = key_step(path);
        self.note_pipe(step.then);
        loop {
            at = position(self.json, at, |b| matches!(b, b'"' | b'}'));
            let key_end = match self.json.get(at) {
                Some(b'"') => string_end(self.json, at),
                Some(_) => return (at + 1, false),
                None => return (at, false),
            };
            let Some(key_end) = key_end else {
                return (self.json.len(), false);
            };
            let key = text::unescape(part(self.json, at + 1, key_end - 1));
            let fits = if step.wild {
                is_like(self.work, &key, &step.key)
            } else {
                key == step.key
            };
            at = match self.member(key_end, fits, step.then) {
                Ok(end) => end,
                Err(done) => return done,
            };
        }
    }

    /// The value of a member. `Ok` is its end, `Err` what ends the object.
    fn member(
        &mut self,
        mut at: usize,
        fits: bool,
        then: Then<'p>,
    ) -> Result<usize, (usize, bool)> {
        let (kind, end) = loop {
            match value_at(self.json, at) {
                At::Value(kind, end) => break (kind, end),
                At::Broken => return Err((self.json.len(), false)),
                At::Other if at >= self.json.len() => return Err((at, false)),
                At::Other => at += 1,
            }
        };
        self.visit(at, kind, end, fits, then)
    }

    /// A value whose key or index was compared.
    fn visit(
        &mut self,
        at: usize,
        kind: Kind,
        end: usize,
        fits: bool,
        then: Then<'p>,
    ) -> Result<usize, (usize, bool)> {
        match (fits, then.within()) {
            (false, _) => Ok(end),
            (true, None) => {
                self.found = Raw::new(kind, part(self.json, at, end));
                Err((end, true))
            }
            (true, Some(_)) if kind != Kind::Json => Ok(end),
            (true, Some(path)) => match self.inside(at, path) {
                (end, true) => Err((end, true)),
                (end, false) => Ok(end),
            },
        }
    }

    fn inside(&mut self, at: usize, path: &'p [u8]) -> (usize, bool) {
        let outer = std::mem::take(&mut self.found);
        let json = self.json;
        let pipe = self.pipe;
        let (place, found, pipe) = self.work.deeper(|work| {
            let mut inner = Search {
                work,
                json,
                found: outer,
                pipe,
            };
            let place = match json.get(at) {
                Some(b'{') => inner.object(at + 1, path),
                _ => inner.list(at + 1, path),
            };
            (place, inner.found, inner.pipe)
        });
        self.found = found;
        self.pipe = pipe;
        if self.work.is_spent() {
            return (json.len(), true);
        }
        place
    }

    /// Looks into the list whose first item begins at `at`; the end of the document ends it too.
    fn list(&mut self, mut at: usize, path: &'p [u8]) -> (usize, bool) {
        let step = item_step(path);
        self.note_pipe(step.then);
        let mut collected = Vec::new();
        let mut starts = Vec::new();
        let mut index = 0;
        loop {
            if let Choice::Map(_) = step.choice {
                starts.push(at);
            }
            let (kind, end) = loop {
                match value_at(self.json, at) {
                    At::Value(kind, end) => break (kind, end),
                    At::Broken => return (self.json.len(), false),
                    At::Other if matches!(self.json.get(at), None | Some(b']')) => {
                        return (
                            at + 1,
                            self.end_list(&step.choice, index, &starts, collected),
                        );
                    }
                    At::Other => at += 1,
                }
            };
            at = match &step.choice {
                Choice::Index(wanted) => {
                    match self.visit(at, kind, end, *wanted == Some(index), step.then) {
                        Ok(end) => end,
                        Err(done) => return done,
                    }
                }
                Choice::Count | Choice::Map(_) => end,
                Choice::Query(query) => {
                    let item = Raw::new(kind, part(self.json, at, end));
                    if self.asks(query, &item, step.then, &mut collected) {
                        return (end, true);
                    }
                    end
                }
            };
            index += 1;
        }
    }

    /// An item of a list with a query; `true` ends the search.
    fn asks(
        &mut self,
        query: &Query<'p>,
        item: &Raw<'a>,
        then: Then<'p>,
        collected: &mut Vec<Raw<'a>>,
    ) -> bool {
        let compared = match item.kind {
            Kind::Json => self.find_in(item, query.path),
            _ if query.path.is_empty() => item.clone(),
            _ => return false,
        };
        if !query.matches(self.work, &compared) {
            return false;
        }
        let value = match then.within() {
            None => item.clone(),
            Some(path) => {
                let path = self.cut_pipe(path);
                self.find_in(item, path)
            }
        };
        match query.which {
            Which::First => {
                self.found = value;
                true
            }
            Which::All => {
                collected.push(value);
                false
            }
        }
    }

    fn find_in(&mut self, item: &Raw<'a>, path: &[u8]) -> Raw<'a> {
        match &item.text {
            Cow::Borrowed(text) => find(self.work, text, path),
            Cow::Owned(text) => find(self.work, text, path).into_owned(),
        }
    }

    /// What `#` and `#(…)#` are known to be only at the end of the list. Whether it was a hit.
    fn end_list(
        &mut self,
        choice: &Choice<'p>,
        count: usize,
        starts: &[usize],
        collected: Vec<Raw<'a>>,
    ) -> bool {
        match choice {
            Choice::Index(_) => false,
            Choice::Count => {
                self.found = Raw {
                    kind: Kind::Number,
                    text: Cow::Owned(count.to_string().into_bytes()),
                };
                true
            }
            Choice::Map(key) => {
                let key = self.cut_pipe(key);
                let items = starts.iter().filter_map(|&start| self.json_item(start));
                let items: Vec<Raw<'a>> = items.collect();
                let values: Vec<_> = items.iter().map(|item| self.find_in(item, key)).collect();
                self.found = Raw::made(join(values.iter()));
                true
            }
            Choice::Query(query) => {
                // A query for all is no hit: later members of an object may still be one, as recorded.
                if query.which == Which::All && !self.found.exists() {
                    self.found = Raw::made(join(collected.iter()));
                }
                false
            }
        }
    }

    fn json_item(&self, start: usize) -> Option<Raw<'a>> {
        let start = position(self.json, start, |b| !b.is_ascii_whitespace());
        if self.json.get(start)? == &b']' {
            return None;
        }
        next(self.json, start).map(|(value, _)| value)
    }

    fn note_pipe(&mut self, then: Then<'p>) {
        if let Then::Pipe(path) = then {
            self.pipe = Some(path);
        }
    }

    /// Of the path behind `#` what each item gets; a pipe behind that is for the whole.
    fn cut_pipe(&mut self, path: &'p [u8]) -> &'p [u8] {
        match split_pipe(path) {
            Some((path, pipe)) => {
                self.pipe = Some(pipe);
                path
            }
            None => path,
        }
    }
}

/// A list of the values that there are.
fn join<'v, 'a: 'v>(values: impl Iterator<Item = &'v Raw<'a>>) -> Vec<u8> {
    let mut out = vec![b'['];
    for value in values.filter(|value| !value.bytes().is_empty()) {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(value.bytes());
    }
    out.push(b']');
    out
}
