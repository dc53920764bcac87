//! Contradictions between keys, and things that work but are probably not meant.

use super::schema::Findings;
use super::{HandlerKind, Place, Problem};
use serde_json::Value;

/// Adds what the schema can't say.
pub(super) fn give(document: &Value, places: &dyn Fn(&str) -> Place, findings: &mut Findings) {
    let note = |path: &str, message: &str, hint: Option<&str>| Problem {
        place: places(path),
        path: path.to_owned(),
        message: message.to_owned(),
        hint: hint.map(str::to_owned),
    };
    for listener in ["proxy", "api", "ext_authz"] {
        let section = document.pointer(&format!("/serve/{listener}"));
        if section
            .and_then(|section| section.get("tls"))
            .is_some_and(tls_is_half)
        {
            findings.problems.push(note(
                &format!("serve.{listener}.tls"),
                "needs a certificate and a key, both as `path` or both as `base64`",
                None,
            ));
        }
        if section
            .and_then(|section| section.get("cors"))
            .is_some_and(credentials_for_anyone)
        {
            findings.warnings.push(note(
                &format!("serve.{listener}.cors.allow_credentials"),
                "has no effect for the origin `*`: browsers of anyone would send credentials",
                Some("list the origins"),
            ));
        }
    }
    if document
        .pointer("/access_rules/repositories")
        .is_none_or(|list| list.as_array().is_none_or(Vec::is_empty))
    {
        findings.warnings.push(note(
            "access_rules.repositories",
            "there are no rules, so every request is answered 404",
            None,
        ));
    }
    if let Some((path, message)) = provider_without_address(document) {
        findings.problems.push(note(path, message, None));
    }
    for (index, id) in unusable_fallbacks(document) {
        findings.warnings.push(note(
            &format!("errors.fallback.{index}"),
            &format!(
                "the error handler `{id}` is unknown or disabled: what reaches it is answered 500"
            ),
            None,
        ));
    }
}

fn text<'v>(section: &'v Value, pointer: &str) -> &'v str {
    section
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or("")
}

fn tls_is_half(tls: &Value) -> bool {
    let set = |pointer| !text(tls, pointer).is_empty();
    let inline = set("/key/base64") && set("/cert/base64");
    let files = set("/key/path") && set("/cert/path");
    let any = set("/key/base64") || set("/cert/base64") || set("/key/path") || set("/cert/path");
    any && !inline && !files
}

fn credentials_for_anyone(cors: &Value) -> bool {
    let on = |name: &str| cors.get(name) == Some(&Value::Bool(true));
    let anyone = cors
        .get("allowed_origins")
        .and_then(Value::as_array)
        .is_some_and(|origins| origins.is_empty() || origins.contains(&Value::from("*")));
    on("enabled") && on("allow_credentials") && anyone
}

fn provider_without_address(document: &Value) -> Option<(&'static str, &'static str)> {
    let tracing = document.get("tracing")?;
    let (pointer, path) = match text(tracing, "/provider") {
        "jaeger" => (
            "/providers/jaeger/local_agent_address",
            "tracing.providers.jaeger.local_agent_address",
        ),
        "zipkin" => (
            "/providers/zipkin/server_url",
            "tracing.providers.zipkin.server_url",
        ),
        "otel" => (
            "/providers/otlp/server_url",
            "tracing.providers.otlp.server_url",
        ),
        _ => return None,
    };
    text(tracing, pointer)
        .is_empty()
        .then_some((path, "is required by `tracing.provider`"))
}

fn unusable_fallbacks(document: &Value) -> Vec<(usize, String)> {
    let enabled = |id: &str| {
        document.pointer(&format!("/errors/handlers/{id}/enabled")) == Some(&Value::Bool(true))
    };
    let known = HandlerKind::Error.ids();
    let list = document
        .pointer("/errors/fallback")
        .and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, id)| Some((index, id.as_str()?.to_owned())))
        .filter(|(_, id)| !known.contains(&id.as_str()) || !enabled(id))
        .collect()
}
