//! `authorizers`.

use super::authenticators::{retry, timeout};
use super::{Schema, boolean, duration, handler, map, object, plain_handler, set, text, uri};
use serde_json::json;

pub(super) fn section() -> Schema {
    object([
        ("allow", plain_handler().about("Allows everything.")),
        (
            "deny",
            plain_handler().about("Refuses everything with 403."),
        ),
        (
            "keto_engine_acp_ory",
            handler(keto()).about("Asks an access control policy engine."),
        ),
        (
            "remote",
            handler(remote())
                .about("Sends the request's body to another server; 200 allows, 403 refuses."),
        ),
        (
            "remote_json",
            handler(remote_json())
                .about("Sends a JSON document to another server; 200 allows, 403 refuses."),
        ),
    ])
    .about("Whether the one who asks may.")
}

fn keto() -> Schema {
    object([
        (
            "base_url",
            uri().about("The engine; paths are put behind it."),
        ),
        ("required_action", text().about("A template.")),
        ("required_resource", text().about("A template.")),
        (
            "subject",
            text().about("A template; the session's subject where nothing is written."),
        ),
        ("flavor", text().about("`regex` where nothing is written.")),
        ("timeout", timeout()),
    ])
    .requires(["base_url", "required_action", "required_resource"])
}

fn remote() -> Schema {
    object([
        ("remote", uri().about("The server to ask.")),
        ("headers", map(text()).about("Templates by header.")),
        (
            "forward_response_headers_to_upstream",
            set(text())
                .or(json!([]))
                .about("Headers of the answer that the upstream gets."),
        ),
        ("retry", retry()),
        ("timeout", timeout()),
    ])
    .requires(["remote"])
}

fn remote_json() -> Schema {
    object([
        ("remote", uri().about("The server to ask.")),
        ("headers", map(text()).about("Templates by header.")),
        ("payload", text().about("A template that yields JSON.")),
        (
            "forward_response_headers_to_upstream",
            set(text())
                .or(json!([]))
                .about("Headers of the answer that the upstream gets."),
        ),
        ("retry", retry()),
        ("timeout", timeout()),
        (
            "cache",
            object([
                (
                    "enabled",
                    boolean().or(false).about("Whether answers are remembered."),
                ),
                ("ttl", duration().or("1m").about("For how long.")),
            ])
            .about("Remembers permissions, not refusals."),
        ),
    ])
    .requires(["remote", "payload"])
}
