//! What rules of one document say in the same words: read once, kept once.
//!
//! Of a hundred thousand rules most use one of a few lists of handlers. What was read before is recognised by its text, before it is
//! taken apart, so that many rules cost neither the time nor the memory of as many lists.

use super::raw::{Found, HandlerUse, Upstream, Uses};
use serde::de::{Deserialize, DeserializeOwned, Error};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;

/// Everything that was read so far of a document.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) uses: Shelf<Option<Uses>>,
    pub(super) used: Shelf<Arc<HandlerUse>>,
    pub(super) upstreams: Shelf<Arc<Upstream>>,
    pub(super) methods: Shelf<Option<Arc<[String]>>>,
    rpc_methods: [Option<Arc<[String]>>; 2],
}

impl Shared {
    /// `POST`, and `GET` where that is allowed.
    pub(super) fn rpc_methods(&mut self, allow_http_get: bool) -> Arc<[String]> {
        let [post, both] = &mut self.rpc_methods;
        let (kept, names) = match allow_http_get {
            true => (both, ["GET", "POST"].as_slice()),
            false => (post, ["POST"].as_slice()),
        };
        let make = || names.iter().map(|&name| name.to_owned()).collect();
        kept.get_or_insert_with(make).clone()
    }
}

/// Values of one kind by their text, each with the names of its members that mean nothing.
pub(super) struct Shelf<T>(HashMap<Box<str>, Found<T>>);

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf(HashMap::new())
    }
}

impl<T: Clone> Shelf<T>
where
    Found<T>: for<'de> Deserialize<'de>,
{
    pub(super) fn read<E: Error>(&mut self, raw: Box<RawValue>) -> Result<(T, &[String]), E> {
        if !self.0.contains_key(raw.get()) {
            let found = read_raw(&raw)?;
            self.0.insert(raw.get().into(), found);
        }
        // INVARIANT: it was there or was put there.
        let kept = self.0.get(raw.get());
        let Found(value, unknown) = kept.ok_or_else(|| E::custom("it can't be read"))?;
        Ok((value.clone(), unknown))
    }
}

/// Reads what was only looked over so far. Its lines mean nothing to whoever reads the message.
pub(super) fn read_raw<T: DeserializeOwned, E: Error>(raw: &RawValue) -> Result<T, E> {
    serde_json::from_str(raw.get()).map_err(|error| {
        let message = error.to_string();
        let place = message.rsplit_once(" at line ");
        E::custom(place.map_or(message.as_str(), |(message, _)| message))
    })
}
