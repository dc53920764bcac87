//! Sprig's strings. Lengths and positions count bytes, as in Go.

use super::Ty::{Any, Int, String as Text};
use super::{Args, Cx, Function};
use crate::template::fail::fail;
use crate::template::quote::{is_space, lower, map_chars, quote, title, upper};
use crate::template::val::{Entries, MapType, Res, Val, lossy};
use std::rc::Rc;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("hello", &[], |_, _| Ok(Val::borrowed("Hello!"))),
    Function::new("upper", &[Text], |cx, args| mapped(cx, args, upper)),
    Function::new("lower", &[Text], |cx, args| mapped(cx, args, lower)),
    Function::new("title", &[Text], |cx, mut args| {
        let text = titled(&args.text());
        cx.text(text)
    }),
    Function::new("untitle", &[Text], |cx, mut args| {
        let text = untitled(&args.text());
        cx.text(text)
    }),
    Function::new("swapcase", &[Text], |cx, mut args| {
        let text = swapped(&args.text());
        cx.text(text)
    }),
    Function::new("trim", &[Text], |cx, mut args| {
        let text = args.text();
        cx.text(text.trim_matches(is_space))
    }),
    Function::new("trimAll", &[Text, Text], |cx, mut args| {
        let set: Vec<char> = args.text().chars().collect();
        let text = args.text();
        cx.text(text.trim_matches(set.as_slice()))
    }),
    Function::new("trimPrefix", &[Text, Text], |cx, mut args| {
        let (prefix, text) = (args.str(), args.str());
        let bytes = text.bytes();
        cx.text(bytes.strip_prefix(prefix.bytes()).unwrap_or(bytes))
    }),
    Function::new("trimSuffix", &[Text, Text], |cx, mut args| {
        let (suffix, text) = (args.str(), args.str());
        let bytes = text.bytes();
        cx.text(bytes.strip_suffix(suffix.bytes()).unwrap_or(bytes))
    }),
    Function::new("nospace", &[Text], |cx, mut args| {
        let text: String = args.text().chars().filter(|c| !is_space(*c)).collect();
        cx.text(text)
    }),
    Function::new("initials", &[Text], |cx, mut args| {
        let text = args.text();
        let words = text.split(is_space).filter(|word| !word.is_empty());
        let initials: String = words.filter_map(|word| word.chars().next()).collect();
        cx.text(initials)
    }),
    Function::new("trunc", &[Int, Text], |cx, mut args| {
        let count = args.int();
        let text = args.str();
        cx.text(truncated(text.bytes(), count))
    }),
    Function::new("substr", &[Int, Int, Text], |cx, mut args| {
        let (start, end) = (args.int(), args.int());
        let text = args.str();
        let bytes = text.bytes();
        let part = match (usize::try_from(start), usize::try_from(end)) {
            (Err(_), Ok(end)) => bytes.get(..end),
            (Err(_), Err(_)) => None,
            (Ok(start), Ok(end)) if end <= bytes.len() => bytes.get(start..end),
            (Ok(start), _) => bytes.get(start..),
        };
        match part {
            Some(part) => cx.text(part),
            None => fail("substr: bounds out of range"),
        }
    }),
    Function::new("abbrev", &[Int, Text], |cx, mut args| {
        let width = args.int();
        let text = args.str();
        let short = abbreviated(text.bytes(), 0, width);
        cx.text(short)
    }),
    Function::new("abbrevboth", &[Int, Int, Text], |cx, mut args| {
        let (left, right) = (args.int(), args.int());
        let text = args.str();
        let short = abbreviated(text.bytes(), left, right);
        cx.text(short)
    }),
    Function::new("repeat", &[Int, Text], |cx, mut args| {
        let count = args.int();
        let text = args.str();
        let Ok(count) = usize::try_from(count) else {
            return fail("repeat: negative count");
        };
        cx.spend(text.bytes().len().saturating_mul(count))?;
        Ok(Val::str(text.bytes().repeat(count)))
    }),
    Function::new("replace", &[Text, Text, Text], |cx, mut args| {
        let (old, new, text) = (args.str(), args.str(), args.str());
        let replaced = replaced(cx, text.bytes(), old.bytes(), new.bytes())?;
        cx.text(replaced)
    }),
    Function::new("contains", &[Text, Text], |_, mut args| {
        let (part, text) = (args.str(), args.str());
        Ok(Val::Bool(find(text.bytes(), part.bytes()).is_some()))
    }),
    Function::new("hasPrefix", &[Text, Text], |_, mut args| {
        let (prefix, text) = (args.str(), args.str());
        Ok(Val::Bool(text.bytes().starts_with(prefix.bytes())))
    }),
    Function::new("hasSuffix", &[Text, Text], |_, mut args| {
        let (suffix, text) = (args.str(), args.str());
        Ok(Val::Bool(text.bytes().ends_with(suffix.bytes())))
    }),
    Function::variadic("quote", &[], Any, |cx, args| {
        let texts: Vec<String> = args
            .rest()
            .iter()
            .filter(|val| !matches!(val, Val::Nil))
            .map(|val| quote(&cx.strval(val)))
            .collect();
        cx.text(texts.join(" "))
    }),
    Function::variadic("squote", &[], Any, |cx, args| {
        let texts: Vec<Vec<u8>> = args
            .rest()
            .iter()
            .filter(|val| !matches!(val, Val::Nil))
            .map(|val| [b"'", cx.printer.text(val).as_slice(), b"'"].concat())
            .collect();
        cx.text(texts.join(&b' '))
    }),
    Function::variadic("cat", &[], Any, |cx, args| {
        let texts: Vec<Vec<u8>> = args
            .rest()
            .iter()
            .filter(|val| !matches!(val, Val::Nil))
            .map(|val| cx.printer.text(val))
            .collect();
        cx.text(texts.join(&b' '))
    }),
    Function::new("indent", &[Int, Text], |cx, args| indented(cx, args, "")),
    Function::new("nindent", &[Int, Text], |cx, args| indented(cx, args, "\n")),
    Function::new("plural", &[Text, Text, Int], |_, mut args| {
        let (one, many) = (args.val(), args.val());
        Ok(if args.int() == 1 { one } else { many })
    }),
    Function::new("toString", &[Any], |cx, mut args| {
        let text = cx.strval(&args.val());
        cx.text(text)
    }),
    Function::new("split", &[Text, Text], |cx, mut args| {
        let (between, text) = (args.str(), args.str());
        let parts = split(text.bytes(), between.bytes(), -1);
        parts_map(cx, parts)
    }),
    Function::new("splitn", &[Text, Int, Text], |cx, mut args| {
        let between = args.str();
        let count = args.int();
        let text = args.str();
        let parts = split(text.bytes(), between.bytes(), count);
        parts_map(cx, parts)
    }),
    Function::new("splitList", &[Text, Text], |cx, mut args| {
        let (between, text) = (args.str(), args.str());
        let parts = split(text.bytes(), between.bytes(), -1);
        cx.strings(parts)
    }),
    Function::new("wrap", &[Int, Text], |cx, mut args| {
        let width = args.int();
        let text = args.str();
        let wrapped = wrapped(text.bytes(), width, b"\n", false);
        cx.text(wrapped)
    }),
    Function::new("wrapWith", &[Int, Text, Text], |cx, mut args| {
        let width = args.int();
        let (line, text) = (args.str(), args.str());
        let line = if line.bytes().is_empty() {
            b"\n"
        } else {
            line.bytes()
        };
        cx.spend(text.bytes().len().saturating_mul(line.len()))?;
        let wrapped = wrapped(text.bytes(), width, line, true);
        cx.text(wrapped)
    }),
];

fn mapped<'a>(cx: &mut Cx<'_>, mut args: Args<'a>, map: fn(char) -> char) -> Res<Val<'a>> {
    let text = args.str();
    let bytes = text.bytes();
    let mapped = match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().map(map).collect(),
        Err(_) => map_chars(bytes, map),
    };
    cx.text(mapped)
}

/// Where a needle first is.
pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

/// `strings.Split` and `SplitN`; an empty separator splits between characters.
pub(super) fn split<'t>(text: &'t [u8], between: &[u8], count: i64) -> Vec<&'t [u8]> {
    let limit = match count {
        0 => return Vec::new(),
        n if n < 0 => usize::MAX,
        n => n as usize,
    };
    let mut parts = Vec::new();
    let mut rest = text;
    if between.is_empty() {
        while let Some((_, size)) = crate::template::quote::decode(rest) {
            if parts.len() + 1 >= limit {
                break;
            }
            let (head, tail) = rest.split_at(size.min(rest.len()));
            parts.push(head);
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(rest);
        }
        return parts;
    }
    while parts.len() + 1 < limit {
        let Some(at) = find(rest, between) else { break };
        parts.push(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + between.len()..).unwrap_or_default();
    }
    parts.push(rest);
    parts
}

/// `map[_0:… _1:…]`
fn parts_map<'a>(cx: &mut Cx<'_>, parts: Vec<&[u8]>) -> Res<Val<'a>> {
    let mut entries = Entries::new();
    for (i, part) in parts.into_iter().enumerate() {
        let value = cx.text(part)?;
        entries.insert(Rc::from(format!("_{i}").into_bytes()), value);
    }
    Ok(Val::map_of(MapType::String, entries))
}

fn replaced(cx: &mut Cx<'_>, text: &[u8], old: &[u8], new: &[u8]) -> Res<Vec<u8>> {
    let parts = if old.is_empty() {
        let mut parts: Vec<&[u8]> = vec![b""];
        parts.extend(split(text, b"", -1));
        parts.push(b"");
        parts
    } else {
        split(text, old, -1)
    };
    cx.spend(new.len().saturating_mul(parts.len()))?;
    Ok(parts.join(new))
}

/// `strings.Title`: the first letter of each word in title case.
fn titled(text: &str) -> String {
    let mut before = ' ';
    let separates = |c: char| match c {
        '_' => false,
        c if c.is_ascii() => !c.is_ascii_alphanumeric(),
        c if c.is_alphabetic() || c.is_numeric() => false,
        c => is_space(c),
    };
    text.chars()
        .map(|c| {
            let out = if separates(before) { title(c) } else { c };
            before = c;
            out
        })
        .collect()
}

fn untitled(text: &str) -> String {
    let mut first = true;
    text.chars()
        .map(|c| {
            let out = if first && !is_space(c) { lower(c) } else { c };
            first = is_space(c);
            out
        })
        .collect()
}

/// Upper to lower; lower to upper, or to title case at the beginning of a word.
fn swapped(text: &str) -> String {
    let mut start = true;
    text.chars()
        .map(|c| {
            if c.is_uppercase() || (title(c) == c && lower(c) != c) {
                start = false;
                lower(c)
            } else if c.is_lowercase() {
                let out = if start { title(c) } else { upper(c) };
                start = false;
                out
            } else {
                start = is_space(c);
                c
            }
        })
        .collect()
}

fn truncated(text: &[u8], count: i64) -> &[u8] {
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if size >= text.len() {
        // A negative count that is larger leaves the text, a positive one too.
        return text;
    }
    let part = if count < 0 {
        text.get(text.len() - size..)
    } else {
        text.get(..size)
    };
    part.unwrap_or(text)
}

/// `goutils.AbbreviateFull`, and Sprig's own limits on its arguments.
fn abbreviated(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    if width < 4 || (offset > 0 && width < 7) {
        return text.to_vec();
    }
    let width = usize::try_from(width).unwrap_or(usize::MAX);
    if text.len() <= width {
        return text.to_vec();
    }
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let mut offset = usize::try_from(offset).unwrap_or(0).min(text.len());
    if text.len() - offset < width - 3 {
        offset = text.len() - (width - 3);
    }
    if offset <= 4 {
        return [part(0, width - 3), b"..."].concat();
    }
    if offset + width - 3 < text.len() {
        let rest = part(offset, text.len());
        let inner = abbreviated(rest, 0, width as i64 - 3);
        return [b"...", inner.as_slice()].concat();
    }
    [b"...", part(text.len() - (width - 3), text.len())].concat()
}

fn indented<'a>(cx: &mut Cx<'_>, mut args: Args<'a>, before: &str) -> Res<Val<'a>> {
    let Ok(count) = usize::try_from(args.int()) else {
        return fail("indent: negative count");
    };
    let text = args.str();
    let lines = split(text.bytes(), b"\n", -1);
    cx.spend(count.saturating_add(1).saturating_mul(lines.len()))?;
    let pad = " ".repeat(count);
    let between = format!("\n{pad}");
    let body = lines.join(between.as_bytes());
    cx.text([before.as_bytes(), pad.as_bytes(), &body].concat())
}

/// `goutils.WrapCustom`
fn wrapped(text: &[u8], width: i64, line: &[u8], cut_words: bool) -> Vec<u8> {
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut at = 0;
    while text.len() - at > width {
        if text.get(at) == Some(&b' ') {
            at += 1;
            continue;
        }
        let window = part(at, at + width + 1);
        let end = at + width;
        let (stop, next) = match window.iter().rposition(|&b| b == b' ') {
            Some(space) => (at + space, at + space + 1),
            None if cut_words => (end, end),
            None => match part(end, text.len()).iter().position(|&b| b == b' ') {
                Some(space) => (end + space, end + space + 1),
                None => break,
            },
        };
        out.extend_from_slice(part(at, stop));
        out.extend_from_slice(line);
        at = next;
    }
    out.extend_from_slice(part(at, text.len()));
    out
}

/// Text that must be UTF-8 to be worked on by characters.
pub(super) fn chars(bytes: &[u8]) -> Vec<char> {
    lossy(bytes).chars().collect()
}
