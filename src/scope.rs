//! Whether the scopes that a token was granted cover one that a rule requires.
//!
//! The four strategies of the reference (fosite), compared on segments between dots.

/// How a granted scope is compared with a required one (`scope_strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strategy {
    /// Nothing is compared: a jwt that needs a scope fails, an introspection leaves it to the server.
    #[default]
    None,
    /// Equal text.
    Exact,
    /// The granted scope is the required one or a parent of it: `a` grants `a.b`.
    Hierarchic,
    /// The granted scope is a pattern: `*` stands for one segment, at the end for one or more.
    Wildcard,
}

impl Strategy {
    /// As configurations write it, in any case; `None` for other words.
    pub fn parse(word: &str) -> Option<Strategy> {
        const WORDS: [(&str, Strategy); 4] = [
            ("none", Strategy::None),
            ("exact", Strategy::Exact),
            ("hierarchic", Strategy::Hierarchic),
            ("wildcard", Strategy::Wildcard),
        ];
        WORDS
            .iter()
            .find(|(known, _)| word.eq_ignore_ascii_case(known))
            .map(|(_, strategy)| *strategy)
    }

    /// Whether one of `granted` covers `required`. Never with [`Strategy::None`].
    pub fn grants<S: AsRef<str>>(self, granted: &[S], required: &str) -> bool {
        granted
            .iter()
            .any(|scope| self.covers(scope.as_ref(), required))
    }

    fn covers(self, granted: &str, required: &str) -> bool {
        match self {
            Strategy::None => false,
            Strategy::Exact => granted == required,
            Strategy::Hierarchic => is_parent(granted, required),
            Strategy::Wildcard => fits(granted, required),
        }
    }
}

/// `granted` is `required` or its segments are its first ones.
fn is_parent(granted: &str, required: &str) -> bool {
    match required.strip_prefix(granted) {
        Some(rest) => rest.is_empty() || rest.starts_with('.'),
        None => false,
    }
}

fn fits(pattern: &str, required: &str) -> bool {
    let mut wanted = required.split('.');
    let mut parts = pattern.split('.').peekable();
    while let Some(part) = parts.next() {
        let Some(segment) = wanted.next() else {
            return false;
        };
        let is_last = parts.peek().is_none();
        if is_last && wanted.clone().next().is_some() && part != "*" {
            return false;
        }
        let fits = if part == "*" {
            !segment.is_empty()
        } else {
            part == segment
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::path::PathBuf;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        op: String,
        input: serde_json::Value,
        output: serde_json::Value,
    }

    fn goldens() -> Vec<Case> {
        let folder = std::env::var_os("DOORWARD_GOLDENS").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens"),
            PathBuf::from,
        );
        let text = std::fs::read_to_string(folder.join("scopes.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn every_recorded_pair_is_answered_as_recorded() {
        let cases = goldens();
        let pairs: Vec<_> = cases.iter().filter(|case| case.op == "scope").collect();
        assert!(pairs.len() > 50, "{} pairs", pairs.len());
        for case in pairs {
            let granted: Vec<String> =
                serde_json::from_value(case.input["granted"].clone()).unwrap();
            let required = case.input["required"].as_str().unwrap();
            for word in ["exact", "hierarchic", "wildcard"] {
                let strategy = Strategy::parse(word).unwrap();
                assert_eq!(
                    strategy.grants(&granted, required),
                    case.output[word].as_bool().unwrap(),
                    "{} {word}: {granted:?} {required:?}",
                    case.name,
                );
            }
        }
    }

    #[test]
    fn none_grants_nothing() {
        assert!(!Strategy::None.grants(&["a"], "a"));
        assert_eq!(Strategy::parse("regexp"), None);
    }
}
