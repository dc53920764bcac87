//! Queries: `a=1&b=2` to values and back.

use super::escape::{query_escape, query_unescape};
use std::collections::BTreeMap;

/// Go caps the pairs of one query, so that a long target cannot buy many allocations.
const MAX_PAIRS: usize = 10_000;

/// Values by key, sorted by key as [`Values::encode`] prints them. Keys are case-sensitive; neither keys nor values need be UTF-8.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<Vec<u8>, Vec<Vec<u8>>>);

/// What could be read of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParsedQuery {
    pub values: Values,
    /// Whether no pair was dropped (for a `;` or a malformed escape).
    pub complete: bool,
}

/// Reads what can be read; a pair with `;` or a malformed escape is dropped.
pub fn parse_query(query: &str) -> ParsedQuery {
    let mut parsed = ParsedQuery {
        values: Values::default(),
        complete: true,
    };
    if query.bytes().filter(|&b| b == b'&').count() >= MAX_PAIRS {
        parsed.complete = false;
        return parsed;
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match read_pair(pair) {
            Some((key, value)) => parsed.values.add(key, value),
            None => parsed.complete = false,
        }
    }
    parsed
}

fn read_pair(pair: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    if pair.contains(';') {
        return None;
    }
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Some((query_unescape(key)?, query_unescape(value)?))
}

impl Values {
    /// The first value of that key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.0.get(key.as_ref())?.first().map(Vec::as_slice)
    }

    /// All values of that key, in order.
    pub fn all(&self, key: impl AsRef<[u8]>) -> &[Vec<u8>] {
        self.0.get(key.as_ref()).map_or(&[], Vec::as_slice)
    }

    pub fn has(&self, key: impl AsRef<[u8]>) -> bool {
        self.0.contains_key(key.as_ref())
    }

    /// Adds a value behind those that the key has.
    pub fn add(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.entry(key.into()).or_default().push(value.into());
    }

    /// Replaces the values of the key by one.
    pub fn set(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.insert(key.into(), vec![value.into()]);
    }

    pub fn remove(&mut self, key: impl AsRef<[u8]>) {
        self.0.remove(key.as_ref());
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[Vec<u8>])> {
        self.0
            .iter()
            .map(|(key, values)| (key.as_slice(), values.as_slice()))
    }

    /// `key=value` pairs joined with `&`, sorted by key, percent-encoded.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        for (key, values) in &self.0 {
            let key = query_escape(key);
            for value in values {
                if !out.is_empty() {
                    out.push('&');
                }
                out.push_str(&key);
                out.push('=');
                out.push_str(&query_escape(value));
            }
        }
        out
    }
}
