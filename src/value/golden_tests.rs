//! Facts recorded from Go: `numbers.json` and the parts of `json.json` that are about values alone.

use super::*;
use base64::Engine as _;

fn cases(file: &str) -> Vec<serde_json::Value> {
    let folder = std::env::var("DOORWARD_GOLDENS")
        .unwrap_or_else(|_| format!("{}/tests/goldens", env!("CARGO_MANIFEST_DIR")));
    let text = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn text(value: &serde_json::Value) -> Vec<u8> {
    match value {
        serde_json::Value::String(text) => text.clone().into_bytes(),
        other => base64::engine::general_purpose::STANDARD
            .decode(other["base64"].as_str().unwrap())
            .unwrap(),
    }
}

fn json(value: &Value) -> String {
    let mut out = Vec::new();
    encode(&mut out, value, Escape::Plain);
    String::from_utf8(out).unwrap()
}

fn printed(value: &Value) -> String {
    let mut out = String::new();
    print(&mut out, value);
    out
}

#[test]
fn numbers_are_written_as_go_writes_them() {
    for case in cases("numbers.json") {
        let (name, out) = (&case["name"], &case["output"]);
        let input = case["input"]["json"].as_str().unwrap_or_default();
        match case["op"].as_str().unwrap() {
            "json_number" => {
                let value = decode(input.as_bytes()).unwrap();
                let Value::Number(x) = value else {
                    panic!("{name}: not a number")
                };
                assert_eq!(printed(&value), out["print"], "{name}");
                assert_eq!(json(&value), out["json"], "{name}");
                let form = |form, precision| float_text(x, form, precision);
                assert_eq!(form(FloatForm::Exponent, Some(6)), out["e"], "{name}");
                assert_eq!(form(FloatForm::Fixed, Some(0)), out["fixed0"], "{name}");
                assert_eq!(form(FloatForm::Fixed, Some(2)), out["fixed2"], "{name}");
                assert_eq!(form(FloatForm::General, None), out["g"], "{name}");
            }
            "json_value" => {
                let value = decode(input.as_bytes()).unwrap();
                assert_eq!(printed(&value), out["print"], "{name}");
                let mut bytes = Vec::new();
                encode(&mut bytes, &value, Escape::Html);
                assert_eq!(String::from_utf8(bytes).unwrap(), out["json"], "{name}");
            }
            _ => {}
        }
    }
}

#[test]
fn what_counts_as_json_is_what_counts_in_go() {
    for case in cases("json.json") {
        let (name, input) = (&case["name"], &case["input"]);
        match case["op"].as_str().unwrap() {
            "payload" => {
                let body = match input["repeat_open_close"].as_array() {
                    Some(parts) => {
                        let count = parts[2].as_u64().unwrap() as usize;
                        let repeat = |i: usize| parts[i].as_str().unwrap().repeat(count);
                        (repeat(0) + &repeat(1)).into_bytes()
                    }
                    None => text(&input["text"]),
                };
                assert_eq!(is_valid(&body), case["output"]["valid"], "{name}");
            }
            "id_token_claims" => {
                let answer = decode(&text(&input["text"]));
                match (answer, case["output"]["json"].as_str()) {
                    (Ok(value @ Value::Map(_)), Some(expected)) => {
                        assert_eq!(json(&value), expected, "{name}");
                    }
                    (Ok(Value::Map(_)), None) => panic!("{name}: accepted"),
                    (_, Some(_)) => panic!("{name}: refused"),
                    (_, None) => {}
                }
            }
            _ => {}
        }
    }
}

#[test]
fn members_come_in_order_with_repetitions() {
    let found = members(br#" {"a":1, "A" : {"b":[2]}, "a":3} trailing"#).unwrap();
    let found: Vec<(&str, &[u8])> = found.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    assert_eq!(
        found,
        [("a", &b"1"[..]), ("A", br#"{"b":[2]}"#), ("a", b"3")]
    );
}

#[test]
fn text_that_nests_too_deeply_is_refused_not_followed() {
    let deep = "[".repeat(100_000);
    assert_eq!(decode(deep.as_bytes()), Err(DecodeError::Depth));
    assert!(!is_valid(deep.as_bytes()));
    assert!(members(format!("{{\"a\":{deep}").as_bytes()).is_err());
}

#[test]
fn indenting_keeps_empty_things_on_one_line() {
    let out = encode_indented(br#"{"a":[],"b":{},"c":[1,"x,:"]}"#, "  ");
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    \"x,:\"\n  ]\n}"
    );
}
