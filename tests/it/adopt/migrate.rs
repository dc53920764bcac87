//! `doorward migrate`: what it says of a setup, and what it never says.

use super::{migrate, stderr, stdout};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn setup(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/adopt")
        .join(name)
}

fn report(folder: &Path, config: &str) -> Value {
    let output = migrate(folder, config, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The rules of the first finding of a topic.
fn rules<'r>(report: &'r Value, part: &str, topic: &str) -> &'r Value {
    let findings = report[part].as_array().unwrap().iter();
    let found = findings.into_iter().find(|one| one["topic"] == topic);
    found.map_or(&Value::Null, |one| &one["rules"])
}

fn topics(report: &Value, part: &str) -> Vec<String> {
    let findings = report[part].as_array().unwrap().iter();
    findings
        .map(|one| one["topic"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_mistakes_of_each_setup_are_found_with_their_rules() {
    let parcelworks = report(&setup("parcelworks"), "oathkeeper.yml");
    assert_eq!(parcelworks["rules"], 53);
    assert_eq!(parcelworks["handlers"]["jwt"], 19);
    let overlap = json!(["tracking-page", "website"]);
    assert_eq!(rules(&parcelworks, "risky", "overlap"), &overlap);
    assert_eq!(
        rules(&parcelworks, "risky", "secret_in_rule"),
        &json!(["carrier-webhook"])
    );
    assert_eq!(
        rules(&parcelworks, "risky", "open_to_changes"),
        &json!(["carrier-webhook"])
    );
    assert_eq!(
        rules(&parcelworks, "risky", "catch_all"),
        &json!(["website"])
    );
    assert!(topics(&parcelworks, "risky").contains(&"secret_in_configuration".to_owned()));
    assert!(topics(&parcelworks, "better").contains(&"forwarded_headers".to_owned()));

    let meetly = report(&setup("meetly"), "oathkeeper.yml");
    assert_eq!(
        rules(&meetly, "risky", "host_hole"),
        &json!(["meetly:robots"])
    );
    assert_eq!(
        rules(&meetly, "risky", "unescaped")
            .as_array()
            .unwrap()
            .len(),
        33
    );
    assert!(topics(&meetly, "better").contains(&"cors".to_owned()));

    let sensorgrid = report(&setup("sensorgrid"), "oathkeeper.json");
    let unencrypted = rules(&sensorgrid, "risky", "unencrypted")
        .as_array()
        .unwrap();
    assert_eq!(unencrypted.len(), 45);
    assert_eq!(
        rules(&sensorgrid, "better", "strip_path"),
        &json!(["v1.legacy"])
    );
    let asked = rules(&sensorgrid, "better", "hydrator");
    assert_eq!(asked, &json!(["tenants.hydrated"]));
}

#[test]
fn the_report_is_a_page_and_holds_no_secret() {
    for (name, config, secrets) in [
        (
            "parcelworks",
            "oathkeeper.yml",
            &["correct-horse-battery-staple", "k-4f9d1c7be2"][..],
        ),
        ("meetly", "oathkeeper.yml", &["opa-shared-token-81f3"]),
        ("sensorgrid", "oathkeeper.json", &[]),
    ] {
        let text = stdout(&migrate(&setup(name), config, &[]));
        let json = report(&setup(name), config).to_string();
        for secret in secrets {
            assert!(!text.contains(secret) && !json.contains(secret), "{text}");
        }
        assert!(text.lines().count() < 100, "{} lines", text.lines().count());
        for heading in [
            "WORKS UNCHANGED",
            "BEHAVES BETTER",
            "RISKY",
            "Nothing was written",
        ] {
            assert!(text.contains(heading), "{text}");
        }
    }
}

/// A small setup of one rule, changed by the case.
fn small(folder: &Path, config: &str, rule: &Value) {
    std::fs::write(folder.join("oathkeeper.yml"), config).unwrap();
    std::fs::write(folder.join("rules.json"), json!([rule]).to_string()).unwrap();
}

const SMALL: &str = "
access_rules: { repositories: [\"file://rules.json\"] }
authenticators: { noop: { enabled: true } }
authorizers: { allow: { enabled: true } }
mutators: { noop: { enabled: true }, header: { enabled: true, config: { headers: {} } } }
";

fn one_rule() -> Value {
    json!({
        "id": "a",
        "match": { "url": "https://h.test/<.*>", "methods": ["GET"] },
        "authenticators": [{ "handler": "noop" }],
        "authorizer": { "handler": "allow" },
        "mutators": [{ "handler": "noop" }],
    })
}

#[test]
fn an_unsafe_function_and_a_broken_pattern_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut rule = one_rule();
    rule["mutators"] =
        json!([{ "handler": "header", "config": { "headers": { "X-Key": "{{ env \"KEY\" }}" } } }]);
    small(folder.path(), SMALL, &rule);
    let found = report(folder.path(), "oathkeeper.yml");
    assert_eq!(rules(&found, "better", "unsafe_functions"), &json!(["a"]));
    assert_eq!(rules(&found, "risky", "broken"), &json!(["a"]));
    let mut rule = one_rule();
    rule["match"]["url"] = "https://h.test/<[>".into();
    small(folder.path(), SMALL, &rule);
    let found = report(folder.path(), "oathkeeper.yml");
    assert_eq!(rules(&found, "risky", "broken"), &json!(["a"]));
}

#[test]
fn texts_that_yaml_would_take_for_something_else_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let mut rule = one_rule();
    rule["id"] = "on".into();
    rule["description"] = "1:30".into();
    rule["match"]["methods"] = json!(["GET", "no", "0x1F", "~"]);
    rule["mutators"] = json!([{ "handler": "header", "config": { "headers": { "yes": "y\n  # no\n", "X-B": "2001-01-01" } } }]);
    rule["version"] = "v0.19.0-beta.1".into();
    rule["owner"] = "nobody".into();
    small(folder.path(), SMALL, &rule);
    let output = migrate(folder.path(), "oathkeeper.yml", &["--output", "new"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let written = std::fs::read_to_string(folder.path().join("new/rules.yaml")).unwrap();
    assert!(
        !written.contains("owner") && !written.contains("beta"),
        "{written}"
    );
}

#[test]
fn nothing_that_exists_is_overwritten_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    small(folder.path(), SMALL, &one_rule());
    let migrate_to = |target| migrate(folder.path(), "oathkeeper.yml", &["--output", target]);
    let first = migrate_to("new");
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let second = migrate_to("new");
    assert_eq!(second.status.code(), Some(2));
    assert!(
        stderr(&second).contains("rules.yaml: File exists"),
        "{}",
        stderr(&second)
    );
    std::fs::remove_file(folder.path().join("rules.json")).unwrap();
    let lost = migrate_to("newer");
    assert_eq!(lost.status.code(), Some(2));
    assert!(
        stderr(&lost).contains("its rules would be lost"),
        "{}",
        stderr(&lost)
    );
    assert!(!folder.path().join("newer").exists());
}
