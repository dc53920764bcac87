//! Keys of the configuration, each with a request that is answered differently because of it.
//!
//! `src/config/schema/effects.toml` says for every key what shows its effect; those that say `case` are here.

use crate::support::{Doorward, Upstream, ask, closed, open, plain_config, rule};
use doorward::config::merge;
use serde::Deserialize;
use serde_json::{Value, json};

/// One key: the same request without it and with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    keys: Vec<String>,
    /// Laid over a plain configuration.
    config: Value,
    /// Laid over the configuration in both runs.
    #[serde(default = "nothing")]
    base: Value,
    /// Further rules, in both runs.
    #[serde(default)]
    rules: Vec<Value>,
    door: Door,
    /// Line ends are written as one character.
    request: String,
    /// What the answer, or what the upstream got, holds; with a `!` in front, what it lacks.
    usual: Vec<String>,
    changed: Vec<String>,
}

fn nothing() -> Value {
    json!({})
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Door {
    Proxy,
    Api,
    Metrics,
}

/// The answer, and what the upstream got of the request.
fn run(case: &Case, over: &Value) -> String {
    let upstream = Upstream::start();
    let mut config = plain_config();
    merge(&mut config, case.base.clone());
    merge(&mut config, over.clone());
    let to = Some(upstream.address);
    let mut rules = vec![
        open("open", "http://door.test/open<.*>", to),
        rule(
            "noop",
            "http://door.test/noop<.*>",
            ["noop", "allow", "noop"],
            to,
        ),
        closed("closed", "http://door.test/closed<.*>", to),
    ];
    rules.extend(case.rules.iter().cloned());
    let doorward = Doorward::start(config, json!(rules));
    let to = match case.door {
        Door::Proxy => doorward.proxy,
        Door::Api => doorward.api,
        Door::Metrics => doorward.metrics,
    };
    let long = case.request.replace("{1000}", &"a".repeat(1000));
    let answer = ask(to, &long.replace('\n', "\r\n"));
    let mut text = format!("{}\n", answer.status);
    for (name, value) in &answer.headers {
        text += &format!("{name}: {value}\n");
    }
    text += &answer.body;
    if answer.status == 200 && matches!(case.door, Door::Proxy) {
        text += &upstream.next();
    }
    text
}

fn wrong<'w>(text: &str, wanted: &'w [String]) -> Vec<&'w String> {
    let holds = |wanted: &&String| match wanted.strip_prefix('!') {
        Some(absent) => text.contains(absent),
        None => !text.contains(wanted.as_str()),
    };
    wanted.iter().filter(holds).collect()
}

#[test]
fn each_key_changes_what_it_says_it_changes() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("cases/keys.json")).unwrap();
    let mut failures = Vec::new();
    for case in &cases {
        for (over, wanted) in [(&nothing(), &case.usual), (&case.config, &case.changed)] {
            let text = run(case, over);
            let wrong = wrong(&text, wanted);
            if !wrong.is_empty() {
                failures.push(format!(
                    "{:?} with {over}: not {wrong:?}:\n{text}",
                    case.keys
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
