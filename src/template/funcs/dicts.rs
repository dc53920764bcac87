//! Sprig's dictionaries. `set`, `unset` and the merges change the map itself, and with it the session's `extra` if it is that.

use super::Ty::{Any, Map, String as Text};
use super::{Args, Cx, Effect, Function};
use crate::template::fail::{fail, failf};
use crate::template::val::{Dict, Elem, Entries, List, MAX_NESTING, MapType, Res, Val};
use std::cell::RefCell;
use std::rc::Rc;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("dict", &[], Any, |cx, args| {
        let args = args.rest();
        let mut entries = Entries::new();
        for pair in args.chunks(2) {
            let [key, rest @ ..] = pair else { continue };
            let key = cx.strval(key);
            let value = rest.first().cloned().unwrap_or(Val::borrowed(""));
            entries.insert(Rc::from(key), value);
        }
        cx.spend(args.len().saturating_mul(48))?;
        Ok(Val::map(entries))
    }),
    Function::new("get", &[Map, Text], |_, mut args| {
        let (map, key) = (args.val(), args.str());
        Ok(if map.has_member(key.bytes()) {
            map.member(key.bytes()).unwrap_or(Val::Nil)
        } else {
            Val::borrowed("")
        })
    }),
    Function::new("set", &[Map, Text, Any], |cx, mut args| {
        let (map, key, value) = (args.val(), args.str(), args.val());
        insert(cx, &map, key.bytes(), value)?;
        Ok(map)
    })
    .with(Effect::Mutates),
    Function::new("unset", &[Map, Text], |_, mut args| {
        let (map, key) = (args.val(), args.str());
        if matches!(map, Val::JsonMap(None)) {
            return Ok(map);
        }
        change(&map, |entries| {
            entries.remove(key.bytes());
        })?;
        Ok(map)
    })
    .with(Effect::Mutates),
    Function::new("hasKey", &[Map, Text], |_, mut args| {
        let (map, key) = (args.val(), args.str());
        Ok(Val::Bool(map.has_member(key.bytes())))
    }),
    Function::variadic("pluck", &[Text], Map, |cx, mut args| {
        let key = args.str();
        let found = args
            .rest()
            .iter()
            .filter(|map| map.has_member(key.bytes()))
            .filter_map(|map| map.member(key.bytes()))
            .collect();
        cx.list(found)
    }),
    Function::variadic("keys", &[], Map, |cx, args| {
        let mut keys = Vec::new();
        for map in args.rest() {
            keys.extend(names(&map));
        }
        cx.strings(keys)
    }),
    Function::variadic("pick", &[Map], Text, |_, mut args| {
        let map = args.val();
        let mut picked = Entries::new();
        for key in args.rest() {
            if let Val::Str(key) = key
                && map.has_member(key.bytes())
            {
                let value = map.member(key.bytes()).unwrap_or(Val::Nil);
                picked.insert(Rc::from(key.bytes()), value);
            }
        }
        Ok(Val::map(picked))
    }),
    Function::variadic("omit", &[Map], Text, |cx, mut args| {
        let mut entries = args.val().entry_map().unwrap_or_default();
        for key in args.rest() {
            if let Val::Str(key) = key {
                entries.remove(key.bytes());
            }
        }
        cx.spend(entries.len().saturating_mul(48))?;
        Ok(Val::map(entries))
    }),
    Function::new("values", &[Map], |cx, mut args| {
        let entries = args.val().entries().unwrap_or_default();
        cx.list(entries.into_iter().map(|(_, value)| value).collect())
    }),
    Function::variadic("dig", &[], Any, |_, args| dig(args.rest())),
    Function::variadic("merge", &[Map], Map, |cx, args| merge_all(cx, args, false))
        .with(Effect::Mutates),
    Function::variadic("mergeOverwrite", &[Map], Map, |cx, args| {
        merge_all(cx, args, true)
    })
    .with(Effect::Mutates),
    Function::new("deepCopy", &[Any], |cx, mut args| match args.val() {
        Val::Nil => fail("deepCopy of nil"),
        val => deep_copy(cx, &val, 0),
    }),
];

fn names(map: &Val<'_>) -> Vec<Vec<u8>> {
    map.entries()
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, _)| match name {
            Val::Str(name) => Some(name.bytes().to_vec()),
            _ => None,
        })
        .collect()
}

/// Sets a member of a map in place.
fn insert<'a>(cx: &mut Cx<'_>, map: &Val<'a>, key: &[u8], value: Val<'a>) -> Res<()> {
    cx.spend(key.len() + 64)?;
    if let Val::Map(dict) = map
        && reaches(cx, &value, dict)?
    {
        return fail("a map cannot hold itself");
    }
    change(map, |entries| {
        entries.insert(Rc::from(key), value);
    })
}

/// Whether a map is somewhere inside a value. Maps are counted references: one that held itself would never be freed.
fn reaches<'a>(cx: &mut Cx<'_>, value: &Val<'a>, wanted: &Rc<Dict<'a>>) -> Res<bool> {
    let mut todo = vec![value.clone()];
    while let Some(val) = todo.pop() {
        match &val {
            Val::Map(dict) if Rc::ptr_eq(dict, wanted) => return Ok(true),
            Val::Map(dict) => todo.extend(dict.entries.borrow().values().cloned()),
            Val::List(list) => todo.extend(list.items.iter().cloned()),
            Val::SessionCopy(copy) => todo.push(copy.extra.clone()),
            _ => continue,
        }
        cx.spend(8)?;
    }
    Ok(false)
}

/// Changes a map in place.
fn change<'a>(map: &Val<'a>, change: impl FnOnce(&mut Entries<'a>)) -> Res<()> {
    match map {
        Val::Map(dict) => {
            change(&mut dict.entries.borrow_mut());
            Ok(())
        }
        Val::JsonMap(None) => fail("assignment to entry in nil map"),
        // INVARIANT: a template with a function that changes maps runs on a copy of the session's own.
        _ => fail("a map that cannot be changed"),
    }
}

fn dig(args: Vec<Val<'_>>) -> Res<Val<'_>> {
    let [path @ .., default, map] = args.as_slice() else {
        return fail("dig needs at least three arguments");
    };
    if path.is_empty() {
        return fail("dig needs at least three arguments");
    }
    let mut current = map.clone();
    for key in path {
        let is_map = matches!(&current, Val::JsonMap(_))
            || matches!(&current, Val::Map(dict) if dict.kind == MapType::Any);
        let Val::Str(key) = key else {
            return fail("dig: a key is no string");
        };
        if !is_map {
            return failf(format!("dig: not a map but {}", current.type_name()));
        }
        if !current.has_member(key.bytes()) {
            return Ok(default.clone());
        }
        current = current.member(key.bytes()).unwrap_or(Val::Nil);
    }
    Ok(current)
}

fn merge_all<'a>(cx: &mut Cx<'_>, mut args: Args<'a>, overwrite: bool) -> Res<Val<'a>> {
    let into = args.val();
    for from in args.rest() {
        merge(cx, &into, &from, overwrite, 0)?;
    }
    Ok(into)
}

/// The rules of the `mergo` library for maps: what is there stays unless it is empty or is overwritten; maps on both sides merge.
fn merge<'a>(
    cx: &mut Cx<'_>,
    into: &Val<'a>,
    from: &Val<'a>,
    overwrite: bool,
    depth: usize,
) -> Res<()> {
    if depth > MAX_NESTING {
        return fail("merge: nests too deeply");
    }
    for (name, value) in from.entries().unwrap_or_default() {
        let Val::Str(name) = name else { continue };
        let known = into
            .has_member(name.bytes())
            .then(|| into.member(name.bytes()).unwrap_or(Val::Nil));
        let is_map = |val: &Val<'_>| matches!(val, Val::Map(_) | Val::JsonMap(_));
        if matches!(value, Val::Nil) && !overwrite {
            continue;
        }
        if let Some(known) = &known
            && is_map(known)
            && is_map(&value)
            && known.truth()
        {
            merge(cx, known, &value, overwrite, depth + 1)?;
            continue;
        }
        if overwrite || known.as_ref().is_none_or(|known| !known.truth()) {
            insert(cx, into, name.bytes(), value)?;
        }
    }
    Ok(())
}

/// A copy that shares nothing that can be changed.
pub(super) fn deep_copy<'a>(cx: &mut Cx<'_>, val: &Val<'a>, depth: usize) -> Res<Val<'a>> {
    if depth > MAX_NESTING {
        return fail("deepCopy: nests too deeply");
    }
    cx.spend(32)?;
    Ok(match val {
        Val::List(list) => Val::List(Rc::new(List {
            elem: list.elem,
            nil: list.nil,
            items: copied(cx, list.items.clone(), depth)?,
        })),
        Val::JsonList(items) => Val::List(Rc::new(List {
            elem: Elem::Any,
            nil: false,
            items: copied(cx, items.iter().map(Val::json).collect(), depth)?,
        })),
        Val::Map(_) | Val::JsonMap(Some(_)) => {
            let kind = match val {
                Val::Map(dict) => dict.kind,
                _ => MapType::Any,
            };
            let mut entries = Entries::new();
            for (name, value) in val.entry_map().unwrap_or_default() {
                entries.insert(name, deep_copy(cx, &value, depth + 1)?);
            }
            Val::Map(Rc::new(Dict {
                kind,
                entries: RefCell::new(entries),
            }))
        }
        other => other.clone(),
    })
}

fn copied<'a>(cx: &mut Cx<'_>, items: Vec<Val<'a>>, depth: usize) -> Res<Vec<Val<'a>>> {
    items
        .iter()
        .map(|item| deep_copy(cx, item, depth + 1))
        .collect()
}
