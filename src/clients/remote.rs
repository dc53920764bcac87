//! A cache shared between processes (`cache.backend: redis://…`). It failing costs speed, never safety.
//!
//! What comes back is read like what a server answered: an entry that can't be read, or whose end has passed, is none. An operation
//! gets little time, and where one fails the others don't try for a moment. Whoever can write to that Redis can say who anybody is:
//! it must be as guarded as the session store itself.

use super::cache::Key;
use std::time::Duration;

/// Why a backend can't be used. Doesn't repeat the URL, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    #[error("cache.backend: not a `redis://` URL that can be used")]
    Url,
    #[error("cache.backend: this build has no Redis support")]
    Absent,
}

/// A value that can be kept outside of this process.
pub trait Portable: Sized {
    fn write(&self) -> Vec<u8>;
    /// `None` where the bytes are no such value.
    fn read(bytes: &[u8]) -> Option<Self>;
}

#[cfg(not(feature = "redis"))]
pub(super) use absent::Remote;
#[cfg(feature = "redis")]
pub(super) use present::Remote;

#[cfg(feature = "redis")]
mod present {
    use super::{BackendError, Duration, Key};
    use redis::aio::{ConnectionManager, ConnectionManagerConfig};
    use redis::{AsyncCommands, Client};
    use std::fmt;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, OnceLock};
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    /// Longer than this a request does not wait for a cache.
    const PATIENCE: Duration = Duration::from_millis(50);
    /// How long the others don't try after a failure.
    const PAUSE: Duration = Duration::from_secs(1);
    /// Shorter lives are not worth the journey.
    const SHORTEST: Duration = Duration::from_secs(1);

    /// The connection, made when it is first needed and made again where it breaks.
    pub(crate) struct Remote {
        client: Client,
        connection: OnceLock<Option<ConnectionManager>>,
        began: Instant,
        /// Milliseconds after `began` until which nobody tries.
        down_until: Arc<AtomicU64>,
    }

    impl fmt::Debug for Remote {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Remote(redis)")
        }
    }

    impl Remote {
        pub(crate) fn open(url: &str) -> Result<Remote, BackendError> {
            Ok(Remote {
                client: Client::open(url).map_err(|_| BackendError::Url)?,
                connection: OnceLock::new(),
                began: Instant::now(),
                down_until: Arc::default(),
            })
        }

        /// The bytes under that key and how long they still count.
        pub(crate) async fn get(&self, key: &Key) -> Option<(Vec<u8>, Duration)> {
            let mut connection = self.connection()?;
            let asked = connection.get::<_, Option<Vec<u8>>>(name(key));
            let found = match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Ok(found)) => found?,
                Ok(Err(_)) | Err(_) => {
                    self.fail();
                    return None;
                }
            };
            let (end, bytes) = found.split_first_chunk::<8>()?;
            let left = u64::from_le_bytes(*end).checked_sub(now())?;
            Some((bytes.to_vec(), Duration::from_millis(left)))
        }

        /// Keeps bytes without making anybody wait.
        pub(crate) fn put(&self, key: Key, bytes: &[u8], life: Duration) {
            if life < SHORTEST {
                return;
            }
            let Some(mut connection) = self.connection() else {
                return;
            };
            let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX / 4);
            let mut entry = now().saturating_add(life).to_le_bytes().to_vec();
            entry.extend_from_slice(bytes);
            let (down_until, until) = (self.down_until.clone(), self.after_pause());
            tokio::spawn(async move {
                let kept = connection.pset_ex::<_, _, ()>(name(&key), entry, life);
                if !matches!(tokio::time::timeout(PATIENCE, kept).await, Ok(Ok(()))) {
                    down_until.store(until, Ordering::Relaxed);
                }
            });
        }

        fn connection(&self) -> Option<ConnectionManager> {
            if self.down_until.load(Ordering::Relaxed) > self.elapsed() {
                return None;
            }
            let make = || {
                let config = ConnectionManagerConfig::new()
                    .set_number_of_retries(0)
                    .set_connection_timeout(Some(Duration::from_secs(1)))
                    .set_response_timeout(Some(PATIENCE));
                ConnectionManager::new_lazy_with_config(self.client.clone(), config).ok()
            };
            self.connection.get_or_init(make).clone()
        }

        fn fail(&self) {
            self.down_until.store(self.after_pause(), Ordering::Relaxed);
        }

        fn after_pause(&self) -> u64 {
            self.elapsed() + u64::try_from(PAUSE.as_millis()).unwrap_or(1000)
        }

        fn elapsed(&self) -> u64 {
            u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX / 4)
        }
    }

    fn name(key: &Key) -> String {
        use std::fmt::Write as _;
        key.iter().fold("doorward:".to_owned(), |mut name, byte| {
            let _ = write!(name, "{byte:02x}");
            name
        })
    }

    /// Milliseconds since 1970: processes share no other clock.
    fn now() -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| u64::try_from(since.as_millis()).ok())
            .unwrap_or(u64::MAX / 4)
    }
}

#[cfg(not(feature = "redis"))]
mod absent {
    use super::{BackendError, Duration, Key};

    /// Never made.
    #[derive(Debug)]
    pub(crate) enum Remote {}

    impl Remote {
        pub(crate) fn open(_: &str) -> Result<Remote, BackendError> {
            Err(BackendError::Absent)
        }

        pub(crate) async fn get(&self, _: &Key) -> Option<(Vec<u8>, Duration)> {
            match *self {}
        }

        pub(crate) fn put(&self, _: Key, _: &[u8], _: Duration) {
            match *self {}
        }
    }
}

#[cfg(feature = "redis")]
#[cfg(test)]
mod tests {
    use crate::clients::Portable;
    use crate::clients::cache::{Cache, Key, KeyBuilder, Store};
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    impl Portable for String {
        fn write(&self) -> Vec<u8> {
            self.clone().into_bytes()
        }

        fn read(bytes: &[u8]) -> Option<String> {
            String::from_utf8(bytes.to_vec()).ok()
        }
    }

    struct Redis {
        process: Child,
        port: u16,
        _folder: tempfile::TempDir,
    }

    impl Drop for Redis {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    impl Redis {
        /// `None`, out loud, where there is no `redis-server`.
        fn start() -> Option<Redis> {
            let folder = tempfile::tempdir().unwrap();
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let process = Command::new("redis-server")
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
                .args(["--save", "", "--appendonly", "no"])
                .current_dir(folder.path())
                .stdout(Stdio::piped())
                .spawn();
            let Ok(mut process) = process else {
                eprintln!("SKIPPED: there is no redis-server");
                return None;
            };
            let lines = BufReader::new(process.stdout.take().unwrap()).lines();
            lines
                .map_while(Result::ok)
                .find(|line| line.to_lowercase().contains("ready to accept"))
                .expect("redis-server starts");
            Some(Redis {
                process,
                port,
                _folder: folder,
            })
        }

        fn cache(&self) -> Cache<String> {
            let url = format!("redis://127.0.0.1:{}/", self.port);
            Cache::new(Store::shared(1 << 20, &url).unwrap(), Arc::default())
        }

        async fn command(&self, words: &[&str]) -> Vec<String> {
            let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.port)).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]);
            command
                .query_async(&mut connection)
                .await
                .unwrap_or_default()
        }
    }

    fn key(text: &str) -> Key {
        KeyBuilder::new("test").part(text).finish()
    }

    async fn eventually(cache: &Cache<String>, key: &Key) -> Option<Arc<String>> {
        for _ in 0..200 {
            if let Some(found) = cache.find(key).await {
                return Some(found);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        None
    }

    #[tokio::test]
    async fn what_one_process_found_out_another_knows_until_its_end() {
        let Some(redis) = Redis::start() else { return };
        let (one, two) = (redis.cache(), redis.cache());
        let life = Duration::from_secs(2);
        one.share(key("a"), Arc::new("answer".to_owned()), 6, life);
        let found = eventually(&two, &key("a")).await;
        assert_eq!(found.as_deref().map(String::as_str), Some("answer"));
        tokio::time::sleep(life + Duration::from_millis(100)).await;
        assert_eq!(two.find(&key("a")).await, None);
        assert_eq!(redis.cache().find(&key("a")).await, None);
    }

    #[tokio::test]
    async fn what_others_wrote_there_is_no_answer() {
        let Some(redis) = Redis::start() else { return };
        let one = redis.cache();
        one.share(
            key("a"),
            Arc::new("answer".to_owned()),
            6,
            Duration::from_secs(60),
        );
        assert!(eventually(&redis.cache(), &key("a")).await.is_some());
        let names = redis.command(&["KEYS", "*"]).await;
        for junk in ["", "short", "\0\0\0\0\0\0\0\0in the past"] {
            redis.command(&["SET", &names[0], junk]).await;
            assert_eq!(redis.cache().find(&key("a")).await, None, "{junk:?}");
        }
    }

    #[tokio::test]
    async fn a_backend_that_dies_costs_speed_and_little_of_it() {
        let Some(redis) = Redis::start() else { return };
        let one = redis.cache();
        let life = Duration::from_secs(60);
        one.share(key("a"), Arc::new("answer".to_owned()), 6, life);
        let far = redis.cache();
        assert!(eventually(&far, &key("a")).await.is_some());
        drop(redis);
        assert!(
            far.find(&key("a")).await.is_some(),
            "what is here stays here"
        );
        let began = Instant::now();
        for n in 0..1000 {
            assert_eq!(far.find(&key(&n.to_string())).await, None);
            far.share(key(&n.to_string()), Arc::new(String::new()), 1, life);
        }
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{:?}",
            began.elapsed()
        );
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_repeating_it() {
        let error = Store::shared(1, "redis://:secret@h:port/").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
