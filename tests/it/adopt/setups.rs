//! The setups of `tests/adopt/` and `conf/`: what is expected of them holds, before and after they were migrated, and running
//! decision APIs differ in what was planted and in nothing else.

use super::{doorward_in, migrate, stderr, stdout};
use crate::stub::{Call, Stub};
use crate::support::Doorward;
use doorward::config::document::{Syntax, configuration, yaml};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Folder, configuration.
const SETUPS: [(&str, &str); 3] = [
    ("parcelworks", "oathkeeper.yml"),
    ("meetly", "oathkeeper.yml"),
    ("sensorgrid", "oathkeeper.json"),
];

/// Configuration, fixtures.
const SHIPPED: [(&str, &str); 2] = [
    ("conf/doorward.yaml", "rules/tests/doorward.yaml"),
    ("conf/decisions.yaml", "rules/tests/decisions.yaml"),
];

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder(setup: &str) -> PathBuf {
    project().join("tests/adopt").join(setup)
}

#[test]
fn what_is_expected_of_each_setup_holds() {
    for (setup, _) in SETUPS {
        holds(&folder(setup), "fixtures.yaml", &[]);
    }
}

/// All that is expected holds, and every rule is tried.
fn holds(folder: &Path, fixtures: &str, more: &[&str]) {
    let arguments = [&["test", fixtures, "--coverage", "100"], more].concat();
    let output = doorward_in(folder, &arguments);
    let said = stdout(&output);
    let place = folder.join(fixtures);
    assert_eq!(output.status.code(), Some(0), "{place:?}: {said}");
}

fn holds_after_migration(folder: &Path, config: &str, fixtures: &str, target: &Path) {
    let target = target.to_str().unwrap();
    let output = migrate(folder, config, &["--output", target]);
    let (place, said) = (folder.join(config), stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{place:?}: {said}");
    let migrated = format!("{target}/doorward.yaml");
    holds(folder, fixtures, &["-c", &migrated]);
}

#[test]
fn a_migrated_setup_decides_as_before() {
    for (setup, config) in SETUPS {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("new");
        holds_after_migration(&folder(setup), config, "fixtures.yaml", &target);
    }
}

#[test]
fn the_shipped_setups_decide_as_before() {
    for (config, fixtures) in SHIPPED {
        let out = tempfile::tempdir().unwrap();
        holds_after_migration(project(), config, fixtures, out.path());
    }
}

fn read_config(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap();
    let extension = path.extension().unwrap().to_str().unwrap();
    let syntax = Syntax::of_extension(extension).unwrap();
    configuration(syntax, &text).unwrap().value
}

/// The rules of all local sources of a configuration.
fn read_rules(folder: &Path, config: &Value) -> Value {
    let sources = config["access_rules"]["repositories"].as_array().unwrap();
    let rules = sources.iter().flat_map(|source| {
        let file = source.as_str().unwrap().strip_prefix("file://").unwrap();
        let text = std::fs::read(folder.join(file)).unwrap();
        let read = yaml::read(&text, yaml::Dialect::Rules).unwrap();
        read.value.as_array().unwrap().clone()
    });
    Value::Array(rules.collect())
}

/// Answers for the session store, the introspection and token endpoints, the policy server and the validator of all three setups.
fn servers() -> Stub {
    Stub::start(|call: &Call| {
        let cookie = call.header("cookie").unwrap_or_default();
        let known =
            |mail: &str| json!({ "identity": { "traits": { "email": mail, "plan": "team" } } });
        let (status, body) = match call.target() {
            "/whoami" if cookie.contains("=alice") => (200, known("alice@acme.example")),
            "/whoami" if cookie.contains("=bob") => (200, known("bob@acme.example")),
            "/whoami" if call.header("authorization") == Some("Bearer old-key") => {
                (200, json!({ "app": "legacy-app" }))
            }
            "/introspect" if call.body.contains("app-reader") => (
                200,
                json!({ "active": true, "sub": "dashboard", "scope": "devices:read fleets:read" }),
            ),
            "/introspect" => (200, json!({ "active": false })),
            "/check" if call.body.contains("bob@") && !call.body.contains("view") => {
                (403, Value::Null)
            }
            "/check" => (200, Value::Null),
            "/token" => (200, json!({ "access_token": "t", "token_type": "bearer" })),
            _ => (401, Value::Null),
        };
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n");
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
}

/// The configuration with its servers on loopback and on listeners of the test's own.
fn on_loopback(mut config: Value, servers: &Stub) -> Value {
    let base = format!("http://{}", servers.address);
    for (pointer, path) in [
        (
            "/authenticators/cookie_session/config/check_session_url",
            "/whoami",
        ),
        (
            "/authenticators/bearer_token/config/check_session_url",
            "/whoami",
        ),
        (
            "/authenticators/oauth2_introspection/config/introspection_url",
            "/introspect",
        ),
        (
            "/authenticators/oauth2_introspection/config/pre_authorization/token_url",
            "/token",
        ),
        (
            "/authenticators/oauth2_client_credentials/config/token_url",
            "/token",
        ),
        ("/authenticators/jwt/config/jwks_urls/0", "/keys"),
        ("/authorizers/remote_json/config/remote", "/check"),
        ("/authorizers/remote/config/remote", "/check"),
    ] {
        if let Some(url) = config.pointer_mut(pointer) {
            *url = format!("{base}{path}").into();
        }
    }
    config["access_rules"]
        .as_object_mut()
        .unwrap()
        .remove("repositories");
    config["serve"].as_object_mut().unwrap().remove("ext_authz");
    // `diff` names the rules that match.
    if config["serve"]["api"]["expose_rules"].is_boolean() {
        config["serve"]["api"]["expose_rules"] = true.into();
    }
    config
}

/// The requests of fixtures as JSON lines; tokens that only fixtures can make are no tokens here.
fn requests(fixtures: &Path) -> Vec<String> {
    let fixtures = read_config(fixtures);
    let requests = fixtures["fixtures"].as_array().unwrap().iter();
    requests
        .map(|fixture| match &fixture["request"] {
            Value::String(url) => json!({ "url": url }).to_string(),
            request => {
                let method = request["method"].as_str().unwrap_or("GET");
                let headers = match &request["headers"] {
                    Value::Null => json!({}),
                    headers => headers.clone(),
                };
                json!({ "method": method, "url": request["url"], "headers": headers }).to_string()
            }
        })
        .collect()
}

fn diff(
    old: &Doorward,
    new: &Doorward,
    strategy: &str,
    requests: &[String],
) -> (Option<i32>, String) {
    let output = super::diff(old, new, requests, &["--strategy", strategy]);
    (output.status.code(), stdout(&output) + &stderr(&output))
}

/// Runs a setup twice, once with `plant` done to one of its rules, and returns what `diff` prints.
fn planted(
    root: &Path,
    config: &str,
    fixtures: &Path,
    id: &str,
    plant: impl Fn(&mut Value),
) -> (Option<i32>, String) {
    let config = read_config(&root.join(config));
    let mut rules = read_rules(root, &config);
    let strategy = config["access_rules"]["matching_strategy"]
        .as_str()
        .unwrap_or("regexp")
        .to_owned();
    let servers = servers();
    let config = on_loopback(config, &servers);
    let old = Doorward::start(config.clone(), rules.clone());
    let same = Doorward::start(config.clone(), rules.clone());
    let requests = requests(fixtures);
    assert_eq!(
        diff(&old, &same, &strategy, &requests),
        (Some(0), "no differences\n".to_owned())
    );
    let listed = rules.as_array_mut().unwrap().iter_mut();
    plant(listed.into_iter().find(|rule| rule["id"] == id).unwrap());
    let new = Doorward::start(config, rules);
    diff(&old, &new, &strategy, &requests)
}

/// The differences are exactly those of one rule's requests.
fn only_of_rule((code, said): (Option<i32>, String), id: &str, requests: usize) {
    assert_eq!(code, Some(1), "{said}");
    let old: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("  old: "))
        .collect();
    assert_eq!(old.len(), requests, "{said}");
    let named = format!("by rule `{id}`");
    assert!(old.iter().all(|line| line.ends_with(&named)), "{said}");
    assert!(
        !said.contains("alice;") && !said.contains("old-key"),
        "{said}"
    );
}

#[test]
fn a_door_that_was_opened_among_services_is_found() {
    let root = folder("parcelworks");
    let found = planted(
        &root,
        "oathkeeper.yml",
        &root.join("fixtures.yaml"),
        "drivers-internal",
        |rule| rule["authenticators"] = json!([{ "handler": "noop" }]),
    );
    only_of_rule(found, "drivers-internal", 1);
}

#[test]
fn a_policy_that_is_no_longer_asked_is_found() {
    let root = folder("meetly");
    let found = planted(
        &root,
        "oathkeeper.yml",
        &root.join("fixtures.yaml"),
        "meetly:files:change",
        |rule| rule["authorizer"] = json!({ "handler": "allow" }),
    );
    only_of_rule(found, "meetly:files:change", 1);
}

#[test]
fn a_header_that_says_something_else_is_found() {
    let root = folder("sensorgrid");
    let found = planted(
        &root,
        "oathkeeper.json",
        &root.join("fixtures.yaml"),
        "v2.fleets.get",
        |rule| {
            rule["mutators"] = json!([{ "handler": "header", "config": { "headers": { "X-Client": "app {{ .Subject }}" } } }]);
        },
    );
    assert!(
        found
            .1
            .contains("header x-client: `dashboard` → `app dashboard`"),
        "{}",
        found.1
    );
    only_of_rule(found, "v2.fleets.get", 1);
}

#[test]
fn a_rule_of_the_shipped_setups_that_was_closed_is_found() {
    for (config, fixtures) in SHIPPED {
        let found = planted(
            project(),
            config,
            &project().join(fixtures),
            "public",
            |rule| rule["authenticators"] = json!([{ "handler": "unauthorized" }]),
        );
        only_of_rule(found, "public", 1);
    }
}
