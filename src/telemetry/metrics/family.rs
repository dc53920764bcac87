//! Series of one name, told apart by labels.

use super::text::{Cell, Page};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Series of one name. A handle is asked for once, at load, and then used without looking anything up.
#[derive(Debug)]
pub struct Family<C, const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    series: Mutex<BTreeMap<[String; N], Held<C>>>,
}

/// Some series live as long as the process, others as long as someone holds their handle.
#[derive(Debug)]
enum Held<C> {
    Always(Arc<C>),
    WhileUsed(Weak<C>),
}

impl<C> Held<C> {
    fn get(&self) -> Option<Arc<C>> {
        match self {
            Held::Always(cell) => Some(cell.clone()),
            Held::WhileUsed(cell) => cell.upgrade(),
        }
    }
}

#[expect(
    private_bounds,
    reason = "the kinds of cells are closed; families are public only to hand out handles"
)]
impl<C: Cell, const N: usize> Family<C, N> {
    pub(super) fn new(
        name: &'static str,
        labels: [&'static str; N],
        help: &'static str,
    ) -> Family<C, N> {
        Family {
            name,
            help,
            labels,
            series: Mutex::default(),
        }
    }

    /// The series with these label values, which stays.
    pub fn with(&self, values: [&str; N]) -> Arc<C> {
        self.find(values, Held::Always)
    }

    /// The series with these label values, which goes when its last handle is dropped: for what a reload may remove.
    pub fn while_used(&self, values: [&str; N]) -> Arc<C> {
        self.find(values, |cell| Held::WhileUsed(Arc::downgrade(&cell)))
    }

    /// Shows these series and no others: for what is kept elsewhere and read when the page is made.
    pub fn show(&self, all: impl IntoIterator<Item = ([String; N], C)>) {
        let all = all
            .into_iter()
            .map(|(values, cell)| (values, Held::Always(Arc::new(cell))));
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        *series = all.collect();
    }

    fn find(&self, values: [&str; N], hold: impl FnOnce(Arc<C>) -> Held<C>) -> Arc<C> {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let key = values.map(str::to_owned);
        if let Some(cell) = series.get(&key).and_then(Held::get) {
            return cell;
        }
        let cell = Arc::new(C::default());
        series.insert(key, hold(cell.clone()));
        cell
    }

    fn write_to(&self, page: &mut Page) {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.retain(|_, held| held.get().is_some());
        if series.is_empty() {
            return;
        }
        page.family(self.name, C::KIND, self.help);
        for (values, held) in series.iter() {
            let Some(cell) = held.get() else { continue };
            let mut values = values.iter().map(String::as_str);
            let labels = self
                .labels
                .map(|label| (label, values.next().unwrap_or_default()));
            cell.write(self.name, &labels, page);
        }
    }
}

/// A family, whatever its cells and labels.
pub(super) trait AnyFamily {
    /// Writes the series that there are; a family without any leaves no trace.
    fn write(&self, page: &mut Page);
    /// Name, type, meaning and labels, for the reference page.
    #[cfg(test)]
    fn describe(&self) -> super::described::Described;
}

impl<C: Cell, const N: usize> AnyFamily for Family<C, N> {
    fn write(&self, page: &mut Page) {
        self.write_to(page);
    }

    #[cfg(test)]
    fn describe(&self) -> super::described::Described {
        super::described::Described {
            name: self.name.to_owned(),
            kind: C::KIND.to_owned(),
            help: self.help.to_owned(),
            labels: self.labels.map(str::to_owned).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::{Counter, Gauge};
    use super::*;

    fn page<C: Cell, const N: usize>(family: &Family<C, N>) -> String {
        let mut page = Page::default();
        family.write(&mut page);
        page.finish()
    }

    #[test]
    fn equal_labels_share_one_series() {
        let family: Family<Counter, 1> = Family::new("x_total", ["a"], "Help.");
        family.with(["1"]).increment();
        family.with(["1"]).increment();
        family.with(["2"]).increment();
        assert_eq!(
            page(&family),
            "# HELP x_total Help.\n# TYPE x_total counter\nx_total{a=\"1\"} 2\nx_total{a=\"2\"} 1\n"
        );
    }

    #[test]
    fn a_series_that_nobody_holds_any_more_is_gone() {
        let family: Family<Gauge, 1> = Family::new("x", ["a"], "Help.");
        let kept = family.while_used(["kept"]);
        kept.set(4);
        drop(family.while_used(["dropped"]));
        assert!(page(&family).ends_with("x{a=\"kept\"} 4\n"));
        assert!(!page(&family).contains("dropped"));
        drop(kept);
        assert_eq!(page(&family), "");
    }
}
