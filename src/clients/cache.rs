//! The one design of all caches: bounded by bytes, each entry with a life of its own, keys that can't be confused.
//!
//! All caches share one budget, so that a configuration of many rules needs no arithmetic. A key is a SHA-256 over everything that
//! can change the answer; what a cache holds is never enough to find out a credential.

use super::remote::{BackendError, Portable, Remote};
use aws_lc_rs::digest::{Context, SHA256};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use moka::Expiry;
use rand::Rng;
use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a refusal is kept: long enough for a burst, too short to keep out one who logs in meanwhile.
pub const NEGATIVE_LIFE: Duration = Duration::from_millis(100);
/// What an entry costs besides its value: key, pointers, the cache's own books.
const OVERHEAD: usize = 256;

/// A hash over everything that can change an answer.
pub type Key = [u8; 32];

/// Builds a [`Key`]. Each part goes in with its length, so that no two lists of parts read the same.
#[derive(Clone)]
pub struct KeyBuilder(Context);

impl fmt::Debug for KeyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBuilder")
    }
}

impl KeyBuilder {
    /// `domain` keeps caches apart.
    pub fn new(domain: &str) -> KeyBuilder {
        KeyBuilder(Context::new(&SHA256)).part(domain)
    }

    pub fn part(mut self, bytes: impl AsRef<[u8]>) -> KeyBuilder {
        let bytes = bytes.as_ref();
        self.0.update(&bytes.len().to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The number of parts that follow goes in first, for lists within a key.
    pub fn count(self, count: usize) -> KeyBuilder {
        self.part(count.to_le_bytes())
    }

    pub fn finish(self) -> Key {
        self.0.finish().as_ref().try_into().unwrap_or([0; 32])
    }
}

/// What happened so far, for metrics.
#[derive(Debug, Default)]
pub struct Counters {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub inserts: AtomicU64,
}

#[derive(Clone)]
struct Entry {
    value: Arc<dyn Any + Send + Sync>,
    bytes: u32,
    life: Duration,
}

struct Life;

impl Expiry<Key, Entry> for Life {
    fn expire_after_create(&self, _: &Key, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.life)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.life)
    }
}

/// The memory behind all caches.
#[derive(Clone)]
pub struct Store {
    entries: moka::sync::Cache<Key, Entry>,
    /// Shared with other processes.
    remote: Option<Arc<Remote>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("entries", &self.entries.entry_count())
            .field("bytes", &self.entries.weighted_size())
            .finish()
    }
}

impl Store {
    /// At most `max_bytes`, roughly; with 0 nothing is kept.
    pub fn new(max_bytes: u64) -> Store {
        let entries = moka::sync::Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|_: &Key, entry: &Entry| entry.bytes)
            .expire_after(Life)
            .build();
        Store {
            entries,
            remote: None,
        }
    }

    /// The same, shared with other processes through the Redis at that URL.
    pub fn shared(max_bytes: u64, url: &str) -> Result<Store, BackendError> {
        Ok(Store {
            remote: Some(Arc::new(Remote::open(url)?)),
            ..Store::new(max_bytes)
        })
    }

    /// Bytes that are held, roughly.
    pub fn bytes(&self) -> u64 {
        self.entries.weighted_size()
    }

    pub fn entries(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Does the housekeeping that is due, so that [`Self::bytes`] is exact.
    pub fn settle(&self) {
        self.entries.run_pending_tasks();
    }
}

/// One kind of entries. Keys of different caches must be built with different domains.
pub struct Cache<V> {
    store: Store,
    pub counters: Arc<Counters>,
    kind: PhantomData<fn() -> V>,
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Cache<V> {
        Cache {
            store: self.store.clone(),
            counters: self.counters.clone(),
            kind: PhantomData,
        }
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl<V: Send + Sync + 'static> Cache<V> {
    pub fn new(store: Store, counters: Arc<Counters>) -> Cache<V> {
        Cache {
            store,
            counters,
            kind: PhantomData,
        }
    }

    pub fn get(&self, key: &Key) -> Option<Arc<V>> {
        let found = self.peek(key);
        let counter = match found {
            Some(_) => &self.counters.hits,
            None => &self.counters.misses,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// The same, uncounted.
    fn peek(&self, key: &Key) -> Option<Arc<V>> {
        let entry = self.store.entries.get(key)?;
        entry.value.downcast().ok()
    }

    /// Has `begin` find out and keep what [`Self::find`] did not find, once for all who want it. Who looked just before it was kept
    /// and comes here just after finds it all the same.
    pub async fn learn<E, F>(
        &self,
        flights: &Flights<Result<Arc<V>, E>>,
        key: Key,
        begin: impl FnOnce() -> F,
    ) -> Result<Arc<V>, E>
    where
        F: Future<Output = Result<Arc<V>, E>> + Send + 'static,
        E: Clone + Send + Sync + 'static,
    {
        let memory = self.clone();
        let flight = || {
            let unknown = begin();
            async move {
                match memory.peek(&key) {
                    Some(known) => Ok(known),
                    None => unknown.await,
                }
            }
        };
        flights.join(key, flight).await
    }

    /// Keeps `value`, of about `bytes`, for at most `life`: up to a tenth less, so that entries made together don't end together.
    pub fn put(&self, key: Key, value: Arc<V>, bytes: usize, life: Duration) {
        if life.is_zero() {
            return;
        }
        let life = life.mul_f64(rand::rng().random_range(0.9..=1.0));
        self.counters.inserts.fetch_add(1, Ordering::Relaxed);
        let bytes = u32::try_from(bytes.saturating_add(OVERHEAD)).unwrap_or(u32::MAX);
        self.store.entries.insert(key, Entry { value, bytes, life });
    }

    /// The same for values that other processes may have found out.
    pub async fn find(&self, key: &Key) -> Option<Arc<V>>
    where
        V: Portable,
    {
        if let Some(known) = self.get(key) {
            return Some(known);
        }
        let (bytes, life) = self.store.remote.as_ref()?.get(key).await?;
        let value = Arc::new(V::read(&bytes)?);
        self.put(*key, value.clone(), bytes.len() * 3, life);
        Some(value)
    }

    /// Keeps `value` here and for other processes.
    pub fn share(&self, key: Key, value: Arc<V>, bytes: usize, life: Duration)
    where
        V: Portable,
    {
        if let Some(remote) = &self.store.remote {
            remote.put(key, &value.write(), life);
        }
        self.put(key, value, bytes, life);
    }

    pub fn remove(&self, key: &Key) {
        self.store.entries.invalidate(key);
    }
}

/// Calls under way: who asks what is being asked already waits for that answer.
pub struct Flights<V> {
    flying: Mutex<HashMap<Key, Flight<V>>>,
}

type Flight<V> = WeakShared<BoxFuture<'static, V>>;

impl<V> fmt::Debug for Flights<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}

impl<V> Default for Flights<V> {
    fn default() -> Flights<V> {
        Flights {
            flying: Mutex::default(),
        }
    }
}

impl<V: Clone + Send + Sync + 'static> Flights<V> {
    /// The answer of the call under that key, which `begin` makes unless it is under way. A call goes on as long as anyone waits
    /// for it; its answer goes to those who waited and to nobody later.
    pub async fn join<F>(&self, key: Key, begin: impl FnOnce() -> F) -> V
    where
        F: Future<Output = V> + Send + 'static,
    {
        let flight = self.board(key, begin);
        let answer = flight.clone().await;
        drop(flight);
        self.leave(&key);
        answer
    }

    fn board<F>(&self, key: Key, begin: impl FnOnce() -> F) -> Shared<BoxFuture<'static, V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut flying = self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        let known = flying.get(&key).and_then(WeakShared::upgrade);
        if let Some(flight) = known.filter(|flight| flight.peek().is_none()) {
            return flight;
        }
        // Calls that nobody waited for to the end.
        if flying.len() >= 1024 {
            flying.retain(|_, flight| flight.upgrade().is_some());
        }
        let flight = begin().boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flying.insert(key, weak);
        }
        flight
    }

    fn leave(&self, key: &Key) {
        let mut flying = self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |flight: &Flight<V>| {
            flight
                .upgrade()
                .is_none_or(|flight| flight.peek().is_some())
        };
        if flying.get(key).is_some_and(over) {
            flying.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn key(text: &str) -> Key {
        KeyBuilder::new("test").part(text).finish()
    }

    fn cache(max_bytes: u64) -> Cache<String> {
        Cache::new(Store::new(max_bytes), Arc::default())
    }

    #[test]
    fn parts_that_read_the_same_when_joined_are_different_keys() {
        let two = |a: &str, b: &str| KeyBuilder::new("x").part(a).part(b).finish();
        assert_ne!(two("a", "b:c"), two("a:b", "c"));
        assert_ne!(two("ab", ""), two("a", "b"));
        assert_ne!(
            KeyBuilder::new("x").part("a").finish(),
            KeyBuilder::new("y").part("a").finish()
        );
        assert_eq!(two("a", "b"), two("a", "b"));
    }

    #[test]
    fn an_entry_is_found_until_its_life_ends() {
        let cache = cache(1 << 20);
        let life = Duration::from_millis(40);
        cache.put(key("a"), Arc::new("answer".to_owned()), 6, life);
        assert_eq!(
            cache.get(&key("a")).as_deref().map(String::as_str),
            Some("answer")
        );
        std::thread::sleep(life);
        assert_eq!(cache.get(&key("a")), None);
    }

    #[test]
    fn nothing_is_kept_for_no_time_or_without_a_budget() {
        let cache = cache(1 << 20);
        cache.put(key("a"), Arc::new(String::new()), 0, Duration::ZERO);
        assert_eq!(cache.get(&key("a")), None);
        let none = Cache::<String>::new(Store::new(0), Arc::default());
        none.put(key("a"), Arc::new(String::new()), 0, Duration::from_secs(1));
        none.store.settle();
        assert_eq!(none.get(&key("a")), None);
    }

    #[test]
    fn the_budget_bounds_all_caches_together() {
        let store = Store::new(100_000);
        let one = Cache::<String>::new(store.clone(), Arc::default());
        let two = Cache::<u64>::new(store.clone(), Arc::default());
        for n in 0..10_000_u64 {
            let life = Duration::from_secs(60);
            one.put(
                key(&format!("one {n}")),
                Arc::new(String::new()),
                1000,
                life,
            );
            two.put(key(&format!("two {n}")), Arc::new(n), 1000, life);
        }
        store.settle();
        assert!(store.bytes() <= 100_000, "{}", store.bytes());
        assert!(store.entries() > 10);
    }

    #[test]
    fn an_entry_of_another_kind_is_not_found() {
        let store = Store::new(1 << 20);
        let one = Cache::<String>::new(store.clone(), Arc::default());
        let two = Cache::<u64>::new(store, Arc::default());
        one.put(key("a"), Arc::new(String::new()), 1, Duration::from_secs(1));
        assert_eq!(two.get(&key("a")), None);
    }

    #[test]
    fn hits_and_misses_are_counted() {
        let cache = cache(1 << 20);
        cache.get(&key("a"));
        cache.put(key("a"), Arc::new(String::new()), 1, Duration::from_secs(9));
        cache.get(&key("a"));
        let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!(counted(&cache.counters.hits), 1);
        assert_eq!(counted(&cache.counters.misses), 1);
        assert_eq!(counted(&cache.counters.inserts), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_who_ask_the_same_make_one_call() {
        let flights = Flights::<usize>::default();
        let calls = Arc::new(AtomicUsize::new(0));
        let ask = || {
            let calls = calls.clone();
            flights.join(key("a"), move || async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                calls.fetch_add(1, Ordering::Relaxed)
            })
        };
        let answers = futures_util::future::join_all((0..1000).map(|_| ask())).await;
        assert!(answers.iter().all(|answer| *answer == 0));
        assert_eq!(ask().await, 1, "a later one asks anew");
        assert!(flights.flying.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_comes_when_the_call_is_over_finds_its_answer() {
        let flights = Flights::<Result<Arc<u32>, ()>>::default();
        let cache = Cache::<u32>::new(Store::new(1 << 20), Arc::default());
        let calls = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let (memory, calls) = (cache.clone(), calls.clone());
            let learned = cache.learn(&flights, key("a"), move || async move {
                calls.fetch_add(1, Ordering::Relaxed);
                memory.put(key("a"), Arc::new(7), 4, Duration::from_secs(60));
                Ok(Arc::new(7))
            });
            assert_eq!(learned.await, Ok(Arc::new(7)));
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_could_not_be_learned_is_asked_for_again() {
        let flights = Flights::<Result<Arc<u32>, &str>>::default();
        let cache = Cache::<u32>::new(Store::new(1 << 20), Arc::default());
        let failed = cache.learn(&flights, key("a"), || async { Err("down") });
        assert_eq!(failed.await, Err("down"));
        let learned = cache.learn(&flights, key("a"), || async { Ok(Arc::new(7)) });
        assert_eq!(learned.await, Ok(Arc::new(7)));
    }

    #[tokio::test]
    async fn one_who_goes_away_takes_no_answer_from_the_others() {
        let flights = Arc::new(Flights::<u32>::default());
        let gate = Arc::new(tokio::sync::Notify::new());
        let join = |gate: Arc<tokio::sync::Notify>| {
            let flights = flights.clone();
            tokio::spawn(async move {
                flights
                    .join(key("a"), || async move {
                        gate.notified().await;
                        7
                    })
                    .await
            })
        };
        let first = join(gate.clone());
        tokio::task::yield_now().await;
        let second = join(gate.clone());
        tokio::task::yield_now().await;
        first.abort();
        let _ = first.await;
        gate.notify_one();
        assert_eq!(second.await.unwrap(), 7);
    }
}
