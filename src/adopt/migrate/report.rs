//! What there is to say of a setup: for people on one page, and for programs.

use super::{Setup, Written};
use crate::adopt::setup::{named, uses};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Ids of rules that are named in a line; the JSON form has all.
const NAMED: usize = 4;

/// Findings of one kind that are printed.
const OF_EACH: usize = 6;

/// Everything that is said of a setup. Nothing in it is secret.
#[derive(Debug)]
pub struct Report {
    pub(super) files: Vec<PathBuf>,
    pub(super) rules: usize,
    /// How many rules use each handler.
    pub(super) handlers: BTreeMap<String, usize>,
    pub(super) better: Vec<Finding>,
    pub(super) risky: Vec<Finding>,
    pub(super) from_environment: Vec<String>,
    pub(super) written: Option<Written>,
}

/// Something that is said of some rules, or of the setup as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable name.
    pub topic: &'static str,
    pub text: String,
    /// What to do, or which switch restores the reference's way.
    pub advice: String,
    pub touches: Touches,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touches {
    Setup,
    /// By id, in their order.
    Rules(Vec<String>),
}

/// How many rules use each handler.
pub(super) fn handlers(setup: &Setup) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for rule in &setup.inspected.rules {
        let mut ids: Vec<&str> = uses(rule)
            .iter()
            .map(|(_, used)| used.handler.as_str())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            *counts.entry(id.to_owned()).or_insert(0) += 1;
        }
    }
    counts
}

impl Report {
    /// The same with the place of what was written.
    pub fn with(self, written: Written) -> Report {
        Report {
            written: Some(written),
            ..self
        }
    }

    /// Rules that no risk is named for.
    fn without_risks(&self) -> usize {
        let mut remarked: Vec<&String> = Vec::new();
        for finding in &self.risky {
            match &finding.touches {
                Touches::Setup => {}
                Touches::Rules(ids) => remarked.extend(ids),
            }
        }
        remarked.sort_unstable();
        remarked.dedup();
        self.rules.saturating_sub(remarked.len())
    }

    /// The shape is part of the interface: members are added, never changed.
    pub fn json(&self) -> Value {
        let list = |findings: &[Finding]| findings.iter().map(Finding::json).collect::<Vec<_>>();
        let files: Vec<String> = self
            .files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        json!({
            "from": "oathkeeper",
            "configuration": files,
            "rules": self.rules,
            "rules_without_risks": self.without_risks(),
            "handlers": self.handlers,
            "better": list(&self.better),
            "risky": list(&self.risky),
            "from_environment": self.from_environment,
            "written": self.written.as_ref().map(Written::json),
        })
    }
}

impl Finding {
    fn json(&self) -> Value {
        json!({
            "topic": self.topic,
            "text": self.text,
            "advice": self.advice,
            "rules": match &self.touches {
                Touches::Setup => Value::Null,
                Touches::Rules(ids) => json!(ids),
            },
        })
    }
}

impl fmt::Display for Touches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Touches::Rules(ids) = self else {
            return Ok(());
        };
        let named: Vec<String> = ids.iter().take(NAMED).map(|id| format!("`{id}`")).collect();
        let more = match ids.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        write!(f, " [{}{more}]", named.join(", "))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "- {}{}", self.text, self.touches)?;
        if self.advice.is_empty() {
            return Ok(());
        }
        writeln!(f, "    {}", self.advice)
    }
}

/// One page: of many findings of a kind only the first.
fn few_of_each(f: &mut fmt::Formatter<'_>, findings: &[Finding]) -> fmt::Result {
    for (index, finding) in findings.iter().enumerate() {
        let alike = |other: &&Finding| other.topic == finding.topic;
        let before = findings.iter().take(index).filter(alike).count();
        match before {
            0..OF_EACH => write!(f, "{finding}")?,
            OF_EACH => {
                let more = findings.iter().filter(alike).count() - OF_EACH;
                writeln!(
                    f,
                    "- {more} more of this kind ({}); --format json has all",
                    finding.topic
                )?;
            }
            _ => {}
        }
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "From Oathkeeper: {}\n", named(&self.files))?;
        writeln!(f, "WORKS UNCHANGED")?;
        writeln!(
            f,
            "- the configuration and {} rules load as they are; no risk is named for {} of them",
            self.rules,
            self.without_risks()
        )?;
        let counts: Vec<String> = self
            .handlers
            .iter()
            .map(|(id, count)| format!("{id} {count}"))
            .collect();
        writeln!(f, "- rules by handler: {}", counts.join(", "))?;
        if !self.from_environment.is_empty() {
            writeln!(
                f,
                "- the environment sets {}; these keys stay there and are not written",
                self.from_environment.join(", ")
            )?;
        }
        writeln!(f, "\nBEHAVES BETTER, and how to have it as before")?;
        for finding in &self.better {
            write!(f, "{finding}")?;
        }
        writeln!(f, "\nRISKY, before and after")?;
        if self.risky.is_empty() {
            writeln!(f, "- nothing was found")?;
        }
        few_of_each(f, &self.risky)?;
        match &self.written {
            Some(written) => write!(f, "\n{written}"),
            None => writeln!(
                f,
                "\nNothing was written; --output DIR writes a clean configuration."
            ),
        }
    }
}
