//! Sprig's regular expressions: RE2's syntax, run in linear time.

use super::Ty::{Int, String as Text};
use super::{Args, Function};
use crate::template::fail::failf;
use crate::template::regex::compiled;
use crate::template::val::{Elem, Res, Val};
use regex::bytes::Regex;

pub(super) const FUNCTIONS: &[Function] = &[
    // An expression that is none matches nothing here; everywhere else it is an error.
    Function::new("regexMatch", &[Text, Text], |_, mut args| {
        let (expression, text) = (args.text(), args.str());
        Ok(Val::Bool(
            compiled(&expression).is_ok_and(|regex| regex.is_match(text.bytes())),
        ))
    }),
    Function::new("mustRegexMatch", &[Text, Text], |_, mut args| {
        let regex = expression(&mut args)?;
        Ok(Val::Bool(regex.is_match(args.str().bytes())))
    }),
    Function::new("regexFind", &[Text, Text], |cx, mut args| {
        let regex = expression(&mut args)?;
        let text = args.str();
        let found = regex.find(text.bytes()).map(|found| found.as_bytes());
        cx.text(found.unwrap_or_default())
    }),
    Function::new("regexFindAll", &[Text, Text, Int], |cx, mut args| {
        let regex = expression(&mut args)?;
        let text = args.str();
        let found: Vec<&[u8]> = regex
            .find_iter(text.bytes())
            .take(limit(args.int()))
            .map(|found| found.as_bytes())
            .collect();
        if found.is_empty() {
            return Ok(Val::nil_list(Elem::String));
        }
        cx.strings(found)
    }),
    Function::new("regexReplaceAll", &[Text, Text, Text], |cx, mut args| {
        let regex = expression(&mut args)?;
        let (text, by) = (args.str(), args.str());
        cx.spend(by.bytes().len().saturating_mul(text.bytes().len() + 1))?;
        cx.text(regex.replace_all(text.bytes(), by.bytes()))
    }),
    Function::new(
        "regexReplaceAllLiteral",
        &[Text, Text, Text],
        |cx, mut args| {
            let regex = expression(&mut args)?;
            let (text, by) = (args.str(), args.str());
            cx.spend(by.bytes().len().saturating_mul(text.bytes().len() + 1))?;
            cx.text(regex.replace_all(text.bytes(), regex::bytes::NoExpand(by.bytes())))
        },
    ),
    Function::new("regexSplit", &[Text, Text, Int], |cx, mut args| {
        let pattern = args.text();
        let regex = regex_of(&pattern)?;
        let text = args.str();
        match split(&regex, &pattern, text.bytes(), args.int()) {
            Some(parts) => cx.strings(parts),
            None => Ok(Val::nil_list(Elem::String)),
        }
    }),
    Function::new("regexQuoteMeta", &[Text], |cx, mut args| {
        let text = args.str();
        let mut out = Vec::with_capacity(text.bytes().len());
        for &b in text.bytes() {
            if b"\\.+*?()|[]{}^$".contains(&b) {
                out.push(b'\\');
            }
            out.push(b);
        }
        cx.text(out)
    }),
];

fn expression(args: &mut Args<'_>) -> Res<Regex> {
    regex_of(&args.text())
}

fn regex_of(pattern: &str) -> Res<Regex> {
    match compiled(pattern) {
        Ok(regex) => Ok(regex),
        Err(_) => failf(format!("not a regular expression: `{pattern}`")),
    }
}

/// Negative means all.
fn limit(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// `Regexp.Split`; `None` is a nil slice.
fn split<'t>(regex: &Regex, pattern: &str, text: &'t [u8], count: i64) -> Option<Vec<&'t [u8]>> {
    if count == 0 {
        return None;
    }
    if !pattern.is_empty() && text.is_empty() {
        return Some(vec![b""]);
    }
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in regex.find_iter(text).take(limit(count)) {
        if count > 0 && parts.len() + 1 == limit(count) {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(text.get(begin..end).unwrap_or_default());
        }
        begin = found.end();
    }
    if end != text.len() {
        parts.push(text.get(begin..).unwrap_or_default());
    }
    Some(parts)
}
