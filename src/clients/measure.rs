//! What calls, caches and key sets counted, shown in the metrics.

use super::Clients;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Gauge;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

impl Clients {
    /// Brings the metrics up to date.
    pub fn measure(&self, metrics: &Metrics) {
        for (name, counters) in self.counters() {
            let follow = |result, count| metrics.caches.with([name, result]).follow(count);
            follow("hit", counters.hits.load(Relaxed));
            follow("miss", counters.misses.load(Relaxed));
        }
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        metrics
            .cache_entries
            .with([])
            .set(whole(self.store.entries()));
        metrics.cache_bytes.with([]).set(whole(self.store.bytes()));
        let counters = &self.http.counters;
        for (event, count) in [
            ("made", &counters.calls),
            ("repeated", &counters.retries),
            ("failed", &counters.failures),
            ("late", &counters.timeouts),
            ("refused", &counters.refused),
        ] {
            metrics.calls.with([event]).follow(count.load(Relaxed));
        }
        self.measure_key_sets(metrics);
    }

    /// Sets of one origin share a series, which shows the one that is worst off.
    fn measure_key_sets(&self, metrics: &Metrics) {
        let (mut ages, mut failures) = (BTreeMap::new(), BTreeMap::new());
        for set in self.key_sets.conditions() {
            if let Some(age) = set.age {
                let oldest: &mut u64 = ages.entry(set.place.clone()).or_default();
                *oldest = age.as_secs().max(*oldest);
            }
            let most: &mut u64 = failures.entry(set.place).or_default();
            *most = u64::from(set.failures).max(*most);
        }
        metrics.key_set_age.show(series(ages));
        metrics.key_set_failures.show(series(failures));
    }
}

fn series(values: BTreeMap<String, u64>) -> impl Iterator<Item = ([String; 1], Gauge)> {
    values.into_iter().map(|(place, value)| {
        let gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        ([place], gauge)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::cache::KeyBuilder;
    use crate::clients::jwks::Patience;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn the_page_shows_what_caches_and_key_sets_counted() {
        let clients = Arc::new(Clients::default());
        let cache = clients.cache::<u8>("jwt");
        let key = KeyBuilder::new("jwt").part("a").finish();
        assert!(cache.get(&key).is_none());
        cache.put(key, Arc::new(1), 10, Duration::from_secs(60));
        assert!(cache.get(&key).is_some() && cache.get(&key).is_some());
        let urls = ["https://user:hush@keys.test/jwks.json?hush"];
        let _ring = clients.key_sets.verifying(&urls, Patience::default());
        let metrics = Metrics::default();
        metrics.before_each_page(move |metrics| clients.measure(metrics));
        metrics.render();
        let page = metrics.render();
        for line in [
            "doorward_cache_requests_total{cache=\"jwt\",result=\"hit\"} 2\n",
            "doorward_cache_requests_total{cache=\"jwt\",result=\"miss\"} 1\n",
            "doorward_calls_total{event=\"made\"} 0\n",
            "doorward_jwks_failures{url=\"https://keys.test",
        ] {
            assert!(page.contains(line), "no {line:?} in\n{page}");
        }
        assert!(!page.contains("hush"), "{page}");
    }
}
