//! Names of upstreams: looked up without blocking a worker, used for a while, refreshed behind requests (design: pingora.md, P17).

use arc_swap::ArcSwap;
use moka::future::Cache;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::lookup_host;

/// Older addresses are looked up again, behind the request that finds them old.
const FRESH: Duration = Duration::from_secs(10);
/// How long an address that refused connections is passed over.
const SHUNNED: Duration = Duration::from_secs(30);
/// Names that no request asked for are forgotten.
const UNUSED: Duration = Duration::from_secs(600);
const NAMES: u64 = 10_000;

/// The addresses of upstreams' names.
#[derive(Debug)]
pub(in crate::service) struct Names(Cache<(Arc<str>, u16), Arc<Name>>);

impl Default for Names {
    fn default() -> Names {
        let names = Cache::builder()
            .max_capacity(NAMES)
            .time_to_idle(UNUSED)
            .build();
        Names(names)
    }
}

#[derive(Debug)]
struct Name {
    addresses: ArcSwap<Vec<Address>>,
    /// Milliseconds, as [`now`] gives them.
    looked_up: AtomicU64,
    being_looked_up: AtomicBool,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Address {
    address: SocketAddr,
    /// Passed over until then.
    shunned: AtomicU64,
}

impl Names {
    /// An address for the next try: in turn, those first that were not tried and did not refuse lately.
    pub(super) async fn address(
        &self,
        host: &Arc<str>,
        port: u16,
        tried: &[SocketAddr],
    ) -> io::Result<Found> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            let address = SocketAddr::new(ip, port);
            return Ok(Found {
                address,
                name: None,
            });
        }
        let key = (host.clone(), port);
        let looked_up = async { Ok(Arc::new(Name::new(look_up(host, port).await?))) };
        let name: Result<_, Arc<io::Error>> = self.0.try_get_with(key, looked_up).await;
        let name = name.map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        name.refresh_if_old(host, port);
        let address = name
            .next(tried)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Found {
            address,
            name: Some(name),
        })
    }
}

/// An address, and the name that it was found under.
#[derive(Debug)]
pub(in crate::service) struct Found {
    pub address: SocketAddr,
    name: Option<Arc<Name>>,
}

impl Found {
    /// Notes that it could not be connected to. `true` where the name has others.
    pub(super) fn shun(&self) -> bool {
        let Some(name) = &self.name else {
            return false;
        };
        name.shun(self.address);
        name.addresses.load().len() > 1
    }
}

impl Name {
    fn new(addresses: Vec<SocketAddr>) -> Name {
        Name {
            addresses: ArcSwap::from_pointee(addresses.into_iter().map(Address::new).collect()),
            looked_up: AtomicU64::new(now()),
            being_looked_up: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
        }
    }

    fn next(&self, tried: &[SocketAddr]) -> Option<SocketAddr> {
        let addresses = self.addresses.load();
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = || {
            let start = start.checked_rem(addresses.len()).unwrap_or(0);
            addresses.iter().cycle().skip(start).take(addresses.len())
        };
        let untried = |a: &&Address| !tried.contains(&a.address);
        in_turn()
            .find(|a| untried(a) && a.shunned.load(Ordering::Relaxed) <= now())
            .or_else(|| in_turn().find(untried))
            .or_else(|| in_turn().next())
            .map(|a| a.address)
    }

    fn shun(&self, address: SocketAddr) {
        let until = now() + millis(SHUNNED);
        let addresses = self.addresses.load();
        let known = addresses.iter().filter(|known| known.address == address);
        known.for_each(|known| known.shunned.store(until, Ordering::Relaxed));
    }

    /// Old addresses serve on until newer ones are there, and for as long as the lookup fails.
    fn refresh_if_old(self: &Arc<Name>, host: &Arc<str>, port: u16) {
        let age = now().saturating_sub(self.looked_up.load(Ordering::Relaxed));
        if age < millis(FRESH) || self.being_looked_up.swap(true, Ordering::AcqRel) {
            return;
        }
        let (name, host) = (self.clone(), host.clone());
        tokio::spawn(async move {
            match look_up(&host, port).await {
                Ok(found) => name.replace(found),
                Err(error) => {
                    tracing::warn!(upstream = &*host, %error, "a name can't be looked up; its old addresses are used on");
                }
            }
            name.looked_up.store(now(), Ordering::Relaxed);
            name.being_looked_up.store(false, Ordering::Release);
        });
    }

    fn replace(&self, found: Vec<SocketAddr>) {
        let old = self.addresses.load();
        let keep = |address: SocketAddr| {
            let known = old.iter().find(|known| known.address == address);
            let shunned = known.map_or(0, |known| known.shunned.load(Ordering::Relaxed));
            Address {
                address,
                shunned: AtomicU64::new(shunned),
            }
        };
        self.addresses
            .store(Arc::new(found.into_iter().map(keep).collect()));
    }
}

impl Address {
    fn new(address: SocketAddr) -> Address {
        Address {
            address,
            shunned: AtomicU64::new(0),
        }
    }
}

async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    if found.is_empty() {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    Ok(found)
}

/// Milliseconds since the first call.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    millis(START.get_or_init(Instant::now).elapsed())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> [SocketAddr; 2] {
        ["[::1]:1", "127.0.0.1:1"].map(|text| text.parse().unwrap())
    }

    #[test]
    fn addresses_take_turns_and_a_refusing_one_waits() {
        let [a, b] = addresses();
        let name = Name::new(vec![a, b]);
        assert_eq!([name.next(&[]), name.next(&[])], [Some(a), Some(b)]);
        assert_eq!(name.next(&[a]), Some(b));
        name.shun(a);
        assert!((0..3).all(|_| name.next(&[]) == Some(b)));
        assert_eq!(name.next(&[b]), Some(a), "better than nothing");
        assert!(name.next(&[a, b]).is_some());
        name.replace(vec![a, b]);
        assert!((0..3).all(|_| name.next(&[]) == Some(b)), "also later");
    }

    #[tokio::test]
    async fn addresses_need_no_looking_up_and_unknown_names_are_errors() {
        let names = Names::default();
        let found = names.address(&"::1".into(), 80, &[]).await.unwrap();
        assert_eq!(found.address, "[::1]:80".parse().unwrap());
        names
            .address(&"no-such-host.invalid".into(), 80, &[])
            .await
            .unwrap_err();
    }
}
