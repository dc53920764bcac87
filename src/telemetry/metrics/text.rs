//! The Prometheus text format, version 0.0.4.

use super::cells::{Age, Counter, Gauge, Histogram};
use std::fmt::Write as _;

/// What the page is served as.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Labels as they are written: name and value, in order.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// A page in the making.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Begins a family; its series follow.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string can't fail, here and below.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(super) fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl std::fmt::Display) {
        self.text.push_str(name);
        self.labels(labels, None);
        let _ = writeln!(self.text, " {value}");
    }

    pub(super) fn histogram(&mut self, name: &str, labels: Labels<'_>, cell: &Histogram) {
        let (buckets, count, sum) = cell.read();
        for (bound, upto) in buckets.into_iter().chain([("+Inf", count)]) {
            let _ = write!(self.text, "{name}_bucket");
            self.labels(labels, Some(bound));
            let _ = writeln!(self.text, " {upto}");
        }
        let _ = write!(self.text, "{name}_sum");
        self.labels(labels, None);
        let _ = write!(self.text, " {}\n{name}_count", sum.as_secs_f64());
        self.labels(labels, None);
        let _ = writeln!(self.text, " {count}");
    }

    fn labels(&mut self, labels: Labels<'_>, bound: Option<&str>) {
        let all = labels
            .iter()
            .copied()
            .chain(bound.map(|bound| ("le", bound)));
        let mut open = '{';
        for (name, value) in all {
            self.text.push(open);
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.value(value);
            self.text.push('"');
            open = ',';
        }
        if open == ',' {
            self.text.push('}');
        }
    }

    /// Backslash, quote and line feed have escapes; everything else is written as it is.
    fn value(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                c => self.text.push(c),
            }
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A kind of series.
pub(super) trait Cell: Default {
    const KIND: &'static str;
    fn write(&self, name: &str, labels: Labels<'_>, page: &mut Page);
}

impl Cell for Counter {
    const KIND: &'static str = "counter";

    fn write(&self, name: &str, labels: Labels<'_>, page: &mut Page) {
        page.sample(name, labels, self.value());
    }
}

impl Cell for Gauge {
    const KIND: &'static str = "gauge";

    fn write(&self, name: &str, labels: Labels<'_>, page: &mut Page) {
        page.sample(name, labels, self.value());
    }
}

impl Cell for Age {
    const KIND: &'static str = "gauge";

    fn write(&self, name: &str, labels: Labels<'_>, page: &mut Page) {
        if let Some(seconds) = self.seconds() {
            page.sample(name, labels, seconds);
        }
    }
}

impl Cell for Histogram {
    const KIND: &'static str = "histogram";

    fn write(&self, name: &str, labels: Labels<'_>, page: &mut Page) {
        page.histogram(name, labels, self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_cannot_break_out_of_their_quotes() {
        let mut page = Page::default();
        page.sample("x", &[("a", "\"} 1\ny \\"), ("b", "")], 3);
        assert_eq!(page.finish(), "x{a=\"\\\"} 1\\ny \\\\\",b=\"\"} 3\n");
    }

    #[test]
    fn a_series_without_labels_has_no_braces() {
        let mut page = Page::default();
        page.sample("x", &[], -1);
        assert_eq!(page.finish(), "x -1\n");
    }
}
