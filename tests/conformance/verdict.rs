//! What came of a suite, and how it is told.

use crate::json_text::{Members, json_text};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Letters of a value that are printed; bodies can be of any size.
const SHOWN: usize = 1200;

/// One place at which an observation is not as it should be.
pub struct Difference {
    pub place: String,
    pub expected: String,
    pub got: String,
}

impl Difference {
    pub fn new(place: &str, expected: String, got: &Value) -> Difference {
        let place = place.trim_start_matches('.');
        Difference {
            place: if place.is_empty() { "the step" } else { place }.to_owned(),
            expected,
            got: match got {
                Value::Null => "nothing".into(),
                _ => json_text(got, Members::AsGiven),
            },
        }
    }

    pub fn missing(place: &str, expected: &Value) -> Difference {
        Difference::new(place, json_text(expected, Members::AsGiven), &Value::Null)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}\n      expected {}\n      got      {}",
            self.place,
            shown(&self.expected),
            shown(&self.got)
        )
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} letters)", &text[..end], text.chars().count()),
        None => text.to_owned(),
    }
}

pub enum Outcome {
    Passed,
    /// The step is an exception: it is as the exception requires, not as recorded.
    Excepted {
        why: String,
    },
    /// The step is an exception, and yet as it was recorded.
    Stale,
    Failed(Vec<Difference>),
}

pub struct Verdict {
    pub step: String,
    pub outcome: Outcome,
}

/// What came of one suite or of one check of the runner itself.
pub struct Report {
    pub name: String,
    pub took: Duration,
    /// Where it could not be played at all: why.
    pub result: Result<Vec<Verdict>, String>,
}

impl Report {
    pub fn held(&self) -> bool {
        self.result.as_ref().is_ok_and(|verdicts| {
            verdicts.iter().all(|verdict| {
                matches!(verdict.outcome, Outcome::Passed | Outcome::Excepted { .. })
            })
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.held() { "PASS" } else { "FAIL" };
        let seconds = self.took.as_secs_f64();
        write!(out, "{word} [{seconds:7.3} s] {}", self.name)?;
        let verdicts = match &self.result {
            Ok(verdicts) => verdicts,
            Err(problem) => return write!(out, "\n  {}", problem.trim_end().replace('\n', "\n  ")),
        };
        if verdicts.len() > 1 {
            write!(out, " ({} steps)", verdicts.len())?;
        }
        for Verdict { step, outcome } in verdicts {
            match outcome {
                Outcome::Passed => {}
                Outcome::Excepted { why } => write!(out, "\n  exception {step}: {why}")?,
                Outcome::Stale => write!(
                    out,
                    "\n  STALE {step}: an exception, but it is as recorded; take it off the list"
                )?,
                Outcome::Failed(differences) => {
                    write!(out, "\n  FAIL {}/{step}", self.name)?;
                    for difference in differences {
                        write!(out, "\n    {difference}")?;
                    }
                }
            }
        }
        Ok(())
    }
}
