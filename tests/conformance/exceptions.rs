//! Steps at which Doorward does otherwise than recorded, although the suites do not say so: `exceptions.json`.
//! Each says why and what is required instead, so that the step is held too.

use crate::partial::Partial;
use serde::Deserialize;

#[derive(Default, Deserialize)]
pub struct Exceptions(Vec<Exception>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    pub suite: String,
    pub step: String,
    pub why: String,
    pub require: Partial,
}

impl Exceptions {
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
