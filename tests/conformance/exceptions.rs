//! Steps at which Doorward does otherwise than recorded, although the suites do not say so: `exceptions.json`.
//! Each says why and what is required instead, so that the step is held too.

use crate::partial::Partial;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

#[derive(Default)]
pub struct Exceptions(Vec<Exception>);

pub struct Exception {
    pub suite: String,
    pub step: String,
    pub why: String,
    pub require: Partial,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    suite: String,
    step: String,
    why: String,
    require: Value,
}

impl Exceptions {
    pub fn read(file: &Path) -> Result<Exceptions, String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| told(&error))?;
        let written: Value = serde_json::from_str(&text).map_err(|error| told(&error))?;
        Exceptions::parse(written).map_err(|error| told(&error))
    }

    pub fn parse(written: Value) -> Result<Exceptions, String> {
        let written: Vec<Written> =
            serde_json::from_value(written).map_err(|error| error.to_string())?;
        let one = |written: Written| {
            Ok(Exception {
                require: Partial::parse(&written.require)?,
                suite: written.suite,
                step: written.step,
                why: written.why,
            })
        };
        written
            .into_iter()
            .map(one)
            .collect::<Result<_, _>>()
            .map(Exceptions)
    }

    pub fn of(&self, suite: &str, step: &str) -> Option<&Exception> {
        self.0
            .iter()
            .find(|it| it.suite == suite && it.step == step)
    }

    /// Those that name no step of these suites.
    pub fn without_step<'a>(
        &'a self,
        has: impl Fn(&str, &str) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Exception> {
        self.0.iter().filter(move |it| !has(&it.suite, &it.step))
    }
}
