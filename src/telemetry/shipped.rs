//! The dashboard and the alert rules in `conf/` speak of series that there are.

use super::Metrics;
use crate::telemetry::metrics::Known;
use std::collections::BTreeSet;
use std::time::Duration;

/// The names of series in a text, without the endings of histograms' parts.
fn named(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| {
            ["doorward_", "ory_oathkeeper_", "process_"]
                .iter()
                .any(|prefix| word.starts_with(prefix))
        })
        .map(|word| {
            ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|ending| word.strip_suffix(ending))
                .unwrap_or(word)
        })
        .collect()
}

/// The names of a page's families.
fn served(page: &str) -> BTreeSet<&str> {
    page.lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|rest| rest.split(' ').next())
        .collect()
}

#[test]
fn dashboard_and_alerts_name_only_series_that_there_are() {
    let metrics = Metrics::default();
    let get = http::Method::GET;
    metrics
        .proxy
        .observe(&get, b"/", 200, Duration::ZERO, Known::Matched);
    let page = metrics.render();
    // A family is on the page once it has a sample; its name stands in the source.
    let mut served = served(&page);
    served.extend(named(include_str!("metrics/mod.rs")));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    for file in ["prometheus/alerts.yaml", "grafana/doorward.json"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let named = named(&text);
        assert!(named.len() >= 10, "{file} names {named:?}");
        let unknown: Vec<_> = named.difference(&served).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?} of {served:?}");
    }
}
