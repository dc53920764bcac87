//! Where the members of a document stand.

use std::collections::HashMap;

/// Lines, counted from 1, by dotted path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines(HashMap<String, usize>);

impl Lines {
    pub(super) fn note(&mut self, path: &str, line: usize) {
        self.0.insert(path.to_owned(), line);
    }

    /// The line of a member, or of the nearest one that it is inside of.
    pub fn line(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            path = path.rsplit_once('.')?.0;
        }
    }

    /// Whether the document has this very member.
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
}

/// A dotted path that grows and shrinks.
#[derive(Debug, Default)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn enter(&mut self, name: &str) -> usize {
        let length = self.0.len();
        if length > 0 {
            self.0.push('.');
        }
        self.0.push_str(name);
        length
    }

    /// Goes back to what [`Path::enter`] returned.
    pub(super) fn leave(&mut self, length: usize) {
        self.0.truncate(length);
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}
