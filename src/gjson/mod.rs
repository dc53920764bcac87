//! GJSON paths, which `subject_from` and `extra_from` are written in: the language of tidwall/gjson 1.19, written anew.
//!
//! The language is what that library does: a path is read piece by piece while the document is scanned, so that a piece means what
//! fits the value at hand (`0` is an index or a key). [`find`] does the same on byte slices. Unlike the library it refuses documents
//! that are not JSON, and it stops when a path and a document together cost too much ([`Work`]).

mod find;
mod modifiers;
mod pretty;
mod query;
mod scan;
mod steps;
mod text;
mod work;

use crate::value::{self, Map, Value};
use std::borrow::Cow;
use std::fmt;
use work::Work;

/// Longer paths are refused at load; recursion is bounded by it too.
const MAX_PATH: usize = 1024;

/// A path, as an operator wrote it.
#[derive(Clone, PartialEq, Eq)]
pub struct Path(Box<str>);

/// Why a path can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the path is longer than {MAX_PATH} bytes")]
    TooLong,
}

/// Why a document has no answer to a path. Nobody is authenticated by it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the document is not JSON")]
    NotJson,
    #[error("looking up the path in this document takes too many steps")]
    TooCostly,
    #[error("the path leads to something that is not a string")]
    NotAString,
    #[error("the path leads to something that is not an object")]
    NotAnObject,
}

/// What a value is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// The path leads nowhere.
    #[default]
    Missing,
    Null,
    False,
    True,
    Number,
    String,
    /// An object or a list.
    Json,
}

/// What a path leads to: its text, as it stands in the document or as the path made it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Raw<'a> {
    kind: Kind,
    text: Cow<'a, [u8]>,
}

impl Path {
    /// Any text is a path: what means nothing leads nowhere, as in the reference.
    pub fn parse(text: &str) -> Result<Path, Error> {
        if text.len() > MAX_PATH {
            return Err(Error::TooLong);
        }
        Ok(Path(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the path leads to in a document. Blank documents have nothing; with a path that begins with `..` the document may be
    /// several values, one a line.
    pub fn get<'a>(&self, json: &'a str) -> Result<Raw<'a>, Unreadable> {
        let document = json.as_bytes();
        if !self.accepts(document) {
            return Err(Unreadable::NotJson);
        }
        let mut work = Work::for_document(document);
        let found = find::find(&mut work, document, self.0.as_bytes());
        if work.is_spent() {
            return Err(Unreadable::TooCostly);
        }
        Ok(found)
    }

    fn accepts(&self, document: &[u8]) -> bool {
        document.trim_ascii().is_empty()
            || value::is_valid(document)
            || (self.0.starts_with("..") && are_lines(document))
    }

    /// The string that the path leads to; empty where it leads nowhere or to `null`, as in the reference.
    pub fn subject(&self, json: &str) -> Result<String, Unreadable> {
        self.get(json)?.subject()
    }

    /// The object that the path leads to; `None` where it leads nowhere or to `null`.
    pub fn extra(&self, json: &str) -> Result<Option<Map>, Unreadable> {
        self.get(json)?.extra()
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({:?})", self.0)
    }
}

/// Whether a text is JSON values, one after the other.
fn are_lines(mut text: &[u8]) -> bool {
    loop {
        text = text.trim_ascii_start();
        if text.is_empty() {
            return true;
        }
        let end = match scan::value_at(text, 0) {
            scan::At::Value(_, end) => end,
            scan::At::Other | scan::At::Broken => return false,
        };
        let Some((first, rest)) = text.split_at_checked(end) else {
            return false;
        };
        if !value::is_valid(first) {
            return false;
        }
        text = rest;
    }
}

impl<'a> Raw<'a> {
    fn new(kind: Kind, text: &'a [u8]) -> Raw<'a> {
        Raw {
            kind,
            text: Cow::Borrowed(text),
        }
    }

    fn made(text: Vec<u8>) -> Raw<'static> {
        Raw {
            kind: Kind::Json,
            text: Cow::Owned(text),
        }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn exists(&self) -> bool {
        self.kind != Kind::Missing
    }

    /// The text of the value, quotes and escapes included; empty where there is none. Mostly, not always, JSON.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }

    fn bytes(&self) -> &[u8] {
        &self.text
    }

    fn into_owned(self) -> Raw<'static> {
        Raw {
            kind: self.kind,
            text: Cow::Owned(self.text.into_owned()),
        }
    }

    /// The string itself; empty where there is none or `null`.
    pub fn subject(&self) -> Result<String, Unreadable> {
        match self.decoded().ok_or(Unreadable::NotAString)? {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text),
            _ => Err(Unreadable::NotAString),
        }
    }

    /// The object itself; `None` where there is none or `null`.
    pub fn extra(&self) -> Result<Option<Map>, Unreadable> {
        match self.decoded().ok_or(Unreadable::NotAnObject)? {
            Value::Null => Ok(None),
            Value::Map(map) => Ok(Some(map)),
            _ => Err(Unreadable::NotAnObject),
        }
    }

    fn decoded(&self) -> Option<Value> {
        if self.text.is_empty() {
            return Some(Value::Null);
        }
        value::decode(&self.text).ok()
    }
}

#[cfg(test)]
mod tests;
