//! `validate` and `lint`: looking at a configuration and its rules without serving.

use super::{Format, UNUSABLE, complain, print};
use crate::adopt::setup;
use crate::app::{self, Inspected};
use crate::config::{Problem, Problems};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Names every problem of the configuration and of all rules.
pub(super) fn validate(files: &[PathBuf], format: Format) -> ExitCode {
    let (problems, warnings) = match app::inspect(files) {
        Ok(inspected) => (inspected.problems, inspected.warnings),
        Err(problems) => (problems, Problems::default()),
    };
    match format {
        Format::Text => {
            for problem in problems.iter() {
                complain(&format!("error: {problem}"));
            }
            for warning in warnings.iter() {
                complain(&format!("warning: {warning}"));
            }
            print(&format!(
                "{} problems, {} warnings\n",
                problems.0.len(),
                warnings.0.len()
            ));
        }
        Format::Json => {
            let list = |problems: &Problems| problems.iter().map(described).collect::<Vec<Value>>();
            let report = json!({
                "valid": problems.is_empty(),
                "problems": list(&problems),
                "warnings": list(&warnings),
            });
            print(&format!("{report:#}\n"));
        }
    }
    if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn described(problem: &Problem) -> Value {
    json!({
        "place": problem.place.to_string(),
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint,
    })
}

/// Configuration and rules, or the exit code that says why not.
fn inspected(files: &[PathBuf]) -> Result<Inspected, ExitCode> {
    app::inspect(files).map_err(|problems| {
        complain(&problems.to_string());
        ExitCode::from(UNUSABLE)
    })
}

/// Looks at the rules as a set.
pub(super) fn lint(files: &[PathBuf]) -> ExitCode {
    let inspected = match inspected(files) {
        Ok(inspected) => inspected,
        Err(code) => return code,
    };
    let rules = &inspected.rules;
    let report = setup::lint(&inspected);
    let name = |entry: u32| {
        let rule = rules.get(entry as usize);
        rule.map_or_else(String::new, |rule| {
            format!("`{}` ({})", rule.id, rule.pattern())
        })
    };
    for found in &report.overlaps {
        print(&format!(
            "{} and {} both match {} {}: answered 500\n",
            name(found.first),
            name(found.second),
            found.method,
            found.url
        ));
    }
    for dead in &report.dead {
        print(&format!(
            "{} never matches: {:?}\n",
            name(dead.entry),
            dead.why
        ));
    }
    for slow in &report.slow {
        print(&format!("{} is slow to match\n", name(*slow)));
    }
    if !report.complete {
        print("not everything could be compared\n");
    }
    if report.overlaps.is_empty() && report.dead.is_empty() && report.slow.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
