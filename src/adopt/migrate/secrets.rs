//! Where secrets stand. Never what they are.

use super::Setup;
use super::report::{Finding, Touches};
use crate::adopt::setup::uses;
use crate::config::{HandlerKind, redacted, without_password};
use crate::rules::raw::Rule;
use serde_json::Value;

/// Rules that hold secrets, by the place in them, and the configuration's own.
pub(super) fn found(setup: &Setup) -> Vec<Finding> {
    let in_rules = setup.rules_by(of_rule).map(|(place, touches)| Finding {
        topic: "secret_in_rule",
        text: format!("a secret stands in the rules, at `{place}`: whoever reads them has it"),
        advice: "set it once in the configuration, from an environment variable, or let another server add it"
            .to_owned(),
        touches,
    });
    let configured = of_configuration(setup);
    let in_configuration = (!configured.is_empty()).then(|| Finding {
        topic: "secret_in_configuration",
        text: format!(
            "secrets stand in the configuration: {}",
            configured.join(", ")
        ),
        advice: format!(
            "the environment can set them: {}",
            variables(&configured).join(", ")
        ),
        touches: Touches::Setup,
    });
    in_rules.chain(in_configuration).collect()
}

/// Places in one rule, such as `authenticators.oauth2_introspection.config.pre_authorization.client_secret`.
fn of_rule(rule: &Rule) -> Vec<String> {
    let mut places = Vec::new();
    for (kind, used) in uses(rule) {
        let section = kind.section().join(".");
        let at = format!("{section}.{}.config", used.handler);
        let shown = redacted(kind, &used.handler, &used.config);
        compare(&used.config, &shown, &at, &mut places);
    }
    let upstream = &rule.upstream;
    if without_password(&upstream.url) != upstream.url {
        places.push("upstream.url".to_owned());
    }
    places
}

fn of_configuration(setup: &Setup) -> Vec<String> {
    let mut places = Vec::new();
    for kind in HandlerKind::ALL {
        let section = kind.section().join(".");
        for id in kind.ids() {
            let pointer = format!("/{}/{id}/config", kind.section().join("/"));
            if let Some(written) = setup.document.pointer(&pointer) {
                let at = format!("{section}.{id}.config");
                compare(written, &redacted(kind, id, written), &at, &mut places);
            }
        }
    }
    places
}

/// Notes where redaction changed something.
fn compare(written: &Value, shown: &Value, at: &str, places: &mut Vec<String>) {
    match (written, shown) {
        (Value::Object(written), Value::Object(shown)) => {
            for (name, value) in written {
                let shown = shown.get(name).unwrap_or(&Value::Null);
                compare(value, shown, &format!("{at}.{name}"), places);
            }
        }
        (Value::Array(written), Value::Array(shown)) => {
            for (index, (value, shown)) in written.iter().zip(shown).enumerate() {
                compare(value, shown, &format!("{at}.{index}"), places);
            }
        }
        (written, shown) if written != shown => places.push(at.to_owned()),
        (_, _) => {}
    }
}

/// The variables that set those keys.
fn variables(places: &[String]) -> Vec<String> {
    let name = |place: &String| place.replace('.', "_").to_ascii_uppercase();
    places.iter().map(name).collect()
}
