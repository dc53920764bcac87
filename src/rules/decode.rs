//! Filling types from documents as Go's `encoding/json` does.

use crate::config::closest_name;
use crate::value::fold_eq;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// What a member's name means.
pub(super) enum Known {
    Field(&'static str),
    /// Nothing; with what was probably meant.
    Unknown(String),
}

/// Finds the field that Go would fill: names match without case.
pub(super) fn known(name: &str, fields: &[&'static str]) -> Known {
    let exact = fields.iter().find(|field| **field == name);
    if let Some(field) = exact.or_else(|| fields.iter().find(|field| fold_eq(name, field))) {
        return Known::Field(field);
    }
    Known::Unknown(match closest_name(name, fields.iter().copied()) {
        Some(meant) => format!("{name} (did you mean `{meant}`?)"),
        None => name.to_owned(),
    })
}

/// What the next member's name means; `None` behind the last.
pub(super) fn next_name<'de, A: MapAccess<'de>>(
    members: &mut A,
    fields: &[&'static str],
) -> Result<Option<Known>, A::Error> {
    members.next_key_seed(Name(fields))
}

/// Looks a name up where it stands in the document, without a copy.
struct Name<'a>(&'a [&'static str]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Known;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Known, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Known;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Known, E> {
        Ok(known(name, self.0))
    }
}

/// Passes over a member's value.
pub(super) fn skip<'de, A: MapAccess<'de>>(members: &mut A) -> Result<(), A::Error> {
    members.next_value::<IgnoredAny>().map(drop)
}

/// A type that is filled member by member.
pub(super) trait FromMembers: Default {
    /// What it is called in messages.
    const NAME: &'static str;

    fn read<'de, A: MapAccess<'de>>(members: A) -> Result<Self, A::Error>;
}

/// Reads an object, or the default where there is `null`.
pub(super) fn object<'de, D: Deserializer<'de>, T: FromMembers>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(Reader(PhantomData))
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: FromMembers> Visitor<'de> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::read(members)
    }
}
