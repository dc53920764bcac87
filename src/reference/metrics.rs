//! Every series of metrics.

use super::{code, table};
use crate::telemetry::metrics::described::families;

pub(super) fn page() -> String {
    let rows = families().into_iter().map(|family| {
        let labels: Vec<String> = family.labels.iter().map(code).collect();
        vec![
            code(&family.name),
            family.kind,
            labels.join(", "),
            family.help,
        ]
    });
    format!(
        "# Metrics

The listener `serve.prometheus` (port 9000) answers `/metrics` in the Prometheus text format. `conf/prometheus/alerts.yaml` has alerts,
`conf/grafana/doorward.json` a dashboard. Series appear with the first event that they count. All labels are bounded: by the
configuration, by a fixed list, or by a number.

{}
The first two keep the reference's names; their prefix is `serve.prometheus.metric_name_prefix`, and what their `request` label shows is up
to `hide_request_paths` and `collapse_request_paths`. The values of `reason` in `doorward_decisions_total` and `doorward_refused_total` are
[explained with the errors](errors.md). Histograms also have the label `le`, and `_bucket`, `_sum` and `_count` behind their names.
",
        table(&["series", "type", "labels", "meaning"], rows)
    )
}
