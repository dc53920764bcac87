//! The one description of every key: type, default, limits, meaning.
//!
//! From it come the validation with all problems at once ([`check`]), the defaults ([`fill`]), the environment's mapping
//! ([`environment`]), the settings of a handler in a rule, the JSON schema for editors and the reference page of keys.

mod access_rules;
mod authenticators;
mod authorizers;
mod check;
mod conditions;
#[cfg(test)]
mod effects;
pub mod environment;
mod errors;
mod fill;
mod formats;
mod guess;
mod mutators;
mod publish;
mod sections;
mod serve;

pub use check::{Findings, check};
pub use fill::fill;
pub use formats::Format;
pub use guess::closest as closest_name;
pub use publish::{about, json_schema, reference, settings};

use serde_json::Value;
use std::sync::LazyLock;

/// One key, or one element of a list.
#[derive(Debug, Clone)]
pub struct Schema {
    pub kind: Kind,
    /// For the reference page and editors: a sentence or two.
    pub about: &'static str,
    /// Put in where nothing is written.
    pub default: Option<Value>,
    /// Whether `null` may stand for absence.
    pub null: Null,
    /// A value that no message, log or answer may show.
    pub secrecy: Secrecy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Null {
    Refused,
    Absent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    Public,
    Secret,
}

#[derive(Debug, Clone)]
pub enum Kind {
    Object(Object),
    /// An object with free names and values of one kind.
    Map(Box<Schema>),
    List(List),
    Text(Text),
    Integer(Range<i64>),
    Number(Range<f64>),
    Boolean,
    /// `enabled` and `config` of a handler.
    Handler(Box<Handler>),
}

#[derive(Debug, Clone, Default)]
pub struct Object {
    pub members: Vec<(&'static str, Schema)>,
    pub required: Vec<&'static str>,
    /// One of these is required, where there are any.
    pub required_any: Vec<&'static str>,
    /// Required too as soon as the first member is `true`.
    pub required_if: Option<(&'static str, Vec<&'static str>)>,
    pub choice: Choice,
}

/// How many members an object may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    #[default]
    Any,
    ExactlyOne,
}

#[derive(Debug, Clone)]
pub struct List {
    pub items: Box<Schema>,
    pub duplicates: Duplicates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    Fine,
    Refused,
}

#[derive(Debug, Clone, Default)]
pub struct Text {
    /// The only texts admitted; empty for any.
    pub choices: Vec<&'static str>,
    pub format: Option<Format>,
}

#[derive(Debug, Clone, Copy)]
pub struct Range<T> {
    pub min: Option<T>,
    pub max: Option<T>,
    /// The only two numbers admitted, where there are just two.
    pub only: Option<[T; 2]>,
}

#[derive(Debug, Clone)]
pub struct Handler {
    /// `None` for the handlers that have no settings; they refuse a `config`.
    pub config: Option<Schema>,
    /// Other keys beside `enabled` and `config`.
    pub siblings: Siblings,
    /// When `config` is looked at.
    pub checked: Checked,
    /// Whether `enabled: true` needs a `config`.
    pub enabled: bool,
}

/// What the reference makes of keys beside `enabled` and `config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Siblings {
    Refused,
    /// Ignored, so that a setup that works goes on working; said in a warning.
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    Always,
    WhenEnabled,
}

/// The whole configuration.
pub fn root() -> &'static Schema {
    static ROOT: LazyLock<Schema> = LazyLock::new(|| {
        object([
            ("serve", serve::section()),
            ("access_rules", access_rules::section()),
            ("authenticators", authenticators::section()),
            ("authorizers", authorizers::section()),
            ("mutators", mutators::section()),
            ("errors", errors::section()),
            ("decisions", sections::decisions()),
            ("log", sections::log()),
            ("tracing", sections::tracing()),
            ("http", sections::http()),
            ("cache", sections::cache()),
            ("templates", sections::templates()),
            ("profiling", sections::profiling()),
            ("version", sections::version()),
        ])
        .about("The configuration of Doorward.")
    });
    &ROOT
}

/// The schema of `enabled`.
fn switch() -> &'static Schema {
    static SWITCH: LazyLock<Schema> = LazyLock::new(boolean);
    &SWITCH
}

impl Schema {
    /// The member of an object, or the value of any member of a map.
    pub fn member(&self, name: &str) -> Option<&Schema> {
        match &self.kind {
            Kind::Object(object) => object
                .members
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, schema)| schema),
            Kind::Map(values) => Some(values),
            Kind::Handler(handler) if name == "config" => handler.config.as_ref(),
            Kind::Handler(_)
            | Kind::List(_)
            | Kind::Text(_)
            | Kind::Integer(_)
            | Kind::Number(_)
            | Kind::Boolean => None,
        }
    }
}

// The words that the sections are written in.

fn of(kind: Kind) -> Schema {
    Schema {
        kind,
        about: "",
        default: None,
        null: Null::Refused,
        secrecy: Secrecy::Public,
    }
}

fn object(members: impl IntoIterator<Item = (&'static str, Schema)>) -> Schema {
    of(Kind::Object(Object {
        members: members.into_iter().collect(),
        ..Object::default()
    }))
}

fn map(values: Schema) -> Schema {
    of(Kind::Map(Box::new(values)))
}

fn list(items: Schema) -> Schema {
    of(Kind::List(List {
        items: Box::new(items),
        duplicates: Duplicates::Fine,
    }))
}

/// A list that refuses duplicates.
fn set(items: Schema) -> Schema {
    of(Kind::List(List {
        items: Box::new(items),
        duplicates: Duplicates::Refused,
    }))
}

fn text() -> Schema {
    of(Kind::Text(Text::default()))
}

fn text_as(format: Format) -> Schema {
    of(Kind::Text(Text {
        choices: Vec::new(),
        format: Some(format),
    }))
}

fn one_of<const N: usize>(choices: [&'static str; N]) -> Schema {
    of(Kind::Text(Text {
        choices: choices.into(),
        format: None,
    }))
}

fn duration() -> Schema {
    text_as(Format::Duration)
}

fn uri() -> Schema {
    text_as(Format::Uri)
}

fn boolean() -> Schema {
    of(Kind::Boolean)
}

fn integer() -> Schema {
    of(Kind::Integer(Range {
        min: None,
        max: None,
        only: None,
    }))
}

/// A whole number from `min` on.
fn at_least(min: i64) -> Schema {
    of(Kind::Integer(Range {
        min: Some(min),
        max: None,
        only: None,
    }))
}

fn between(min: i64, max: i64) -> Schema {
    of(Kind::Integer(Range {
        min: Some(min),
        max: Some(max),
        only: None,
    }))
}

fn ratio() -> Schema {
    of(Kind::Number(Range {
        min: Some(0.0),
        max: Some(1.0),
        only: None,
    }))
}

/// A handler with settings that `enabled: true` needs.
fn handler(config: Schema) -> Schema {
    of(Kind::Handler(Box::new(Handler {
        config: Some(config),
        siblings: Siblings::Ignored,
        checked: Checked::WhenEnabled,
        enabled: false,
    })))
}

/// A handler without settings.
fn plain_handler() -> Schema {
    of(Kind::Handler(Box::new(Handler {
        config: None,
        siblings: Siblings::Refused,
        checked: Checked::WhenEnabled,
        enabled: false,
    })))
}

impl Schema {
    fn about(mut self, about: &'static str) -> Schema {
        self.about = about;
        self
    }

    fn or(mut self, default: impl Into<Value>) -> Schema {
        self.default = Some(default.into());
        self
    }

    fn nullable(mut self) -> Schema {
        self.null = Null::Absent;
        self
    }

    fn secret(mut self) -> Schema {
        self.secrecy = Secrecy::Secret;
        self
    }

    fn requires<const N: usize>(mut self, names: [&'static str; N]) -> Schema {
        if let Kind::Object(object) = &mut self.kind {
            object.required = names.into();
        }
        self
    }

    fn requires_any<const N: usize>(mut self, names: [&'static str; N]) -> Schema {
        if let Kind::Object(object) = &mut self.kind {
            object.required_any = names.into();
        }
        self
    }

    fn requires_if<const N: usize>(
        mut self,
        switch: &'static str,
        names: [&'static str; N],
    ) -> Schema {
        if let Kind::Object(object) = &mut self.kind {
            object.required_if = Some((switch, names.into()));
        }
        self
    }

    fn exactly_one(mut self) -> Schema {
        if let Kind::Object(object) = &mut self.kind {
            object.choice = Choice::ExactlyOne;
        }
        self
    }
}
