//! Metrics in the Prometheus text format: the reference's series under their names, and Doorward's own.
//!
//! Handles are made at load and used without a lookup. Every label is bounded: by the configuration (rules, handlers, sources), by a
//! fixed list (reasons, methods), or by a number (paths of the reference's series).
//! Written here rather than with a metrics library: counters with a share per thread, series that appear when they are first needed (of
//! 100,000 rules few are), and series that go with the rule that they belong to.

mod cells;
#[cfg(test)]
pub(crate) mod described;
mod family;
mod process;
mod requests;
mod rules;
mod steps;
mod text;

pub use cells::{Age, Counter, Gauge, Histogram};
use family::AnyFamily;
pub use family::Family;
pub use requests::{Known, RequestMeter};
pub use rules::RuleMeter;
pub use steps::StepMeter;
pub use text::CONTENT_TYPE;

use crate::config::RequestPaths;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use text::Page;

/// All series of the process. Outlives snapshots.
#[derive(Debug)]
pub struct Metrics {
    prefix: String,
    /// The reference's series of the proxy and of the API.
    pub proxy: RequestMeter,
    pub api: RequestMeter,
    rules: rules::Rules,
    gauges: Gauges,
    /// From a canonical request to the end of its pipeline. Label: the door.
    pub decisions: Family<Histogram, 1>,
    /// Of handlers that wait. Labels: stage, handler.
    pub handlers: Family<Histogram, 2>,
    /// Labels: cache, and `hit`, `miss` or `stale`.
    pub caches: Family<Counter, 2>,
    /// Of all caches together.
    pub cache_entries: Family<Gauge, 0>,
    pub cache_bytes: Family<Gauge, 0>,
    /// Calls of handlers and rule sources to other servers. Label: what became of them.
    pub calls: Family<Counter, 1>,
    /// Seconds since a key set was last fetched. Label: its origin or file.
    pub key_set_age: Family<Gauge, 1>,
    /// Fetches in a row that failed. Label: as above.
    pub key_set_failures: Family<Gauge, 1>,
    /// How often a source's content changed. Label: the source without what may be secret.
    pub source_generation: Family<Gauge, 1>,
    pub source_errors: Family<Counter, 1>,
    pub source_age: Family<Age, 1>,
    /// Of the live snapshot. Label: `valid`, or `invalid` for rules that are set aside or answer 500.
    pub rule_count: Family<Gauge, 1>,
    pub generation: Family<Gauge, 0>,
    /// Label: `published` or `kept` (the new set could not be used).
    pub reloads: Family<Counter, 1>,
    /// 1 where the last health check of an upstream succeeded. Label: its address.
    pub upstream_healthy: Family<Gauge, 1>,
    /// Tries that failed. Labels: rule, and why.
    pub upstream_errors: Family<Counter, 1>,
    /// Open connections. Label: listener.
    pub connections: Family<Gauge, 1>,
    pub connections_total: Family<Counter, 1>,
    /// What was answered before there was a request. Labels: listener, reason.
    pub refused: Family<Counter, 2>,
    pub log_lines_dropped: Family<Counter, 0>,
    pub panics: Family<Counter, 0>,
}

impl Metrics {
    /// `prefix` and `paths` are for the reference's series only.
    pub fn new(prefix: &str, paths: RequestPaths) -> Metrics {
        Metrics {
            prefix: prefix.to_owned(),
            proxy: RequestMeter::new("oathkeeper-proxy", paths),
            api: RequestMeter::new("oathkeeper-api", paths),
            rules: rules::Rules::new(),
            gauges: Gauges::default(),
            decisions: Family::new(
                "doorward_decision_duration_seconds",
                ["door"],
                "Time to decide on a request.",
            ),
            handlers: Family::new(
                "doorward_handler_duration_seconds",
                ["stage", "handler"],
                "Time that handlers took which ask other servers.",
            ),
            caches: Family::new(
                "doorward_cache_requests_total",
                ["cache", "result"],
                "Lookups in caches by their result.",
            ),
            cache_entries: Family::new(
                "doorward_cache_entries",
                [],
                "Entries that all caches hold together.",
            ),
            cache_bytes: Family::new(
                "doorward_cache_bytes",
                [],
                "Memory that all caches hold together, roughly.",
            ),
            calls: Family::new(
                "doorward_calls_total",
                ["event"],
                "Calls of handlers and rule sources to other servers, and how they fared.",
            ),
            key_set_age: Family::new(
                "doorward_jwks_age_seconds",
                ["url"],
                "Time since a key set was last fetched.",
            ),
            key_set_failures: Family::new(
                "doorward_jwks_failures",
                ["url"],
                "Fetches of a key set that failed in a row.",
            ),
            source_generation: Family::new(
                "doorward_source_generation",
                ["source"],
                "How often the rules of a source changed.",
            ),
            source_errors: Family::new(
                "doorward_source_errors_total",
                ["source"],
                "Reads of a rule source that failed.",
            ),
            source_age: Family::new(
                "doorward_source_age_seconds",
                ["source"],
                "Time since a rule source was last read successfully.",
            ),
            rule_count: Family::new(
                "doorward_rules",
                ["state"],
                "Rules that are live; invalid ones are set aside or answer 500.",
            ),
            generation: Family::new(
                "doorward_generation",
                [],
                "Number of the rule set that is live.",
            ),
            reloads: Family::new(
                "doorward_reloads_total",
                ["outcome"],
                "Changes of sources or configuration that were published, or not.",
            ),
            upstream_healthy: Family::new(
                "doorward_upstream_healthy",
                ["upstream"],
                "Whether the last health check of an upstream succeeded.",
            ),
            upstream_errors: Family::new(
                "doorward_upstream_errors_total",
                ["reason"],
                "Requests whose upstream could not be reached or gave no usable answer.",
            ),
            connections: Family::new(
                "doorward_connections",
                ["listener"],
                "Open connections of clients.",
            ),
            connections_total: Family::new(
                "doorward_connections_opened_total",
                ["listener"],
                "Connections of clients that were accepted.",
            ),
            refused: Family::new(
                "doorward_refused_total",
                ["listener", "reason"],
                "Connections that were answered before they made a usable request.",
            ),
            log_lines_dropped: Family::new(
                "doorward_log_lines_dropped_total",
                [],
                "Log lines that were dropped because nobody took them.",
            ),
            panics: Family::new(
                "doorward_panics_total",
                [],
                "Requests that met a defect of Doorward and were refused.",
            ),
        }
    }

    /// The counters of a rule, kept in it.
    pub fn rule(&self, id: &Arc<str>) -> Arc<RuleMeter> {
        self.rules.meter(id)
    }

    /// The clock of a handler that waits.
    pub fn step(&self, stage: &'static str, handler: &Arc<str>) -> StepMeter {
        StepMeter {
            stage,
            handler: handler.clone(),
            times: self.handlers.with([stage, handler]),
        }
    }

    /// The counters of requests that no single rule matched.
    pub fn no_rule(&self) -> &Arc<RuleMeter> {
        &self.rules.none
    }

    /// Has numbers that are kept elsewhere brought up to date before each page.
    pub fn before_each_page(&self, measure: impl Fn(&Metrics) + Send + 'static) {
        let mut all = self.gauges.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Box::new(measure));
    }

    /// All that are made of series of one kind, in the order of the page.
    fn families(&self) -> [&dyn AnyFamily; 21] {
        [
            &self.decisions,
            &self.handlers,
            &self.caches,
            &self.cache_entries,
            &self.cache_bytes,
            &self.calls,
            &self.key_set_age,
            &self.key_set_failures,
            &self.source_generation,
            &self.source_errors,
            &self.source_age,
            &self.rule_count,
            &self.generation,
            &self.reloads,
            &self.upstream_healthy,
            &self.upstream_errors,
            &self.connections,
            &self.connections_total,
            &self.refused,
            &self.log_lines_dropped,
            &self.panics,
        ]
    }

    /// The page that Prometheus reads.
    pub fn render(&self) -> String {
        let gauges = self.gauges.0.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.iter().for_each(|measure| measure(self));
        drop(gauges);
        let mut page = Page::default();
        requests::write(&[&self.proxy, &self.api], &self.prefix, &mut page);
        let version = env!("CARGO_PKG_VERSION");
        page.family(
            "doorward_build_info",
            "gauge",
            "1, with the version as a label.",
        );
        page.sample("doorward_build_info", &[("version", version)], 1);
        self.rules.write(&mut page);
        for family in self.families() {
            family.write(&mut page);
        }
        process::write(&mut page);
        page.finish()
    }
}

/// What is asked before each page.
#[derive(Default)]
struct Gauges(Mutex<Vec<Measure>>);

type Measure = Box<dyn Fn(&Metrics) + Send>;

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Default for Metrics {
    /// With the reference's names.
    fn default() -> Metrics {
        Metrics::new("ory_oathkeeper_", RequestPaths::Collapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use std::collections::BTreeSet;
    use std::time::Duration;

    #[test]
    fn every_family_is_on_the_page_once_with_help_and_type() {
        let metrics = Metrics::default();
        metrics.no_rule().denied("no_rule");
        metrics
            .proxy
            .observe(&Method::GET, b"/", 404, Duration::ZERO, Known::Unmatched);
        metrics
            .decisions
            .with(["proxy"])
            .observe(Duration::from_micros(3));
        metrics.generation.with([]).set(7);
        metrics.source_age.with(["file:///rules.json"]).reset();
        metrics.before_each_page(|metrics| {
            metrics.caches.with(["jwt", "hit"]).follow(7);
            metrics
                .key_set_age
                .show([(["https://a".to_owned()], Gauge::default())]);
        });
        metrics.render();
        let page = metrics.render();
        let mut seen = BTreeSet::new();
        for line in page.lines().filter(|line| line.starts_with("# TYPE ")) {
            let name = line.split(' ').nth(2).unwrap();
            assert!(seen.insert(name), "{name} twice");
            assert!(page.contains(&format!("# HELP {name} ")));
        }
        assert!(page.contains("doorward_generation 7\n"));
        assert!(page.contains("doorward_cache_requests_total{cache=\"jwt\",result=\"hit\"} 7\n"));
        assert!(page.contains("doorward_jwks_age_seconds{url=\"https://a\"} 0\n"));
        assert!(page.contains(
            "doorward_decisions_total{rule=\"\",outcome=\"denied\",reason=\"no_rule\"} 1\n"
        ));
        assert!(page.contains(
            "doorward_decision_duration_seconds_bucket{door=\"proxy\",le=\"0.00001\"} 1\n"
        ));
        assert!(page.ends_with('\n'));
    }

    #[test]
    fn the_reference_s_series_take_the_configured_prefix() {
        let metrics = Metrics::new("http_", RequestPaths::Hidden);
        metrics
            .api
            .observe(&Method::GET, b"/rules", 200, Duration::ZERO, Known::Matched);
        assert!(metrics.render().contains("http_requests_total{service=\"oathkeeper-api\",method=\"GET\",request=\"\",status_code=\"200\"} 1\n"));
    }
}
