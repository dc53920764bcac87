//! The headers that a pipeline sets.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

/// A header's name with the spelling that goes on an HTTP/1.1 wire. Made at load, cloned without allocating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldName {
    name: HeaderName,
    wire: Bytes,
}

impl FieldName {
    /// Spells the name as Go's `textproto` does: `x-user-id` becomes `X-User-Id`.
    pub fn new(name: HeaderName) -> FieldName {
        let mut start = true;
        let wire: Vec<u8> = name
            .as_str()
            .bytes()
            .map(|b| {
                let out = if start { b.to_ascii_uppercase() } else { b };
                start = b == b'-';
                out
            })
            .collect();
        FieldName {
            name,
            wire: wire.into(),
        }
    }

    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    pub fn wire(&self) -> &Bytes {
        &self.wire
    }
}

/// What a pipeline sets, in order; each name once. An empty value is sent as an empty header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderChanges(Vec<(FieldName, HeaderValue)>);

impl HeaderChanges {
    /// Sets a header, replacing what an earlier handler set under that name.
    pub fn set(&mut self, name: FieldName, value: HeaderValue) {
        match self.0.iter_mut().find(|(known, _)| known.name == name.name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    pub fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.0
            .iter()
            .find(|(known, _)| known.name == *name)
            .map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&FieldName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}
