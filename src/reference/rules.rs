//! Every key of a rule.

use super::{code, table};
use crate::rules::UPSTREAM_SECTIONS;
use crate::rules::raw::{HTTP_MATCH, OWN_UPSTREAM, RPC_MATCH, RULE, UPSTREAM, USE};

/// The keys that hold handlers; all take the same members.
const STAGES: [&str; 4] = ["authenticators", "authorizer", "mutators", "errors"];

pub(super) fn page() -> String {
    let rows = keys().into_iter().map(|key| {
        let (kind, about) = meaning(&key);
        vec![code(&key), kind.to_owned(), about.to_owned()]
    });
    format!(
        "# Rules

A rule file is a list of rules, or one rule, in JSON or YAML. Exactly one rule must match a request: none is answered 404, several are
answered 500. Names are read without regard to case, and `null` is the same as nothing. What a rule's `config` can say is
[listed by handler](handlers.md).

{}
## URLs

`match.url` is a pattern over scheme, host, port and path; the query is not looked at, nor is a slash at the end. What stands in `<…>` is read as
`access_rules.matching_strategy` says:

| strategy | example | matches |
| --- | --- | --- |
| `regexp`: .NET's expressions, as the reference reads them | `<https?>://api.example/users/<[0-9]+>` | `https://api.example/users/7` |
| `glob`: `*` and `?` stop at `.` and `/`, `**` does not; `{{a,b}}`, `[a-z]` | `<{{http,https}}>://api.example/users/<*>` | `http://api.example/users/ann` |

Write as much as possible outside of `<…>`: it is compared, not searched. `doorward lint` names patterns that are slow, rules that overlap, and
rules that can never match.
",
        table(&["key", "type", "meaning"], rows)
    )
}

/// Every key that a rule may have, sections before what is in them.
fn keys() -> Vec<String> {
    let mut all = Vec::new();
    for &key in RULE {
        all.push(key.to_owned());
        match key {
            "match" => {
                for name in HTTP_MATCH.iter().chain(RPC_MATCH) {
                    all.push(format!("match.{name}"));
                }
            }
            "authenticators" | "mutators" | "errors" => {
                all.extend(USE.iter().map(|name| format!("{key}[].{name}")));
            }
            "authorizer" => all.extend(USE.iter().map(|name| format!("authorizer.{name}"))),
            "upstream" => {
                for name in UPSTREAM.iter().chain(OWN_UPSTREAM) {
                    all.push(format!("upstream.{name}"));
                    let section = UPSTREAM_SECTIONS.iter().find(|(known, _)| known == name);
                    for inner in section.map(|(_, inner)| *inner).unwrap_or_default() {
                        all.push(format!("upstream.{name}.{inner}"));
                    }
                }
            }
            _ => {}
        }
    }
    all
}

/// Type and meaning.
fn meaning(key: &str) -> (&'static str, &'static str) {
    if let Some((stage, member)) = key.split_once('.')
        && STAGES.contains(&stage.trim_end_matches("[]"))
    {
        return match member {
            "handler" => (
                "text",
                "The handler's id. It must be enabled in the configuration.",
            ),
            "config" => (
                "object",
                "Settings that differ from those of the configuration.",
            ),
            other => panic!("nobody explains `{other}`"),
        };
    }
    match key {
        "id" => (
            "text",
            "Names the rule in logs, metrics and the API. Unique.",
        ),
        "version" => (
            "text",
            "The version of Ory Oathkeeper that the rule was written for, such as `v0.40.9`; older rules are brought up to date.",
        ),
        "description" => ("text", "For people."),
        "match" => (
            "object",
            "Which requests the rule is for: `methods` and `url`, or `authority` and `full_method`.",
        ),
        "match.methods" => (
            "list of text",
            "`GET`, `POST` and so on; all of them are named.",
        ),
        "match.url" => (
            "text",
            "A pattern over the URL without its query; see below.",
        ),
        "match.authority" => (
            "text",
            "For calls by gRPC inside other processes: a pattern over the authority. The proxy and the decision API never look at such rules.",
        ),
        "match.full_method" => (
            "text",
            "The same over the method, such as `pkg.Service/Method`.",
        ),
        "match.allow_http_get" => ("true or false", "The same also for `GET` (Connect)."),
        "authenticators" => ("list of objects", "Tried in order. Required."),
        "authorizer" => ("object", "Required."),
        "mutators" => ("list of objects", "All run, in order. Required."),
        "errors" => (
            "list of objects",
            "Error handlers of this rule; `errors.fallback` where none fits.",
        ),
        "upstream" => (
            "object",
            "Where the proxy sends what is granted. The decision API needs none.",
        ),
        "upstream.url" => (
            "text",
            "`http://` or `https://`, host, port and a path that is put in front.",
        ),
        "upstream.preserve_host" => (
            "true or false",
            "The upstream gets the client's `Host` instead of its own.",
        ),
        "upstream.strip_path" => ("text", "Taken off the beginning of the path."),
        "upstream.urls" => (
            "list",
            "Several servers instead of `url`: URLs, or objects with `url` and `weight` (1 to 100).",
        ),
        "upstream.policy" => (
            "text or object",
            "`round_robin` (the default), `least_connections`, or `hash` with `subject`, `header: NAME` or `cookie: NAME`.",
        ),
        "upstream.protocol" => ("text", "`auto` (the default), `http1`, `http2`, `h2c`."),
        "upstream.timeout" => ("object", "Durations such as `5s`, longer than nothing."),
        "upstream.timeout.connect" => ("text, a duration", "To make a connection, TLS included."),
        "upstream.timeout.read_idle" => ("text, a duration", "Between two pieces of the answer."),
        "upstream.timeout.write_idle" => (
            "text, a duration",
            "Until the upstream takes more of the request.",
        ),
        "upstream.timeout.total" => (
            "text, a duration",
            "For the request and all its tries; streams end then too.",
        ),
        "upstream.retries" => ("object", "Repetition of requests whose upstream failed."),
        "upstream.retries.attempts" => (
            "whole number",
            "How often a request is tried again. Default 1.",
        ),
        "upstream.retries.budget_percent" => (
            "whole number",
            "How many of a hundred requests may be repeated, so that an outage is not multiplied. Default 20.",
        ),
        "upstream.limits" => ("object", "What the upstream is spared."),
        "upstream.limits.requests" => ("whole number", "Requests at one time."),
        "upstream.health" => ("object", "Which of several servers are asked."),
        "upstream.health.path" => (
            "text",
            "Asked for at each server regularly; nothing is asked where nothing is written.",
        ),
        "upstream.health.interval" => ("text, a duration", "How often. Default 5s."),
        "upstream.health.timeout" => (
            "text, a duration",
            "How long an answer may take. Default 2s.",
        ),
        "upstream.health.healthy" => (
            "whole number",
            "So many good answers in a row bring a server back. Default 2.",
        ),
        "upstream.health.unhealthy" => ("whole number", "So many bad ones take it out. Default 3."),
        "upstream.health.statuses" => (
            "text",
            "What a good answer's status is, such as `200` or `200-399`. Default `200-299`.",
        ),
        "upstream.health.failures" => (
            "whole number",
            "So many failed requests in a row make a server pause; 0 for never.",
        ),
        "upstream.health.pause" => ("text, a duration", "How long it does."),
        "upstream.tls" => ("object", "For `https://` upstreams."),
        "upstream.tls.ca" => (
            "text",
            "A PEM file of authorities to trust instead of the system's.",
        ),
        "upstream.tls.client_certificate" => ("object", "PEM files `cert` and `key`."),
        "upstream.tls.server_name" => (
            "text",
            "The name to ask for and to verify, instead of the URL's host.",
        ),
        "upstream.tls.insecure_skip_verify" => (
            "true or false",
            "Whoever sits between can read and answer everything. For trying out only.",
        ),
        "encoded_slashes" => (
            "`keep`, `reject`",
            "Instead of `access_rules.encoded_slashes`.",
        ),
        other => panic!("nobody explains `{other}`"),
    }
}
