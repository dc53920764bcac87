//! Sprig's lists. None of these changes a list that it is given, not even `sortAlpha`, which does in the reference.

use super::Function;
use super::Ty::{Any, Int, String as Text};
use super::builtins::{elem_of, items};
use super::cast::to_int;
use super::reflect::deep_equal;
use crate::template::fail::{fail, failf};
use crate::template::val::{Elem, Val};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("list", &[], Any, |cx, args| cx.list(args.rest())),
    Function::new("append", &[Any, Any], |cx, mut args| {
        let mut items = items(&args.val(), "append")?;
        items.push(args.val());
        cx.list(items)
    }),
    Function::new("prepend", &[Any, Any], |cx, mut args| {
        let mut items = items(&args.val(), "prepend")?;
        items.insert(0, args.val());
        cx.list(items)
    }),
    Function::variadic("concat", &[], Any, |cx, args| {
        let mut all = Vec::new();
        for list in args.rest() {
            all.extend(items(&list, "concat")?);
        }
        cx.list(all)
    }),
    Function::new("chunk", &[Int, Any], |cx, mut args| {
        let size = args.int();
        let items = items(&args.val(), "chunk")?;
        let Some(size) = usize::try_from(size).ok().filter(|n| *n > 0) else {
            return fail("chunk: the size must be at least 1");
        };
        cx.spend(items.len().saturating_mul(64))?;
        let chunks = items.chunks(size).map(|chunk| Val::list(chunk.to_vec()));
        Ok(Val::list_of(Elem::AnyList, chunks.collect()))
    }),
    Function::new("first", &[Any], |_, mut args| {
        let items = items(&args.val(), "first")?;
        Ok(items.into_iter().next().unwrap_or(Val::Nil))
    }),
    Function::new("last", &[Any], |_, mut args| {
        let items = items(&args.val(), "last")?;
        Ok(items.into_iter().next_back().unwrap_or(Val::Nil))
    }),
    Function::new("rest", &[Any], |cx, mut args| {
        let mut items = items(&args.val(), "rest")?;
        if items.is_empty() {
            return Ok(Val::nil_list(Elem::Any));
        }
        items.remove(0);
        cx.list(items)
    }),
    Function::new("initial", &[Any], |cx, mut args| {
        let mut items = items(&args.val(), "initial")?;
        if items.pop().is_none() {
            return Ok(Val::nil_list(Elem::Any));
        }
        cx.list(items)
    }),
    Function::new("reverse", &[Any], |cx, mut args| {
        let mut items = items(&args.val(), "reverse")?;
        items.reverse();
        cx.list(items)
    }),
    Function::new("compact", &[Any], |cx, mut args| {
        let mut items = items(&args.val(), "compact")?;
        items.retain(|item| !super::reflect::is_empty(item));
        cx.list(items)
    }),
    Function::new("uniq", &[Any], |cx, mut args| {
        let mut unique: Vec<Val<'_>> = Vec::new();
        for item in items(&args.val(), "uniq")? {
            cx.spend(unique.len())?;
            if !unique.iter().any(|known| deep_equal(known, &item)) {
                unique.push(item);
            }
        }
        cx.list(unique)
    }),
    Function::variadic("without", &[Any], Any, |cx, mut args| {
        let mut items = items(&args.val(), "without")?;
        let unwanted = args.rest();
        items.retain(|item| !unwanted.iter().any(|other| deep_equal(other, item)));
        cx.list(items)
    }),
    Function::new("has", &[Any, Any], |_, mut args| {
        let needle = args.val();
        let list = args.val();
        if matches!(list, Val::Nil) {
            return Ok(Val::Bool(false));
        }
        let items = items(&list, "has")?;
        Ok(Val::Bool(
            items.iter().any(|item| deep_equal(&needle, item)),
        ))
    }),
    Function::variadic("slice", &[Any], Any, |_, mut args| {
        let list = args.val();
        let items = items(&list, "slice")?;
        if items.is_empty() {
            return Ok(Val::Nil);
        }
        let bounds = args.rest();
        let start = bounds.first().map_or(0, to_int);
        let end = bounds.get(1).map_or(items.len() as i64, to_int);
        let range = usize::try_from(start)
            .ok()
            .zip(usize::try_from(end).ok())
            .and_then(|(start, end)| items.get(start..end));
        match range {
            Some(part) => Ok(Val::list_of(elem_of(&list), part.to_vec())),
            None => failf(format!("slice bounds out of range [{start}:{end}]")),
        }
    }),
    Function::new("sortAlpha", &[Any], |cx, mut args| {
        let list = args.val();
        if !list.is_list() {
            let text = cx.strval(&list);
            return cx.strings(vec![text]);
        }
        let mut texts = cx.strslice(&list);
        texts.sort();
        cx.strings(texts)
    }),
    Function::new("toStrings", &[Any], |cx, mut args| {
        let texts = cx.strslice(&args.val());
        cx.strings(texts)
    }),
    Function::new("join", &[Text, Any], |cx, mut args| {
        let between = args.str();
        let texts = cx.strslice(&args.val());
        cx.text(texts.join(between.bytes()))
    }),
];
