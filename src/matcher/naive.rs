//! The obvious matcher: every pattern, one after the other. The oracle of tests and the contrast in benches.

use super::engine::Overrun;
use super::{Entry, Found, Key, Pattern, PatternError, Protocol, Strategy};

/// Patterns in the order of their entries.
#[derive(Debug)]
pub struct Naive {
    entries: Vec<Linear>,
}

#[derive(Debug)]
struct Linear {
    protocol: Protocol,
    methods: Vec<String>,
    /// `None`: it can't be used.
    pattern: Option<Pattern>,
}

impl Linear {
    fn allows(&self, method: &str) -> bool {
        self.methods
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(method))
    }
}

impl Naive {
    pub fn build(strategy: Strategy, entries: &[Entry<'_>]) -> (Self, Vec<PatternError>) {
        let mut errors = Vec::new();
        let linear = |(index, entry): (usize, &Entry<'_>)| {
            let pattern = Pattern::new(strategy, entry.url).map_err(|error| {
                errors.push(PatternError {
                    entry: index as u32,
                    ..error
                })
            });
            Linear {
                protocol: entry.protocol,
                methods: entry.methods.to_vec(),
                pattern: pattern.ok(),
            }
        };
        let entries = entries.iter().enumerate().map(linear).collect();
        (Self { entries }, errors)
    }

    pub fn find(&self, key: &Key<'_>) -> Found {
        let subject = key.subject();
        let (mut first, mut overrun) = (None, None);
        for (index, entry) in (0..).zip(&self.entries) {
            if entry.protocol != key.protocol || !entry.allows(key.method) {
                continue;
            }
            match (
                entry
                    .pattern
                    .as_ref()
                    .map(|pattern| pattern.matches(&subject)),
                first,
            ) {
                (Some(Ok(true)), None) => first = Some(index),
                (Some(Ok(true)), Some(first)) => return Found::Several(first, index),
                (Some(Err(Overrun)), _) => overrun = overrun.or(Some(index)),
                (Some(Ok(false)) | None, _) => {}
            }
        }
        match (first, overrun) {
            (_, Some(index)) => Found::Overrun(index),
            (Some(index), None) => Found::One(index),
            (None, None) => Found::None,
        }
    }

    pub fn captures(&self, entry: u32, key: &Key<'_>) -> Result<Vec<String>, Overrun> {
        let pattern = self
            .entries
            .get(entry as usize)
            .and_then(|entry| entry.pattern.as_ref());
        let captured = pattern.map_or(Ok(None), |pattern| pattern.captures(&key.subject()))?;
        Ok(captured.unwrap_or_default())
    }
}
