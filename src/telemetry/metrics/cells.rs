//! Counters, gauges and histograms that many threads write without getting in each other's way.
//!
//! A counter that every core adds to is a cache line that travels between all of them. So each thread adds to a share of its own, and
//! whoever reads sums up.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::available_parallelism;
use std::time::Duration;

/// More than this many shares cost memory and save little.
const MOST_SHARES: usize = 16;

fn shares() -> usize {
    static SHARES: OnceLock<usize> = OnceLock::new();
    *SHARES.get_or_init(|| available_parallelism().map_or(1, |cores| cores.get().min(MOST_SHARES)))
}

/// The share that this thread adds to.
fn mine() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Relaxed) % shares();
    }
    // A thread that is ending has lost its number; any share will do.
    MINE.try_with(|mine| *mine).unwrap_or(0)
}

/// One share on cache lines of its own.
#[derive(Default)]
#[repr(align(64))]
struct Share<T>(T);

fn make<T: Default>() -> Box<[Share<T>]> {
    (0..shares()).map(|_| Share::default()).collect()
}

/// A number that only grows.
pub struct Counter(Box<[Share<AtomicU64>]>);

impl Counter {
    pub fn add(&self, n: u64) {
        // INVARIANT: `mine` is less than the number of shares, which never changes.
        if let Some(share) = self.0.get(mine()) {
            share.0.fetch_add(n, Relaxed);
        }
    }

    pub fn increment(&self) {
        self.add(1);
    }

    /// Follows a count that is kept elsewhere. For one thread at a time.
    pub fn follow(&self, count: u64) {
        self.add(count.saturating_sub(self.value()));
    }

    pub fn value(&self) -> u64 {
        self.0.iter().map(|share| share.0.load(Relaxed)).sum()
    }
}

impl Default for Counter {
    fn default() -> Counter {
        Counter(make())
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counter({})", self.value())
    }
}

/// A number that is set, or goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A time that something happened, shown as its age in seconds. Shown as nothing until it first happened.
#[derive(Debug, Default)]
pub struct Age(AtomicU64);

impl Age {
    pub fn reset(&self) {
        self.0.store(now().as_secs().max(1), Relaxed);
    }

    /// Seconds since then; `None` where it never happened.
    pub fn seconds(&self) -> Option<u64> {
        match self.0.load(Relaxed) {
            0 => None,
            then => Some(now().as_secs().saturating_sub(then)),
        }
    }
}

fn now() -> Duration {
    std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
}

/// The upper end of a histogram's bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    nanos: u64,
    /// In seconds, as the label `le` says it.
    pub(super) seconds: &'static str,
}

const fn bound(nanos: u64, seconds: &'static str) -> Bound {
    Bound { nanos, seconds }
}

/// The reference's buckets.
pub(super) const REQUEST_BOUNDS: &[Bound] = &[
    bound(5_000_000, "0.005"),
    bound(10_000_000, "0.01"),
    bound(25_000_000, "0.025"),
    bound(50_000_000, "0.05"),
    bound(100_000_000, "0.1"),
    bound(250_000_000, "0.25"),
    bound(500_000_000, "0.5"),
    bound(1_000_000_000, "1"),
    bound(2_500_000_000, "2.5"),
    bound(5_000_000_000, "5"),
    bound(10_000_000_000, "10"),
];

/// For what Doorward does itself or asks its neighbours: from 10 µs to 5 s.
pub(super) const CALL_BOUNDS: &[Bound] = &[
    bound(10_000, "0.00001"),
    bound(50_000, "0.00005"),
    bound(250_000, "0.00025"),
    bound(1_000_000, "0.001"),
    bound(2_500_000, "0.0025"),
    bound(5_000_000, "0.005"),
    bound(10_000_000, "0.01"),
    bound(25_000_000, "0.025"),
    bound(50_000_000, "0.05"),
    bound(100_000_000, "0.1"),
    bound(250_000_000, "0.25"),
    bound(1_000_000_000, "1"),
    bound(5_000_000_000, "5"),
];

/// One more than the most bounds: the last counts what is above them all.
const BUCKETS: usize = 14;

#[derive(Default)]
struct Times {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

/// How long something took, counted in buckets.
pub struct Histogram {
    bounds: &'static [Bound],
    shares: Box<[Share<Times>]>,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [Bound]) -> Histogram {
        debug_assert!(bounds.len() < BUCKETS);
        Histogram {
            bounds,
            shares: make(),
        }
    }

    /// For what takes from microseconds to seconds.
    pub fn of_calls() -> Histogram {
        Histogram::new(CALL_BOUNDS)
    }

    pub fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self
            .bounds
            .iter()
            .position(|bound| nanos <= bound.nanos)
            .unwrap_or(self.bounds.len());
        // INVARIANT: there are more buckets than bounds, and as many shares as `mine` counts.
        let Some(share) = self.shares.get(mine()) else {
            return;
        };
        if let Some(count) = share.0.buckets.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        share.0.nanos.fetch_add(nanos, Relaxed);
    }

    /// The bounds with the number of observations up to each, then the number of all and their sum.
    pub(super) fn read(&self) -> (Vec<(&'static str, u64)>, u64, Duration) {
        let mut total = 0;
        let mut buckets = Vec::with_capacity(self.bounds.len());
        for (index, bound) in self.bounds.iter().enumerate() {
            total += self.bucket(index);
            buckets.push((bound.seconds, total));
        }
        total += self.bucket(self.bounds.len());
        let nanos = self.shares.iter().fold(0, |sum: u64, share| {
            sum.wrapping_add(share.0.nanos.load(Relaxed))
        });
        (buckets, total, Duration::from_nanos(nanos))
    }

    fn bucket(&self, index: usize) -> u64 {
        self.shares
            .iter()
            .filter_map(|share| share.0.buckets.get(index))
            .map(|count| count.load(Relaxed))
            .sum()
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::of_calls()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, count, sum) = self.read();
        write!(f, "Histogram({count} in {sum:?})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_sums_what_all_threads_added() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| (0..1000).for_each(|_| counter.increment()));
            }
        });
        assert_eq!(counter.value(), 40_000);
    }

    #[test]
    fn a_histogram_counts_each_time_in_its_bucket_and_all_above() {
        let histogram = Histogram::new(REQUEST_BOUNDS);
        for millis in [1, 5, 6, 300, 20_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let (buckets, total, sum) = histogram.read();
        let counts: Vec<u64> = buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4]);
        assert_eq!(total, 5);
        assert_eq!(sum, Duration::from_millis(20_312));
    }

    #[test]
    fn bounds_say_the_same_in_words_and_in_nanoseconds() {
        for bounds in [REQUEST_BOUNDS, CALL_BOUNDS] {
            assert!(bounds.len() < BUCKETS);
            assert!(bounds.is_sorted_by_key(|bound| bound.nanos));
            for bound in bounds {
                let seconds: f64 = bound.seconds.parse().unwrap();
                assert_eq!((seconds * 1e9).round() as u64, bound.nanos);
            }
        }
    }

    #[test]
    fn an_age_is_unknown_until_something_happened() {
        let age = Age::default();
        assert_eq!(age.seconds(), None);
        age.reset();
        assert!(age.seconds().is_some_and(|seconds| seconds < 5));
    }
}
