//! The index: from a subject to the few rules that can match it.
//!
//! Every rule begins with some literal text (perhaps none). Up to its last `/` that text is a key of a hash table, and a lookup hashes
//! the subject once from left to right and asks the table after each slash: rules with another scheme, host or directory are never
//! seen. Rules without holes are found by the hash of the whole subject. Where many rules share a key, the node behind it is split
//! further: by the literal text that follows, by the literal text at the end, by a literal inside (after any slash, else Aho-Corasick), and what nothing
//! tells apart goes into automata that run all patterns at once. The few candidates that are left are verified one by one, until a
//! second match settles the answer.
//!
//! Lookups take no lock and allocate nothing: their memory belongs to the thread and is used again.

mod build;
mod hash;
mod methods;
mod rule;

use std::cell::RefCell;

use aho_corasick::AhoCorasick;

use super::engine::Overrun;
use super::engine::automaton::Automaton;
use super::{Candidate, Found, Key, Outcome, Protocol};
use hash::{RULE, Running, Side, Table};
use methods::{Method, Methods};
use rule::Rules;

/// How many bytes of text a node's children may be keyed by; a bit set of these is kept in each node.
const LENGTHS: [usize; 30] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 28, 32,
    40, 48, 56, 64,
];

#[derive(Debug, Default)]
pub(super) struct Index {
    rules: Rules,
    /// The rule of each entry; `NONE` where its pattern can't be used.
    of_entry: Vec<u32>,
    methods: Methods,
    /// Beginnings that end with a slash, and children of nodes.
    table: Table,
    /// Whole subjects.
    literals: Table,
    nodes: Vec<Node>,
    /// Rules of nodes, one node's after another's.
    lists: Vec<u32>,
    inner: Vec<Inner>,
    automata: Vec<Joint>,
    /// How many slashes the beginnings in `table` have, as bits; the last one stands for more.
    depths: u64,
    longest_literal: usize,
}

/// Rules that have a beginning in common.
#[derive(Debug, Clone, Default)]
struct Node {
    list: (u32, u32),
    /// Which `LENGTHS` its children are keyed by.
    front: u32,
    back: u32,
    slash: u32,
    inner: Option<u32>,
    automata: (u32, u32),
}

/// Literals that occur inside subjects, each with the node of the rules that need it.
#[derive(Debug)]
struct Inner {
    searcher: AhoCorasick,
    nodes: Vec<u32>,
}

/// Patterns that nothing tells apart, as one automaton over what follows the common beginning.
#[derive(Debug)]
struct Joint {
    automaton: Automaton,
    rules: Vec<u32>,
}

/// What a lookup has found so far.
struct Search<'a> {
    index: &'a Index,
    subject: &'a str,
    /// `None`: any. Then all matches are noted, and nothing settles the answer.
    method: Option<Method>,
    all: Vec<u32>,
    first: Option<u32>,
    second: Option<u32>,
    overrun: Option<u32>,
    /// Literals that were seen; lent from the thread.
    hits: Vec<u32>,
}

#[derive(Debug, Default)]
struct Lent {
    subject: String,
    hits: Vec<u32>,
}

thread_local! {
    static LENT: RefCell<Lent> = RefCell::default();
}

impl Index {
    pub(super) fn find(&self, key: &Key<'_>) -> Found {
        let Some(method) = self.methods.get(key.protocol, key.method) else {
            return Found::None;
        };
        let lent = LENT.try_with(|lent| {
            lent.try_borrow_mut()
                .ok()
                .map(|mut lent| self.find_with(key, method, &mut lent))
        });
        match lent {
            Ok(Some(found)) => found,
            // A thread that is ending has nothing to lend any more.
            _ => self.find_with(key, method, &mut Lent::default()),
        }
    }

    fn find_with(&self, key: &Key<'_>, method: Method, lent: &mut Lent) -> Found {
        lent.subject.clear();
        for part in [key.scheme, "://", key.host, key.path] {
            lent.subject.push_str(part);
        }
        let hits = std::mem::take(&mut lent.hits);
        let mut search = Search::new(self, &lent.subject, Some(method), hits);
        search.run();
        let found = search.found();
        lent.hits = search.hits;
        found
    }

    pub(super) fn captures(&self, entry: u32, key: &Key<'_>) -> Result<Vec<String>, Overrun> {
        let rule = self
            .of_entry
            .get(entry as usize)
            .and_then(|&rule| self.rules.get(rule));
        let subject = key.subject();
        match rule {
            Some(rule) if self.rules.matches(rule, &subject)? => {
                self.rules.captures(rule, &subject)
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl Index {
    /// All entries whose pattern matches, whatever their methods.
    pub(super) fn matching(&self, subject: &str) -> Vec<u32> {
        let mut search = Search::new(self, subject, None, Vec::new());
        search.run();
        search.all.sort_unstable();
        search.all.dedup();
        search.all
    }

    /// What became of each entry, without any shortcut: the matches first, then the misses, the nearest first.
    pub(super) fn candidates(&self, key: &Key<'_>) -> Vec<Candidate> {
        let subject = key.subject();
        let (host, path) = (key.scheme.len() + 3, key.scheme.len() + 3 + key.host.len());
        let mut judged: Vec<(Outcome, usize, u32)> = Vec::with_capacity(self.of_entry.len());
        for (entry, &rule) in (0..).zip(&self.of_entry) {
            let Some(rule) = self.rules.get(rule) else {
                judged.push((Outcome::BadPattern, 0, entry));
                continue;
            };
            let allows = |protocol| {
                self.methods
                    .get(protocol, key.method)
                    .is_some_and(|method| self.methods.allows(rule.methods, entry, method))
            };
            let fits = self.rules.matches(rule, &subject);
            let viable = if fits == Ok(false) {
                self.rules.viable(rule, &subject)
            } else {
                subject.len()
            };
            let outcome = match fits {
                Ok(false) if viable < host => Outcome::Scheme,
                Ok(false) if viable < path => Outcome::Host,
                Ok(false) => Outcome::Path,
                _ if !allows(key.protocol) && allows(other(key.protocol)) => Outcome::Protocol,
                _ if !allows(key.protocol) => Outcome::Method,
                Ok(true) => Outcome::Matched,
                Err(Overrun) => Outcome::Overrun,
            };
            judged.push((outcome, viable, entry));
        }
        judged.sort_unstable_by_key(|&(outcome, viable, entry)| {
            (outcome, usize::MAX - viable, entry)
        });
        judged
            .into_iter()
            .map(|(outcome, _, entry)| Candidate { entry, outcome })
            .collect()
    }
}

/// The lengths whose bits are set, the shortest first.
fn lengths_of(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        LENGTHS.get(bit as usize).copied()
    })
}

fn other(protocol: Protocol) -> Protocol {
    match protocol {
        Protocol::Http => Protocol::Rpc,
        Protocol::Rpc => Protocol::Http,
    }
}

impl<'a> Search<'a> {
    fn new(index: &'a Index, subject: &'a str, method: Option<Method>, hits: Vec<u32>) -> Self {
        Search {
            index,
            subject,
            method,
            all: Vec::new(),
            first: None,
            second: None,
            overrun: None,
            hits,
        }
    }

    /// The answer, once everything was asked or a second match was found.
    fn found(&self) -> Found {
        match (self.first, self.second, self.overrun) {
            (Some(first), Some(second), _) => Found::Several(first.min(second), first.max(second)),
            (_, _, Some(entry)) => Found::Overrun(entry),
            (Some(entry), None, None) => Found::One(entry),
            (None, _, None) => Found::None,
        }
    }

    fn run(&mut self) {
        let index = self.index;
        if index.depths & 1 == 1 && self.begins(Running::of_beginning(""), 0) {
            return;
        }
        let mut running = Running::new();
        let mut depth: u32 = 0;
        for (at, &byte) in self.subject.as_bytes().iter().enumerate() {
            running.push(byte);
            if byte != b'/' {
                continue;
            }
            let hash = running.at_slash();
            depth = (depth + 1).min(63);
            if index.depths >> depth & 1 == 1 && self.begins(hash, at + 1) {
                return;
            }
            if index.depths >> depth <= 1
                && depth < 63
                && self.subject.len() > index.longest_literal
            {
                return; // Nothing deeper, and too long for a literal: no need to hash the rest.
            }
        }
        if self.subject.len() <= index.longest_literal
            && let Some(node) = index.literals.get(running.whole())
        {
            self.visit(node, 0);
        }
    }

    /// Looks at the rules whose beginning has this hash. True once the answer is settled.
    fn begins(&mut self, hash: u64, length: usize) -> bool {
        self.index
            .table
            .get(hash)
            .is_some_and(|node| self.visit(node, length))
    }

    /// `from`: how long the beginning is that the node's rules have in common. True once the answer is settled.
    fn visit(&mut self, node: u32, from: usize) -> bool {
        if node & RULE != 0 {
            return self.verify(node & !RULE);
        }
        let index = self.index;
        let Some(found) = index.nodes.get(node as usize) else {
            return false;
        };
        let (first, count) = found.list;
        let list = index.lists.get(first as usize..(first + count) as usize);
        list.unwrap_or_default()
            .iter()
            .any(|&rule| self.verify(rule))
            || (found.front != 0 && self.front(node, found.front, from))
            || (found.back != 0 && self.back(node, found.back, from))
            || (found.slash != 0 && self.after_slashes(node, found.slash, from))
            || found.inner.is_some_and(|inner| self.inside(inner, from))
            || (found.automata.1 != 0 && self.jointly(found.automata, from))
    }

    fn child(&self, node: u32, side: Side, bytes: Option<&[u8]>) -> Option<u32> {
        self.index.table.get(hash::of_child(node, side, bytes?))
    }

    fn front(&mut self, node: u32, lengths: u32, from: usize) -> bool {
        let rest = self.subject.as_bytes().get(from..).unwrap_or_default();
        lengths_of(lengths).any(|length| {
            let child = self.child(node, Side::Front, rest.get(..length));
            child.is_some_and(|child| self.visit(child, from + length))
        })
    }

    fn back(&mut self, node: u32, lengths: u32, from: usize) -> bool {
        let rest = self.subject.as_bytes().get(from..).unwrap_or_default();
        lengths_of(lengths).any(|length| {
            let end = rest
                .len()
                .checked_sub(length)
                .and_then(|start| rest.get(start..));
            let child = self.child(node, Side::Back, end);
            child.is_some_and(|child| self.visit(child, from))
        })
    }

    fn after_slashes(&mut self, node: u32, lengths: u32, from: usize) -> bool {
        let rest = self.subject.as_bytes().get(from..).unwrap_or_default();
        let earlier = self.hits.len();
        for (at, _) in rest.iter().enumerate().filter(|&(_, &byte)| byte == b'/') {
            for length in lengths_of(lengths) {
                let child = self.child(node, Side::Slash, rest.get(at..at + length));
                self.hits.extend(child);
            }
        }
        self.visit_hits(earlier, from)
    }

    fn inside(&mut self, inner: u32, from: usize) -> bool {
        let Some(inner) = self.index.inner.get(inner as usize) else {
            return false;
        };
        let rest = self.subject.as_bytes().get(from..).unwrap_or_default();
        let Ok(found) = inner.searcher.try_find_overlapping_iter(rest) else {
            return false;
        };
        let earlier = self.hits.len();
        let node = |pattern: usize| inner.nodes.get(pattern).copied();
        self.hits
            .extend(found.filter_map(|hit| node(hit.pattern().as_usize())));
        self.visit_hits(earlier, from)
    }

    /// Visits each of the nodes noted since, once: a path may repeat what leads to it.
    fn visit_hits(&mut self, earlier: usize, from: usize) -> bool {
        if let Some(hits) = self.hits.get_mut(earlier..) {
            hits.sort_unstable();
        }
        let (mut at, end, mut last) = (earlier, self.hits.len(), None);
        let mut settled = false;
        while !settled && at < end {
            let hit = self.hits.get(at).copied();
            if hit != last {
                settled = hit.is_some_and(|node| self.visit(node, from));
            }
            last = hit;
            at += 1;
        }
        self.hits.truncate(earlier);
        settled
    }

    fn jointly(&mut self, (first, count): (u32, u32), from: usize) -> bool {
        let joints = self
            .index
            .automata
            .get(first as usize..(first + count) as usize)
            .unwrap_or_default();
        let Some(rest) = self.subject.get(from..) else {
            return false;
        };
        joints.iter().any(|joint| {
            joint.automaton.accepting(rest).any(|pattern| {
                joint
                    .rules
                    .get(pattern)
                    .is_some_and(|&rule| self.verify(rule))
            })
        })
    }

    /// Asks one rule. True once the answer is settled.
    fn verify(&mut self, rule: u32) -> bool {
        let Some(rule) = self.index.rules.get(rule) else {
            return false;
        };
        let Some(method) = self.method else {
            if self.index.rules.matches(rule, self.subject) == Ok(true) {
                self.all.push(rule.entry);
            }
            return false;
        };
        let allowed = self.index.methods.allows(rule.methods, rule.entry, method);
        if !allowed || self.first == Some(rule.entry) {
            return false;
        }
        // The request is denied whatever this one says; so many slow patterns cost no more than one.
        if self.overrun.is_some() && self.index.rules.needs_machine(rule) {
            return false;
        }
        match self.index.rules.matches(rule, self.subject) {
            Ok(false) => {}
            Ok(true) if self.first.is_none() => self.first = Some(rule.entry),
            Ok(true) => self.second = Some(rule.entry),
            Err(Overrun) => {
                self.overrun = Some(
                    self.overrun
                        .map_or(rule.entry, |entry| entry.min(rule.entry)),
                )
            }
        }
        self.second.is_some()
    }
}
