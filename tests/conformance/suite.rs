//! A suite as its file holds it.

use crate::compare::{Expectation, Recorded};
use crate::data;
use crate::partial::Partial;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::Path;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
    #[serde(rename = "about")]
    _about: String,
    #[serde(default)]
    pub config: Map<String, Value>,
    pub rules: Option<Value>,
    #[serde(default)]
    pub files: Map<String, Value>,
    #[serde(default)]
    pub env: Map<String, Value>,
    /// Replies of the auth server; filled when the suite is played.
    #[serde(default)]
    pub stubs: Vec<Value>,
    #[serde(default)]
    pub upstream: Vec<Value>,
    #[serde(default)]
    pub more_configs: Vec<String>,
    pub expect_exit: Option<Exit>,
    exit_s: Option<f64>,
    ready_s: Option<f64>,
    #[serde(default)]
    pub requests: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    Zero,
    Nonzero,
    #[serde(rename = "kept running")]
    KeptRunning,
}

#[derive(Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub enum Step {
    Request(Box<RequestStep>),
    Write(Write),
    Sleep(Duration),
}

pub struct RequestStep {
    pub name: String,
    /// A `http::Request` whose placeholders are still to be filled.
    pub request: Value,
    /// What Doorward must do: `require`, else the `require` of a `deviation`, else what was recorded.
    pub expectation: Expectation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Contents by file name; `null` removes the file.
    #[serde(rename = "write")]
    pub files: Map<String, Value>,
    #[serde(default)]
    pub in_place: bool,
    #[serde(default = "after_a_write")]
    wait_ms: u64,
}

fn after_a_write() -> u64 {
    2500
}

impl Write {
    pub fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }
}

impl Suite {
    pub fn read(file: &Path) -> Result<Suite, String> {
        let mut suite: Suite = data::read(file)?;
        suite.name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into();
        Ok(suite)
    }

    /// How long the process may take to end by itself.
    pub fn exit_within(&self) -> Duration {
        Duration::from_secs_f64(self.exit_s.unwrap_or(10.0))
    }

    /// How long the first request waits for readiness, which some suites never reach.
    pub fn ready_within(&self) -> Duration {
        Duration::from_secs_f64(self.ready_s.unwrap_or(3.0))
    }

    /// Roughly how long it takes: the long ones begin first, so that none is left alone at the end.
    pub fn length(&self) -> Duration {
        let asleep = self.requests.iter().map(|step| match step {
            Step::Request(_) => Duration::from_millis(25),
            Step::Write(write) => write.wait(),
            Step::Sleep(pause) => *pause,
        });
        let kept = match self.expect_exit {
            Some(Exit::KeptRunning) => self.exit_within(),
            Some(Exit::Zero | Exit::Nonzero) | None => Duration::ZERO,
        };
        asleep.sum::<Duration>() + kept
    }

    /// The requests that are judged.
    pub fn judged(&self) -> impl Iterator<Item = &RequestStep> {
        self.requests.iter().filter_map(|step| match step {
            Step::Request(step) => Some(step.as_ref()),
            Step::Write(_) | Step::Sleep(_) => None,
        })
    }
}

impl TryFrom<Map<String, Value>> for Step {
    type Error = String;

    fn try_from(members: Map<String, Value>) -> Result<Step, String> {
        if members.contains_key("write") {
            return parsed(members).map(Step::Write);
        }
        match members.get("sleep_ms") {
            Some(pause) => match pause.as_u64() {
                Some(pause) => Ok(Step::Sleep(Duration::from_millis(pause))),
                None => Err(format!("`sleep_ms` is `{pause}`")),
            },
            None => RequestStep::parse(members).map(|step| Step::Request(Box::new(step))),
        }
    }
}

impl RequestStep {
    fn parse(mut members: Map<String, Value>) -> Result<RequestStep, String> {
        let name = match members
            .shift_remove("name")
            .or(members.get("target").cloned())
        {
            Some(Value::String(name)) => name,
            _ => "?".into(),
        };
        members.shift_remove("why");
        let expectation =
            expectation(&mut members).map_err(|problem| format!("step `{name}`: {problem}"))?;
        Ok(RequestStep {
            name,
            request: members.into(),
            expectation,
        })
    }
}

/// Takes out of a step what it expects.
fn expectation(members: &mut Map<String, Value>) -> Result<Expectation, String> {
    let mut recorded = Map::new();
    for name in ["expect", "compare", "ignore", "ignore_headers"] {
        if let Some(value) = members.shift_remove(name) {
            recorded.insert(name.into(), value);
        }
    }
    let deviation = members
        .shift_remove("deviation")
        .map(|deviation| {
            let require = deviation.get("require").cloned();
            require.ok_or("a `deviation` without `require`")
        })
        .transpose()?;
    match members.shift_remove("require").or(deviation) {
        Some(require) => Partial::parse(&require).map(Expectation::Partial),
        None if recorded.contains_key("expect") => {
            parsed::<Recorded>(recorded).map(Expectation::Recorded)
        }
        None => Ok(Expectation::Nothing),
    }
}

fn parsed<T: serde::de::DeserializeOwned>(members: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(members.into()).map_err(|error| error.to_string())
}
