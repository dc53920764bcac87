//! `@name` and `@name:argument`: what makes another document of a document.

use super::find::find;
use super::pretty::{self, Layout};
use super::scan::{children, first, group_end, part, rest, trim};
use super::work::Work;
use super::{Kind, Raw, text};
use crate::value::{Escape, encode_string, is_valid};
use std::borrow::Cow;

#[derive(Debug, Clone, Copy)]
enum Modifier {
    Dig,
    Flatten,
    FromStr,
    Group,
    Join,
    Keys,
    Pretty,
    Reverse,
    This,
    ToStr,
    Ugly,
    Valid,
    Values,
}

fn named(name: &[u8]) -> Option<Modifier> {
    Some(match name {
        b"dig" => Modifier::Dig,
        b"flatten" => Modifier::Flatten,
        b"fromstr" => Modifier::FromStr,
        b"group" => Modifier::Group,
        b"join" => Modifier::Join,
        b"keys" => Modifier::Keys,
        b"pretty" => Modifier::Pretty,
        b"reverse" => Modifier::Reverse,
        b"this" => Modifier::This,
        b"tostr" => Modifier::ToStr,
        b"ugly" => Modifier::Ugly,
        b"valid" => Modifier::Valid,
        b"values" => Modifier::Values,
        _ => return None,
    })
}

pub(super) fn is_known(name: &[u8]) -> bool {
    named(name).is_some()
}

/// Runs the modifier that a path begins with; also returns what is behind it. `None` where there is no such modifier: then the path
/// begins with a key.
pub(super) fn run<'a, 'p>(
    work: &mut Work,
    json: &'a [u8],
    path: &'p [u8],
) -> Option<(Cow<'a, [u8]>, &'p [u8])> {
    let end = super::scan::position(path, 1, |b| matches!(b, b':' | b'|' | b'.'));
    let modifier = named(part(path, 1, end))?;
    let (argument, behind) = match path.get(end) {
        Some(b':') => split_argument(rest(path, end + 1)),
        _ => (&b""[..], rest(path, end)),
    };
    let made = modifier.apply(work, json, argument);
    work.take(made.len());
    Some((made, behind))
}

/// A JSON value, or whatever comes before the next pipe.
fn split_argument(text: &[u8]) -> (&[u8], &[u8]) {
    let split = |at: usize| (part(text, 0, at), rest(text, at));
    if let Some(b'{' | b'[' | b'"') = text.first() {
        return split(group_end(text, 0));
    }
    let mut at = 0;
    while let Some(b) = text.get(at).filter(|&&b| b != b'|') {
        at = match b {
            b'{' | b'[' | b'"' | b'(' => group_end(text, at),
            _ => at + 1,
        };
    }
    split(at)
}

impl Modifier {
    fn apply<'a>(self, work: &mut Work, json: &'a [u8], argument: &[u8]) -> Cow<'a, [u8]> {
        match self {
            Modifier::This => Cow::Borrowed(json),
            Modifier::Valid if is_valid(json) => Cow::Borrowed(json),
            Modifier::Valid => Cow::Borrowed(b""),
            Modifier::Pretty => pretty::pretty(work, json, &layout(argument)).into(),
            Modifier::Ugly => pretty::ugly(json).into(),
            Modifier::Reverse => reverse(json),
            Modifier::Flatten => flatten(json, option(argument, b"deep")),
            Modifier::Join => join(json, option(argument, b"preserve")),
            Modifier::Keys => keys(json).into(),
            Modifier::Values => values(json),
            Modifier::ToStr => {
                let mut out = Vec::with_capacity(json.len() + 2);
                encode_string(&mut out, json, Escape::Html);
                out.into()
            }
            Modifier::FromStr if is_valid(json) => text::plain(&first(json)).into(),
            Modifier::FromStr => Cow::Borrowed(b""),
            Modifier::Group => group(json).into(),
            Modifier::Dig => dig(work, json, argument).into(),
        }
    }
}

/// The last member of that name in a modifier's argument.
fn member<'t>(argument: &'t [u8], name: &[u8]) -> Option<Raw<'t>> {
    children(argument)
        .filter(|(key, _)| key.is_some_and(|key| is_key(key, name)))
        .last()
        .map(|(_, value)| value)
}

fn is_key(key: &[u8], name: &[u8]) -> bool {
    *text::string(&Raw::new(Kind::String, key)) == *name
}

fn option(argument: &[u8], name: &[u8]) -> bool {
    member(argument, name).is_some_and(|value| match value.kind() {
        Kind::True => true,
        Kind::String => text::boolean(&text::string(&value)) == Some(true),
        Kind::Number => text::number(value.bytes()) != 0.0,
        Kind::Missing | Kind::Null | Kind::False | Kind::Json => false,
    })
}

fn layout(argument: &[u8]) -> Layout {
    let white = |name: &[u8]| {
        let value = member(argument, name)?;
        let text = text::plain(&value).into_iter();
        Some(
            text.filter(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
                .collect(),
        )
    };
    let mut layout = Layout::default();
    if let Some(indent) = white(b"indent") {
        layout.indent = indent;
    }
    if let Some(prefix) = white(b"prefix") {
        layout.prefix = prefix;
    }
    if let Some(width) = member(argument, b"width") {
        // Saturates; a layout needs no more.
        layout.width = match width.kind() {
            Kind::True => 1,
            Kind::Number | Kind::String => text::number(&text::string(&width)) as i64,
            Kind::Missing | Kind::Null | Kind::False | Kind::Json => 0,
        };
    }
    layout.sort_keys = option(argument, b"sortKeys");
    layout
}

fn opens_with(json: &[u8], bracket: u8) -> bool {
    let value = first(json);
    value.kind() == Kind::Json && value.bytes().first() == Some(&bracket)
}

/// Writes a list or an object part by part.
struct Writer {
    out: Vec<u8>,
    close: u8,
}

impl Writer {
    fn list() -> Writer {
        Writer {
            out: vec![b'['],
            close: b']',
        }
    }

    fn object() -> Writer {
        Writer {
            out: vec![b'{'],
            close: b'}',
        }
    }

    fn push(&mut self, text: &[u8]) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        self.out.extend_from_slice(text);
    }

    fn push_member(&mut self, key: &[u8], value: &[u8]) {
        self.push(key);
        self.out.push(b':');
        self.out.extend_from_slice(value);
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.push(self.close);
        self.out
    }
}

fn reverse(json: &[u8]) -> Cow<'_, [u8]> {
    let mut writer = if opens_with(json, b'[') {
        Writer::list()
    } else if opens_with(json, b'{') {
        Writer::object()
    } else {
        return Cow::Borrowed(json);
    };
    let all: Vec<_> = children(json).collect();
    for (key, value) in all.iter().rev() {
        match key {
            Some(key) => writer.push_member(key, value.bytes()),
            None => writer.push(value.bytes()),
        }
    }
    writer.finish().into()
}

fn flatten(json: &[u8], deep: bool) -> Cow<'_, [u8]> {
    if !opens_with(json, b'[') {
        return Cow::Borrowed(json);
    }
    let mut writer = Writer::list();
    let mut open = vec![children(json)];
    while let Some(innermost) = open.last_mut() {
        let Some((_, value)) = innermost.next() else {
            open.pop();
            continue;
        };
        // Only texts of the document itself come out of it.
        let Cow::Borrowed(text) = value.text else {
            continue;
        };
        let inner = if text.first() != Some(&b'[') {
            text
        } else if deep {
            open.push(children(text));
            continue;
        } else {
            unwrap(text)
        };
        if !trim(inner).is_empty() {
            writer.push(trim(inner));
        }
    }
    writer.finish().into()
}

/// What is between the brackets of a list or an object.
fn unwrap(json: &[u8]) -> &[u8] {
    match trim(json) {
        [b'[' | b'{', inner @ .., _] => inner,
        other => other,
    }
}

fn join(json: &[u8], preserve: bool) -> Cow<'_, [u8]> {
    if !opens_with(json, b'[') {
        return Cow::Borrowed(json);
    }
    let mut writer = Writer::object();
    let items: Vec<_> = children(json).map(|(_, value)| value).collect();
    let objects = items
        .iter()
        .filter(|item| item.bytes().first() == Some(&b'{'));
    if preserve {
        objects.for_each(|object| writer.push(unwrap(object.bytes())));
        return writer.finish().into();
    }
    let mut order = Vec::new();
    let mut last = std::collections::HashMap::new();
    for (key, value) in objects.flat_map(|object| children(object.bytes())) {
        let Some(key) = key else { continue };
        let name = text::string(&Raw::new(Kind::String, key)).into_owned();
        if last.insert(name.clone(), value).is_none() {
            order.push((key, name));
        }
    }
    for (key, name) in order {
        if let Some(value) = last.get(&name) {
            writer.push_member(key, value.bytes());
        }
    }
    writer.finish().into()
}

/// The keys of an object; a `null` for each item of a list.
fn keys(json: &[u8]) -> Vec<u8> {
    let mut writer = Writer::list();
    for (key, _) in children(json) {
        writer.push(key.unwrap_or(b"null"));
    }
    writer.finish()
}

fn values(json: &[u8]) -> Cow<'_, [u8]> {
    if opens_with(json, b'[') {
        return Cow::Borrowed(json);
    }
    let mut writer = Writer::list();
    for (_, value) in children(json) {
        writer.push(value.bytes());
    }
    writer.finish().into()
}

/// An object of lists becomes a list of objects.
fn group(json: &[u8]) -> Vec<u8> {
    if !opens_with(json, b'{') {
        return Vec::new();
    }
    let mut rows: Vec<Writer> = Vec::new();
    for (key, list) in children(json) {
        let Some(key) = key.filter(|_| list.bytes().first() == Some(&b'[')) else {
            continue;
        };
        for (index, (_, value)) in children(list.bytes()).enumerate() {
            if index == rows.len() {
                rows.push(Writer::object());
            }
            if let Some(row) = rows.get_mut(index) {
                row.push_member(key, value.bytes());
            }
        }
    }
    let mut writer = Writer::list();
    for row in rows {
        writer.push(&row.finish());
    }
    writer.finish()
}

/// What a path leads to in a document and in every value below it, outermost first.
fn dig(work: &mut Work, json: &[u8], path: &[u8]) -> Vec<u8> {
    let mut writer = Writer::list();
    let mut look = |work: &mut Work, json: &[u8]| {
        let found = find(work, json, path);
        if found.exists() && work.take(found.bytes().len()) {
            writer.push(found.bytes());
        }
    };
    let document = first(json);
    let document = rest(json, json.len() - document.bytes().len().min(json.len()));
    look(work, document);
    let mut open = Vec::new();
    if opens_with(document, b'[') || opens_with(document, b'{') {
        open.push(children(document));
    }
    while let Some(innermost) = open.last_mut().filter(|_| !work.is_spent()) {
        match innermost.next() {
            None => {
                open.pop();
            }
            Some((_, value)) => {
                look(work, value.bytes());
                if let (Kind::Json, Cow::Borrowed(text)) = (value.kind, value.text) {
                    open.push(children(text));
                }
            }
        }
    }
    writer.finish()
}
