//! Writes a setup anew: one configuration and one file of rules, both YAML, and makes sure that they say the same.

use super::Setup;
use crate::adopt::setup::named;
use crate::app::{self, Inspected};
use crate::clients::Clients;
use crate::config::document::{self, Syntax, yaml};
use crate::config::{self, Config, HandlerKind, Location, Problems};
use crate::rules::raw::{HandlerUse, Match, Rule, Uses};
use serde_json::{Map, Value, json};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Sections of a configuration in the order of a request's way; others come after them.
const ORDER: [&str; 6] = [
    "serve",
    "access_rules",
    "authenticators",
    "authorizers",
    "mutators",
    "errors",
];

/// What was written.
#[derive(Debug)]
pub struct Written {
    config: PathBuf,
    rules: PathBuf,
    /// Variables that would put other rules in place of the written ones.
    unset: Vec<String>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritable {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("a rule source can't be read, so its rules would be lost: {0}")]
    Source(String),
    #[error("can't be said in YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    #[error("what was written does not load, and was removed: {0}")]
    Unloadable(Problems),
    #[error(
        "what was written does not say the same, and was removed: {0} differ; please report this"
    )]
    Differs(&'static str),
}

/// Writes `doorward.yaml` and `rules.yaml` into a folder that has neither, readable by their owner alone.
pub fn write(setup: &Setup, folder: &Path) -> Result<Written, Unwritable> {
    if let Some(problem) = setup.inspected.unread_sources().next() {
        return Err(Unwritable::Source(problem.message.clone()));
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| Unwritable::File { path, error }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let folder = std::path::absolute(folder).map_err(failed(folder))?;
    let unset = repository_variables(setup);
    let written = Written {
        config: folder.join("doorward.yaml"),
        rules: folder.join("rules.yaml"),
        unset,
    };
    let (rules, _) = local_and_remote(&setup.inspected);
    let document = configuration(setup, &written.rules);
    let head = head(setup);
    let texts = [
        (&written.rules, format!("{head}{}", rules_yaml(rules)?)),
        (
            &written.config,
            format!("{head}{}", config_yaml(&document)?),
        ),
    ];
    for (path, text) in texts {
        create(path, &text).map_err(failed(path))?;
    }
    if let Err(why) = compare(setup, &written) {
        // What can't be trusted must not be left lying around; if it can't be removed, the error says that it is wrong.
        let _ = std::fs::remove_file(&written.rules);
        let _ = std::fs::remove_file(&written.config);
        return Err(why);
    }
    Ok(written)
}

fn head(setup: &Setup) -> String {
    format!(
        "# Written by `doorward migrate` from {}.\n",
        named(&setup.files)
    )
}

/// They may hold secrets.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

/// Whether a source's rules are gathered into the written file; those of servers stay where they are.
fn is_local(location: &Location) -> bool {
    match location {
        Location::File(_) | Location::Folder(_) | Location::Glob(_) | Location::Inline(_) => true,
        Location::Http(_) | Location::Object { .. } => false,
    }
}

/// The rules of local sources and those of servers, each in their order.
fn local_and_remote(inspected: &Inspected) -> (Vec<&Rule>, Vec<&Rule>) {
    let (mut local, mut remote) = (Vec::new(), Vec::new());
    for (source, rules) in inspected.by_source() {
        let rules = rules.iter().map(|rule| &**rule);
        match is_local(&source.location) {
            true => local.extend(rules),
            false => remote.extend(rules),
        }
    }
    (local, remote)
}

/// The configuration as it was written, in order, without what has no effect, and with the new place of the rules.
fn configuration(setup: &Setup, rules: &Path) -> Value {
    let mut document = setup.document.clone();
    for kind in HandlerKind::ALL {
        let pointer = format!("/{}", kind.section().join("/"));
        if let Some(Value::Object(handlers)) = document.pointer_mut(&pointer) {
            handlers.values_mut().for_each(keep_what_counts);
            handlers.retain(|_, handler| *handler != json!({ "enabled": false }));
        }
    }
    let sections = document.as_object_mut().map(std::mem::take);
    let mut sections = sections.unwrap_or_default();
    let mut sources = vec![json!(format!("file://{}", escaped(rules)))];
    let known = setup.inspected.config.access_rules.repositories.iter();
    sources.extend(
        known
            .filter(|source| !is_local(&source.location))
            .map(|source| json!(&*source.url)),
    );
    if let Value::Object(access) = sections.entry("access_rules").or_insert_with(|| json!({})) {
        access.insert("repositories".to_owned(), Value::Array(sources));
    }
    let mut ordered = Map::new();
    for name in ORDER {
        if let Some(section) = sections.remove(name) {
            ordered.insert(name.to_owned(), section);
        }
    }
    ordered.extend(sections);
    Value::Object(ordered)
}

/// A path as a `file://` URL has it: `%` begins an escape there, `?` and `#` end the path.
fn escaped(path: &Path) -> String {
    let path = path.display().to_string();
    path.replace('%', "%25")
        .replace('?', "%3F")
        .replace('#', "%23")
}

/// A handler's other members are ignored, and only read as if they weren't.
fn keep_what_counts(handler: &mut Value) {
    if let Value::Object(members) = handler {
        members.retain(|name, _| matches!(name.as_str(), "enabled" | "config"));
    }
}

/// A rule as people write it: without version and what is empty.
fn rule(rule: &Rule) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() && value != json!("") {
            out.insert(name.to_owned(), value);
        }
    };
    put("id", json!(rule.id));
    put("description", json!(rule.description));
    put(
        "match",
        rule.matching.as_ref().map_or(Value::Null, matching),
    );
    put("authenticators", list(rule.authenticators.as_deref()));
    put("authorizer", used(&rule.authorizer));
    put("mutators", list(rule.mutators.as_deref()));
    put("errors", list(rule.errors.as_deref()));
    put("upstream", upstream(&rule.upstream));
    put("encoded_slashes", encoded_slashes(rule));
    Value::Object(out)
}

fn encoded_slashes(rule: &Rule) -> Value {
    match rule.encoded_slashes {
        None => Value::Null,
        Some(config::EncodedSlashes::Keep) => json!("keep"),
        Some(config::EncodedSlashes::Reject) => json!("reject"),
    }
}

fn matching(matching: &Match) -> Value {
    match matching {
        Match::Http { methods, url } => match methods {
            Some(methods) => json!({ "url": url, "methods": methods }),
            None => json!({ "url": url }),
        },
        Match::Rpc {
            authority,
            full_method,
            allow_http_get,
            methods: _,
        } => json!({
            "authority": authority,
            "full_method": full_method,
            "allow_http_get": allow_http_get,
        }),
    }
}

fn list(uses: Option<&[HandlerUse]>) -> Value {
    uses.map_or(Value::Null, |uses| uses.iter().map(used).collect())
}

fn used(used: &HandlerUse) -> Value {
    if is_nothing(&used.config) {
        if used.handler.is_empty() {
            return Value::Null;
        }
        return json!({ "handler": used.handler });
    }
    json!({ "handler": used.handler, "config": used.config })
}

fn is_nothing(config: &Value) -> bool {
    config.is_null() || config.as_object().is_some_and(Map::is_empty)
}

fn upstream(upstream: &crate::rules::raw::Upstream) -> Value {
    let mut out = Map::new();
    if !upstream.url.is_empty() {
        out.insert("url".to_owned(), json!(upstream.url));
    }
    if upstream.preserve_host {
        out.insert("preserve_host".to_owned(), json!(true));
    }
    if !upstream.strip_path.is_empty() {
        out.insert("strip_path".to_owned(), json!(upstream.strip_path));
    }
    out.extend(upstream.own.clone());
    match out.is_empty() {
        true => Value::Null,
        false => Value::Object(out),
    }
}

fn rules_yaml(rules: Vec<&Rule>) -> Result<String, Unwritable> {
    let value: Value = rules.into_iter().map(rule).collect();
    let text = serde_yaml::to_string(&value)?;
    let read = yaml::read(text.as_bytes(), yaml::Dialect::Rules);
    Ok(or_json(text, read.ok().map(|read| read.value), &value))
}

fn config_yaml(value: &Value) -> Result<String, Unwritable> {
    let text = serde_yaml::to_string(value)?;
    let read = document::configuration(Syntax::Yaml, text.as_bytes());
    Ok(or_json(text, read.ok().map(|read| read.value), value))
}

/// JSON, which is YAML too, where the text would be read as something else: Go's dialects take `on` and `1:30` for no text.
fn or_json(text: String, read: Option<Value>, value: &Value) -> String {
    match read {
        Some(read) if read == *value => text,
        Some(_) | None => format!("{value:#}\n"),
    }
}

/// Variables that set where rules come from.
fn repository_variables(setup: &Setup) -> Vec<String> {
    let set = setup.from_environment.iter();
    set.filter(|name| name.starts_with("ACCESS_RULES_REPOSITORIES"))
        .cloned()
        .collect()
}

/// Loads what was written, under the same environment, and holds it against what was read.
fn compare(setup: &Setup, written: &Written) -> Result<(), Unwritable> {
    let env = app::environment().into_iter();
    let env = env.filter(|(name, _)| !written.unset.contains(name));
    let files = [written.config.clone()];
    let new = app::inspect_with(&files, env, |settings| Clients::new(settings, None))
        .map_err(Unwritable::Unloadable)?;
    let old = &setup.inspected;
    if in_order_of_sources(old) != in_order_of_sources(&new) {
        return Err(Unwritable::Differs("the rules"));
    }
    if old.config.handlers != new.config.handlers {
        return Err(Unwritable::Differs("the settings of handlers"));
    }
    if without_sources(&old.config) != without_sources(&new.config) {
        return Err(Unwritable::Differs("the configurations"));
    }
    Ok(())
}

/// Rules as far as they count, local ones first, as they are written.
fn in_order_of_sources(inspected: &Inspected) -> Vec<Rule> {
    let (local, remote) = local_and_remote(inspected);
    local.into_iter().chain(remote).map(normal).collect()
}

fn normal(rule: &Rule) -> Rule {
    Rule {
        version: "".into(),
        unknown: Vec::new(),
        authenticators: rule.authenticators.as_deref().map(normal_uses),
        authorizer: Arc::new(normal_use(&rule.authorizer)),
        mutators: rule.mutators.as_deref().map(normal_uses),
        errors: rule.errors.as_deref().map(normal_uses),
        ..rule.clone()
    }
}

fn normal_uses(uses: &[HandlerUse]) -> Uses {
    uses.iter().map(normal_use).collect()
}

/// Settings that say nothing are none.
fn normal_use(used: &HandlerUse) -> HandlerUse {
    HandlerUse {
        handler: used.handler.clone(),
        config: match is_nothing(&used.config) {
            true => Value::Null,
            false => used.config.clone(),
        },
    }
}

/// Secrets print as `***`, so those of listeners and stores are not compared; they were not touched.
fn without_sources(config: &Config) -> String {
    let mut config = config.clone();
    config.access_rules.repositories.clear();
    format!("{config:?}")
}

impl Written {
    pub(super) fn json(&self) -> Value {
        json!({
            "configuration": self.config.display().to_string(),
            "rules": self.rules.display().to_string(),
            "unset": self.unset,
        })
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "WRITTEN, and read back to the same rules and settings")?;
        writeln!(f, "- {}", self.config.display())?;
        writeln!(f, "- {}", self.rules.display())?;
        if !self.unset.is_empty() {
            writeln!(
                f,
                "- unset {}: it would put the old rules in their place",
                self.unset.join(", ")
            )?;
        }
        writeln!(
            f,
            "Next: doorward validate -c {}; doorward diff against the running Oathkeeper",
            self.config.display()
        )
    }
}
