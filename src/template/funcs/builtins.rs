//! `text/template`'s own functions, and `print` and `printIndex` of the reference. `and` and `or` are the executor's, since they
//! do not evaluate all their arguments.

use super::Ty::{Any, Int, String as Text};
use super::{Args, Cx, Function};
use crate::gourl::query_escape;
use crate::template::fail::{fail, failf};
use crate::template::quote::is_print;
use crate::template::val::{Elem, IntType, Res, Val, lossy};

pub(super) const FUNCTIONS: &[Function] = &[
    // The reference's: exactly one argument, and nothing for null.
    Function::new("print", &[Any], |cx, mut args| match args.val() {
        Val::Nil => Ok(Val::borrowed("")),
        text @ Val::Str(_) => Ok(text),
        other => {
            let text = cx.printer.text(&other);
            cx.text(text)
        }
    }),
    Function::new("printIndex", &[Any, Int], |cx, mut args| {
        let list = args.val();
        let index = args.int();
        if !list.is_list() {
            return Ok(Val::borrowed(""));
        }
        let Ok(index) = usize::try_from(index) else {
            return fail("index out of range");
        };
        match list.item(index) {
            Some(item) => {
                let text = cx.printer.text(&item);
                cx.text(text)
            }
            None => Ok(Val::borrowed("")),
        }
    }),
    Function::variadic("printf", &[Text], Any, |cx, mut args| {
        let format = args.str();
        let limit = cx.budget;
        match cx.printer.sprintf(format.bytes(), &args.rest(), limit) {
            Some(text) => cx.text(text),
            None => fail("the template makes too much data"),
        }
    }),
    Function::variadic("println", &[], Any, |cx, args| {
        let text = cx.printer.sprintln(&args.rest());
        cx.text(text)
    }),
    Function::variadic("html", &[], Any, |cx, args| {
        let text = joined(cx, args);
        cx.text(html(&text))
    }),
    Function::variadic("js", &[], Any, |cx, args| {
        let text = joined(cx, args);
        cx.text(js(&text))
    }),
    Function::variadic("urlquery", &[], Any, |cx, args| {
        let text = joined(cx, args);
        cx.text(query_escape(&text))
    }),
    Function::new("len", &[Any], |_, mut args| {
        let val = args.val();
        match val.len() {
            Some(n) => Ok(Val::int(n as i64)),
            None => failf(format!("len of type {}", val.type_name())),
        }
    }),
    Function::variadic("index", &[Any], Any, |_, mut args| {
        let mut val = args.val();
        if matches!(val, Val::Nil) {
            return fail("index of untyped nil");
        }
        for by in args.rest() {
            val = index(&val, &by)?;
        }
        Ok(val)
    }),
    Function::new("not", &[Any], |_, mut args| {
        Ok(Val::Bool(!args.val().truth()))
    }),
    Function::variadic("call", &[Any], Any, |_, _| {
        fail("call of a value that is no function")
    }),
];

fn index<'a>(val: &Val<'a>, by: &Val<'_>) -> Res<Val<'a>> {
    if let Val::Str(text) = val {
        let at = position(by, text.bytes().len())?;
        return Ok(Val::Int(
            IntType::Uint8,
            text.bytes().get(at).map_or(0, |b| i64::from(*b)),
        ));
    }
    if val.is_list() {
        let at = position(by, val.len().unwrap_or(0))?;
        return Ok(val.item(at).unwrap_or(Val::Nil));
    }
    match (val, by) {
        (Val::Nil, _) => fail("index of nil pointer"),
        (_, Val::Str(name)) => match val.member(name.bytes()) {
            Some(value) => Ok(value),
            None => failf(format!("can't index item of type {}", val.type_name())),
        },
        _ => failf(format!(
            "can't index {} with {}",
            val.type_name(),
            by.type_name()
        )),
    }
}

fn position(by: &Val<'_>, len: usize) -> Res<usize> {
    let Val::Int(_, n) = by else {
        return failf(format!("can't index a list with {}", by.type_name()));
    };
    match usize::try_from(*n) {
        Ok(at) if at < len => Ok(at),
        Ok(_) | Err(_) => failf(format!("index out of range: {n}")),
    }
}

/// All arguments as one text.
fn joined(cx: &Cx<'_>, args: Args<'_>) -> Vec<u8> {
    let args: Vec<Val<'_>> = args
        .rest()
        .into_iter()
        .map(|arg| match arg {
            Val::Nil => Val::borrowed("<no value>"),
            other => other,
        })
        .collect();
    cx.printer.sprint(&args)
}

fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &b in text {
        match b {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            other => out.push(other),
        }
    }
    out
}

fn js(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in lossy(text).chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c.is_ascii() || is_print(c) => out.push(c),
            c => out.push_str(&format!("\\u{:04X}", u32::from(c))),
        }
    }
    out
}

/// The value as a list's elements, or a failure that names the function.
pub(super) fn items<'a>(val: &Val<'a>, what: &str) -> Res<Vec<Val<'a>>> {
    match val.items() {
        Some(items) => Ok(items),
        None => failf(format!("{what}: not a list but {}", val.type_name())),
    }
}

/// The element type of what `items` took apart.
pub(super) fn elem_of(val: &Val<'_>) -> Elem {
    val.elem()
}
