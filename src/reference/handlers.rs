//! Every handler, from the tables that rules are compiled with.

use crate::config::schema;
use crate::handlers::authn::AUTHENTICATORS;
use crate::handlers::authz::AUTHORIZERS;
use crate::handlers::errors::ERROR_HANDLERS;
use crate::handlers::mutate::MUTATORS;
use crate::handlers::{Kind, waits};
use serde_json::Value;

const INTRODUCTION: &str = "# Handlers

A rule names its handlers: authenticators in order, one authorizer, mutators in order, and error handlers. A handler must be enabled in the
configuration. What the configuration says under `config` holds for all rules; a rule's own `config` changes single settings of it.
";

/// What rules call each kind, and what is to be known of all of them.
const KINDS: [(&str, &[&str], &str); 4] = [
    (
        "Authenticators",
        &["authenticators"],
        "Who is asking. The first that takes the request's kind of credentials decides; where none does, the answer is 401.",
    ),
    (
        "Authorizers",
        &["authorizers"],
        "Whether the one who asks may. Each rule has exactly one.",
    ),
    (
        "Mutators",
        &["mutators"],
        "What the upstream is told. All of a rule's run, in order.",
    ),
    (
        "Error handlers",
        &["errors", "handlers"],
        "How a refusal is worded. The first whose `when` fits answers, of the rule's own or else of `errors.fallback`.",
    ),
];

pub(super) fn page() -> String {
    let [authn, authz, mutate, errors] = KINDS;
    [
        INTRODUCTION.to_owned(),
        kind(authn, AUTHENTICATORS),
        kind(authz, AUTHORIZERS),
        kind(mutate, MUTATORS),
        kind(errors, ERROR_HANDLERS),
    ]
    .concat()
}

fn kind<T: ?Sized>(
    (title, section, about): (&str, &[&str], &str),
    table: &'static [Kind<T>],
) -> String {
    let mut text = format!("\n## {title}\n\n{about}\n");
    for handler in table {
        text += &one(section, handler);
    }
    text
}

fn one<T: ?Sized>(section: &[&str], handler: &Kind<T>) -> String {
    let Kind { id, example, .. } = handler;
    let kind = section.first().copied().unwrap_or_default();
    let about = schema::about(section, id);
    assert!(!about.is_empty(), "`{id}` says what it does in the schema");
    let mut text = format!("\n### `{id}` ({})\n\n{about}\n", singular(kind));
    if waits(id) {
        text += "It asks another server; its time is in `doorward_handler_duration_seconds`.\n";
    }
    match schema::settings(section, id) {
        Some(settings) => {
            text += &format!("\n{settings}");
            let config: Value = serde_json::from_str(example).unwrap();
            text += &format!(
                "\nFor example, in a rule:\n\n```json\n{:#}\n```\n",
                serde_json::json!({ "handler": id, "config": config })
            );
        }
        None => text += "\nIt has no settings.\n",
    }
    text
}

/// Two handlers of different kinds may have one name; their headings tell them apart.
fn singular(section: &str) -> &str {
    match section {
        "errors" => "error handler",
        other => other.trim_end_matches('s'),
    }
}
