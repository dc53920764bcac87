//! The functions that templates can call: Go's builtins, the two of the reference, and Sprig's.

mod builtins;
mod cast;
mod compare;
mod crypto;
mod dates;
mod decimal;
mod dicts;
mod encoding;
mod lists;
mod math;
mod paths;
mod random;
mod reflect;
mod regexps;
mod strings;
mod words;

pub(crate) use encoding::encode;

use super::fail::fail;
use super::print::Printer;
use super::val::{Res, Str, Val};
use std::fmt;

/// The Go types of parameters, as far as they decide what may be passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ty {
    Any,
    String,
    Int,
    Uint32,
    Float,
    Bool,
    /// `map[string]interface {}`
    Map,
    Time,
    Duration,
    Url,
    Version,
    Location,
}

/// What calling a function may do besides computing a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Pure,
    /// Changes a map in place.
    Mutates,
    /// Reads the environment or the network, makes keys, or burns time on purpose.
    Unsafe,
}

pub(crate) type Run = for<'a> fn(&mut Cx<'_>, Args<'a>) -> Res<Val<'a>>;

pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Ty],
    /// The type of any further arguments.
    pub(crate) rest: Option<Ty>,
    pub(crate) effect: Effect,
    pub(crate) run: Run,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    const fn new(name: &'static str, params: &'static [Ty], run: Run) -> Function {
        Function {
            name,
            params,
            rest: None,
            effect: Effect::Pure,
            run,
        }
    }

    /// With any number of further arguments.
    const fn variadic(name: &'static str, params: &'static [Ty], rest: Ty, run: Run) -> Function {
        Function {
            name,
            params,
            rest: Some(rest),
            effect: Effect::Pure,
            run,
        }
    }

    const fn with(mut self, effect: Effect) -> Function {
        self.effect = effect;
        self
    }

    /// The type of the parameter at a place.
    pub(crate) fn param(&self, index: usize) -> Ty {
        self.params
            .get(index)
            .copied()
            .or(self.rest)
            .unwrap_or(Ty::Any)
    }
}

/// Other names of the same functions. The `must…` ones differ from theirs only in how they fail, which is the same to a template.
const ALIASES: &[(&str, &str)] = &[
    ("biggest", "max"),
    ("date_in_zone", "dateInZone"),
    ("date_modify", "dateModify"),
    ("mustAppend", "append"),
    ("mustChunk", "chunk"),
    ("mustCompact", "compact"),
    ("mustDeepCopy", "deepCopy"),
    ("mustFirst", "first"),
    ("mustHas", "has"),
    ("mustInitial", "initial"),
    ("mustLast", "last"),
    ("mustMerge", "merge"),
    ("mustMergeOverwrite", "mergeOverwrite"),
    ("mustPrepend", "prepend"),
    ("mustPush", "append"),
    ("mustRegexFind", "regexFind"),
    ("mustRegexFindAll", "regexFindAll"),
    ("mustRegexReplaceAll", "regexReplaceAll"),
    ("mustRegexReplaceAllLiteral", "regexReplaceAllLiteral"),
    ("mustRegexSplit", "regexSplit"),
    ("mustRest", "rest"),
    ("mustReverse", "reverse"),
    ("mustSlice", "slice"),
    ("mustUniq", "uniq"),
    ("mustWithout", "without"),
    ("must_date_modify", "mustDateModify"),
    ("osBase", "base"),
    ("osClean", "clean"),
    ("osDir", "dir"),
    ("osExt", "ext"),
    ("osIsAbs", "isAbs"),
    ("push", "append"),
    ("trimall", "trimAll"),
    ("tuple", "list"),
];

const TABLES: &[&[Function]] = &[
    builtins::FUNCTIONS,
    compare::FUNCTIONS,
    crypto::FUNCTIONS,
    dates::FUNCTIONS,
    dicts::FUNCTIONS,
    encoding::FUNCTIONS,
    lists::FUNCTIONS,
    math::FUNCTIONS,
    paths::FUNCTIONS,
    random::FUNCTIONS,
    reflect::FUNCTIONS,
    regexps::FUNCTIONS,
    strings::FUNCTIONS,
    words::FUNCTIONS,
];

/// Only when templates are compiled.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    let name = ALIASES
        .iter()
        .find(|(alias, _)| *alias == name)
        .map_or(name, |(_, name)| name);
    TABLES
        .iter()
        .flat_map(|table| table.iter())
        .find(|function| function.name == name)
}

/// A function as the reference page shows it.
#[cfg(test)]
pub(crate) struct Described {
    pub(crate) name: &'static str,
    pub(crate) parameters: Vec<String>,
    pub(crate) aliases: Vec<&'static str>,
    pub(crate) effect: Effect,
}

/// All functions in alphabetical order.
#[cfg(test)]
pub(crate) fn described() -> Vec<Described> {
    let describe = |function: &Function| Described {
        name: function.name,
        parameters: function
            .params
            .iter()
            .map(|ty| format!("{ty:?}").to_lowercase())
            .chain(function.rest.map(|ty| format!("{ty:?}…").to_lowercase()))
            .collect(),
        aliases: ALIASES
            .iter()
            .filter(|(_, name)| *name == function.name)
            .map(|(alias, _)| *alias)
            .collect(),
        effect: function.effect,
    };
    let mut all: Vec<Described> = TABLES.iter().copied().flatten().map(describe).collect();
    all.sort_by_key(|function| function.name.to_lowercase());
    all
}

/// What a running function may use.
pub(crate) struct Cx<'d> {
    pub(crate) printer: Printer<'d>,
    /// Bytes that this rendering may still make.
    pub(crate) budget: usize,
}

impl Cx<'_> {
    /// Takes `bytes` from what this rendering may still make.
    pub(crate) fn spend(&mut self, bytes: usize) -> Res<()> {
        match self.budget.checked_sub(bytes) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => fail("the template makes too much data"),
        }
    }

    /// Fails if something was printed that nests too deeply.
    pub(crate) fn check_nesting(&self) -> Res<()> {
        if self.printer.is_too_deep() {
            return fail("a value nests too deeply");
        }
        Ok(())
    }

    /// A string result.
    pub(crate) fn text<'a>(&mut self, text: impl AsRef<[u8]>) -> Res<Val<'a>> {
        self.check_nesting()?;
        self.spend(text.as_ref().len())?;
        Ok(Val::str(text))
    }

    /// A list result; its elements are counted by their own size in memory only.
    pub(crate) fn list<'a>(&mut self, items: Vec<Val<'a>>) -> Res<Val<'a>> {
        self.spend(items.len().saturating_mul(32))?;
        Ok(Val::list(items))
    }

    /// A `[]string` result.
    pub(crate) fn strings<'a, T: AsRef<[u8]>>(&mut self, items: Vec<T>) -> Res<Val<'a>> {
        self.check_nesting()?;
        let bytes: usize = items.iter().map(|item| item.as_ref().len() + 32).sum();
        self.spend(bytes)?;
        Ok(Val::strings(items))
    }

    /// Sprig's `strval`: a value as text.
    pub(crate) fn strval(&self, val: &Val<'_>) -> Vec<u8> {
        match val {
            Val::Str(text) => text.bytes().to_vec(),
            Val::List(list) if list.elem == super::val::Elem::Byte => list
                .items
                .iter()
                .map(|item| match item {
                    Val::Int(_, n) => *n as u8,
                    _ => 0,
                })
                .collect(),
            other => self.printer.text(other),
        }
    }

    /// Sprig's `strslice`: whatever it is as a list of texts, without nulls.
    pub(crate) fn strslice(&self, val: &Val<'_>) -> Vec<Vec<u8>> {
        match (val.items(), val) {
            (Some(items), _) => items
                .iter()
                .filter(|item| !matches!(item, Val::Nil))
                .map(|item| self.strval(item))
                .collect(),
            (None, Val::Nil) => Vec::new(),
            (None, other) => vec![self.strval(other)],
        }
    }
}

/// A copy of a value that shares nothing that can be changed.
pub(crate) fn deep_copy<'a>(cx: &mut Cx<'_>, val: &Val<'a>) -> Res<Val<'a>> {
    dicts::deep_copy(cx, val, 0)
}

/// The arguments of one call, already of the types that the function asks for; taken from the left.
pub(crate) struct Args<'a>(std::vec::IntoIter<Val<'a>>);

impl<'a> Args<'a> {
    pub(crate) fn new(args: Vec<Val<'a>>) -> Args<'a> {
        Args(args.into_iter())
    }

    /// The next one; nil where there is none.
    pub(crate) fn val(&mut self) -> Val<'a> {
        self.0.next().unwrap_or(Val::Nil)
    }

    pub(crate) fn str(&mut self) -> Str<'a> {
        match self.val() {
            Val::Str(text) => text,
            _ => Str::Borrowed(b""),
        }
    }

    /// The next one as text, with U+FFFD for what is not UTF-8.
    pub(crate) fn text(&mut self) -> String {
        self.str().lossy()
    }

    pub(crate) fn int(&mut self) -> i64 {
        match self.val() {
            Val::Int(_, n) => n,
            _ => 0,
        }
    }

    pub(crate) fn bool(&mut self) -> bool {
        matches!(self.val(), Val::Bool(true))
    }

    pub(crate) fn rest(self) -> Vec<Val<'a>> {
        self.0.collect()
    }
}
