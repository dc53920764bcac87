//! What a template computes with: Go's typed values, borrowed from the session wherever that is possible.

use super::fail::Fail;
use super::semver::Version;
use super::time::Time;
use crate::gourl::Url;
use crate::value::{Map, Value};
use http::HeaderMap;
use http::header::HOST;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// The result of everything that a template executes.
pub(crate) type Res<T> = Result<T, Fail>;

/// A Go string: bytes that need not be UTF-8.
#[derive(Clone)]
pub(crate) enum Str<'a> {
    Borrowed(&'a [u8]),
    Owned(Rc<[u8]>),
}

impl Str<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Str::Borrowed(bytes) => bytes,
            Str::Owned(bytes) => bytes,
        }
    }

    /// With U+FFFD for each byte that is not UTF-8.
    pub(crate) fn lossy(&self) -> String {
        lossy(self.bytes())
    }
}

/// Go's reading of bytes as text: each byte that is not UTF-8 counts as one U+FFFD.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    out
}

/// Go's integer types that occur, and those with an integer underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntType {
    Int,
    Int64,
    Uint8,
    Uint32,
    Uint64,
    Duration,
    Month,
    Weekday,
}

impl IntType {
    /// Whether the value is kept as the bits of a `u64`.
    pub(crate) fn unsigned(self) -> bool {
        match self {
            IntType::Uint8 | IntType::Uint32 | IntType::Uint64 => true,
            IntType::Int
            | IntType::Int64
            | IntType::Duration
            | IntType::Month
            | IntType::Weekday => false,
        }
    }
}

/// The element types of lists that occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elem {
    Any,
    String,
    Int,
    Byte,
    /// `[][]interface {}`, which `chunk` makes.
    AnyList,
}

/// A slice. Never changed in place.
pub(crate) struct List<'a> {
    pub(crate) elem: Elem,
    pub(crate) items: Vec<Val<'a>>,
    /// Go's nil slice, which encodes as `null`.
    pub(crate) nil: bool,
}

/// The map types that occur besides headers and query values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MapType {
    /// `map[string]interface {}`
    Any,
    /// `map[string]string`
    String,
}

pub(crate) type Entries<'a> = BTreeMap<Rc<[u8]>, Val<'a>>;

/// A map that templates may change in place.
pub(crate) struct Dict<'a> {
    pub(crate) kind: MapType,
    pub(crate) entries: RefCell<Entries<'a>>,
}

/// How deep values may nest where they are walked, printed or kept: all that takes stack.
pub(crate) const MAX_NESTING: usize = 256;

impl Drop for List<'_> {
    fn drop(&mut self) {
        drop_flat(std::mem::take(&mut self.items));
    }
}

impl Drop for Dict<'_> {
    fn drop(&mut self) {
        let entries = std::mem::take(self.entries.get_mut());
        drop_flat(entries.into_values().collect());
    }
}

/// Drops values without recursion: templates can nest them as deeply as they have steps.
fn drop_flat(mut vals: Vec<Val<'_>>) {
    while let Some(val) = vals.pop() {
        match val {
            Val::List(list) => {
                if let Some(mut list) = Rc::into_inner(list) {
                    vals.append(&mut list.items);
                }
            }
            Val::Map(dict) => {
                if let Some(mut dict) = Rc::into_inner(dict) {
                    vals.extend(std::mem::take(dict.entries.get_mut()).into_values());
                }
            }
            _ => {}
        }
    }
}

/// Which of Go's `map[string][]string` types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MultiType {
    Header,
    Query,
}

/// An `http.Header` or `url.Values`.
pub(crate) struct Multi {
    pub(crate) kind: MultiType,
    pub(crate) nil: bool,
    pub(crate) entries: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
}

impl Multi {
    /// Header names are spelt as Go spells them. `Host` is not among them: Go keeps it elsewhere.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Multi {
        let mut entries: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        for (name, value) in headers.iter().filter(|(name, _)| *name != HOST) {
            entries
                .entry(canonical_header(name.as_str().as_bytes()))
                .or_default()
                .push(value.as_bytes().to_vec());
        }
        Multi {
            kind: MultiType::Header,
            nil: false,
            entries,
        }
    }

    pub(crate) fn nil_header() -> Multi {
        Multi {
            kind: MultiType::Header,
            nil: true,
            entries: BTreeMap::new(),
        }
    }
}

/// `x-user-id` becomes `X-User-Id`; a name with bytes that no header name may have stays as it is.
pub(crate) fn canonical_header(name: &[u8]) -> Vec<u8> {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    if !name.iter().all(token) {
        return name.to_vec();
    }
    let mut upper = true;
    name.iter()
        .map(|b| {
            let out = if upper {
                b.to_ascii_uppercase()
            } else {
                b.to_ascii_lowercase()
            };
            upper = *b == b'-';
            out
        })
        .collect()
}

/// A session that `Copy` made while the session's own `extra` could change.
pub(crate) struct SessionCopy<'a> {
    pub(crate) extra: Val<'a>,
}

#[derive(Clone)]
pub(crate) enum Val<'a> {
    Nil,
    Bool(bool),
    Int(IntType, i64),
    Float(f64),
    Complex(f64, f64),
    Str(Str<'a>),
    List(Rc<List<'a>>),
    JsonList(&'a [Value]),
    /// `None` is a nil slice.
    JsonStrings(Option<&'a [String]>),
    Map(Rc<Dict<'a>>),
    /// `None` is a nil map.
    JsonMap(Option<&'a Map>),
    /// The request's own header, read in place. `Host` is not part of it.
    Header(&'a HeaderMap),
    Multi(Rc<Multi>),
    /// The session that the template runs for.
    Session,
    SessionCopy(Rc<SessionCopy<'a>>),
    /// `.MatchContext`
    Context,
    Url(Rc<Url>),
    NilUrl,
    /// A `*url.Userinfo`; `None` is nil.
    User(Option<Rc<Url>>),
    Time(Rc<Time>),
    Location(Rc<str>),
    Version(Rc<Version>),
}

impl fmt::Debug for Val<'_> {
    /// The type only: values may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }
}

impl<'a> Val<'a> {
    pub(crate) fn int(n: i64) -> Val<'a> {
        Val::Int(IntType::Int, n)
    }

    pub(crate) fn int64(n: i64) -> Val<'a> {
        Val::Int(IntType::Int64, n)
    }

    pub(crate) fn str(bytes: impl AsRef<[u8]>) -> Val<'a> {
        Val::Str(Str::Owned(Rc::from(bytes.as_ref())))
    }

    pub(crate) fn borrowed(text: &'a str) -> Val<'a> {
        Val::Str(Str::Borrowed(text.as_bytes()))
    }

    pub(crate) fn list(items: Vec<Val<'a>>) -> Val<'a> {
        Val::list_of(Elem::Any, items)
    }

    pub(crate) fn list_of(elem: Elem, items: Vec<Val<'a>>) -> Val<'a> {
        Val::List(Rc::new(List {
            elem,
            items,
            nil: false,
        }))
    }

    pub(crate) fn nil_list(elem: Elem) -> Val<'a> {
        Val::List(Rc::new(List {
            elem,
            items: Vec::new(),
            nil: true,
        }))
    }

    pub(crate) fn strings<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Val<'a> {
        Val::list_of(Elem::String, items.into_iter().map(Val::str).collect())
    }

    pub(crate) fn map(entries: Entries<'a>) -> Val<'a> {
        Val::map_of(MapType::Any, entries)
    }

    pub(crate) fn map_of(kind: MapType, entries: Entries<'a>) -> Val<'a> {
        Val::Map(Rc::new(Dict {
            kind,
            entries: RefCell::new(entries),
        }))
    }

    /// Borrows what the session holds.
    pub(crate) fn json(value: &'a Value) -> Val<'a> {
        match value {
            Value::Null => Val::Nil,
            Value::Bool(b) => Val::Bool(*b),
            Value::Number(n) => Val::Float(*n),
            Value::String(text) => Val::borrowed(text),
            Value::List(items) => Val::JsonList(items),
            Value::Strings(items) => Val::JsonStrings(Some(items)),
            Value::Map(map) => Val::JsonMap(Some(map)),
        }
    }

    /// A copy that templates may change.
    pub(crate) fn owned(value: &Value) -> Val<'a> {
        match value {
            Value::Null => Val::Nil,
            Value::Bool(b) => Val::Bool(*b),
            Value::Number(n) => Val::Float(*n),
            Value::String(text) => Val::str(text),
            Value::List(items) => Val::list(items.iter().map(Val::owned).collect()),
            Value::Strings(items) => Val::strings(items),
            Value::Map(map) => Val::owned_map(map),
        }
    }

    pub(crate) fn owned_map(map: &Map) -> Val<'a> {
        Val::map(
            map.iter()
                .map(|(name, value)| (Rc::from(name.as_bytes()), Val::owned(value)))
                .collect(),
        )
    }

    /// The name that `%T` prints.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Val::Nil => "<nil>",
            Val::Bool(_) => "bool",
            Val::Int(kind, _) => match kind {
                IntType::Int => "int",
                IntType::Int64 => "int64",
                IntType::Uint8 => "uint8",
                IntType::Uint32 => "uint32",
                IntType::Uint64 => "uint64",
                IntType::Duration => "time.Duration",
                IntType::Month => "time.Month",
                IntType::Weekday => "time.Weekday",
            },
            Val::Float(_) => "float64",
            Val::Complex(..) => "complex128",
            Val::Str(_) => "string",
            Val::List(list) => match list.elem {
                Elem::Any => "[]interface {}",
                Elem::String => "[]string",
                Elem::Int => "[]int",
                Elem::Byte => "[]uint8",
                Elem::AnyList => "[][]interface {}",
            },
            Val::JsonList(_) => "[]interface {}",
            Val::JsonStrings(_) => "[]string",
            Val::Map(map) => match map.kind {
                MapType::Any => "map[string]interface {}",
                MapType::String => "map[string]string",
            },
            Val::JsonMap(_) => "map[string]interface {}",
            Val::Header(_) => "http.Header",
            Val::Multi(multi) => match multi.kind {
                MultiType::Header => "http.Header",
                MultiType::Query => "url.Values",
            },
            Val::Session | Val::SessionCopy(_) => "*authn.AuthenticationSession",
            Val::Context => "authn.MatchContext",
            Val::Url(_) | Val::NilUrl => "*url.URL",
            Val::User(_) => "*url.Userinfo",
            Val::Time(_) => "time.Time",
            Val::Location(_) => "*time.Location",
            Val::Version(_) => "*semver.Version",
        }
    }

    /// The name that `kindOf` gives.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Val::Nil => "invalid",
            Val::Bool(_) => "bool",
            Val::Int(kind, _) => match kind {
                IntType::Int | IntType::Month | IntType::Weekday => "int",
                IntType::Int64 | IntType::Duration => "int64",
                IntType::Uint8 => "uint8",
                IntType::Uint32 => "uint32",
                IntType::Uint64 => "uint64",
            },
            Val::Float(_) => "float64",
            Val::Complex(..) => "complex128",
            Val::Str(_) => "string",
            Val::List(_) | Val::JsonList(_) | Val::JsonStrings(_) => "slice",
            Val::Map(_) | Val::JsonMap(_) | Val::Header(_) | Val::Multi(_) => "map",
            Val::Context | Val::Time(_) => "struct",
            Val::Session
            | Val::SessionCopy(_)
            | Val::Url(_)
            | Val::NilUrl
            | Val::User(_)
            | Val::Location(_)
            | Val::Version(_) => "ptr",
        }
    }

    /// `text/template`'s truth: what is not zero or empty.
    pub(crate) fn truth(&self) -> bool {
        match self {
            Val::Nil | Val::NilUrl | Val::User(None) => false,
            Val::Bool(b) => *b,
            Val::Int(_, n) => *n != 0,
            Val::Float(x) => *x != 0.0,
            Val::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Val::Str(text) => !text.bytes().is_empty(),
            Val::List(_)
            | Val::JsonList(_)
            | Val::JsonStrings(_)
            | Val::Map(_)
            | Val::JsonMap(_)
            | Val::Header(_)
            | Val::Multi(_) => self.len().is_some_and(|n| n > 0),
            Val::Session
            | Val::SessionCopy(_)
            | Val::Context
            | Val::Url(_)
            | Val::User(Some(_))
            | Val::Time(_)
            | Val::Location(_)
            | Val::Version(_) => true,
        }
    }

    /// The length of what has one.
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Val::Str(text) => Some(text.bytes().len()),
            Val::List(list) => Some(list.items.len()),
            Val::JsonList(items) => Some(items.len()),
            Val::JsonStrings(items) => Some(items.map_or(0, <[String]>::len)),
            Val::Map(map) => Some(map.entries.borrow().len()),
            Val::JsonMap(map) => Some(map.map_or(0, Map::len)),
            Val::Header(headers) => {
                Some(headers.keys_len() - usize::from(headers.contains_key(HOST)))
            }
            Val::Multi(multi) => Some(multi.entries.len()),
            Val::Nil
            | Val::Bool(_)
            | Val::Int(..)
            | Val::Float(_)
            | Val::Complex(..)
            | Val::Session
            | Val::SessionCopy(_)
            | Val::Context
            | Val::Url(_)
            | Val::NilUrl
            | Val::User(_)
            | Val::Time(_)
            | Val::Location(_)
            | Val::Version(_) => None,
        }
    }

    /// The element of a list; `None` where this is no list or has no such element.
    pub(crate) fn item(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Val::List(list) => list.items.get(index).cloned(),
            Val::JsonList(items) => items.get(index).map(Val::json),
            Val::JsonStrings(items) => items
                .and_then(|items| items.get(index))
                .map(|text| Val::borrowed(text)),
            Val::Nil
            | Val::Bool(_)
            | Val::Int(..)
            | Val::Float(_)
            | Val::Complex(..)
            | Val::Str(_)
            | Val::Map(_)
            | Val::JsonMap(_)
            | Val::Header(_)
            | Val::Multi(_)
            | Val::Session
            | Val::SessionCopy(_)
            | Val::Context
            | Val::Url(_)
            | Val::NilUrl
            | Val::User(_)
            | Val::Time(_)
            | Val::Location(_)
            | Val::Version(_) => None,
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Val::List(_) | Val::JsonList(_) | Val::JsonStrings(_))
    }

    pub(crate) fn elem(&self) -> Elem {
        match self {
            Val::List(list) => list.elem,
            Val::JsonStrings(_) => Elem::String,
            _ => Elem::Any,
        }
    }

    /// The elements of a list, copied (each copy is cheap); `None` where this is no list.
    pub(crate) fn items(&self) -> Option<Vec<Val<'a>>> {
        match self {
            Val::List(list) => Some(list.items.clone()),
            Val::JsonList(items) => Some(items.iter().map(Val::json).collect()),
            Val::JsonStrings(items) => Some(
                items
                    .unwrap_or_default()
                    .iter()
                    .map(|text| Val::borrowed(text))
                    .collect(),
            ),
            _ => None,
        }
    }

    /// The entries of a map in the order of their names; `None` where this is no map.
    pub(crate) fn entries(&self) -> Option<Vec<(Val<'a>, Val<'a>)>> {
        let many = |values: &[Vec<u8>]| Val::strings(values);
        match self {
            Val::Map(map) => Some(
                map.entries
                    .borrow()
                    .iter()
                    .map(|(name, value)| (Val::Str(Str::Owned(name.clone())), value.clone()))
                    .collect(),
            ),
            Val::JsonMap(map) => Some(map.map_or_else(Vec::new, |map| {
                map.iter()
                    .map(|(name, value)| (Val::borrowed(name), Val::json(value)))
                    .collect()
            })),
            Val::Header(headers) => Some(
                Multi::of_headers(headers)
                    .entries
                    .iter()
                    .map(|(name, values)| (Val::str(name), many(values)))
                    .collect(),
            ),
            Val::Multi(multi) => Some(
                multi
                    .entries
                    .iter()
                    .map(|(name, values)| (Val::str(name), many(values)))
                    .collect(),
            ),
            _ => None,
        }
    }

    /// The value under a name. `None` where this is no map; `Some` of the element type's zero where it has no such name.
    pub(crate) fn member(&self, name: &[u8]) -> Option<Val<'a>> {
        match self {
            Val::Map(map) => Some(match map.entries.borrow().get(name) {
                Some(value) => value.clone(),
                None => match map.kind {
                    MapType::Any => Val::Nil,
                    MapType::String => Val::borrowed(""),
                },
            }),
            Val::JsonMap(map) => Some(
                std::str::from_utf8(name)
                    .ok()
                    .and_then(|name| map.and_then(|map| map.get(name)))
                    .map_or(Val::Nil, Val::json),
            ),
            Val::Header(headers) => {
                // A map's keys are case-sensitive, and these are spelt as Go spells them.
                let values: Vec<&[u8]> = match http::HeaderName::from_bytes(name) {
                    Ok(found) if found != HOST && canonical_header(name) == name => headers
                        .get_all(found)
                        .iter()
                        .map(http::HeaderValue::as_bytes)
                        .collect(),
                    Ok(_) | Err(_) => Vec::new(),
                };
                Some(if values.is_empty() {
                    Val::nil_list(Elem::String)
                } else {
                    Val::strings(values)
                })
            }
            Val::Multi(multi) => Some(match multi.entries.get(name) {
                Some(values) => Val::strings(values),
                None => Val::nil_list(Elem::String),
            }),
            _ => None,
        }
    }

    /// Whether a map has that name.
    pub(crate) fn has_member(&self, name: &[u8]) -> bool {
        match self {
            Val::Map(map) => map.entries.borrow().contains_key(name),
            Val::JsonMap(map) => std::str::from_utf8(name)
                .is_ok_and(|name| map.is_some_and(|map| map.contains_key(name))),
            _ => false,
        }
    }

    /// A map that may be changed from a borrowed or shared one: one level, as Go's maps of interfaces share what is below.
    pub(crate) fn entry_map(&self) -> Option<Entries<'a>> {
        match self {
            Val::Map(map) => Some(map.entries.borrow().clone()),
            Val::JsonMap(map) => Some(map.map_or_else(Entries::new, |map| {
                map.iter()
                    .map(|(name, value)| (Rc::from(name.as_bytes()), Val::json(value)))
                    .collect()
            })),
            _ => None,
        }
    }

    /// Go's nil slices, maps and pointers, and nil itself.
    pub(crate) fn is_nil(&self) -> bool {
        match self {
            Val::Nil | Val::NilUrl | Val::User(None) | Val::JsonMap(None) => true,
            Val::JsonStrings(None) => true,
            Val::List(list) => list.nil,
            Val::Multi(multi) => multi.nil,
            _ => false,
        }
    }
}

/// What a session can hold of a value; the rest becomes the text that it prints as. `None` where it nests too deeply.
pub(crate) fn to_value(
    val: &Val<'_>,
    print: &impl Fn(&Val<'_>) -> Vec<u8>,
    depth: usize,
) -> Option<Value> {
    if depth > MAX_NESTING {
        return None;
    }
    Some(match val {
        Val::Nil => Value::Null,
        Val::Bool(b) => Value::Bool(*b),
        Val::Int(kind, n) => Value::Number(if kind.unsigned() {
            *n as u64 as f64
        } else {
            *n as f64
        }),
        Val::Float(x) => Value::Number(*x),
        Val::Str(text) => Value::String(text.lossy()),
        Val::JsonStrings(items) => Value::Strings(items.unwrap_or_default().to_vec()),
        Val::List(list) if list.elem == Elem::String => {
            Value::Strings(list.items.iter().map(|item| lossy(&print(item))).collect())
        }
        other => {
            if let Some(items) = other.items() {
                let items = items.iter().map(|item| to_value(item, print, depth + 1));
                Value::List(items.collect::<Option<_>>()?)
            } else if let Some(entries) = other.entries() {
                let mut map = Map::new();
                for (name, value) in entries {
                    map.insert(lossy(&print(&name)), to_value(&value, print, depth + 1)?);
                }
                Value::Map(map)
            } else {
                Value::String(lossy(&print(other)))
            }
        }
    })
}
