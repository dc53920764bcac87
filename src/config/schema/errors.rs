//! `errors`.

use super::conditions::when;
use super::{
    Checked, Format, Handler, Kind, Range, Schema, Siblings, between, boolean, list, object, of,
    one_of, text, text_as,
};
use serde_json::json;

pub(super) fn section() -> Schema {
    object([
        (
            "fallback",
            list(text())
                .or(json!(["json"]))
                .about("Error handlers for what a rule's own don't take, in order."),
        ),
        (
            "handlers",
            object([
                (
                    "json",
                    error_handler(json_handler(), true).about("A JSON document."),
                ),
                (
                    "redirect",
                    error_handler(redirect(), false)
                        .about("A redirect, to a login page for example."),
                ),
                (
                    "www_authenticate",
                    error_handler(www_authenticate(), false)
                        .about("401 with a `WWW-Authenticate` header."),
                ),
            ]),
        ),
        (
            "on_ambiguity",
            one_of(["first", "error"])
                .or("first")
                .about("Two handlers of a rule take the same error: the first, or 500."),
        ),
        (
            "dependency_status",
            one_of(["recorded", "gateway"])
                .or("recorded")
                .about("Failed dependencies: the reference's statuses, or 502 and 504."),
        ),
    ])
    .about("How refusals are answered.")
}

fn error_handler(config: Schema, enabled: bool) -> Schema {
    of(Kind::Handler(Box::new(Handler {
        config: Some(config),
        siblings: Siblings::Ignored,
        checked: Checked::WhenEnabled,
        enabled,
    })))
}

fn json_handler() -> Schema {
    object([("verbose", boolean().about("Says why.")), ("when", when())])
}

fn redirect() -> Schema {
    let code = of(Kind::Integer(Range {
        min: None,
        max: None,
        only: Some([301, 302]),
    }));
    object([
        ("to", text_as(Format::UriReference).about("Where to.")),
        ("code", code.or(302).about("The status of the answer.")),
        (
            "return_to_query_param",
            text_as(Format::QueryParameter)
                .or("")
                .about("The query parameter that gets the URL which was asked for."),
        ),
        ("when", when()),
    ])
    .requires(["to"])
}

fn www_authenticate() -> Schema {
    object([
        (
            "realm",
            text()
                .or("Please authenticate.")
                .about("What is asked for."),
        ),
        (
            "code",
            between(400, 599).or(401).about("The status of the answer."),
        ),
        ("when", when()),
    ])
}
