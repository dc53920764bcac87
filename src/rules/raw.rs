//! A rule, as written.
//!
//! Rules are read as Go's `encoding/json` fills its structs: member names match without case, `null` means absent, what is
//! unknown is noted and ignored, and one value of the wrong type spoils its whole document.

use super::decode::{FromMembers, Known, known, next_name, object, skip};
use super::shared::{Shared, read_raw};
use crate::config::EncodedSlashes;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// One rule of a document. Everything may be missing; what must be there is checked when it is compiled.
///
/// There may be very many, and they stay in memory while they are served: what several say in the same words is there once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    pub id: Arc<str>,
    pub version: Arc<str>,
    pub description: Box<str>,
    pub matching: Option<Match>,
    pub authenticators: Option<Uses>,
    pub authorizer: Arc<HandlerUse>,
    pub mutators: Option<Uses>,
    pub errors: Option<Uses>,
    pub upstream: Arc<Upstream>,
    /// Overrides `access_rules.encoded_slashes`.
    pub encoded_slashes: Option<EncodedSlashes>,
    /// Members that mean nothing, by their dotted names, each with what was probably meant.
    pub unknown: Vec<String>,
}

/// Handlers in order; shared between the rules of a document that list the same.
pub type Uses = Arc<[HandlerUse]>;

/// A handler and what the rule says of its settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HandlerUse {
    pub handler: String,
    /// `Null` where the rule says nothing.
    pub config: Value,
}

/// What a rule applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// Only for calls by RPC; never consulted by the proxy or the decision API.
    Rpc {
        authority: Box<str>,
        full_method: Box<str>,
        allow_http_get: bool,
        /// `POST`, and `GET` where that is allowed.
        methods: Arc<[String]>,
    },
    Http {
        methods: Option<Arc<[String]>>,
        url: Box<str>,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    pub fn pattern(&self) -> Cow<'_, str> {
        match &self.matching {
            Some(Match::Http { url, .. }) => Cow::Borrowed(url),
            Some(Match::Rpc {
                authority,
                full_method,
                ..
            }) => Cow::Owned(format!("rpc://{authority}/{full_method}")),
            None => Cow::Borrowed(""),
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

/// Reads a rule and finds what it has in common with others of its document. `null` is a rule without anything.
pub(super) struct RuleSeed<'a>(pub(super) &'a mut Shared);

impl<'de> DeserializeSeed<'de> for RuleSeed<'_> {
    type Value = Rule;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Rule, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RuleSeed<'_> {
    type Value = Rule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rule, an object")
    }

    fn visit_unit<E>(self) -> Result<Rule, E> {
        Ok(Rule::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Rule, A::Error> {
        let shared = self.0;
        let mut rule = Rule::default();
        while let Some(name) = next_name(&mut members, RULE)? {
            match name {
                Known::Field("id") => text(&mut members, &mut rule.id)?,
                Known::Field("version") => text(&mut members, &mut rule.version)?,
                Known::Field("description") => text(&mut members, &mut rule.description)?,
                Known::Field("match") => {
                    let (found, unknown) = matching(members.next_value()?, shared)?;
                    rule.matching = Some(found);
                    rule.note("match", &unknown);
                }
                Known::Field("authenticators") => {
                    rule.authenticators = rule.uses("authenticators", &mut members, shared)?;
                }
                Known::Field("authorizer") => {
                    let (used, unknown) = shared.used.read(members.next_value()?)?;
                    rule.note("authorizer", unknown);
                    rule.authorizer = used;
                }
                Known::Field("mutators") => {
                    rule.mutators = rule.uses("mutators", &mut members, shared)?;
                }
                Known::Field("errors") => {
                    rule.errors = rule.uses("errors", &mut members, shared)?;
                }
                Known::Field("upstream") => {
                    let (upstream, unknown) = shared.upstreams.read(members.next_value()?)?;
                    rule.note("upstream", unknown);
                    rule.upstream = upstream;
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
    fn note(&mut self, place: &str, unknown: &[String]) {
        let names = unknown.iter().map(|name| format!("{place}.{name}"));
        self.unknown.extend(names);
    }

    fn uses<'de, A: MapAccess<'de>>(
        &mut self,
        place: &str,
        members: &mut A,
        shared: &mut Shared,
    ) -> Result<Option<Uses>, A::Error> {
        let (uses, unknown) = shared.uses.read(members.next_value()?)?;
        self.note(place, unknown);
        Ok(uses)
    }
}

/// A value, and the names of its members that mean nothing.
#[derive(Default)]
pub(super) struct Found<T>(pub(super) T, pub(super) Vec<String>);

/// Leaves the field as it is where the member is `null`.
fn text<'de, A: MapAccess<'de>, T: From<String>>(
    members: &mut A,
    field: &mut T,
) -> Result<(), A::Error> {
    if let Some(text) = members.next_value::<Option<String>>()? {
        *field = text.into();
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Found<Arc<HandlerUse>> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Found(used, unknown) = Found::<HandlerUse>::deserialize(from)?;
        Ok(Found(Arc::new(used), unknown))
    }
}

impl<'de> Deserialize<'de> for Found<Option<Uses>> {
    /// What means nothing is named with its place in the list.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Some(list) = Option::<Vec<Found<HandlerUse>>>::deserialize(from)? else {
            return Ok(Found::default());
        };
        let mut names = Vec::new();
        let kept = list.into_iter().enumerate().map(|(index, found)| {
            let Found(used, unknown) = found;
            names.extend(unknown.into_iter().map(|name| format!("{index}.{name}")));
            used
        });
        Ok(Found(Some(kept.collect()), names))
    }
}

impl<'de> Deserialize<'de> for Found<Option<Arc<[String]>>> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let list = Option::<Vec<Option<String>>>::deserialize(from)?;
        let texts = |list: Vec<Option<String>>| list.into_iter().map(Option::unwrap_or_default);
        Ok(Found(list.map(|list| texts(list).collect()), Vec::new()))
    }
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
            url: Box::default(),
        }
    }
}

/// The members of `match`, not yet read.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Members, D::Error> {
        object(from)
    }
}

impl Default for Members {
    fn default() -> Members {
        Members(Vec::with_capacity(2))
    }
}

impl FromMembers for Members {
    const NAME: &'static str = "`match`, an object with `methods` and `url`";

    fn read<'de, A: MapAccess<'de>>(mut from: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        while let Some(member) = from.next_entry()? {
            members.0.push(member);
        }
        Ok(members)
    }
}

/// A match is for RPC if it has the member `full_method`, spelt exactly so.
fn matching<E: serde::de::Error>(
    Members(members): Members,
    shared: &mut Shared,
) -> Result<(Match, Vec<String>), E> {
    let rpc = members.iter().any(|(name, _)| name == "full_method");
    let names: &[&str] = match rpc {
        true => RPC_MATCH,
        false => HTTP_MATCH,
    };
    let mut unknown = Vec::new();
    let (mut texts, mut methods, mut allow_http_get) = ([None, None], None, None);
    let [first, second] = &mut texts;
    let wrong = |error: E| E::custom(format!("match: {error}"));
    for (name, raw) in members {
        match known(&name, names) {
            Known::Field("authority") => *first = read_raw::<_, E>(&raw).map_err(wrong)?,
            Known::Field("full_method" | "url") => {
                *second = read_raw::<_, E>(&raw).map_err(wrong)?;
            }
            Known::Field("allow_http_get") => {
                allow_http_get = read_raw::<_, E>(&raw).map_err(wrong)?;
            }
            Known::Field(_) => methods = shared.methods.read::<E>(raw).map_err(wrong)?.0,
            Known::Unknown(hint) => unknown.push(hint),
        }
    }
    let [authority, text] = texts.map(|text: Option<String>| text.unwrap_or_default().into());
    let allow_http_get = allow_http_get.unwrap_or(false);
    let found = match rpc {
        true => Match::Rpc {
            authority,
            full_method: text,
            allow_http_get,
            methods: shared.rpc_methods(allow_http_get),
        },
        false => Match::Http { methods, url: text },
    };
    Ok((found, unknown))
}

impl<'de> Deserialize<'de> for Found<Arc<Upstream>> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Found(upstream, unknown) = Found::<Upstream>::deserialize(from)?;
        Ok(Found(Arc::new(upstream), unknown))
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
