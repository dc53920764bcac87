//! The formats that configurations and rules are written in, read as the reference's libraries read them.

mod json;
mod lines;
mod toml;
pub mod yaml;

pub use lines::Lines;

use serde_json::Value;

/// A syntax error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// Counted from 1, where it is known.
    pub line: Option<usize>,
    pub message: String,
}

/// A parsed document, and the line on which each of its members stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub value: Value,
    pub lines: Lines,
}

/// The formats of configuration files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    Yaml,
    Json,
    Toml,
}

impl Syntax {
    /// By the extension, which counts in lower case only, as in the reference.
    pub fn of_extension(extension: &str) -> Option<Syntax> {
        match extension {
            "yaml" | "yml" => Some(Syntax::Yaml),
            "json" => Some(Syntax::Json),
            "toml" => Some(Syntax::Toml),
            _ => None,
        }
    }
}

/// Reads a configuration file. It must hold one object; an empty YAML or TOML file is an empty one.
pub fn configuration(syntax: Syntax, text: &[u8]) -> Result<Document, SyntaxError> {
    let document = match syntax {
        Syntax::Yaml => yaml::read(text, yaml::Dialect::Configuration)?,
        Syntax::Json => json::read(text)?,
        Syntax::Toml => toml::read(text)?,
    };
    match document.value {
        Value::Object(_) => Ok(document),
        Value::Null if syntax == Syntax::Yaml => Ok(Document {
            value: Value::Object(serde_json::Map::new()),
            lines: document.lines,
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(SyntaxError {
                line: Some(1),
                message: "a configuration must be an object".to_owned(),
            })
        }
    }
}

/// Reads JSON as Go does, without lines.
pub fn json(text: &str) -> Result<Value, SyntaxError> {
    json::parse(text)
}

fn not_text() -> SyntaxError {
    SyntaxError {
        line: None,
        message: "the file is not UTF-8 text".to_owned(),
    }
}

#[cfg(test)]
mod tests;
