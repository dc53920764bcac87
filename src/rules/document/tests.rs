use super::*;
use serde_json::json;

fn goldens(file: &str) -> Vec<Value> {
    let folder = std::env::var("DOORWARD_GOLDENS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens").to_owned());
    let text = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn documents_of_rules_read_as_recorded() {
    let mut wrong = Vec::new();
    for case in goldens("yaml.json")
        .iter()
        .filter(|case| case["op"] == "rule_list")
    {
        let text = case["input"]["text"].as_str().unwrap();
        let found = read(text.as_bytes(), "master");
        let fine = match (case.get("sane").or(case.get("output")), &found) {
            // The reference's nil list and an empty one are the same rules.
            (Some(Value::Null), Ok(found)) => found.is_empty(),
            (Some(expected), Ok(found)) => same(expected, &serde_json::to_value(found).unwrap()),
            (None, Err(_)) => true,
            (Some(_), Err(_)) | (None, Ok(_)) => false,
        };
        if !fine {
            wrong.push(format!(
                "{} {text:?}: {found:?}, recorded {}",
                case["name"], case["output"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn versions_read_and_migrate_as_recorded() {
    for case in goldens("json.json")
        .iter()
        .filter(|case| case["op"] == "rule_version")
    {
        let version = case["input"]["version"].as_str().unwrap();
        // A second `v` is left over where the recorded text has had one taken off.
        let parsed = migrate::parse(&format!("v{version}"));
        let Some(output) = case.get("output") else {
            assert!(parsed.is_err(), "{version}");
            continue;
        };
        assert_eq!(
            parsed.unwrap().to_string(),
            output["normalised"],
            "{version}"
        );
        let text = json!([{
            "version": version,
            "authorizer": {"handler": "keto_engine_acp_ory", "config": {"required_action": "$1"}},
            "mutators": [{"handler": "hydrator", "config": {"retry": {"number_of_retries": 1}}}],
        }]);
        let rules = read(text.to_string().as_bytes(), "master").unwrap();
        let keto = rules[0].authorizer.config["required_action"] != "$1";
        let hydrator = rules[0].mutators()[0].config["retry"]
            .get("number_of_retries")
            .is_none();
        assert_eq!(keto, output["keto_migration"], "{version}");
        assert_eq!(hydrator, output["hydrator_migration"], "{version}");
    }
}

#[test]
fn what_means_nothing_is_named_with_what_was_meant() {
    let text = r#"[{"id": "a", "mutator": [], "upstream": {"preserveHost": true},
        "authenticators": [{"handler": "noop", "cfg": 1}], "match": {"host": "z"}}]"#;
    let rules = read(text.as_bytes(), RULE_VERSION).unwrap();
    let expected = [
        "mutator (did you mean `mutators`?)",
        "upstream.preserveHost (did you mean `preserve_host`?)",
        "authenticators.0.cfg",
        "match.host",
    ];
    assert_eq!(rules[0].unknown, expected);
}

#[test]
fn a_refused_document_says_where_and_why() {
    let cases = [
        (r#"{"rules": []}"#, "leave out the member `rules`"),
        (r#"{"id": "a"}"#, "also where there is only one"),
        (r#"[{"id":"x"},{"id":"y","authorizer":[]}]"#, "rule 1 (`y`)"),
        (
            r#"[{"id":"y","authorizer":[]}]"#,
            "`authorizer` is one object",
        ),
        ("- id: a\n  version: nonsense\n", "`nonsense` can't be read"),
        ("- id: a\n bad: [\n", "line 2"),
    ];
    for (text, expected) in cases {
        let error = read(text.as_bytes(), RULE_VERSION).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// What is shipped must work as it is.
#[test]
fn shipped_configurations_and_rules_can_be_used() {
    use crate::rules::compile::compile;
    use std::path::Path;
    use std::sync::Arc;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = std::fs::read(root.join("rules/rules.yaml")).unwrap();
    let rules: Vec<Arc<Rule>> = read(&rules, RULE_VERSION)
        .unwrap()
        .into_iter()
        .map(Arc::new)
        .collect();
    for name in ["doorward.yaml", "decisions.yaml"] {
        let loaded = crate::config::load(&[root.join("conf").join(name)], []).unwrap();
        assert!(loaded.warnings.is_empty(), "{name}: {}", loaded.warnings);
        let unknown: Vec<&String> = rules.iter().flat_map(|rule| &rule.unknown).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let compiled = compile(&loaded.config, &rules, &Default::default(), 1);
        assert!(
            compiled.problems.is_empty(),
            "{name}: {:?}",
            compiled.problems
        );
    }
}
