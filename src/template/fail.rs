//! What can go wrong: when a template is compiled, and when it is executed.

use std::borrow::Cow;
use thiserror::Error;

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {what}")]
pub struct TemplateError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub what: String,
}

/// Why a template could not be executed for a request. Its text holds no values of the session.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {what}")]
pub struct RenderError {
    pub line: usize,
    pub column: usize,
    pub what: String,
}

/// A failure inside, before its place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fail {
    pub(crate) what: Cow<'static, str>,
    /// The byte of the source, once known.
    pub(crate) at: Option<u32>,
}

impl Fail {
    pub(crate) fn at(mut self, at: u32) -> Fail {
        self.at.get_or_insert(at);
        self
    }
}

/// A failure with a fixed text.
pub(crate) fn fail<T>(what: &'static str) -> Result<T, Fail> {
    Err(Fail {
        what: Cow::Borrowed(what),
        at: None,
    })
}

/// A failure with a text that was put together.
pub(crate) fn failf<T>(what: String) -> Result<T, Fail> {
    Err(Fail {
        what: Cow::Owned(what),
        at: None,
    })
}

/// Line and column of a byte, both from 1.
pub(crate) fn place(source: &str, at: usize) -> (usize, usize) {
    let before = source.get(..at).unwrap_or(source);
    let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}
