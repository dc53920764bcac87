//! From checked values to types: what serde can't do by itself.
//!
//! The schema has the defaults and refuses bad values before anything here runs.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::time::Duration;

pub(super) mod duration {
    use super::{Deserialize, Deserializer, Duration};
    use crate::config::duration::parse_simple;
    use serde::de::Error as _;

    pub(crate) fn simple<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        parse_simple(&text).ok_or_else(|| D::Error::custom("not a duration"))
    }

    pub(crate) fn maybe<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        simple(from).map(Some)
    }
}

/// `""` as absent.
pub(super) fn filled<'de, D: Deserializer<'de>, T: TryFrom<String>>(
    from: D,
) -> Result<Option<T>, D::Error>
where
    T::Error: std::fmt::Display,
{
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    T::try_from(text).map(Some).map_err(D::Error::custom)
}
