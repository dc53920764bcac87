//! The engine against what Go made of the same templates: `templates.json`, `sprig.json` and the casts of `numbers.json`.

use super::data::Data;
use super::val::{Multi, MultiType};
use super::{Policy, Rendered, Template};
use crate::gourl::{Url, path};
use crate::value::{Map, Value};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value as Json;

struct Golden {
    subject: String,
    extra: Option<Map>,
    header: Option<Vec<(String, Vec<String>)>>,
    groups: Option<Vec<String>>,
    url: Option<Url>,
    method: String,
    request_header: Option<HeaderMap>,
}

impl Data for Golden {
    fn subject(&self) -> &str {
        &self.subject
    }
    fn extra(&self) -> Option<&Map> {
        self.extra.as_ref()
    }
    fn header(&self) -> Multi {
        Multi {
            kind: MultiType::Header,
            nil: self.header.is_none(),
            entries: self
                .header
                .iter()
                .flatten()
                .map(|(name, values)| {
                    let values = values.iter().map(|v| v.clone().into_bytes()).collect();
                    (name.clone().into_bytes(), values)
                })
                .collect(),
        }
    }
    fn groups(&self) -> Option<&[String]> {
        self.groups.as_deref()
    }
    fn url(&self) -> Option<Url> {
        self.url.clone()
    }
    fn method(&self) -> &str {
        &self.method
    }
    fn request_header(&self) -> Option<&HeaderMap> {
        self.request_header.as_ref()
    }
}

fn strings(json: &Json) -> Option<Vec<String>> {
    let items = json.as_array()?;
    Some(
        items
            .iter()
            .map(|item| item.as_str().unwrap().to_owned())
            .collect(),
    )
}

fn headers(json: &Json) -> Option<Vec<(String, Vec<String>)>> {
    let members = json.as_object()?;
    Some(
        members
            .iter()
            .map(|(name, values)| (name.clone(), strings(values).unwrap()))
            .collect(),
    )
}

/// The URL of a request, its path cleaned as the reference does before it matches.
fn request_url(text: &str) -> Url {
    let mut url = Url::parse(text).unwrap();
    url.path = path::clean(&url.path);
    url
}

fn session(json: &Json) -> Golden {
    let context = &json["match_context"];
    let mut extra = match Value::from(&json["extra"]) {
        Value::Map(map) => Some(map),
        _ => None,
    };
    for name in strings(&json["string_lists"]).unwrap_or_default() {
        let list = strings(&json["extra"][&name]).unwrap();
        extra.as_mut().unwrap().insert(name, Value::Strings(list));
    }
    Golden {
        subject: json["subject"].as_str().unwrap().to_owned(),
        extra,
        header: headers(&json["header"]),
        groups: strings(&context["regexp_capture_groups"]),
        url: context["url"].as_str().map(request_url),
        method: context["method"].as_str().unwrap().to_owned(),
        request_header: headers(&context["header"]).map(|headers| {
            let mut map = HeaderMap::new();
            for (name, values) in headers {
                for value in values {
                    map.append(
                        HeaderName::from_bytes(name.as_bytes()).unwrap(),
                        HeaderValue::from_bytes(value.as_bytes()).unwrap(),
                    );
                }
            }
            map
        }),
    }
}

fn load(file: &str) -> Json {
    let folder = std::env::var("DOORWARD_GOLDENS")
        .unwrap_or_else(|_| format!("{}/tests/goldens", env!("CARGO_MANIFEST_DIR")));
    serde_json::from_str(&std::fs::read_to_string(format!("{folder}/{file}")).unwrap()).unwrap()
}

/// The result, or at which stage it failed.
fn render(source: &str, data: &Golden) -> Result<Vec<u8>, (&'static str, String)> {
    let template = Template::compile(source, Policy::WithUnsafeFunctions)
        .map_err(|e| ("parse", e.to_string()))?;
    match template.run(data) {
        Ok(Rendered { text, .. }) => Ok(text.into_owned()),
        Err(error) => Err(("exec", error.to_string())),
    }
}

fn check(file: &str) {
    let sessions = load("sessions.json");
    let mut wrong = Vec::new();
    for case in load(file).as_array().unwrap() {
        let source = case["input"]["template"].as_str().unwrap();
        let data = session(&sessions[case["input"]["session"].as_str().unwrap()]);
        let answer = render(source, &data);
        let wanted = case.get("sane").unwrap_or(case);
        let fine = if let Some(pattern) = wanted["output_matches"].as_str() {
            let pattern = regex::Regex::new(pattern).unwrap();
            answer
                .as_ref()
                .is_ok_and(|text| pattern.is_match(&String::from_utf8_lossy(text)))
        } else if wanted["error"] == true {
            // A stage of `exec` may be found at load; the other way round it would serve what the reference refuses.
            answer
                .as_ref()
                .is_err_and(|(stage, _)| wanted["stage"] == "exec" || *stage == "parse")
        } else {
            answer
                .as_ref()
                .is_ok_and(|text| *text == crate::gourl::goldens::bytes(&wanted["output"]))
        };
        if !fine {
            let answer = answer.map(|text| String::from_utf8_lossy(&text).into_owned());
            wrong.push(format!(
                "{}: {source}\n  is {answer:?}\n  not {wanted}",
                case["name"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_language_is_the_reference_s() {
    check("templates.json");
}

#[test]
fn the_function_library_is_the_reference_s() {
    check("sprig.json");
}

#[test]
fn numbers_print_and_convert_as_in_the_reference() {
    for case in load("numbers.json").as_array().unwrap() {
        let (name, out) = (&case["name"], &case["output"]);
        let (value, templates): (Value, &[(&str, &str)]) = match case["op"].as_str().unwrap() {
            "json_number" => (
                crate::value::decode(case["input"]["json"].as_str().unwrap().as_bytes()).unwrap(),
                &[
                    ("print", "{{ print .Extra.x }}"),
                    ("json", "{{ toJson .Extra.x }}"),
                    ("int64", "{{ int64 .Extra.x }}"),
                    ("e", r#"{{ printf "%e" .Extra.x }}"#),
                    ("g", r#"{{ printf "%g" .Extra.x }}"#),
                    ("fixed0", r#"{{ printf "%.0f" .Extra.x }}"#),
                    ("fixed2", r#"{{ printf "%.2f" .Extra.x }}"#),
                ],
            ),
            "cast_string" => (
                Value::String(case["input"]["text"].as_str().unwrap().to_owned()),
                &[
                    ("int64", "{{ int64 .Extra.x }}"),
                    ("float64", "{{ float64 .Extra.x }}"),
                ],
            ),
            "json_value" => (
                crate::value::decode(case["input"]["json"].as_str().unwrap().as_bytes()).unwrap(),
                &[
                    ("print", "{{ print .Extra.x }}"),
                    ("json", "{{ toJson .Extra.x }}"),
                    ("plus_v", r#"{{ printf "%+v" .Extra.x }}"#),
                    ("q", r#"{{ printf "%q" .Extra.x }}"#),
                ],
            ),
            other => panic!("unknown op {other}"),
        };
        let mut data = session(&load("sessions.json")["zero"]);
        data.extra = Some(Map::from([("x".to_owned(), value)]));
        for (member, source) in templates {
            let text = String::from_utf8(render(source, &data).unwrap()).unwrap();
            assert_eq!(text, out[member].as_str().unwrap(), "{name} {member}");
        }
    }
}

#[test]
fn a_session_is_encoded_as_a_hydrator_is_sent_it() {
    let sessions = load("sessions.json");
    for case in load("json.json").as_array().unwrap() {
        if case["op"] == "session_body" {
            let data = session(&sessions[case["input"]["session"].as_str().unwrap()]);
            let text = String::from_utf8(render("{{ toJson . }}", &data).unwrap()).unwrap();
            assert_eq!(text, case["output"]["json"].as_str().unwrap());
        }
    }
}
