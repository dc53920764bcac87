//! Against another implementation of the same language, on what both know: random templates give the same text.

use super::data::Data;
use super::val::{Multi, MultiType};
use super::{Policy, Template};
use crate::gourl::Url;
use crate::value::{Map, Value, decode};
use http::HeaderMap;
use proptest::prelude::*;

const EXTRA: &str = r#"{"s":"str","e":"","t":true,"f":false,"arr":["a","b","c"],"none":[],"obj":{"a":"x","k":"v"}}"#;

struct OnlyExtra(Map);

impl Data for OnlyExtra {
    fn subject(&self) -> &str {
        "alice"
    }
    fn extra(&self) -> Option<&Map> {
        Some(&self.0)
    }
    fn header(&self) -> Multi {
        Multi {
            kind: MultiType::Header,
            nil: true,
            entries: Default::default(),
        }
    }
    fn groups(&self) -> Option<&[String]> {
        None
    }
    fn url(&self) -> Option<Url> {
        None
    }
    fn method(&self) -> &str {
        ""
    }
    fn request_header(&self) -> Option<&HeaderMap> {
        None
    }
}

fn ours(source: &str) -> Option<String> {
    let Ok(Value::Map(extra)) = decode(EXTRA.as_bytes()) else {
        panic!("not an object")
    };
    let template = Template::compile(source, Policy::Safe).ok()?;
    let data = OnlyExtra(extra);
    let text = template.run(&data).ok()?.text.into_owned();
    Some(String::from_utf8(text).unwrap())
}

fn theirs(source: &str) -> Option<String> {
    use gtmpl_ng::Value;
    fn convert(value: &serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(b) => Value::from(*b),
            serde_json::Value::Number(n) => Value::from(n.as_f64().unwrap()),
            serde_json::Value::String(text) => Value::from(text.as_str()),
            serde_json::Value::Array(items) => Value::Array(items.iter().map(convert).collect()),
            serde_json::Value::Object(members) => Value::Map(
                members
                    .iter()
                    .map(|(name, value)| (name.clone(), convert(value)))
                    .collect(),
            ),
        }
    }
    let extra: serde_json::Value = serde_json::from_str(EXTRA).unwrap();
    let root = serde_json::json!({ "Subject": "alice", "Extra": extra });
    gtmpl_ng::template(source, convert(&root)).ok()
}

/// Expressions that are strings.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(".Subject".to_owned()),
        Just("$.Extra.s".to_owned()),
        Just("$.Extra.e".to_owned()),
        Just("$.Extra.obj.k".to_owned()),
        Just(r#"(index $.Extra "s")"#.to_owned()),
        Just("(index $.Extra.arr 1)".to_owned()),
        Just("`raw \"text\"`".to_owned()),
        "[ -~&&[^\"\\\\]]{0,6}".prop_map(|text| format!("{text:?}")),
        Just(r#"(printf "%s-%5s|%-4q" $.Extra.s "x" "y")"#.to_owned()),
    ]
    .prop_map(|text| text.replace(".Subject", "$.Subject"))
}

/// Expressions of which only the truth counts.
fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        text(),
        Just("$.Extra.t".to_owned()),
        Just("$.Extra.f".to_owned()),
        Just("$.Extra.arr".to_owned()),
        Just("$.Extra.none".to_owned()),
        Just("$.Extra.obj".to_owned()),
        Just("true".to_owned()),
        (text(), text()).prop_map(|(a, b)| format!("(eq {a} {b})")),
        (text(), text()).prop_map(|(a, b)| format!("(lt {a} {b})")),
        text().prop_map(|a| format!("(eq (len {a}) 3)")),
    ];
    leaf.prop_recursive(2, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("(not {a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(and {a} {b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(or {a} {b})")),
        ]
    })
}

fn template() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[ a-z\n]{0,8}",
        text().prop_map(|a| format!("{{{{ {a} }}}}")),
        text().prop_map(|a| format!(" {{{{- {a} -}}}} \n")),
        text().prop_map(|a| format!("{{{{ {a} | printf \"%q\" }}}}")),
        text().prop_map(|a| format!("{{{{ len {a} }}}}")),
        Just("{{/* nothing */}}".to_owned()),
        Just("{{ $.Extra.arr }}".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}{b}")),
            (condition(), inner.clone(), inner.clone())
                .prop_map(|(c, a, b)| format!("{{{{ if {c} }}}}{a}{{{{ else }}}}{b}{{{{ end }}}}")),
            (condition(), inner.clone())
                .prop_map(|(c, a)| format!("{{{{ with {c} }}}}{a}{{{{ end }}}}")),
            inner.clone().prop_map(|a| format!(
                "{{{{ range $i, $e := $.Extra.arr }}}}{a}{{{{ $i }}}}{{{{ $e }}}}{{{{ end }}}}"
            )),
            inner.clone().prop_map(|a| format!(
                "{{{{ range $.Extra.none }}}}x{{{{ else }}}}{a}{{{{ end }}}}"
            )),
            (text(), inner).prop_map(|(v, a)| format!("{{{{ $x := {v} }}}}{a}{{{{ $x }}}}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_templates_give_the_same_text(source in template()) {
        let theirs = theirs(&source);
        prop_assume!(theirs.is_some());
        prop_assert_eq!(ours(&source), theirs, "{}", source);
    }
}
