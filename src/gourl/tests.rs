//! The recorded cases of Go's own functions.

use super::goldens::{Case, bytes, cases, json};
use super::{Url, parse_query, path, path_escape, path_unescape, query_escape, query_unescape};
use serde_json::{Value, json};

/// Compares what the case has of `actual`.
fn check(case: &Case, actual: Option<&Value>) {
    assert_eq!(case.output(), actual, "{}", case.name());
}

fn check_members(case: &Case, actual: Option<&Value>) {
    let (Some(Value::Object(expected)), Some(Value::Object(actual))) = (case.output(), actual)
    else {
        assert_eq!(
            case.output().is_some(),
            actual.is_some(),
            "{}: {actual:?}",
            case.name()
        );
        return;
    };
    for (member, value) in expected {
        assert_eq!(Some(value), actual.get(member), "{}: {member}", case.name());
    }
}

fn parts(url: &Url) -> Value {
    let user = url.user.as_ref().map(|user| {
        json!({
            "username": json(&user.username), "password": json(user.password.as_deref().unwrap_or_default()),
            "has_password": user.password.is_some(), "string": user.to_string(),
        })
    });
    json!({
        "scheme": url.scheme, "opaque": url.opaque, "user": user, "host": url.host, "hostname": url.hostname(),
        "port": url.port(), "path": json(&url.path), "raw_path": url.raw_path, "escaped_path": url.escaped_path(),
        "force_query": url.force_query, "raw_query": url.raw_query, "fragment": json(&url.fragment),
        "is_abs": url.is_abs(), "request_uri": url.request_uri(), "string": url.to_string(),
    })
}

#[test]
fn urls_are_parsed_and_printed_as_recorded() {
    for case in cases("urls.json", "parse") {
        check_members(
            &case,
            Url::parse(&case.text("url"))
                .ok()
                .as_ref()
                .map(parts)
                .as_ref(),
        );
    }
    for case in cases("urls.json", "parse_request_uri") {
        check_members(
            &case,
            Url::parse_request_uri(&case.text("url"))
                .ok()
                .as_ref()
                .map(parts)
                .as_ref(),
        );
    }
}

#[test]
fn queries_are_parsed_and_encoded_as_recorded() {
    for case in cases("urls.json", "parse_query") {
        let parsed = parse_query(&case.text("query"));
        let values: serde_json::Map<String, Value> = parsed
            .values
            .iter()
            .map(|(key, values)| {
                let key = String::from_utf8(key.to_vec()).expect("UTF-8");
                (key, values.iter().map(|value| json(value)).collect())
            })
            .collect();
        let actual = json!({ "complete": parsed.complete, "encoded": parsed.values.encode(), "values": values });
        check(&case, Some(&actual));
    }
}

#[test]
fn texts_are_escaped_and_unescaped_as_recorded() {
    for case in cases("urls.json", "escape") {
        let text = bytes(case.input("text"));
        check(
            &case,
            Some(&json!({ "path": path_escape(&text), "query": query_escape(&text) })),
        );
    }
    for case in cases("urls.json", "unescape_query") {
        check(
            &case,
            query_unescape(&case.text("text"))
                .map(|text| json(&text))
                .as_ref(),
        );
    }
    assert_eq!(path_unescape("a+b%2fc").as_deref(), Some(&b"a+b/c"[..]));
}

#[test]
fn paths_are_cleaned_and_joined_as_recorded() {
    for case in cases("urls.json", "path_clean") {
        check(&case, Some(&json(&path::clean(&bytes(case.input("path"))))));
    }
    for case in cases("urls.json", "path_join") {
        let parts: Vec<Vec<u8>> = case
            .input("parts")
            .as_array()
            .expect("parts")
            .iter()
            .map(bytes)
            .collect();
        check(&case, Some(&json(&path::join(&parts))));
    }
}

#[test]
fn paths_are_appended_as_recorded() {
    for case in cases("urls.json", "append_path") {
        let base = Url::parse(&case.text("base")).expect("a base");
        let element = case.text("path");
        check(&case, Some(&base.join_path(&[element]).to_string().into()));
    }
}

#[test]
fn references_resolve_as_in_the_rfc() {
    let base = Url::parse("http://a/b/c/d;p?q").expect("a base");
    // RFC 3986, sections 5.4.1 and 5.4.2; `g:h` and `http:g` are opaque.
    let cases = [
        ("g:h", "g:h"),
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q#s"),
        ("g#s", "http://a/b/c/g#s"),
        (";x", "http://a/b/c/;x"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../g", "http://a/g"),
        ("../../../../g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
    ];
    for (reference, expected) in cases {
        let reference = Url::parse(reference).expect("a reference");
        assert_eq!(
            base.resolve_reference(&reference).to_string(),
            expected,
            "{reference}"
        );
    }
}

#[test]
fn a_password_is_not_printed_when_redacted() {
    let url = Url::parse("http://u:secret@h/").expect("a url");
    assert_eq!(url.redacted(), "http://u:xxxxx@h/");
}
