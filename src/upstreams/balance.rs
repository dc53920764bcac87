//! Choosing a server.

use super::{Server, State, Upstream};
use http::HeaderName;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How a server is chosen among those that work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Policy {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight for its weight.
    LeastConnections,
    /// Always the same one for the same value; a server that comes or goes moves only its own share.
    Hash(HashOn),
}

/// What keeps requests together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashOn {
    Header(HeaderName),
    Cookie(Box<str>),
    Subject,
}

/// A server chosen for one try; counts as a request in flight until it is dropped.
#[derive(Debug)]
pub struct Lease {
    index: usize,
    state: Arc<State>,
}

impl Lease {
    /// Its place among the upstream's servers.
    pub fn index(&self) -> usize {
        self.index
    }

    pub fn state(&self) -> &State {
        &self.state
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.state.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which servers may be chosen.
type Fits<'a> = &'a dyn Fn(usize, &Server) -> bool;

/// Every server has as many requests as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoServer;

impl Upstream {
    /// Chooses a server for the next try, if possible one that works and wasn't tried.
    ///
    /// `key` is what a hash policy goes by; a request without it takes its turn. Where no server works all are tried: a wrong
    /// judgement must not close an upstream that lives.
    pub fn choose(&self, key: Option<&[u8]>, tried: &[usize]) -> Result<Lease, NoServer> {
        if let [only] = &*self.servers {
            return self.take(0, only).ok_or(NoServer);
        }
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        let tiers: [Fits<'_>; 3] = [
            &|index, server| server.state.works() && !tried.contains(&index),
            &|index, _| !tried.contains(&index),
            &|_, _| true,
        ];
        tiers
            .iter()
            .find_map(|fits| self.choose_among(start, key, fits))
            .ok_or(NoServer)
    }

    fn choose_among(&self, start: usize, key: Option<&[u8]>, fits: Fits<'_>) -> Option<Lease> {
        let fitting = |index: &usize| {
            let server = self.servers.get(*index)?;
            (fits(*index, server) && self.has_room(server)).then_some((*index, server))
        };
        let in_turn = || {
            let behind = self.order.iter().cycle().skip(start % self.order.len());
            behind
                .take(self.order.len())
                .map(|index| usize::from(*index))
        };
        let chosen = match (&self.settings.policy, key) {
            (super::Policy::LeastConnections, _) => in_turn()
                .filter_map(|index| fitting(&index))
                .min_by(|(_, a), (_, b)| load(a).total_cmp(&load(b))),
            (super::Policy::Hash(_), Some(key)) => (0..self.servers.len())
                .filter_map(|index| fitting(&index))
                .max_by(|(_, a), (_, b)| score(a, key).total_cmp(&score(b, key))),
            (super::Policy::RoundRobin | super::Policy::Hash(_), _) => {
                in_turn().find_map(|index| fitting(&index))
            }
        };
        let (index, server) = chosen?;
        self.take(index, server)
    }

    fn has_room(&self, server: &Server) -> bool {
        self.settings
            .in_flight
            .is_none_or(|most| server.state.in_flight() < most.get())
    }

    /// `None` where others were faster and the server is full.
    fn take(&self, index: usize, server: &Server) -> Option<Lease> {
        let before = server.state.in_flight.fetch_add(1, Ordering::Relaxed);
        let lease = Lease {
            index,
            state: server.state.clone(),
        };
        let most = self.settings.in_flight;
        most.is_none_or(|most| before < most.get()).then_some(lease)
    }
}

fn load(server: &Server) -> f64 {
    (server.state.in_flight() as f64 + 1.0) / f64::from(server.weight)
}

/// Weighted rendezvous hashing: each server draws a number for the key, the highest wins.
fn score(server: &Server, key: &[u8]) -> f64 {
    // Without a random seed: every process sends a key to the same server.
    let mut hasher = DefaultHasher::new();
    (&*server.host, server.port, key).hash(&mut hasher);
    let drawn = (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64;
    -f64::from(server.weight) / drawn.max(f64::MIN_POSITIVE).ln()
}

/// Indices, each as often as its weight, spread evenly: the one that is furthest behind its share goes next.
pub(super) fn order(weights: impl Iterator<Item = u16>) -> Vec<u16> {
    let weights: Vec<i64> = weights.map(|weight| i64::from(weight.max(1))).collect();
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let total: i64 = weights.iter().sum();
    let mut owed = vec![0; weights.len()];
    let mut order = Vec::new();
    for _ in 0..total / divisor {
        for (owed, weight) in owed.iter_mut().zip(&weights) {
            *owed += weight;
        }
        // The first of equals, as written.
        let next = owed
            .iter_mut()
            .enumerate()
            .max_by_key(|(index, owed)| (**owed, std::cmp::Reverse(*index)));
        if let Some((index, owed)) = next {
            *owed -= total;
            order.push(u16::try_from(index).unwrap_or(0));
        }
    }
    order
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstreams::{Policy, Scheme, Settings};
    use crate::{canonical::UpstreamPath, gourl::Url};
    use std::num::NonZeroUsize;

    fn upstream(weights: &[u16], settings: Settings) -> Upstream {
        let url = Url::parse_request_uri("http://u/").unwrap();
        let server = |(index, weight): (usize, &u16)| Server {
            scheme: Scheme::Http,
            host: format!("u{index}").into(),
            port: 80,
            authority: "u".into(),
            path: UpstreamPath::new(&url, ""),
            weight: *weight,
            state: Arc::default(),
        };
        Upstream::new(weights.iter().enumerate().map(server).collect(), settings).unwrap()
    }

    fn policy(policy: Policy) -> Settings {
        Settings {
            policy,
            ..Settings::default()
        }
    }

    fn next(upstream: &Upstream) -> usize {
        upstream.choose(None, &[]).unwrap().index()
    }

    #[test]
    fn servers_take_turns_by_their_weights() {
        let upstream = upstream(&[10, 30, 10], Settings::default());
        let turns: Vec<usize> = (0..10).map(|_| next(&upstream)).collect();
        assert_eq!(turns, [1, 0, 1, 2, 1, 1, 0, 1, 2, 1]);
    }

    #[test]
    fn the_one_with_the_fewest_requests_is_next() {
        let upstream = upstream(&[1, 2], policy(Policy::LeastConnections));
        let held: Vec<Lease> = (0..6)
            .map(|_| upstream.choose(None, &[]).unwrap())
            .collect();
        let first = held.iter().filter(|lease| lease.index() == 0).count();
        assert_eq!(first, 2, "a third of the weight, a third of the requests");
        drop(held);
        assert_eq!(upstream.servers()[1].state.in_flight(), 0);
    }

    #[test]
    fn a_key_stays_where_it_is_and_only_a_lost_server_s_keys_move() {
        let upstream = upstream(&[1, 1, 1, 1], policy(Policy::Hash(HashOn::Subject)));
        let at = |key: usize| {
            let key = key.to_be_bytes();
            upstream.choose(Some(&key), &[]).unwrap().index()
        };
        let before: Vec<usize> = (0..1000).map(at).collect();
        assert_eq!(before, (0..1000).map(at).collect::<Vec<_>>());
        for server in 0..4 {
            let share = before.iter().filter(|at| **at == server).count();
            assert!((180..320).contains(&share), "{share}");
        }
        upstream.servers()[2].state.failed_check(1);
        for (key, before) in before.iter().enumerate() {
            if *before == 2 {
                assert_ne!(at(key), 2);
            } else {
                assert_eq!(at(key), *before);
            }
        }
    }

    #[test]
    fn what_works_and_was_not_tried_comes_first_but_something_always_comes() {
        let upstream = upstream(&[1, 1], Settings::default());
        upstream.servers()[0].state.failed_check(1);
        assert!((0..4).all(|_| next(&upstream) == 1));
        assert_eq!(upstream.choose(None, &[1]).unwrap().index(), 0);
        upstream.choose(None, &[0, 1]).unwrap();
        upstream.servers()[1].state.failed_check(1);
        let seen: Vec<usize> = (0..2).map(|_| next(&upstream)).collect();
        assert!(seen.contains(&0) && seen.contains(&1), "{seen:?}");
    }

    #[test]
    fn a_full_server_is_passed_over_and_full_ones_are_said_so() {
        let settings = Settings {
            in_flight: NonZeroUsize::new(1),
            ..Settings::default()
        };
        let upstream = upstream(&[1, 1], settings);
        let first = upstream.choose(None, &[]).unwrap();
        let second = upstream.choose(None, &[]).unwrap();
        assert_ne!(first.index(), second.index());
        assert_eq!(upstream.choose(None, &[]).unwrap_err(), NoServer);
        drop(first);
        upstream.choose(None, &[]).unwrap();
    }
}
