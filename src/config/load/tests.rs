use super::super::HandlerKind;
use super::*;
use serde_json::json;

fn goldens(file: &str) -> Vec<Value> {
    let folder = std::env::var("DOORWARD_GOLDENS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens").to_owned());
    let text = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn loaded(name: &str, text: &str, env: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(&[file], env.collect::<Vec<_>>())
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let config = load(&[], []).unwrap().config;
    assert_eq!(config.serve.proxy.address.port, 4455);
    assert!(config.serve.proxy.tls.is_none());
    assert!(config.serve.proxy.cors.is_none());
    assert!(config.serve.ext_authz.is_none());
    assert_eq!(config.serve.proxy.timeout.body_idle.as_secs(), 60);
    assert_eq!(config.errors.fallback, ["json"]);
}

#[test]
fn a_file_overrides_defaults_and_bad_keys_are_all_named() {
    let good = r#"{"serve":{"proxy":{"port":1,"timeout":{"read":"7s"},"tls":{"key":{"path":"k"},"cert":{"path":"c"}}}},
        "authenticators":{"anonymous":{"enabled":true}},"access_rules":{"repositories":["file://rules.json"]}}"#;
    let config = loaded("good.json", good, &[]).unwrap().config;
    assert_eq!(config.serve.proxy.address.port, 1);
    assert_eq!(config.serve.proxy.timeout.body_idle.as_secs(), 7);
    assert!(config.serve.proxy.tls.is_some());
    assert!(
        config
            .handlers
            .enabled(HandlerKind::Authenticator, "anonymous")
    );
    assert!(!config.handlers.enabled(HandlerKind::Authenticator, "noop"));
    let settings = config
        .handlers
        .effective(HandlerKind::Authenticator, "anonymous", &Value::Null);
    assert_eq!(settings.unwrap(), json!({"subject": "anonymous"}));

    let bad = "serve:\n  proxi: {}\nlog:\n  level: loud\n";
    let problems = loaded("bad.yaml", bad, &[]).unwrap_err();
    let found: Vec<String> = problems
        .iter()
        .map(|p| {
            format!(
                "{}|{}|{}",
                p.place.to_string().rsplit(':').next().unwrap(),
                p.path,
                p.hint.clone().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        found,
        ["2|serve.proxi|did you mean `proxy`?", "4|log.level|"]
    );
}

/// Cases in which decisions.md differs, each with the row that it follows.
const DIFFERENT: &[(&str, &str)] = &[
    ("env/002", "a value that does not fit its type is an error"),
    ("env/004", "a value that does not fit its type is an error"),
    ("env/005", "a port below 0 can't be listened at"),
    ("env/006", "a port above 65535 can't be listened at"),
    ("env/014", "a value that does not fit its type is an error"),
    ("env/015", "a value that does not fit its type is an error"),
    ("env/016", "a value that does not fit its type is an error"),
    ("env/056", "a value that does not fit its type is an error"),
    ("env/062", "a value that does not fit its type is an error"),
    ("env/032", "lists replace lists"),
    ("env/064", "lists replace lists"),
    ("env/065", "lists replace lists"),
    (
        "env/067",
        "lists replace lists: one element is set, the others stay",
    ),
    ("env/068", "lists replace lists"),
    ("env/069", "a value that does not fit its type is an error"),
];

#[test]
fn the_environment_sets_what_was_recorded() {
    let mut wrong = Vec::new();
    for case in goldens("env.json") {
        let name = case["name"].as_str().unwrap();
        let file = case["input"]["file"].as_str().unwrap();
        let env: Vec<(String, String)> =
            serde_json::from_value::<HashMap<String, String>>(case["input"]["env"].clone())
                .unwrap()
                .into_iter()
                .collect();
        let mut base = document::configuration(Syntax::Yaml, file.as_bytes())
            .unwrap()
            .value;
        let mut over = base.clone();
        let (settings, problems) = environment::read(schema::root(), env);
        for setting in settings {
            set(&mut over, &setting.path, setting.value);
        }
        schema::fill(schema::root(), &mut base);
        schema::fill(schema::root(), &mut over);
        let findings = schema::check(schema::root(), &over, "", &|_| Place::Unknown);
        let valid = problems.is_empty() && findings.problems.is_empty();
        let output = &case["output"];
        let mut complaint = None;
        if valid != output["valid"].as_bool().unwrap() {
            complaint = Some(format!("valid: {valid} {problems} {}", findings.problems));
        } else if valid {
            for (pointer, expected) in output["changed"].as_object().unwrap() {
                if over.pointer(pointer) != Some(expected) {
                    complaint = Some(format!("{pointer}: {:?}", over.pointer(pointer)));
                }
            }
            if output["changed"].as_object().unwrap().is_empty() && over != base {
                complaint = Some("changed something".to_owned());
            }
        }
        let different = DIFFERENT.iter().any(|(known, _)| *known == name);
        if complaint.is_some() != different {
            wrong.push(format!(
                "{name} {}: {complaint:?}, recorded {output}",
                case["input"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
