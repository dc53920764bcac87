//! Where Doorward deliberately does not do what the reference does, as far as a setup has to do with it.
//!
//! One entry a difference, with the switch that restores the reference's way, or why there is none.

use super::Setup;
use super::report::{Finding, Touches};
use crate::adopt::setup::{effective, settings, uses};
use crate::config::{HandlerKind, Location, TrustForwarded};
use crate::rules::raw::{HandlerUse, Rule};
use serde_json::Value;
use std::sync::LazyLock;

/// A difference.
struct Deviation {
    topic: &'static str,
    text: &'static str,
    switch: &'static str,
    concerns: Concerns,
}

/// What it has to do with.
enum Concerns {
    /// Every setup.
    All,
    /// Setups that this is true of.
    Setups(fn(&Setup) -> bool),
    /// Rules with one of these handlers.
    Handlers(&'static [&'static str]),
    /// Rules that this is true of.
    Rules(fn(&Setup, &Rule) -> bool),
}

/// In the order of a request's way. Those that always hold come last.
const DEVIATIONS: &[Deviation] = &[
    Deviation {
        topic: "forwarded_headers",
        text: "X-Forwarded-* at the proxy count only from peers inside `trusted_proxies`: by default loopback and private networks",
        switch: "serve.proxy.trusted_proxies: [0.0.0.0/0, \"::/0\"]",
        concerns: Concerns::Setups(|setup| {
            setup.inspected.config.serve.proxy.trust_forwarded_headers
                == TrustForwarded::FromTrustedProxies
        }),
    },
    Deviation {
        topic: "trailing_slash",
        text: "a trailing slash that the client wrote is kept in what is forwarded; patterns still ignore it",
        switch: "access_rules.trailing_slash: strip",
        concerns: Concerns::Rules(|_, rule| !rule.upstream.url.is_empty()),
    },
    Deviation {
        topic: "strip_path",
        text: "what `strip_path` leaves always begins with a slash and is checked again for `..`; a path that would change is answered 400",
        switch: "none: the old way let paths escape",
        concerns: Concerns::Rules(|_, rule| !rule.upstream.strip_path.is_empty()),
    },
    Deviation {
        topic: "identity_headers",
        text: "a client's own copies of headers that the rule sets are removed, other spellings (`X_User`) included",
        switch: "access_rules.underscore_headers: keep (other spellings only)",
        concerns: Concerns::Rules(sets_headers),
    },
    Deviation {
        topic: "session_checks",
        text: "session stores are not followed to other servers (a redirect is a refusal), and an answer must be nothing or one JSON value",
        switch: "none; `require_subject: true` on the handler also refuses sessions without a subject",
        concerns: Concerns::Handlers(&["cookie_session", "bearer_token"]),
    },
    Deviation {
        topic: "calls",
        text: "calls to other servers have time limits (1 s to connect, 5 s in all), a size limit (1 MiB) and share identical questions in flight",
        switch: "`timeout` of the handler; http.max_response_bytes",
        concerns: Concerns::Handlers(ASKING),
    },
    Deviation {
        topic: "retries",
        text: "a failed call to a token or introspection endpoint, which is a POST, is not repeated",
        switch: "`retry.unsafe: true` of the handler",
        concerns: Concerns::Rules(repeats_posts),
    },
    Deviation {
        topic: "too_many_requests",
        text: "a 429 of another server reaches the client as 429 with its Retry-After, not as 401, 403 or 500",
        switch: "none",
        concerns: Concerns::Handlers(&[
            "cookie_session",
            "bearer_token",
            "oauth2_introspection",
            "remote",
            "remote_json",
        ]),
    },
    Deviation {
        topic: "introspection_cache",
        text: "an introspection that is remembered without `ttl` lives at most 60 s, never longer than the token; scope, audience and issuer are checked each time",
        switch: "`cache.ttl` of the handler",
        concerns: Concerns::Rules(remembers_introspection),
    },
    Deviation {
        topic: "jwt",
        text: "a token with `crit` is refused, a key's own `alg`, `use`, `key_ops` and curve are enforced, and key sets are renewed in the background (an unknown `kid` fetches again)",
        switch: "none; `require_exp`, `leeway` and `profile: rfc9068` are stricter still",
        concerns: Concerns::Handlers(&["jwt"]),
    },
    Deviation {
        topic: "signing",
        text: "the first usable private key of the set signs, under its own `kid`; ES512 and EdDSA work too",
        switch: "none: put the key that should sign first",
        concerns: Concerns::Handlers(&["id_token"]),
    },
    Deviation {
        topic: "unsafe_functions",
        text: "templates have no functions that read the environment, resolve names or make keys: such a rule answers 500",
        switch: "templates.unsafe_functions: true",
        concerns: Concerns::Rules(uses_unsafe_functions),
    },
    Deviation {
        topic: "hydrator",
        text: "a hydrator's answer without `match_context` leaves it unchanged, `match_context.url` may be text, and connection headers are not sent to it",
        switch: "none",
        concerns: Concerns::Handlers(&["hydrator"]),
    },
    Deviation {
        topic: "cookies",
        text: "a `cookie` mutator keeps the cookies that an earlier one set",
        switch: "none",
        concerns: Concerns::Handlers(&["cookie"]),
    },
    Deviation {
        topic: "echo",
        text: "`noop` at the decision API returns the request's headers less those of the connection and the body, and Host",
        switch: "decisions.echo_headers: all is the default; authorization or none return less",
        concerns: Concerns::Handlers(&["noop"]),
    },
    Deviation {
        topic: "remote_ip",
        text: "the condition `request.remote_ip` works (the reference's schema refuses it) and looks at the right-most address that is no trusted proxy",
        switch: "none",
        concerns: Concerns::Rules(|setup, rule| {
            mentions_errors(setup, rule, &["\"remote_ip\":", "\"cidr\":"])
        }),
    },
    Deviation {
        topic: "accept",
        text: "conditions on Accept and Content-Type follow RFC 9110: q=0 excludes, a malformed header does not match",
        switch: "none",
        concerns: Concerns::Rules(|setup, rule| {
            mentions_errors(setup, rule, &["\"accept\":", "\"content_type\":"])
        }),
    },
    Deviation {
        topic: "ambiguous_errors",
        text: "where two error handlers of a rule take the same error, the first answers; the reference answers 500",
        switch: "errors.on_ambiguity: error",
        concerns: Concerns::Rules(|_, rule| rule.errors().len() > 1),
    },
    Deviation {
        topic: "www_authenticate",
        text: "the realm is a quoted string, and the status may be configured",
        switch: "none",
        concerns: Concerns::Rules(|setup, rule| {
            let mut handlers = error_handlers(setup, rule).into_iter();
            handlers.any(|used| used.handler == "www_authenticate")
        }),
    },
    Deviation {
        topic: "broken_rules",
        text: "a rule with a fault is found when it is loaded: it is set aside or answers 500, and the others go on",
        switch: "access_rules.on_invalid_rule: reject keeps the last good set instead",
        concerns: Concerns::Rules(is_broken),
    },
    Deviation {
        topic: "remote_sources",
        text: "a remote rule source that fails at start leaves Doorward up and not ready, trying again; it is polled afterwards (ETag)",
        switch: "access_rules.on_start_failure: exit; access_rules.refresh",
        concerns: Concerns::Setups(has_remote_source),
    },
    Deviation {
        topic: "cors",
        text: "with the origin `*` credentials are never allowed, whatever is configured",
        switch: "none: list the origins",
        concerns: Concerns::Setups(|setup| {
            let warnings = setup.inspected.warnings.iter();
            warnings
                .into_iter()
                .any(|warning| warning.path.ends_with("cors.allow_credentials"))
        }),
    },
    Deviation {
        topic: "timeouts",
        text: "`serve.*.timeout.read` and `write` limit silence, never a whole exchange, so that streams live",
        switch: "none",
        concerns: Concerns::Setups(|setup| {
            ["proxy", "api"].iter().any(|listener| {
                let pointer = format!("/serve/{listener}/timeout");
                setup.document.pointer(&pointer).is_some()
            })
        }),
    },
    Deviation {
        topic: "paths",
        text: "a path is decoded and cleaned once, and what was judged is what is forwarded; ambiguous paths, hosts and repeated X-Forwarded-* are answered 400",
        switch: "none; access_rules.encoded_slashes: reject is stricter still",
        concerns: Concerns::All,
    },
    Deviation {
        topic: "decision_api",
        text: "X-Forwarded-* at the decision API count only from loopback and private networks; `/decisions` never redirects",
        switch: "serve.api.trusted_proxies: [0.0.0.0/0, \"::/0\"]",
        concerns: Concerns::All,
    },
    Deviation {
        topic: "api",
        text: "`/rules` shows no secrets, a port that is taken ends the process, and metrics collapse paths",
        switch: "serve.api.expose_rules: false turns `/rules` off; serve.prometheus.collapse_request_paths",
        concerns: Concerns::All,
    },
];

/// Handlers that ask other servers.
const ASKING: &[&str] = &[
    "cookie_session",
    "bearer_token",
    "oauth2_client_credentials",
    "oauth2_introspection",
    "keto_engine_acp_ory",
    "remote",
    "remote_json",
    "hydrator",
];

/// Those that a setup has to do with.
pub(super) fn touched(setup: &Setup) -> Vec<Finding> {
    let finding = |deviation: &Deviation| {
        Some(Finding {
            topic: deviation.topic,
            text: deviation.text.to_owned(),
            advice: deviation.switch.to_owned(),
            touches: deviation.concerns.touches(setup)?,
        })
    };
    DEVIATIONS.iter().filter_map(finding).collect()
}

impl Concerns {
    fn touches(&self, setup: &Setup) -> Option<Touches> {
        match self {
            Concerns::All => Some(Touches::Setup),
            Concerns::Setups(concerned) => concerned(setup).then_some(Touches::Setup),
            Concerns::Handlers(ids) => setup.rules_where(|rule| {
                let used = uses(rule);
                used.iter()
                    .any(|(_, used)| ids.contains(&used.handler.as_str()))
            }),
            Concerns::Rules(concerned) => setup.rules_where(|rule| concerned(setup, rule)),
        }
    }
}

fn sets_headers(setup: &Setup, rule: &Rule) -> bool {
    settings(&setup.inspected.config, rule).any(|(used, settings)| {
        matches!(used.handler.as_str(), "header" | "id_token")
            || settings
                .get("forward_response_headers_to_upstream")
                .and_then(Value::as_array)
                .is_some_and(|names| !names.is_empty())
    })
}

/// The first handler's own `retry.unsafe` is false by default, so a rule that says nothing is concerned.
fn repeats_posts(setup: &Setup, rule: &Rule) -> bool {
    settings(&setup.inspected.config, rule).any(|(used, settings)| {
        let posts = matches!(
            used.handler.as_str(),
            "oauth2_client_credentials" | "oauth2_introspection"
        );
        posts && settings.pointer("/retry/unsafe") != Some(&Value::Bool(true))
    })
}

fn remembers_introspection(setup: &Setup, rule: &Rule) -> bool {
    settings(&setup.inspected.config, rule).any(|(used, settings)| {
        used.handler == "oauth2_introspection"
            && settings.pointer("/cache/enabled") == Some(&Value::Bool(true))
            && settings.pointer("/cache/ttl").is_none()
    })
}

fn uses_unsafe_functions(setup: &Setup, rule: &Rule) -> bool {
    /// `None` never happens: the pattern is constant and a test looks for a finding.
    static CALLS: LazyLock<Option<regex::Regex>> = LazyLock::new(|| {
        let names = "env|expandenv|getHostByName|genPrivateKey|genCA|genSelfSignedCert|genSignedCert|derivePassword|buildCustomCert|encryptAES|decryptAES";
        regex::Regex::new(&format!(r"\{{\{{[^}}]*\b({names})\b")).ok()
    });
    settings(&setup.inspected.config, rule).any(|(used, settings)| {
        let text = match settings {
            Value::Null => used.config.to_string(),
            settings => settings.to_string(),
        };
        CALLS.as_ref().is_some_and(|calls| calls.is_match(&text))
    })
}

/// A rule's own error handlers, or the configuration's.
fn error_handlers(setup: &Setup, rule: &Rule) -> Vec<HandlerUse> {
    let fallback = setup.inspected.config.errors.fallback.iter();
    match rule.errors() {
        [] => fallback
            .map(|id| HandlerUse {
                handler: id.clone(),
                config: Value::Null,
            })
            .collect(),
        own => own.to_vec(),
    }
}

fn mentions_errors(setup: &Setup, rule: &Rule, words: &[&str]) -> bool {
    error_handlers(setup, rule).iter().any(|used| {
        let settings = effective(&setup.inspected.config, HandlerKind::Error, used);
        let text = settings.to_string();
        words.iter().any(|word| text.contains(word))
    })
}

fn is_broken(setup: &Setup, rule: &Rule) -> bool {
    setup.inspected.problems_of(rule).next().is_some()
}

fn has_remote_source(setup: &Setup) -> bool {
    let sources = setup.inspected.config.access_rules.repositories.iter();
    sources
        .into_iter()
        .any(|source| matches!(source.location, Location::Http(_) | Location::Object { .. }))
}
