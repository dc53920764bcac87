//! YAML in the two dialects of Go: `yaml.v3` for configurations, `yaml.v2` for rules.
//!
//! The parser gives events with the style of each scalar; what they mean is decided here: [`scalar`] knows types, [`build`] keys,
//! merges, anchors and duplicates.

mod build;
mod grammar;
mod scalar;
mod time;

use super::{Document, SyntaxError, not_text};

/// Which of Go's libraries to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `yaml.v3`: only true and false are booleans, duplicate keys are errors, dates become RFC 3339 times.
    Configuration,
    /// `yaml.v2` turned into JSON: yes, no, on and off are booleans, also as keys; the last duplicate wins; dates stay text.
    Rules,
}

/// Reads the first document. An empty text is `null`.
pub fn read(text: &[u8], dialect: Dialect) -> Result<Document, SyntaxError> {
    let text = std::str::from_utf8(text).map_err(|_| not_text())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    grammar::check(text)?;
    build::read(text, dialect)
}
