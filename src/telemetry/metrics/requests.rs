//! The reference's two series: requests by method, path and status, and how long they took.
//!
//! Their `request` label holds what clients wrote, so it is bounded here: the first segment (or the path, never the query), of limited
//! length and number. What is beyond counts as [`OTHER`]. Paths that no rule matched have a smaller share, so that a scan can't use up
//! the room of real ones.

use super::cells::{Counter, Histogram, REQUEST_BOUNDS};
use super::text::Page;
use crate::config::RequestPaths;
use arc_swap::ArcSwap;
use http::Method;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Distinct values of `request` for each listener.
const MOST_PATHS: usize = 512;
/// How many of them may be paths that no rule matched.
const MOST_UNMATCHED: usize = 64;
const LONGEST_PATH: usize = 128;
const OTHER: &str = "other";

/// Whether a rule, or a route of the API, was found for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Matched,
    Unmatched,
}

/// The request series of one listener.
pub struct RequestMeter {
    service: &'static str,
    paths: RequestPaths,
    series: ArcSwap<HashMap<Box<str>, Arc<PathMeter>>>,
    other: Arc<PathMeter>,
    /// How many paths no rule matched; the lock is for adding paths.
    unmatched: Mutex<usize>,
}

/// The series of one path: few, so looked through.
#[derive(Default)]
struct PathMeter {
    series: ArcSwap<Vec<Arc<Series>>>,
    adding: Mutex<()>,
}

struct Series {
    method: &'static str,
    status: u16,
    count: Counter,
    times: Histogram,
}

impl RequestMeter {
    pub(super) fn new(service: &'static str, paths: RequestPaths) -> RequestMeter {
        RequestMeter {
            service,
            paths,
            series: ArcSwap::default(),
            other: Arc::default(),
            unmatched: Mutex::new(0),
        }
    }

    /// Counts one request by its raw target. Health checks are not counted, at whichever listener, as in the reference.
    pub fn observe(
        &self,
        method: &Method,
        target: &[u8],
        status: u16,
        took: Duration,
        known: Known,
    ) {
        let path = target.split(|&b| b == b'?').next().unwrap_or_default();
        if matches!(path, b"/health/alive" | b"/health/ready") {
            return;
        }
        let label = match self.paths {
            RequestPaths::Hidden => "",
            RequestPaths::Collapsed => first_segment(path),
            RequestPaths::Whole => readable(path),
        };
        let method = normal(method);
        let found = self.series.load().get(label).cloned();
        let meter = found.unwrap_or_else(|| self.add(label, known));
        meter.observe(method, status, took);
    }

    fn add(&self, label: &str, known: Known) -> Arc<PathMeter> {
        let mut unmatched = self
            .unmatched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let series = self.series.load_full();
        if let Some(meter) = series.get(label) {
            return meter.clone();
        }
        let full = series.len() >= MOST_PATHS
            || (known == Known::Unmatched && *unmatched >= MOST_UNMATCHED);
        if full || label == OTHER {
            return self.other.clone();
        }
        if known == Known::Unmatched {
            *unmatched += 1;
        }
        let meter = Arc::<PathMeter>::default();
        let mut grown = HashMap::clone(&series);
        grown.insert(label.into(), meter.clone());
        self.series.store(Arc::new(grown));
        meter
    }

    fn snapshot(&self) -> Vec<(String, Arc<Vec<Arc<Series>>>)> {
        let mut all: Vec<_> = self
            .series
            .load()
            .iter()
            .map(|(path, meter)| (path.to_string(), meter.series.load_full()))
            .collect();
        all.sort_by(|(one, _), (two, _)| one.cmp(two));
        all.push((OTHER.to_owned(), self.other.series.load_full()));
        all
    }
}

impl PathMeter {
    fn observe(&self, method: &'static str, status: u16, took: Duration) {
        let is = |series: &&Arc<Series>| series.status == status && series.method == method;
        let all = self.series.load();
        match all.iter().find(is) {
            Some(series) => series.observe(took),
            None => self.add(method, status).observe(took),
        }
    }

    fn add(&self, method: &'static str, status: u16) -> Arc<Series> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.series.load_full();
        if let Some(series) = all
            .iter()
            .find(|series| series.status == status && series.method == method)
        {
            return series.clone();
        }
        let series = Arc::new(Series {
            method,
            status,
            count: Counter::default(),
            times: Histogram::new(REQUEST_BOUNDS),
        });
        let mut grown = Vec::clone(&all);
        grown.push(series.clone());
        self.series.store(Arc::new(grown));
        series
    }
}

impl Series {
    fn observe(&self, took: Duration) {
        self.count.increment();
        self.times.observe(took);
    }
}

impl fmt::Debug for RequestMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestMeter")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// Methods of the standard under their names, everything else under one.
fn normal(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "OTHER",
    }
}

/// `/a` of `/a/b`; `/` of what does not begin with a slash.
fn first_segment(path: &[u8]) -> &str {
    let Some(rest) = path.strip_prefix(b"/") else {
        return "/";
    };
    let end = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
    readable(path.get(..=end).unwrap_or_default())
}

/// A label that is printable and not too long, or [`OTHER`].
fn readable(path: &[u8]) -> &str {
    match std::str::from_utf8(path) {
        Ok(text) if path.len() <= LONGEST_PATH && !path.iter().any(u8::is_ascii_control) => text,
        _ => OTHER,
    }
}

/// Writes both series of all listeners under the configured prefix.
pub(super) fn write(meters: &[&RequestMeter], prefix: &str, page: &mut Page) {
    let all: Vec<_> = meters
        .iter()
        .map(|meter| (meter.service, meter.snapshot()))
        .collect();
    let duration = format!("{prefix}requests_duration_seconds");
    let total = format!("{prefix}requests_total");
    page.family(
        &duration,
        "histogram",
        "Time from a request's head to the end of its answer.",
    );
    each(&all, |labels, series| {
        page.histogram(&duration, labels, &series.times)
    });
    page.family(&total, "counter", "Requests by method, path and status.");
    each(&all, |labels, series| {
        page.sample(&total, labels, series.count.value())
    });
}

type Listed = (&'static str, Vec<(String, Arc<Vec<Arc<Series>>>)>);

fn each(all: &[Listed], mut write: impl FnMut(super::text::Labels<'_>, &Series)) {
    for (service, paths) in all {
        for (path, series) in paths {
            for series in series.iter() {
                let status = series.status.to_string();
                let labels = [
                    ("service", *service),
                    ("method", series.method),
                    ("request", path),
                    ("status_code", &status),
                ];
                write(&labels, series);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(7);

    fn page(meter: &RequestMeter) -> String {
        let mut page = Page::default();
        write(&[meter], "ory_oathkeeper_", &mut page);
        page.finish()
    }

    /// Path and count of each series of `requests_total`.
    fn totals(meter: &RequestMeter) -> Vec<(String, String)> {
        page(meter)
            .lines()
            .filter(|line| line.starts_with("ory_oathkeeper_requests_total{"))
            .map(|line| {
                let path = line.split("request=\"").nth(1).unwrap();
                let path = path.split('"').next().unwrap().to_owned();
                (path, line.rsplit(' ').next().unwrap().to_owned())
            })
            .collect()
    }

    fn seen(paths: RequestPaths, targets: &[&str]) -> Vec<(String, String)> {
        let meter = RequestMeter::new("oathkeeper-proxy", paths);
        for target in targets {
            meter.observe(&Method::GET, target.as_bytes(), 200, TOOK, Known::Matched);
        }
        totals(&meter)
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn the_path_label_is_the_first_segment_the_path_or_nothing_but_never_the_query() {
        let targets = [
            "/",
            "/hello?foo=bar",
            "/hello/world",
            "/hello/world?foo=bar",
        ];
        let collapsed = pairs(&[("/", "1"), ("/hello", "3")]);
        assert_eq!(seen(RequestPaths::Collapsed, &targets), collapsed);
        let whole = pairs(&[("/", "1"), ("/hello", "1"), ("/hello/world", "2")]);
        assert_eq!(seen(RequestPaths::Whole, &targets), whole);
        assert_eq!(seen(RequestPaths::Hidden, &targets), pairs(&[("", "4")]));
    }

    #[test]
    fn odd_targets_have_a_place() {
        let targets = ["*", "", "/a\u{1}b", "/ü"];
        assert_eq!(
            seen(RequestPaths::Collapsed, &targets),
            pairs(&[("/", "2"), ("/ü", "1"), ("other", "1")])
        );
        let long = format!("/{}", "x".repeat(500));
        assert_eq!(
            seen(RequestPaths::Collapsed, &[&long]),
            pairs(&[("other", "1")])
        );
    }

    #[test]
    fn health_checks_are_not_counted() {
        let meter = RequestMeter::new("oathkeeper-api", RequestPaths::Collapsed);
        for target in [
            "/health/alive",
            "/health/ready",
            "/health/ready?x",
            "/health/alive/",
        ] {
            meter.observe(&Method::GET, target.as_bytes(), 200, TOOK, Known::Matched);
        }
        assert_eq!(totals(&meter), pairs(&[("/health", "1")]));
    }

    #[test]
    fn a_scan_neither_grows_the_page_without_bound_nor_crowds_out_real_paths() {
        let meter = RequestMeter::new("oathkeeper-proxy", RequestPaths::Collapsed);
        for n in 0..5000 {
            let target = format!("/scan{n}");
            meter.observe(&Method::GET, target.as_bytes(), 404, TOOK, Known::Unmatched);
        }
        meter.observe(&Method::GET, b"/real", 200, TOOK, Known::Matched);
        let totals = totals(&meter);
        assert_eq!(totals.len(), MOST_UNMATCHED + 2);
        assert!(totals.contains(&("/real".to_owned(), "1".to_owned())));
        assert!(totals.contains(&("other".to_owned(), (5000 - MOST_UNMATCHED).to_string())));
        for n in 0..5000 {
            let target = format!("/many{n}");
            meter.observe(&Method::GET, target.as_bytes(), 200, TOOK, Known::Matched);
        }
        assert!(self::totals(&meter).len() <= MOST_PATHS + 2);
    }

    #[test]
    fn methods_that_nobody_knows_share_one_label() {
        let meter = RequestMeter::new("oathkeeper-proxy", RequestPaths::Collapsed);
        for method in ["BREW", "PROPFIND", "get"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            meter.observe(&method, b"/a", 200, TOOK, Known::Matched);
        }
        let page = page(&meter);
        let line = "ory_oathkeeper_requests_total{service=\"oathkeeper-proxy\",method=\"OTHER\",request=\"/a\",status_code=\"200\"} 3\n";
        assert!(page.contains(line), "{page}");
        assert!(page.contains("requests_duration_seconds_bucket{service=\"oathkeeper-proxy\",method=\"OTHER\",request=\"/a\",status_code=\"200\",le=\"0.01\"} 3\n"));
    }
}
