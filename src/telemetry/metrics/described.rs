//! What the page of metrics can show, for the reference pages.

use super::{Known, Metrics};
use http::Method;
use std::time::Duration;

/// A family of series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) labels: Vec<String>,
}

/// Every family, in the order of the page. Those that are no [`super::Family`] write their head even while they are empty, so that a page
/// which counted one request shows all of them.
pub(crate) fn families() -> Vec<Described> {
    let metrics = Metrics::default();
    metrics
        .proxy
        .observe(&Method::GET, b"/", 200, Duration::ZERO, Known::Matched);
    metrics.no_rule().granted();
    metrics.no_rule().upstream(Duration::ZERO);
    let page = metrics.render();
    let shown = page.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some(read(&page, name, kind))
    });
    let (process, mut all): (Vec<_>, Vec<_>) =
        shown.partition(|family| family.name.starts_with("process_"));
    all.extend(metrics.families().map(|family| family.describe()));
    all.extend(process);
    all
}

fn read(page: &str, name: &str, kind: &str) -> Described {
    let help = format!("# HELP {name} ");
    let help = page.lines().find_map(|line| line.strip_prefix(&help));
    let series = page.lines().find(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', '_', ' ']))
    });
    let labels = series
        .and_then(|line| line.split_once('{'))
        .map(|(_, labels)| labels)
        .unwrap_or_default();
    let labels = labels
        .split("\",")
        .filter_map(|label| label.split_once('='));
    Described {
        name: name.to_owned(),
        kind: kind.to_owned(),
        help: help.unwrap_or_default().to_owned(),
        labels: labels
            .map(|(name, _)| name.to_owned())
            .filter(|name| name != "le")
            .collect(),
    }
}
