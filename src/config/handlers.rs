//! The settings of handlers: global ones, and what a rule changes in them.

use super::schema::{self, Kind, Schema};
use super::{Place, Problem, Problems};
use serde_json::{Map, Value};
use std::fmt;

/// The four kinds of handlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandlerKind {
    Authenticator,
    Authorizer,
    Mutator,
    Error,
}

impl HandlerKind {
    pub const ALL: [HandlerKind; 4] = [
        HandlerKind::Authenticator,
        HandlerKind::Authorizer,
        HandlerKind::Mutator,
        HandlerKind::Error,
    ];

    /// Where the handlers of this kind are in the configuration.
    pub fn section(self) -> &'static [&'static str] {
        match self {
            HandlerKind::Authenticator => &["authenticators"],
            HandlerKind::Authorizer => &["authorizers"],
            HandlerKind::Mutator => &["mutators"],
            HandlerKind::Error => &["errors", "handlers"],
        }
    }

    pub(super) fn schema(self, id: &str) -> Option<&'static Schema> {
        let section = self
            .section()
            .iter()
            .try_fold(schema::root(), |schema, name| schema.member(name))?;
        section.member(id)
    }

    /// The ids of all handlers of this kind, in the order of the schema.
    pub fn ids(self) -> Vec<&'static str> {
        let section = self
            .section()
            .iter()
            .try_fold(schema::root(), |schema, name| schema.member(name));
        match section.map(|schema| &schema.kind) {
            Some(Kind::Object(object)) => object.members.iter().map(|(id, _)| *id).collect(),
            _ => Vec::new(),
        }
    }
}

/// All handler sections of the effective configuration, defaults included.
#[derive(Clone, PartialEq, Default)]
pub struct Handlers {
    /// Members `authenticators`, `authorizers`, `mutators` and `errors.handlers`.
    root: Value,
}

impl Handlers {
    /// Takes the sections out of an effective configuration, which has been checked and filled.
    pub(super) fn of(effective: &Value) -> Handlers {
        let mut root = Map::new();
        for kind in HandlerKind::ALL {
            let Some((last, first)) = kind.section().split_last() else {
                continue;
            };
            let from = first
                .iter()
                .try_fold(effective, |value, name| value.get(name))
                .and_then(|value| value.get(last))
                .cloned()
                .unwrap_or(Value::Null);
            root.insert(kind.section().join("."), from);
        }
        Handlers {
            root: Value::Object(root),
        }
    }

    fn section(&self, kind: HandlerKind, id: &str) -> Option<&Value> {
        self.root.get(kind.section().join("."))?.get(id)
    }

    /// Whether the handler exists and is enabled.
    pub fn enabled(&self, kind: HandlerKind, id: &str) -> bool {
        let enabled = self
            .section(kind, id)
            .and_then(|section| section.get("enabled"));
        enabled == Some(&Value::Bool(true))
    }

    /// The handler's settings as they stand in the configuration; `{}` for handlers without any.
    pub fn global(&self, kind: HandlerKind, id: &str) -> Value {
        self.section(kind, id)
            .and_then(|section| section.get("config"))
            .cloned()
            .unwrap_or_else(|| Value::Object(Map::new()))
    }

    /// What a rule's handler works with: the global settings with the rule's over them, checked against the handler's schema.
    ///
    /// Objects merge, everything else replaces, also `null`. A rule without settings passes `Value::Null`. Handlers without settings
    /// accept and ignore any. Paths in the problems begin inside the handler's `config`.
    pub fn effective(&self, kind: HandlerKind, id: &str, rule: &Value) -> Result<Value, Problems> {
        let schema = match kind.schema(id).map(|schema| &schema.kind) {
            Some(Kind::Handler(handler)) => match &handler.config {
                Some(schema) => schema,
                None => return Ok(Value::Object(Map::new())),
            },
            Some(_) | None => {
                return Err(Problems::from(Problem {
                    place: Place::Unknown,
                    path: String::new(),
                    message: format!("there is no handler `{id}`"),
                    hint: None,
                }));
            }
        };
        let mut settings = self.global(kind, id);
        match rule {
            Value::Null => {}
            Value::Object(_) => super::merge(&mut settings, rule.clone()),
            _ => settings = rule.clone(),
        }
        schema::fill(schema, &mut settings);
        let places = |_: &str| Place::Unknown;
        schema::check(schema, &settings, "", &places)
            .problems
            .or(settings)
    }
}

impl fmt::Debug for Handlers {
    /// Settings may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").finish_non_exhaustive()
    }
}
