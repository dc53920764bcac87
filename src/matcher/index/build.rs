//! Building the index: rules are grouped by what tells them apart, cheapest first.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex_syntax::hir::Hir;

use super::super::engine::automaton::{Automaton, Exactness, widened};
use super::super::pattern::{Ast, Node as Tree, Refusal};
use super::super::shape::{Shape, items, texts};
use super::super::{Entry, PatternError};
use super::hash::{self, NONE, RULE, Running, Side, Table};
use super::rule::Interning;
use super::{Index, Inner, Joint, LENGTHS, Node};

/// A node with no more rules than this is not split: verifying them costs less.
const FEW: usize = 8;

/// The most memory that one automaton for many patterns may take.
const LARGEST_JOINT: usize = 256 << 10;

/// How many patterns may be in one automaton: making it costs more than linearly.
const MOST_TOGETHER: usize = 64;

/// What all automata for many patterns together may take, attempts that failed included; so making them takes a second at most.
/// Beyond it patterns are verified one by one.
const ALL_JOINTS: usize = 32 << 20;

/// A literal inside that is shorter than this says too little about a subject.
const TELLING: usize = 2;

/// How many expressions are made ready at load. The rest is made when it is first needed.
const WARM: usize = 1024;

/// A rule on its way to its node.
#[derive(Debug, Clone, Copy)]
struct Pending {
    rule: u32,
    head: u32,
    /// How much of its head is behind it.
    front: u32,
}

/// What only building needs.
struct Builder<'a> {
    index: Index,
    /// Reads an entry's pattern. Trees are large: the few that are needed again are read again.
    parse: &'a dyn Fn(u32) -> Result<Ast, Refusal>,
    heads: Vec<String>,
    /// For each rule.
    tails: Vec<String>,
    inner: Vec<Vec<String>>,
    keys: Vec<(u64, u32)>,
    /// How much memory automata may still take.
    left: usize,
}

/// The ways to split a node, in order.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Front,
    Back,
    Slash,
    Inside,
    Jointly,
}

impl Index {
    pub(in crate::matcher) fn build(
        entries: &[Entry<'_>],
        parse: &dyn Fn(u32) -> Result<Ast, Refusal>,
    ) -> (Self, Vec<PatternError>) {
        let mut errors = Vec::new();
        let mut interning = Interning::default();
        let mut builder = Builder::new(parse);
        let (mut by_beginning, mut by_whole) = (Groups::new(), Groups::new());
        for (index, entry) in (0..).zip(entries) {
            let ast = match parse(index) {
                Ok(ast) => ast,
                Err(refusal) => {
                    errors.push(PatternError::new(index, refusal));
                    builder.index.of_entry.push(NONE);
                    continue;
                }
            };
            let methods = builder.index.methods.add(index, entry);
            let Shape {
                kind,
                heads,
                complete,
                tail,
                inner,
            } = Shape::of(ast);
            let rule = builder
                .index
                .rules
                .add(methods, index, kind, &mut interning);
            builder.index.of_entry.push(rule);
            builder.tails.push(tail);
            builder.inner.push(inner);
            for head in heads {
                let pending = Pending {
                    rule,
                    head: builder.heads.len() as u32,
                    front: 0,
                };
                if complete {
                    builder.index.longest_literal = builder.index.longest_literal.max(head.len());
                    by_whole
                        .entry(Running::of_whole(&head))
                        .or_default()
                        .push(pending);
                } else {
                    let front = head.rfind('/').map_or(0, |slash| slash + 1) as u32;
                    let depth = head.bytes().filter(|&byte| byte == b'/').count().min(63);
                    builder.index.depths |= 1 << depth;
                    by_beginning
                        .entry(Running::of_beginning(&head))
                        .or_default()
                        .push(Pending { front, ..pending });
                }
                builder.heads.push(head);
            }
        }
        (builder.finish(by_beginning, by_whole), errors)
    }
}

/// Rules by the hash that leads to them.
type Groups = HashMap<u64, Vec<Pending>>;

impl<'a> Builder<'a> {
    fn new(parse: &'a dyn Fn(u32) -> Result<Ast, Refusal>) -> Self {
        Self {
            index: Index::default(),
            parse,
            heads: Vec::new(),
            tails: Vec::new(),
            inner: Vec::new(),
            keys: Vec::new(),
            left: ALL_JOINTS,
        }
    }

    fn finish(mut self, by_beginning: Groups, by_whole: Groups) -> Index {
        for (hash, pending) in sorted(by_beginning) {
            self.key(hash, pending, Stage::Front);
        }
        let mut literals = Vec::new();
        for (hash, pending) in sorted(by_whole) {
            let node = self.place(pending, None);
            literals.push((hash, node));
        }
        self.index.table = Table::new(&self.keys);
        self.index.literals = Table::new(&literals);
        self.index.methods.finish();
        self.index.rules.shrink();
        self.index.nodes.shrink_to_fit();
        self.index.lists.shrink_to_fit();
        self.index
            .rules
            .expressions()
            .iter()
            .take(WARM)
            .for_each(|expression| expression.warm_up());
        self.index
    }

    fn key(&mut self, hash: u64, pending: Vec<Pending>, stage: Stage) {
        let node = self.place(pending, Some(stage));
        self.keys.push((hash, node));
    }

    /// The node for some rules; for a single one the rule itself. Without a stage they are listed, however many.
    fn place(&mut self, pending: Vec<Pending>, stage: Option<Stage>) -> u32 {
        if let [only] = pending.as_slice() {
            return RULE | only.rule;
        }
        let node = self.node();
        match stage {
            Some(stage) => self.fill(node, pending, stage),
            None => self.list(node, &pending),
        }
        node
    }

    fn node(&mut self) -> u32 {
        self.index.nodes.push(Node::default());
        self.index.nodes.len() as u32 - 1
    }

    fn edit(&mut self, node: u32, edit: impl FnOnce(&mut Node)) {
        if let Some(node) = self.index.nodes.get_mut(node as usize) {
            edit(node);
        }
    }

    fn list(&mut self, node: u32, pending: &[Pending]) {
        let first = self.index.lists.len() as u32;
        self.index
            .lists
            .extend(pending.iter().map(|pending| pending.rule));
        self.edit(node, |node| node.list = (first, pending.len() as u32));
    }

    fn fill(&mut self, node: u32, pending: Vec<Pending>, stage: Stage) {
        if pending.len() <= FEW {
            return self.list(node, &pending);
        }
        match stage {
            Stage::Front => {
                let rest = self.split(node, pending, Side::Front);
                self.fill(node, rest, Stage::Back);
            }
            Stage::Back => {
                let rest = self.split(node, pending, Side::Back);
                self.fill(node, rest, Stage::Slash);
            }
            Stage::Slash => {
                let rest = self.split(node, pending, Side::Slash);
                self.fill(node, rest, Stage::Inside);
            }
            Stage::Inside => {
                let rest = self.inside(node, pending);
                self.fill(node, rest, Stage::Jointly);
            }
            Stage::Jointly => self.jointly(node, pending),
        }
    }

    /// What a rule's literal text on that side offers as keys.
    fn keys<'s>(&'s self, pending: &Pending, side: Side) -> Vec<&'s [u8]> {
        let key = match side {
            Side::Front => {
                let head = self.heads.get(pending.head as usize).map(String::as_bytes);
                let rest = head.and_then(|head| head.get(pending.front as usize..));
                rest.and_then(|rest| rest.get(..longest(rest.len())?))
            }
            Side::Back => {
                let tail = self.tails.get(pending.rule as usize).map(String::as_bytes);
                tail.and_then(|tail| tail.get(tail.len() - longest(tail.len())?..))
            }
            Side::Slash => {
                let inner = self.inner.get(pending.rule as usize);
                return inner
                    .into_iter()
                    .flatten()
                    .filter_map(|text| telling_from_slash(text))
                    .collect();
            }
        };
        key.into_iter().collect()
    }

    /// Moves rules with literal text on that side into children. Gives back those without.
    fn split(&mut self, node: u32, pending: Vec<Pending>, side: Side) -> Vec<Pending> {
        let mut counts: HashMap<&[u8], usize> = HashMap::new();
        if side == Side::Slash {
            for key in pending.iter().flat_map(|pending| self.keys(pending, side)) {
                *counts.entry(key).or_default() += 1;
            }
        }
        let mut groups = Groups::new();
        let mut rest = Vec::new();
        let mut lengths: u32 = 0;
        for pending in pending {
            let keys = self.keys(&pending, side);
            // The rarest one, and of those the longest.
            let rarity = |key: &&[u8]| {
                (
                    counts.get(*key).copied().unwrap_or(0),
                    usize::MAX - key.len(),
                )
            };
            let Some(key) = keys.into_iter().min_by_key(rarity) else {
                rest.push(pending);
                continue;
            };
            lengths |= LENGTHS
                .iter()
                .position(|&length| length == key.len())
                .map_or(0, |bit| 1 << bit);
            let front = if side == Side::Front {
                pending.front + key.len() as u32
            } else {
                pending.front
            };
            groups
                .entry(hash::of_child(node, side, key))
                .or_default()
                .push(Pending { front, ..pending });
        }
        let next = match side {
            Side::Front => Stage::Front,
            Side::Back => Stage::Slash,
            Side::Slash => Stage::Inside,
        };
        for (hash, group) in sorted(groups) {
            self.key(hash, group, next);
        }
        self.edit(node, |node| match side {
            Side::Front => node.front = lengths,
            Side::Back => node.back = lengths,
            Side::Slash => node.slash = lengths,
        });
        rest
    }

    /// Moves rules with a literal inside into nodes behind an Aho-Corasick searcher. Gives back those without.
    fn inside(&mut self, node: u32, pending: Vec<Pending>) -> Vec<Pending> {
        let mut groups: HashMap<String, Vec<Pending>> = HashMap::new();
        let mut rest = Vec::new();
        for pending in pending {
            let inner = self.inner.get(pending.rule as usize);
            let longest = inner
                .into_iter()
                .flatten()
                .filter(|text| text.len() >= TELLING)
                .max_by_key(|text| text.len());
            match longest {
                Some(text) => groups.entry(text.clone()).or_default().push(pending),
                None => rest.push(pending),
            }
        }
        if groups.is_empty() {
            return rest;
        }
        let groups = sorted(groups);
        let searcher = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .prefilter(false)
            .build(groups.iter().map(|(text, _)| text));
        let Ok(searcher) = searcher else {
            rest.extend(groups.into_iter().flat_map(|(_, group)| group));
            return rest;
        };
        let nodes = groups
            .into_iter()
            .map(|(_, group)| self.place(group, Some(Stage::Jointly)))
            .collect();
        self.index.inner.push(Inner { searcher, nodes });
        let inner = self.index.inner.len() as u32 - 1;
        self.edit(node, |node| node.inner = Some(inner));
        rest
    }

    /// Automata over what follows the common beginning. Those that won't fit are verified one by one.
    fn jointly(&mut self, node: u32, pending: Vec<Pending>) {
        let mut alone = Vec::new();
        let mut joints = Vec::new();
        let (mut together, mut trees) = (Vec::new(), Vec::new());
        for pending in pending {
            match self.tree_after(&pending) {
                Some(tree) => {
                    together.push(pending);
                    trees.push(tree);
                }
                None => alone.push(pending),
            }
        }
        for (pending, trees) in together
            .chunks(MOST_TOGETHER)
            .zip(trees.chunks(MOST_TOGETHER))
        {
            join(pending, trees, &mut self.left, &mut joints, &mut alone);
        }
        let first = self.index.automata.len() as u32;
        self.index.automata.extend(joints);
        let count = self.index.automata.len() as u32 - first;
        self.edit(node, |node| node.automata = (first, count));
        self.list(node, &alone);
    }

    /// The widened pattern without its first `front` bytes, if it can be cut there.
    fn tree_after(&self, pending: &Pending) -> Option<Hir> {
        let entry = self.index.rules.get(pending.rule)?.entry;
        let ast = (self.parse)(entry).ok()?;
        let mut left = self
            .heads
            .get(pending.head as usize)?
            .get(..pending.front as usize)?;
        let nodes = items(&ast.root);
        let mut skipped = 0;
        while !left.is_empty() {
            let texts = texts(nodes.get(skipped)?)?;
            left = texts
                .iter()
                .filter_map(|text| left.strip_prefix(text.as_str()))
                .min_by_key(|left| left.len())?;
            skipped += 1;
        }
        let rest = Tree::Concat(nodes.get(skipped..)?.to_vec());
        Some(widened(&rest, true, &mut Exactness::Always.clone()))
    }
}

/// What a literal inside offers as a key that begins with a slash.
fn telling_from_slash(text: &str) -> Option<&[u8]> {
    let rest = text.as_bytes().get(text.find('/')?..)?;
    rest.get(..longest(rest.len())?)
        .filter(|key| key.len() >= TELLING)
}

/// The longest key that so many bytes offer.
fn longest(bytes: usize) -> Option<usize> {
    LENGTHS.into_iter().rev().find(|&length| length <= bytes)
}

/// One automaton for all, or for each half, until they fit.
fn join(
    pending: &[Pending],
    trees: &[Hir],
    left: &mut usize,
    joints: &mut Vec<Joint>,
    alone: &mut Vec<Pending>,
) {
    if pending.len() <= FEW || *left == 0 {
        return alone.extend(pending);
    }
    if let Some(automaton) = Automaton::new(trees, LARGEST_JOINT.min(*left)) {
        *left = left.saturating_sub(automaton.memory());
        let rules = pending.iter().map(|pending| pending.rule).collect();
        return joints.push(Joint { automaton, rules });
    }
    *left = left.saturating_sub(LARGEST_JOINT);
    let (pending, others) = pending.split_at(pending.len() / 2);
    let (trees, other_trees) = trees.split_at(trees.len() / 2);
    join(pending, trees, left, joints, alone);
    join(others, other_trees, left, joints, alone);
}

/// In an order that does not change from run to run.
fn sorted<K: Ord, V>(groups: HashMap<K, V>) -> Vec<(K, V)> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    groups
}
