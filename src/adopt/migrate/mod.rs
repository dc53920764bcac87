//! `doorward migrate`: what a setup of the reference becomes here, said on one page, and written as a clean configuration.

mod deviations;
mod report;
mod risks;
mod secrets;
mod urls;
mod write;

pub use report::{Finding, Report};
pub use write::{Unwritable, Written, write};

use crate::app::{self, Inspected};
use crate::config::{self, Problems};
use crate::rules::raw::Rule;
use report::Touches;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A setup that was read.
#[derive(Debug)]
pub struct Setup {
    pub(super) files: Vec<PathBuf>,
    /// The files, merged, as they are written: without defaults and without the environment.
    pub(super) document: Value,
    /// Keys that environment variables set.
    pub(super) from_environment: Vec<String>,
    pub(super) inspected: Inspected,
}

impl Setup {
    /// Reads configuration and rules, remote ones too, and builds everything. `Err` where the reference would not start either.
    pub fn read(files: &[PathBuf]) -> Result<Setup, Problems> {
        Ok(Setup {
            files: files.to_vec(),
            document: config::written(files)?,
            from_environment: config::set_by_environment(app::environment()),
            inspected: app::inspect(files)?,
        })
    }

    /// What there is to say of it.
    pub fn report(&self) -> Report {
        Report {
            files: self.files.clone(),
            rules: self.inspected.rules.len(),
            handlers: report::handlers(self),
            better: deviations::touched(self),
            risky: risks::found(self),
            from_environment: self.from_environment.clone(),
            written: None,
        }
    }

    /// The rules that something is true of, in their order; `None` where there are none.
    fn rules_where(&self, is_so: impl Fn(&Rule) -> bool) -> Option<Touches> {
        let rules = self.inspected.rules.iter();
        let ids: Vec<String> = rules
            .filter(|rule| is_so(rule))
            .map(|rule| rule.id.to_string())
            .collect();
        (!ids.is_empty()).then_some(Touches::Rules(ids))
    }

    /// The rules in which something is found, by what it is; each is named once.
    fn rules_by<T: Ord>(
        &self,
        find: impl Fn(&Rule) -> Vec<T>,
    ) -> impl Iterator<Item = (T, Touches)> {
        let mut by_what: BTreeMap<T, Vec<String>> = BTreeMap::new();
        for rule in &self.inspected.rules {
            for what in find(rule) {
                let ids = by_what.entry(what).or_default();
                if ids.last().map(String::as_str) != Some(&*rule.id) {
                    ids.push(rule.id.to_string());
                }
            }
        }
        let touches = |(what, ids)| (what, Touches::Rules(ids));
        by_what.into_iter().map(touches)
    }
}
