//! A rule, as written.
//!
//! Rules are read as Go's `encoding/json` fills its structs: member names match without case, `null` means absent, what is
//! unknown is noted and ignored, and one value of the wrong type spoils its whole document.

use super::decode::{FromMembers, Known, known, object, skip};
use crate::config::EncodedSlashes;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess};
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};
use serde_json::Value;

/// One rule of a document. Everything may be missing; what must be there is checked when it is compiled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    pub id: String,
    pub version: String,
    pub description: String,
    pub matching: Option<Match>,
    pub authenticators: Option<Vec<HandlerUse>>,
    pub authorizer: HandlerUse,
    pub mutators: Option<Vec<HandlerUse>>,
    pub errors: Option<Vec<HandlerUse>>,
    pub upstream: Upstream,
    /// Overrides `access_rules.encoded_slashes`.
    pub encoded_slashes: Option<EncodedSlashes>,
    /// Members that mean nothing, by their dotted names, each with what was probably meant.
    pub unknown: Vec<String>,
}

/// A handler and what the rule says of its settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HandlerUse {
    pub handler: String,
    /// `Null` where the rule says nothing.
    pub config: Value,
}

/// What a rule applies to.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// Only for calls by RPC; never consulted by the proxy or the decision API.
    Rpc {
        authority: String,
        full_method: String,
        allow_http_get: bool,
        /// `POST`, and `GET` where that is allowed.
        methods: Vec<String>,
    },
    Http {
        methods: Option<Vec<String>>,
        url: String,
    },
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Upstream {
    pub url: String,
    pub preserve_host: bool,
    pub strip_path: String,
    /// Doorward's own members (`urls`, `policy`, `health`, …), checked when the rule is compiled.
    pub own: serde_json::Map<String, Value>,
}

/// Members of `upstream` that the reference doesn't know.
pub(crate) const OWN_UPSTREAM: &[&str] = &[
    "urls", "policy", "health", "retries", "limits", "timeout", "tls", "protocol",
];

impl Rule {
    /// The pattern over whole URLs; empty where the rule has none.
    pub fn pattern(&self) -> String {
        match &self.matching {
            Some(Match::Http { url, .. }) => url.clone(),
            Some(Match::Rpc {
                authority,
                full_method,
                ..
            }) => format!("rpc://{authority}/{full_method}"),
            None => String::new(),
        }
    }

    pub fn methods(&self) -> &[String] {
        match &self.matching {
            Some(Match::Http { methods, .. }) => methods.as_deref().unwrap_or_default(),
            Some(Match::Rpc { methods, .. }) => methods,
            None => &[],
        }
    }

    pub fn authenticators(&self) -> &[HandlerUse] {
        self.authenticators.as_deref().unwrap_or_default()
    }

    pub fn mutators(&self) -> &[HandlerUse] {
        self.mutators.as_deref().unwrap_or_default()
    }

    pub fn errors(&self) -> &[HandlerUse] {
        self.errors.as_deref().unwrap_or_default()
    }
}

pub(crate) const RULE: &[&str] = &[
    "id",
    "version",
    "description",
    "match",
    "authenticators",
    "authorizer",
    "mutators",
    "errors",
    "upstream",
    "encoded_slashes",
];

pub(crate) const USE: &[&str] = &["handler", "config"];
pub(crate) const HTTP_MATCH: &[&str] = &["methods", "url"];
pub(crate) const RPC_MATCH: &[&str] = &["authority", "full_method", "allow_http_get"];
pub(crate) const UPSTREAM: &[&str] = &["url", "preserve_host", "strip_path"];

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Rule, D::Error> {
        object(from)
    }
}

impl FromMembers for Rule {
    const NAME: &'static str = "a rule, an object";

    fn read<'de, A: MapAccess<'de>>(mut members: A) -> Result<Rule, A::Error> {
        let mut rule = Rule::default();
        while let Some(name) = members.next_key::<String>()? {
            match known(&name, RULE) {
                Known::Field("id") => text(&mut members, &mut rule.id)?,
                Known::Field("version") => text(&mut members, &mut rule.version)?,
                Known::Field("description") => text(&mut members, &mut rule.description)?,
                Known::Field("match") => {
                    let Found(found, unknown) = members.next_value()?;
                    rule.matching = Some(found);
                    rule.note("match", unknown);
                }
                Known::Field("authenticators") => {
                    let uses = members.next_value()?;
                    rule.authenticators = rule.uses("authenticators", uses);
                }
                Known::Field("authorizer") => {
                    let Found(used, unknown) = members.next_value()?;
                    rule.authorizer = used;
                    rule.note("authorizer", unknown);
                }
                Known::Field("mutators") => {
                    let uses = members.next_value()?;
                    rule.mutators = rule.uses("mutators", uses);
                }
                Known::Field("errors") => {
                    let uses = members.next_value()?;
                    rule.errors = rule.uses("errors", uses);
                }
                Known::Field("upstream") => {
                    let Found(upstream, unknown) = members.next_value()?;
                    rule.upstream = upstream;
                    rule.note("upstream", unknown);
                }
                Known::Field("encoded_slashes") => {
                    rule.encoded_slashes = members.next_value()?;
                }
                Known::Field(_) => {}
                Known::Unknown(hint) => {
                    skip(&mut members)?;
                    rule.unknown.push(hint);
                }
            }
        }
        Ok(rule)
    }
}

impl Rule {
    fn note(&mut self, place: &str, unknown: Vec<String>) {
        self.unknown
            .extend(unknown.into_iter().map(|name| format!("{place}.{name}")));
    }

    fn uses(
        &mut self,
        place: &str,
        uses: Option<Vec<Found<HandlerUse>>>,
    ) -> Option<Vec<HandlerUse>> {
        let uses = uses?.into_iter().enumerate();
        let kept = uses.map(|(index, Found(used, unknown))| {
            self.note(&format!("{place}.{index}"), unknown);
            used
        });
        Some(kept.collect())
    }
}

/// A value, and the names of its members that mean nothing.
#[derive(Default)]
struct Found<T>(T, Vec<String>);

/// Leaves the field as it is where the member is `null`.
fn text<'de, A: MapAccess<'de>>(members: &mut A, field: &mut String) -> Result<(), A::Error> {
    if let Some(text) = members.next_value()? {
        *field = text;
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Found<HandlerUse> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        object(from)
    }
}

impl FromMembers for Found<HandlerUse> {
    const NAME: &'static str = "an object with `handler` and `config`";

    fn read<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut found = Self::default();
        while let Some(name) = members.next_key::<String>()? {
            match known(&name, USE) {
                Known::Field("handler") => text(&mut members, &mut found.0.handler)?,
                Known::Field(_) => found.0.config = members.next_value()?,
                Known::Unknown(hint) => {
                    skip(&mut members)?;
                    found.1.push(hint);
                }
            }
        }
        Ok(found)
    }
}

impl Default for Match {
    fn default() -> Match {
        Match::Http {
            methods: None,
            url: String::new(),
        }
    }
}

impl<'de> Deserialize<'de> for Found<Match> {
    /// A match is for RPC if it has the member `full_method`, spelt exactly so.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let members = match Value::deserialize(from)? {
            Value::Object(members) => members,
            Value::Null => return Ok(Found::default()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(D::Error::custom(
                    "`match` must be an object with `methods` and `url`",
                ));
            }
        };
        let names: &[&str] = if members.contains_key("full_method") {
            RPC_MATCH
        } else {
            HTTP_MATCH
        };
        let mut unknown = Vec::new();
        let mut fields = serde_json::Map::new();
        for (name, value) in members {
            match known(&name, names) {
                Known::Field(field) => {
                    fields.insert(field.to_owned(), value);
                }
                Known::Unknown(hint) => unknown.push(hint),
            }
        }
        let mut take = |name: &str| fields.remove(name).unwrap_or_default();
        let wrong = |error: serde_json::Error| D::Error::custom(format!("match: {error}"));
        let string = |value: Value| {
            serde_json::from_value::<Option<String>>(value)
                .map(Option::unwrap_or_default)
                .map_err(wrong)
        };
        if names.len() == 2 {
            let methods: Option<Vec<Option<String>>> =
                serde_json::from_value(take("methods")).map_err(wrong)?;
            let methods =
                methods.map(|list| list.into_iter().map(Option::unwrap_or_default).collect());
            let url = string(take("url"))?;
            return Ok(Found(Match::Http { methods, url }, unknown));
        }
        let allowed: Option<bool> =
            serde_json::from_value(take("allow_http_get")).map_err(wrong)?;
        let allow_http_get = allowed.unwrap_or(false);
        let methods: &[&str] = if allow_http_get {
            &["GET", "POST"]
        } else {
            &["POST"]
        };
        let matching = Match::Rpc {
            authority: string(take("authority"))?,
            full_method: string(take("full_method"))?,
            allow_http_get,
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        };
        Ok(Found(matching, unknown))
    }
}

impl<'de> Deserialize<'de> for Found<Upstream> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        object(from)
    }
}

impl FromMembers for Found<Upstream> {
    const NAME: &'static str = "an upstream, an object with `url`";

    fn read<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut found = Self::default();
        while let Some(name) = members.next_key::<String>()? {
            let upstream = &mut found.0;
            if OWN_UPSTREAM.contains(&name.as_str()) {
                upstream.own.insert(name, members.next_value()?);
                continue;
            }
            match known(&name, UPSTREAM) {
                Known::Field("url") => text(&mut members, &mut upstream.url)?,
                Known::Field("strip_path") => text(&mut members, &mut upstream.strip_path)?,
                Known::Field(_) => {
                    if let Some(on) = members.next_value()? {
                        upstream.preserve_host = on;
                    }
                }
                Known::Unknown(hint) => {
                    skip(&mut members)?;
                    found.1.push(hint);
                }
            }
        }
        Ok(found)
    }
}

// As `/rules` shows them: every member, in the reference's order.

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut out = to.serialize_struct("Rule", 9)?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("version", &self.version)?;
        out.serialize_field("description", &self.description)?;
        out.serialize_field("match", &self.matching)?;
        out.serialize_field("authenticators", &self.authenticators)?;
        out.serialize_field("authorizer", &self.authorizer)?;
        out.serialize_field("mutators", &self.mutators)?;
        out.serialize_field("errors", &self.errors)?;
        out.serialize_field("upstream", &self.upstream)?;
        out.end()
    }
}

impl Serialize for HandlerUse {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut out = to.serialize_struct("HandlerUse", 2)?;
        out.serialize_field("handler", &self.handler)?;
        out.serialize_field("config", &self.config)?;
        out.end()
    }
}

impl Serialize for Match {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Match::Http { methods, url } => {
                let mut out = to.serialize_struct("Match", 2)?;
                out.serialize_field("methods", methods)?;
                out.serialize_field("url", url)?;
                out.end()
            }
            Match::Rpc {
                authority,
                full_method,
                allow_http_get,
                ..
            } => {
                let mut out = to.serialize_struct("Match", 3)?;
                out.serialize_field("authority", authority)?;
                out.serialize_field("full_method", full_method)?;
                out.serialize_field("allow_http_get", allow_http_get)?;
                out.end()
            }
        }
    }
}

impl Serialize for Upstream {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut out = to.serialize_map(None)?;
        out.serialize_entry("preserve_host", &self.preserve_host)?;
        out.serialize_entry("strip_path", &self.strip_path)?;
        out.serialize_entry("url", &self.url)?;
        for (name, value) in &self.own {
            out.serialize_entry(name, value)?;
        }
        out.end()
    }
}
