//! The recorded behaviour of Go's YAML, TOML and JSON libraries.

use super::*;
use serde_json::json;

fn goldens(file: &str) -> Vec<Value> {
    let folder = std::env::var("DOORWARD_GOLDENS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens").to_owned());
    let text = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn input(case: &Value, member: &str) -> Vec<u8> {
    use base64::Engine as _;
    match &case["input"][member] {
        Value::String(text) => text.clone().into_bytes(),
        packed => base64::engine::general_purpose::STANDARD
            .decode(packed["base64"].as_str().unwrap())
            .unwrap(),
    }
}

/// Equal as JSON: `1` is `1.0`.
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

fn play(op: &str, read: impl Fn(&Value) -> Result<Value, SyntaxError>) {
    let mut wrong = Vec::new();
    let mut played = 0;
    for case in goldens("yaml.json") {
        if case["op"] != op {
            continue;
        }
        played += 1;
        let expected = case.get("sane").or(case.get("output"));
        let found = read(&case);
        let fine = match (expected, &found) {
            (Some(expected), Ok(found)) => same(expected, found),
            (None, Err(_)) => true,
            (Some(_), Err(_)) | (None, Ok(_)) => false,
        };
        if !fine {
            wrong.push(format!(
                "{}: {} => {found:?}, recorded {expected:?}",
                case["name"], case["input"]
            ));
        }
    }
    assert!(played > 0);
    assert!(
        wrong.is_empty(),
        "{} of {played}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn yaml_configurations_read_as_recorded() {
    play("config", |case| {
        configuration(Syntax::Yaml, &input(case, "yaml")).map(|document| document.value)
    });
}

#[test]
fn toml_configurations_read_as_recorded() {
    play("config_toml", |case| {
        configuration(Syntax::Toml, &input(case, "toml")).map(|document| document.value)
    });
}

#[test]
fn json_configurations_read_as_recorded() {
    play("config_json", |case| {
        configuration(Syntax::Json, &input(case, "json")).map(|document| document.value)
    });
}

#[test]
fn yaml_rules_read_as_recorded() {
    play("rules", |case| {
        yaml::read(&input(case, "yaml"), yaml::Dialect::Rules).map(|document| document.value)
    });
}

#[test]
fn the_line_of_each_member_is_known_in_every_format() {
    let texts: [(Syntax, &str, usize); 3] = [
        (
            Syntax::Yaml,
            "# top\nserve:\n  proxy:\n    cors:\n      allowed_methods:\n        - GET\n        - NOPE\n",
            7,
        ),
        (
            Syntax::Json,
            "{\n  \"x\": \"a\\\"b\",\n  \"serve\": {\"proxy\": {\n\n \"cors\": {\"allowed_methods\": [\"GET\",\n \"NOPE\"]}}}}",
            6,
        ),
        (
            Syntax::Toml,
            "[serve.proxy.cors]\nallowed_methods = [\n  'GET',\n  'NOPE',\n]\n",
            4,
        ),
    ];
    for (syntax, text, line) in texts {
        let document = configuration(syntax, text.as_bytes()).unwrap();
        let found = document.lines.line("serve.proxy.cors.allowed_methods.1");
        assert_eq!(found, Some(line), "{syntax:?}");
        assert_eq!(
            document.value["serve"]["proxy"]["cors"]["allowed_methods"],
            json!(["GET", "NOPE"])
        );
    }
}

#[test]
fn a_document_that_explodes_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let last = level - 1;
        let items = vec![format!("*a{last}"); 10].join(", ");
        text += &format!("a{level}: &a{level} [{items}]\n");
    }
    let error = configuration(Syntax::Yaml, text.as_bytes()).unwrap_err();
    assert!(error.message.contains("excessive"), "{error}");
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
    ] {
        assert!(yaml::read(text.as_bytes(), yaml::Dialect::Rules).is_err());
    }
}
