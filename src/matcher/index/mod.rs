//! The index: from a subject to the few rules that can match it.
//!
//! Every rule begins with some literal text (perhaps none). Up to its last `/` that text is a key of a hash table, and a lookup hashes
//! the subject once from left to right and asks the table after each slash: rules with another scheme, host or directory are never
//! seen. Rules without holes are found by the hash of the whole subject. Where many rules share a key, the node behind it is split
//! further: by the literal text that follows, by the literal text at the end, by a literal inside (Aho-Corasick), and what nothing
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
use hash::{Running, Side, Table};
use methods::{Method, Methods};
use rule::Rules;

/// How many bytes of text a node's children are keyed by; a bit set of these is kept in each node.
const LENGTHS: [usize; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];

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
    front: u16,
    back: u16,
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
    method: Method,
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
        let mut search = Search {
            index: self,
            subject: &lent.subject,
            method,
            first: None,
            second: None,
            overrun: None,
            hits,
        };
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

fn other(protocol: Protocol) -> Protocol {
    match protocol {
        Protocol::Http => Protocol::Rpc,
        Protocol::Rpc => Protocol::Http,
    }
}

impl Search<'_> {
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
        let index = self.index;
        let Some(node_at) = index.nodes.get(node as usize) else {
            return false;
        };
        let (first, count) = node_at.list;
        let list = index
            .lists
            .get(first as usize..(first + count) as usize)
            .unwrap_or_default();
        if list.iter().any(|&rule| self.verify(rule)) {
            return true;
        }
        (node_at.front != 0 && self.children(node, Side::Front, node_at.front, from))
            || (node_at.back != 0 && self.children(node, Side::Back, node_at.back, from))
            || node_at.inner.is_some_and(|inner| self.inside(inner, from))
            || (node_at.automata.1 != 0 && self.jointly(node_at.automata, from))
    }

    fn children(&mut self, node: u32, side: Side, mut lengths: u16, from: usize) -> bool {
        let Some(rest) = self.subject.as_bytes().get(from..) else {
            return false;
        };
        while lengths != 0 {
            let Some(&length) = LENGTHS.get(lengths.trailing_zeros() as usize) else {
                return false;
            };
            lengths &= lengths - 1;
            let (bytes, beyond) = match side {
                Side::Front => (rest.get(..length), from + length),
                Side::Back => (
                    rest.len()
                        .checked_sub(length)
                        .and_then(|start| rest.get(start..)),
                    from,
                ),
            };
            let Some(bytes) = bytes else { return false };
            if let Some(child) = self.index.table.get(hash::of_child(node, side, bytes))
                && self.visit(child, beyond)
            {
                return true;
            }
        }
        false
    }

    fn inside(&mut self, inner: u32, from: usize) -> bool {
        let (Some(inner), Some(rest)) = (
            self.index.inner.get(inner as usize),
            self.subject.as_bytes().get(from..),
        ) else {
            return false;
        };
        let Ok(found) = inner.searcher.try_find_overlapping_iter(rest) else {
            return false;
        };
        self.hits.clear();
        self.hits.extend(found.map(|hit| hit.pattern().as_u32()));
        if self.hits.len() > 1 {
            self.hits.sort_unstable();
            self.hits.dedup();
        }
        let mut at = 0;
        while let Some(&hit) = self.hits.get(at) {
            at += 1;
            if inner
                .nodes
                .get(hit as usize)
                .is_some_and(|&node| self.visit(node, from))
            {
                return true;
            }
        }
        false
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
        if !self
            .index
            .methods
            .allows(rule.methods, rule.entry, self.method)
            || self.first == Some(rule.entry)
        {
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
