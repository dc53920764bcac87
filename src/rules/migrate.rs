//! Rules of old versions, brought up to date as the reference does it.

use super::raw::{HandlerUse, Rule};
use regex::Regex;
use semver::Version;
use serde_json::{Map, Value};
use std::sync::{Arc, LazyLock};

/// A version that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct VersionError(pub(super) String);

/// An unreleased build: rules of this version stay as they are.
const UNRELEASED: &str = "master";

/// Changes an old rule in place and gives it the `current` version: the running one without build metadata. A rule without a version
/// counts as running.
pub(super) fn migrate(
    rule: &mut Rule,
    running: &str,
    current: &Arc<str>,
) -> Result<(), VersionError> {
    let written = match &*rule.version {
        "" => running,
        version => version,
    };
    if written == UNRELEASED {
        return Ok(());
    }
    let version = parse(written)?;
    if at_most(&version, &Version::new(0, 37, 0)) {
        if at_most(&version, &hydrator_release()) {
            let is_old = |used: &HandlerUse| used.handler == "hydrator";
            if let Some(mutators) = &mut rule.mutators
                && mutators.iter().any(is_old)
            {
                let used = Arc::make_mut(mutators).iter_mut();
                used.filter(|used| is_old(used)).for_each(hydrator);
            }
        }
        if rule.authorizer.handler == "keto_engine_acp_ory" {
            keto(Arc::make_mut(&mut rule.authorizer));
        }
    }
    rule.version = current.clone();
    Ok(())
}

/// `MAJOR.MINOR.PATCH`, with or without a `v` in front.
pub(super) fn parse(version: &str) -> Result<Version, VersionError> {
    let bare = version.strip_prefix('v').unwrap_or(version);
    Version::parse(bare)
        .map_err(|error| VersionError(format!("the version `{version}` can't be read: {error}")))
}

/// Build metadata doesn't count.
fn at_most(version: &Version, last: &Version) -> bool {
    version.cmp_precedence(last).is_le()
}

fn hydrator_release() -> Version {
    Version {
        pre: semver::Prerelease::new("beta.1").unwrap_or(semver::Prerelease::EMPTY),
        ..Version::new(0, 32, 0)
    }
}

/// `retry` counted tries and milliseconds. The reference looks for it in `config.retry` only, where no version ever had it; in
/// `config.api.retry` it is found too.
fn hydrator(used: &mut HandlerUse) {
    for place in ["/retry", "/api/retry"] {
        if let Some(Value::Object(retry)) = used.config.pointer_mut(place) {
            hydrator_retry(retry);
        }
    }
}

fn hydrator_retry(retry: &mut Map<String, Value>) {
    let delay = retry.remove("delay_in_milliseconds").as_ref().map(count);
    let tries = retry.remove("number_of_retries").as_ref().map(count);
    if let Some(delay) = delay {
        retry.insert("max_delay".to_owned(), format!("{delay}ms").into());
    }
    if let Some(tries) = tries {
        let total = tries.saturating_mul(delay.unwrap_or(100));
        retry.insert("give_up_after".to_owned(), format!("{total}ms").into());
    }
}

fn count(value: &Value) -> i64 {
    let text = value.as_str().and_then(|text| text.parse().ok());
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|number| number as i64))
        .or(text)
        .unwrap_or(0)
}

/// `$1` named the first capture group, before there were templates.
fn keto(used: &mut HandlerUse) {
    static GROUP: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\$([0-9]+)").ok());
    for name in ["required_action", "required_resource"] {
        if let (Some(Value::String(text)), Some(group)) = (used.config.get_mut(name), &*GROUP) {
            let template = "{{ printIndex .MatchContext.RegexpCaptureGroups (sub $1 1 | int)}}";
            *text = group.replace_all(text, template).into_owned();
        }
    }
}
