//! Every reason for a refusal, and every way to not get as far as a decision.

use super::{code, table};
use crate::canonical::Rejection;
use crate::pipeline::{Denial, Reason, status_name};
use crate::service::described::{refusals, upstream_failures};

pub(super) fn page() -> String {
    format!(
        "# Errors

## Refused by a decision

The word in the first column is the label `reason` of `doorward_decisions_total` and a field of the log. Error handlers answer with
the status, which they can choose by under `when.error`. The message is what a client sees from the `json` handler with `verbose: true`;
without it there is only the status.

{}
With `errors.dependency_status: gateway` a dependency that is late is answered 504 and one that fails 502, instead of the statuses above,
which are the reference's.

## Not understood

A request that two servers could read in two ways is refused before any rule is looked for. The client sees the status only, the log says
why; `doorward explain METHOD URL` says it too.

{}
## Ended by the door

Connections that never made a request. The word is the label `reason` of `doorward_refused_total`.

{}
## Granted, and then no answer

The upstream could not be reached, or broke off before its answer began: the client gets the status with an empty body, past the error
handlers, as from the reference. The word is the label `reason` of `doorward_upstream_errors_total`.

{}",
        table(
            &["reason", "status", "`when.error`", "message", "meaning"],
            Reason::ALL.into_iter().map(denied)
        ),
        table(&["status", "why"], Rejection::ALL.into_iter().map(rejected)),
        table(&["reason", "status", "meaning"], refusals().map(ended)),
        table(
            &["reason", "status", "meaning"],
            upstream_failures().map(broken)
        ),
    )
}

fn denied(reason: Reason) -> Vec<String> {
    let denial = Denial::new(reason);
    let status = denial.status();
    vec![
        code(reason.label()),
        status.as_u16().to_string(),
        code(status_name(status)),
        denial.message.into_owned(),
        meaning(reason).to_owned(),
    ]
}

fn meaning(reason: Reason) -> &'static str {
    match reason {
        Reason::BadRequest => "The request can't be understood in exactly one way.",
        Reason::BodyTooLarge => {
            "A handler wants the body, and it is larger than `serve.*.limits.body_for_decision`."
        }
        Reason::TargetTooLong => "The target is longer than `serve.*.limits.target_bytes`.",
        Reason::HeadersTooLarge => {
            "More header lines, or more bytes in them, than `serve.*.limits` allow."
        }
        Reason::NoRule => "No rule matches. `doorward explain` shows the nearest misses.",
        Reason::SeveralRules => {
            "More than one rule matches. `doorward lint` finds such rules beforehand."
        }
        Reason::MatchOverrun => {
            "A rule's pattern took more steps than it may, so that nobody knows whether it matches."
        }
        Reason::Unauthorized => "Credentials are missing or invalid.",
        Reason::Forbidden => "Credentials are valid, but not sufficient.",
        Reason::RateLimited => {
            "A session store, token server or authorizer answered 429; its `Retry-After` and `X-Ratelimit-*` are passed on."
        }
        Reason::Misconfigured => {
            "A handler of the rule is disabled, or its configuration is invalid."
        }
        Reason::UnknownHandler => "The rule names a handler that doesn't exist.",
        Reason::Incomplete => "The rule lacks authenticators, an authorizer or mutators.",
        Reason::NoUpstream => "The request came to the proxy, and its rule has no upstream.",
        Reason::Dependency => {
            "A server that a handler asks could not be reached or gave no usable answer."
        }
        Reason::DependencyUnavailable => "The same, of a token endpoint.",
        Reason::DependencyTimeout => "A server that a handler asks took too long.",
        Reason::DependencyNotFound => "A server that a handler asks answered 404.",
        Reason::Failed => {
            "Something else went wrong inside a handler, such as a template or a key file. The log says what."
        }
        Reason::Panicked => {
            "A defect of Doorward. The request is refused, all others go on. Please report it."
        }
    }
}

fn rejected(rejection: Rejection) -> Vec<String> {
    vec![rejection.status().to_string(), rejection.to_string()]
}

fn ended((reason, status): (&'static str, u16)) -> Vec<String> {
    let meaning = match reason {
        "bad_request" => {
            "What was sent is not HTTP, or its framing, target or host can be read in two ways."
        }
        "method_not_allowed" => "`CONNECT`: there are no tunnels.",
        "target_too_long" => "The request line is longer than `limits.target_bytes` allows.",
        "headers_too_large" => "More header lines, or more bytes in them, than `limits` allow.",
        "header_timeout" => "The head was not complete within `timeout.header`.",
        "too_many_connections" => "More connections than `limits.connections`.",
        other => panic!("nobody explains `{other}`"),
    };
    vec![code(reason), status.to_string(), meaning.to_owned()]
}

fn broken((reason, status): (&'static str, u16)) -> Vec<String> {
    let meaning = match reason {
        "connect" => "No connection could be made.",
        "tls" => "The handshake failed, or the certificate is not to be trusted.",
        "timeout" => "A deadline passed: of connecting, or of the rule's `upstream.timeout`.",
        "broken" => "The connection ended, or what came over it is no answer.",
        other => panic!("nobody explains `{other}`"),
    };
    vec![code(reason), status.to_string(), meaning.to_owned()]
}

#[test]
fn every_rejection_is_listed() {
    let source = include_str!("../canonical/rejection.rs");
    assert_eq!(source.matches("#[error(").count(), Rejection::ALL.len());
}
