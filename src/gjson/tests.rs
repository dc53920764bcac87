//! The recorded look-ups, and what no look-up may do.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Missing | Kind::Null => "Null",
        Kind::False => "False",
        Kind::True => "True",
        Kind::Number => "Number",
        Kind::String => "String",
        Kind::Json => "JSON",
    }
}

fn cases() -> Vec<serde_json::Value> {
    let folder = std::env::var_os("DOORWARD_GOLDENS").map_or_else(
        || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens"),
        std::path::PathBuf::from,
    );
    let text = std::fs::read_to_string(folder.join("gjson.json")).expect("goldens can be read");
    let cases: Vec<_> = serde_json::from_str(&text).expect("goldens are a list");
    assert!(!cases.is_empty());
    cases
}

/// Documents that are not JSON are refused (the row "cookie_session, bearer_token" of the decisions), unless the path reads lines.
fn is_refused(case: &serde_json::Value) -> bool {
    let input = |name: &str| case["input"][name].as_str().expect("text");
    let blank = input("json").trim().is_empty();
    case["document_valid"] == false && !blank && !input("path").starts_with("..")
}

#[test]
fn paths_lead_where_recorded() {
    let mut wrong = Vec::new();
    for case in cases() {
        let input = |name: &str| case["input"][name].as_str().expect("text");
        let path = input("path");
        let found = Path::parse(path).expect("a path").get(input("json"));
        if is_refused(&case) {
            assert_eq!(found, Err(Unreadable::NotJson), "{}", case["name"]);
            continue;
        }
        let found = found.expect("a result");
        let output = case.get("sane").unwrap_or(&case["output"]);
        let mut actual = json!({
            "raw": found.text(),
            "exists": found.exists(),
            "type": kind_name(found.kind()),
        });
        match found.subject() {
            Ok(subject) => actual["subject"] = subject.into(),
            Err(_) => actual["subject_error"] = true.into(),
        }
        match found.extra() {
            Ok(extra) => {
                let extra = extra.map(Value::Map).unwrap_or_default();
                actual["extra"] = serde_json::Value::from(&extra);
            }
            Err(_) => actual["extra_error"] = true.into(),
        }
        for (name, value) in actual.as_object().expect("an object") {
            let recorded = &output[name];
            let same = if name == "extra" {
                Value::from(recorded) == Value::from(value)
            } else {
                recorded == value
            };
            if !same {
                wrong.push(format!(
                    "{} {path}: {name} is {value}, not {recorded}",
                    case["name"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_document_that_is_not_json_has_no_subject() {
    let path = Path::parse("subject").expect("a path");
    for document in [
        r#"{"subject":"ok"} trailing"#,
        r#"garbage {"subject":"evil"}"#,
        r#"<p>{"subject":"evil"}</p>"#,
        "<html>login</html>",
        r#"{"subject":"ok","#,
        r#"{'subject':'x'}"#,
        "{\"subject\":\"a\nb\"}",
    ] {
        assert_eq!(
            path.subject(document),
            Err(Unreadable::NotJson),
            "{document}"
        );
    }
    assert_eq!(path.subject(""), Ok(String::new()));
}

#[test]
fn a_subject_is_a_string_and_extra_an_object() {
    let path = Path::parse("s").expect("a path");
    assert_eq!(path.subject(r#"{"s":"\u0061\n"}"#), Ok("a\n".to_owned()));
    assert_eq!(path.subject(r#"{"s":null}"#), Ok(String::new()));
    assert_eq!(path.subject(r#"{"s":1}"#), Err(Unreadable::NotAString));
    assert_eq!(path.extra(r#"{"s":null}"#), Ok(None));
    assert_eq!(path.extra(r#"{"s":[1]}"#), Err(Unreadable::NotAnObject));
}

#[test]
fn costly_look_ups_are_given_up() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let long = format!("[{}1]", "1,".repeat(200_000));
    let stars = "*a".repeat(200) + "b";
    let key = format!("{{\"{}\":1}}", "a".repeat(100_000));
    let doubling = "{\"a\":@this,\"b\":@this}|".repeat(40) + "a";
    for (document, path) in [
        (&deep, "@dig:x"),
        (&deep, "@dig:@dig:x"),
        (&deep, "@pretty"),
        (&deep, "@flatten:{\"deep\":true}"),
        (&long, "@dig:@this"),
        (&long, "#(#(#(#(=1)))#)#"),
        (&key, stars.as_str()),
        (&"{}".to_owned(), doubling.as_str()),
        (&"[[[[1]]]]".to_owned(), &"#.".repeat(500)),
        (&"{}".to_owned(), &"@this|".repeat(160)),
        (&"{}".to_owned(), &"[".repeat(1000)),
        (&"[]".to_owned(), &"#(".repeat(500)),
    ] {
        let start = std::time::Instant::now();
        let _either = Path::parse(path).expect("a path").get(document);
        let spent = start.elapsed();
        assert!(spent.as_secs() < 3, "{path:.40} took {spent:?}");
    }
    let path = Path::parse(&doubling).expect("a path");
    assert_eq!(path.get("{}"), Err(Unreadable::TooCostly));
    assert_eq!(Path::parse(&"a".repeat(2000)), Err(Error::TooLong));
}

fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-1.5e3".to_owned()),
        "[a-c]{0,2}".prop_map(|text| format!("{text:?}")),
        Just(r#""\u00e9\\\"""#.to_owned()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[ {} ]", items.join(" , "))),
            prop::collection::vec(("[a-c]", inner), 0..4).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| format!("{key:?} : {value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_path_makes_a_look_up_panic(
        document in document(),
        path in r#"([a-c.#*?|@:!\\"~=<>%(){}\[\],0-2]|@(dig|pretty|flatten|join|group|keys|values|reverse|tostr|fromstr|ugly|valid|this)[:|.]?){0,24}"#,
    ) {
        let _either = Path::parse(&path).expect("a path").get(&document);
    }

    #[test]
    fn no_document_makes_a_look_up_panic(document in r#"[\[\]{}",:\\a0-1 tfn-]{0,40}"#, path in "[a.#|@{}]{0,8}") {
        let path = Path::parse(&path).expect("a path");
        let _either = path.get(&document);
        let mut work = Work::for_document(document.as_bytes());
        let _found = find::find(&mut work, document.as_bytes(), path.as_str().as_bytes());
    }

    #[test]
    fn a_key_leads_to_its_value(members in prop::collection::btree_map("[a-z]{1,5}", document(), 1..5)) {
        let text: Vec<String> = members.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
        let text = format!("{{{}}}", text.join(","));
        for (key, value) in &members {
            let path = Path::parse(key).expect("a path");
            let found = path.get(&text).expect("a result");
            prop_assert_eq!(found.text(), value.as_str());
        }
    }
}
