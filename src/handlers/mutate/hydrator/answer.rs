//! A hydrator's answer: a session, read as Go reads JSON into its structures.
//!
//! Members match without case, the last one wins, `null` leaves what is there, unknown ones are ignored.

use crate::gourl::{Url, Userinfo};
use crate::handlers::support::templated::header_value;
use crate::pipeline::{FieldName, HeaderChanges, MatchContext};
use crate::value::{Map, Value, decode_first, fold_eq, members};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

/// What an answer says.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) subject: String,
    pub(super) extra: Option<Arc<Map>>,
    pub(super) headers: HeaderChanges,
    /// `None` where the answer does not speak of it: then it stays as it is.
    pub(super) context: Option<MatchContext>,
    /// Of its text.
    pub(super) bytes: usize,
}

/// `null`, or a value that is to be read.
fn present(text: &[u8]) -> bool {
    text != b"null"
}

impl Answer {
    /// `None` where it is no session. Text behind the first value is ignored.
    pub(super) fn parse(text: &[u8]) -> Option<Answer> {
        let (_, end) = decode_first(text).ok()?;
        let text = text.get(..end)?;
        let mut answer = Answer {
            bytes: text.len(),
            ..Answer::default()
        };
        let mut extra: Option<Map> = None;
        if text.trim_ascii_start() == b"null" {
            return Some(answer);
        }
        for (name, value) in members(text).ok()? {
            if fold_eq(&name, "subject") {
                if present(value) {
                    answer.subject = string(value)?;
                }
            } else if fold_eq(&name, "extra") {
                if present(value) {
                    let Value::Map(more) = decode_first(value).ok()?.0 else {
                        return None;
                    };
                    // Repeated objects merge.
                    extra.get_or_insert_default().extend(more);
                } else {
                    extra = None;
                }
            } else if fold_eq(&name, "header") {
                for (name, values) in multimap(value)? {
                    let first = values.first().map_or("", String::as_str);
                    let value = header_value(first.as_bytes())?;
                    let name: HeaderName = name.parse().ok()?;
                    answer.headers.set(FieldName::new(name), value);
                }
            } else if fold_eq(&name, "match_context") {
                let context = answer.context.get_or_insert_default();
                if present(value) {
                    read_context(context, value)?;
                }
            }
        }
        answer.extra = extra.map(Arc::new);
        Some(answer)
    }
}

fn string(text: &[u8]) -> Option<String> {
    match decode_first(text).ok()?.0 {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A list of strings, or nothing.
fn strings(value: Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        list => list.into_strings(),
    }
}

fn multimap(text: &[u8]) -> Option<Vec<(String, Vec<String>)>> {
    match decode_first(text).ok()?.0 {
        Value::Null => Some(Vec::new()),
        Value::Map(map) => map
            .into_iter()
            .map(|(name, values)| strings(values).map(|values| (name, values)))
            .collect(),
        _ => None,
    }
}

fn read_context(context: &mut MatchContext, text: &[u8]) -> Option<()> {
    for (name, value) in members(text).ok()? {
        if fold_eq(&name, "regexp_capture_groups") {
            context.groups = if present(value) {
                Some(strings(decode_first(value).ok()?.0)?)
            } else {
                None
            };
        } else if fold_eq(&name, "url") {
            context.url = url(value)?;
        } else if fold_eq(&name, "method") {
            if present(value) {
                context.method = string(value)?;
            }
        } else if fold_eq(&name, "header") {
            context.header = if present(value) {
                Some(headers(multimap(value)?)?)
            } else {
                None
            };
        }
    }
    Some(())
}

fn headers(entries: Vec<(String, Vec<String>)>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(entries.len());
    for (name, values) in entries {
        let name: HeaderName = name.parse().ok()?;
        for value in values {
            headers.append(
                name.clone(),
                HeaderValue::from_bytes(value.as_bytes()).ok()?,
            );
        }
    }
    Some(headers)
}

/// A URL as text, as the reference's documentation shows it, or by its parts, as the reference reads it.
fn url(text: &[u8]) -> Option<Option<Url>> {
    match decode_first(text).ok()?.0 {
        Value::Null => Some(None),
        Value::String(text) => Url::parse(&text).ok().map(Some),
        Value::Map(_) => url_parts(text).map(Some),
        _ => None,
    }
}

fn url_parts(text: &[u8]) -> Option<Url> {
    let mut url = Url::default();
    for (name, value) in members(text).ok()? {
        if !present(value) {
            continue;
        }
        let is = |field: &str| fold_eq(&name, field);
        let flag = || match decode_first(value).ok()?.0 {
            Value::Bool(flag) => Some(flag),
            _ => None,
        };
        if is("Scheme") {
            url.scheme = string(value)?;
        } else if is("Opaque") {
            url.opaque = string(value)?;
        } else if is("User") {
            // Its contents are never told.
            let Value::Map(_) = decode_first(value).ok()?.0 else {
                return None;
            };
            url.user = Some(Userinfo::default());
        } else if is("Host") {
            url.host = string(value)?;
        } else if is("Path") {
            url.path = string(value)?.into_bytes();
        } else if is("RawPath") {
            url.raw_path = string(value)?;
        } else if is("OmitHost") {
            url.omit_host = flag()?;
        } else if is("ForceQuery") {
            url.force_query = flag()?;
        } else if is("RawQuery") {
            url.raw_query = string(value)?;
        } else if is("Fragment") {
            url.fragment = string(value)?.into_bytes();
        } else if is("RawFragment") {
            url.raw_fragment = string(value)?;
        }
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_the_reference_reads_it() {
        for case in crate::gourl::goldens::cases("json.json", "hydrator_answer") {
            let text = case.input("text");
            let text = crate::gourl::goldens::bytes(text);
            let answer = Answer::parse(&text);
            let Some(expected) = case.output() else {
                // A URL as text is read here, unlike in the reference; see the decisions on the hydrator.
                let url_as_text = answer
                    .as_ref()
                    .and_then(|answer| answer.context.as_ref())
                    .is_some_and(|context| context.url.is_some());
                assert!(answer.is_none() || url_as_text, "{}", case.name());
                continue;
            };
            let expected: serde_json::Value =
                serde_json::from_str(expected["json"].as_str().unwrap()).unwrap();
            let answer = answer.unwrap_or_else(|| panic!("{}", case.name()));
            assert_eq!(answer.subject, expected["subject"], "{}", case.name());
            let extra = answer
                .extra
                .as_ref()
                .map_or(Value::Null, |extra| Value::Map(Map::clone(extra)));
            assert_eq!(extra, Value::from(&expected["extra"]), "{}", case.name());
            let context = answer.context.clone().unwrap_or_default();
            let wanted = &expected["match_context"];
            assert_eq!(context.method, wanted["method"], "{}", case.name());
            let groups = context.groups.map_or(Value::Null, |groups| {
                Value::List(groups.into_iter().map(Value::String).collect())
            });
            let wanted_groups = Value::from(&wanted["regexp_capture_groups"]);
            assert_eq!(groups, wanted_groups, "{}", case.name());
            let path = context.url.map(|url| String::from_utf8(url.path).unwrap());
            assert_eq!(
                path.as_deref(),
                wanted["url"]["Path"].as_str(),
                "{}",
                case.name()
            );
            let first = expected["header"]["X-User"][0].as_str();
            let first = first.or(expected["header"]["x-user"][0].as_str());
            let name = HeaderName::from_static("x-user");
            let value = answer.headers.get(&name).and_then(|v| v.to_str().ok());
            assert_eq!(value.unwrap_or(""), first.unwrap_or(""), "{}", case.name());
        }
    }

    #[test]
    fn a_value_that_would_end_its_header_is_no_answer() {
        assert!(Answer::parse(br#"{"header":{"X-A":["b\r\nX-Admin: 1"]}}"#).is_none());
        assert!(Answer::parse(br#"{"header":{"X A":["b"]}}"#).is_none());
    }

    #[test]
    fn a_match_context_that_is_missing_is_not_one_that_is_empty() {
        let context = |text: &str| Answer::parse(text.as_bytes()).map(|answer| answer.context);
        assert_eq!(context("{}"), Some(None));
        assert_eq!(
            context(r#"{"match_context":{}}"#),
            Some(Some(MatchContext::default()))
        );
    }
}
