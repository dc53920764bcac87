//! What `doorward diff` finds between two running decision APIs.

use super::stdout;
use crate::support::{Doorward, plain_config, rule};
use serde_json::json;

fn rules(planted: &str) -> serde_json::Value {
    json!([
        rule(
            "open",
            "http://h.test/open/<.*>",
            ["anonymous", "allow", "noop"],
            None
        ),
        rule(
            "closed",
            "http://h.test/closed/<.*>",
            ["unauthorized", "allow", "noop"],
            None
        ),
        rule(
            "planted",
            "http://h.test/planted/<.*>",
            ["anonymous", planted, "noop"],
            None
        ),
    ])
}

fn diff(old: &Doorward, new: &Doorward) -> (Option<i32>, String) {
    let requests = ["open/1", "closed/2", "planted/3?token=hush", "elsewhere"]
        .map(|path| format!("{{\"url\": \"http://h.test/{path}\"}}"));
    let output = super::diff(old, new, &requests, &[]);
    (output.status.code(), stdout(&output))
}

#[test]
fn a_planted_difference_is_found_and_no_other() {
    let (old, new) = (
        Doorward::start(plain_config(), rules("allow")),
        Doorward::start(plain_config(), rules("deny")),
    );
    let (code, shown) = diff(&old, &new);
    assert_eq!(code, Some(1));
    assert!(
        shown.starts_with("GET http://h.test/planted/3\n"),
        "{shown}"
    );
    assert!(
        shown.contains("old: 200 by rule `planted`")
            && shown.contains("new: 403 by rule `planted`"),
        "{shown}"
    );
    assert_eq!(shown.matches("GET ").count(), 1, "{shown}");
    assert!(!shown.contains("hush"), "a query may carry a credential");
}

#[test]
fn equal_sides_differ_in_nothing() {
    let doorward = Doorward::start(plain_config(), rules("allow"));
    assert_eq!(diff(&doorward, &doorward), (Some(0), String::new()));
}
