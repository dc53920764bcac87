//! What is risky in a setup, whoever runs it.

use super::report::{Finding, Touches};
use super::{Setup, secrets, urls};
use crate::adopt::setup::{effective, lint, settings};
use crate::config::{HandlerKind, MatchingStrategy};
use crate::rules::raw::Rule;
use crate::template::{Policy, Template};
use serde_json::Value;

/// All findings, the gravest first.
pub(super) fn found(setup: &Setup) -> Vec<Finding> {
    let mut all = problems(setup);
    all.extend(matching(setup));
    all.extend(by_rule(setup, OPEN));
    all.extend(by_rule(setup, TOKENS));
    all.extend(secrets::found(setup));
    all.extend(templates(setup));
    all.extend(unencrypted(setup));
    all.extend(setup.inspected.warnings.iter().map(|warning| Finding {
        topic: "warning",
        text: match warning.path.as_str() {
            "" => warning.message.clone(),
            path => format!("{path}: {}", warning.message),
        },
        advice: warning.hint.clone().unwrap_or_default(),
        touches: Touches::Setup,
    }));
    all
}

/// What keeps rules and sources from working.
fn problems(setup: &Setup) -> Vec<Finding> {
    let inspected = &setup.inspected;
    let finding = |problem: &crate::config::Problem| {
        let rule = inspected.rule_of(problem);
        Finding {
            topic: "broken",
            text: match rule {
                Some(_) => format!("broken: {}", problem.message),
                None => format!("broken: {}: {}", problem.path, problem.message),
            },
            advice: match rule {
                Some(_) => "its requests are answered 500 where the fault is reached, or 404 where its URL is the fault".to_owned(),
                None => "its rules are missing".to_owned(),
            },
            touches: match rule {
                Some(rule) => Touches::Rules(vec![rule.id.to_string()]),
                None => Touches::Setup,
            },
        }
    };
    inspected.problems.iter().map(finding).collect()
}

/// What `doorward lint` finds.
fn matching(setup: &Setup) -> Vec<Finding> {
    let report = lint(&setup.inspected);
    let id = |entry: u32| {
        let rule = setup.inspected.rules.get(entry as usize);
        rule.map(|rule| rule.id.to_string()).unwrap_or_default()
    };
    let overlaps = report.overlaps.iter().map(|overlap| Finding {
        topic: "overlap",
        text: format!("two rules match {} {}", overlap.method, overlap.url),
        advice:
            "such requests are answered 500, here and there: make the patterns exclude each other"
                .to_owned(),
        touches: Touches::Rules(vec![id(overlap.first), id(overlap.second)]),
    });
    let dead = report.dead.iter().map(|dead| Finding {
        topic: "dead",
        text: format!("never matches: {}", dead.why),
        advice: String::new(),
        touches: Touches::Rules(vec![id(dead.entry)]),
    });
    let slow = report.slow.iter().map(|entry| Finding {
        topic: "slow",
        text: "takes many steps to match: its pattern refers back to a group inside a repetition"
            .to_owned(),
        advice: "a request that takes too many is answered 500".to_owned(),
        touches: Touches::Rules(vec![id(*entry)]),
    });
    let incomplete = (!report.complete).then(|| Finding {
        topic: "incomplete",
        text: "not all patterns could be compared with each other".to_owned(),
        advice: String::new(),
        touches: Touches::Setup,
    });
    overlaps.chain(dead).chain(slow).chain(incomplete).collect()
}

/// Something that is looked for in each rule by itself.
struct Look {
    topic: &'static str,
    text: &'static str,
    advice: &'static str,
    is_risky: fn(&Setup, &Rule) -> bool,
}

const OPEN: &[Look] = &[
    Look {
        topic: "catch_all",
        text: "lets everybody in under any path of its host",
        advice: "list the paths that are meant: what is added to the server later is open at once",
        is_risky: |_, rule| is_open(rule) && matches_every_path(&rule.pattern()),
    },
    Look {
        topic: "open_to_changes",
        text: "lets everybody in with methods that change things",
        advice: "allow POST, PUT, PATCH and DELETE only to those who are known, unless the server behind checks for itself",
        is_risky: |_, rule| is_open(rule) && rule.methods().iter().any(|method| changes(method)),
    },
    Look {
        topic: "host_hole",
        text: "its host is a hole that slashes fit into, so that `https://other.example/x` may be taken for its host",
        advice: "write `<[^/]+>` instead",
        is_risky: |setup, rule| {
            setup.inspected.config.access_rules.strategy == MatchingStrategy::Regexp
                && has_loose_host(&rule.pattern())
        },
    },
    Look {
        topic: "no_verification",
        text: "skips the verification of its upstream's certificate",
        advice: "give the upstream's authority as `upstream.tls.ca`",
        is_risky: |_, rule| {
            let tls = rule.upstream.own.get("tls");
            tls.and_then(|tls| tls.get("insecure_skip_verify")) == Some(&Value::Bool(true))
        },
    },
];

const TOKENS: &[Look] = &[
    Look {
        topic: "any_issuer",
        text: "accepts tokens of any issuer whose keys are in its key sets",
        advice: "set `trusted_issuers`",
        is_risky: |setup, rule| lacks(setup, rule, "trusted_issuers"),
    },
    Look {
        topic: "any_audience",
        text: "accepts tokens that were made for somebody else",
        advice: "set `target_audience`",
        is_risky: |setup, rule| lacks(setup, rule, "target_audience"),
    },
    Look {
        topic: "shared_secret_tokens",
        text: "accepts tokens signed with a shared secret (HS…): whoever can verify them can make them",
        advice: "sign with a key pair, such as ES256",
        is_risky: |setup, rule| {
            jwt_settings(setup, rule).any(|settings| {
                let allowed = settings.get("allowed_algorithms").and_then(Value::as_array);
                let allowed = allowed.into_iter().flatten().filter_map(Value::as_str);
                allowed.into_iter().any(|alg| alg.starts_with("HS"))
            })
        },
    },
];

fn by_rule(setup: &Setup, looks: &[Look]) -> Vec<Finding> {
    let finding = |look: &Look| {
        Some(Finding {
            topic: look.topic,
            text: look.text.to_owned(),
            advice: look.advice.to_owned(),
            touches: setup.rules_where(|rule| (look.is_risky)(setup, rule))?,
        })
    };
    looks.iter().filter_map(finding).collect()
}

/// Whoever asks is let in, as somebody or as nobody.
fn is_open(rule: &Rule) -> bool {
    let anyone = |handler: &str| matches!(handler, "anonymous" | "noop");
    let mut authenticators = rule.authenticators().iter();
    authenticators.any(|used| anyone(&used.handler)) && rule.authorizer.handler == "allow"
}

fn changes(method: &str) -> bool {
    !["GET", "HEAD", "OPTIONS", "TRACE"]
        .iter()
        .any(|safe| safe.eq_ignore_ascii_case(method))
}

/// Holes that take anything.
const ANYTHING: [&str; 5] = ["<.*>", "<.+>", "<**>", "<(.*)>", "<(.+)>"];

/// Whether the path of a pattern is one hole that takes anything.
fn matches_every_path(pattern: &str) -> bool {
    let rest = pattern.split_once("://").map_or(pattern, |(_, rest)| rest);
    let (host, path) = split_host(rest);
    match path.trim_start_matches('/') {
        "" => path.is_empty() && ANYTHING.iter().any(|hole| host.ends_with(hole)),
        path => ANYTHING.contains(&path),
    }
}

/// Whether a hole in the host has a dot that stands for any character, repeated.
fn has_loose_host(pattern: &str) -> bool {
    let Some((scheme, rest)) = pattern.split_once("://") else {
        return false;
    };
    let (host, _) = split_host(rest);
    !scheme.contains('<') && (host.contains(".*") || host.contains(".+"))
}

/// Host and path of what follows the scheme; a slash inside a hole is none of the URL's.
fn split_host(rest: &str) -> (&str, &str) {
    let mut depth = 0usize;
    let slash = rest.char_indices().find(|(_, c)| {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *c == '/' && depth == 0
    });
    let at = slash.map_or(rest.len(), |(at, _)| at);
    rest.split_at_checked(at).unwrap_or((rest, ""))
}

fn jwt_settings<'s>(setup: &'s Setup, rule: &'s Rule) -> impl Iterator<Item = Value> + 's {
    let used = rule.authenticators().iter();
    used.filter(|used| used.handler == "jwt")
        .map(|used| effective(&setup.inspected.config, HandlerKind::Authenticator, used))
}

fn lacks(setup: &Setup, rule: &Rule, list: &str) -> bool {
    jwt_settings(setup, rule).any(|settings| {
        settings.is_object()
            && settings
                .get(list)
                .and_then(Value::as_array)
                .is_none_or(Vec::is_empty)
    })
}

/// What the linter of templates says, by what it says.
fn templates(setup: &Setup) -> Vec<Finding> {
    let by_text = setup.rules_by(|rule| warnings(setup, rule));
    let finding = |(text, touches)| Finding {
        topic: "unescaped",
        text,
        advice: String::new(),
        touches,
    };
    by_text.map(finding).collect()
}

fn warnings(setup: &Setup, rule: &Rule) -> Vec<String> {
    let mut found = Vec::new();
    for (used, settings) in settings(&setup.inspected.config, rule) {
        for (setting, source) in texts(&settings) {
            let Ok(template) = Template::compile(source, Policy::WithUnsafeFunctions) else {
                continue;
            };
            let warnings = template.warnings().into_iter();
            found.extend(
                warnings.map(|warning| format!("{}.{setting}: {}", used.handler, warning.what)),
            );
        }
    }
    found
}

/// Texts that may be templates, with their names.
fn texts(settings: &Value) -> Vec<(&str, &str)> {
    let members = settings.as_object().into_iter().flatten();
    members
        .flat_map(|(name, value)| match value {
            Value::String(text) => vec![(name.as_str(), text.as_str())],
            Value::Object(inner) => inner
                .iter()
                .filter_map(|(inner, text)| Some((inner.as_str(), text.as_str()?)))
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Vec::new(),
        })
        .filter(|(_, text)| text.contains("{{"))
        .collect()
}

fn unencrypted(setup: &Setup) -> Vec<Finding> {
    let by_place = setup.rules_by(|rule| {
        let handlers = settings(&setup.inspected.config, rule);
        handlers
            .flat_map(|(used, settings)| {
                let open = urls::unencrypted(&settings).into_iter();
                open.map(move |(name, origin)| (format!("{}.{name}", used.handler), origin))
            })
            .collect()
    });
    let finding = |((place, origin), touches)| Finding {
        topic: "unencrypted",
        text: format!(
            "`{place}` speaks to {origin} without encryption: credentials and answers can be read and changed on the way"
        ),
        advice: "use https".to_owned(),
        touches,
    };
    by_place.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_take_every_path_are_told_from_those_that_take_many() {
        for pattern in [
            "http://h/<.*>",
            "https://h<.*>",
            "<https|http>://h/<**>",
            "https://<.*>",
            "http://<[^/]+>/<.+>",
        ] {
            assert!(matches_every_path(pattern), "{pattern}");
        }
        for pattern in [
            "http://h/a/<.*>",
            "http://h/<[a-z]+>",
            "http://h/",
            "http://h",
        ] {
            assert!(!matches_every_path(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_host_that_slashes_fit_into_is_loose() {
        assert!(has_loose_host("https://<.*>.example.com/<.*>"));
        assert!(has_loose_host("https://<(a|.+)>/x"));
        assert!(!has_loose_host("https://<[^/]+>.example.com/<.*>"));
        assert!(!has_loose_host("https://api.example.com/<.*>"));
    }
}
