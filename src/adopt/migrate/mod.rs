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
use serde_json::Value;
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
}
