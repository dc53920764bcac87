//! Building the index: rules are grouped by what tells them apart, cheapest first.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};
use regex_syntax::hir::Hir;

use super::super::engine::automaton::{Automaton, Exactness, widened};
use super::super::pattern::{Ast, Node as Tree, Refusal};
use super::super::shape::{Shape, items, texts};
use super::super::{Entry, PatternError};
use super::hash::{self, NONE, Running, Side, Table};
use super::rule::Interning;
use super::{Index, Inner, Joint, LENGTHS, Node};

/// A node with no more rules than this is not split: verifying them costs less.
const FEW: usize = 8;

/// The most memory that one automaton for many patterns may take.
const LARGEST_JOINT: usize = 2 << 20;

/// How many patterns may be in one automaton: making it costs more than linearly.
const MOST_TOGETHER: usize = 256;

/// How many expressions are made ready at load. The rest is made when it is first needed.
const WARM: usize = 1024;

/// A rule on its way to its node.
#[derive(Debug, Clone, Copy)]
struct Pending {
    rule: u32,
    head: u32,
    /// How much of its head and of its tail is behind it.
    front: u32,
    back: u32,
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
}

/// The ways to split a node, in order.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Front,
    Back,
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
                    back: 0,
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
        }
    }

    fn finish(mut self, by_beginning: Groups, by_whole: Groups) -> Index {
        for (hash, pending) in sorted(by_beginning) {
            let node = self.node();
            self.keys.push((hash, node));
            self.fill(node, pending, Stage::Front);
        }
        let mut literals = Vec::new();
        for (hash, pending) in sorted(by_whole) {
            let node = self.node();
            literals.push((hash, node));
            self.list(node, &pending);
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
                self.fill(node, rest, Stage::Inside);
            }
            Stage::Inside => {
                let rest = self.inside(node, pending);
                self.fill(node, rest, Stage::Jointly);
            }
            Stage::Jointly => self.jointly(node, pending),
        }
    }

    /// The literal bytes of a rule that are not behind it yet.
    fn bytes(&self, pending: &Pending, side: Side) -> &[u8] {
        match side {
            Side::Front => self
                .heads
                .get(pending.head as usize)
                .and_then(|head| head.as_bytes().get(pending.front as usize..)),
            Side::Back => self.tails.get(pending.rule as usize).and_then(|tail| {
                let end = tail.len().checked_sub(pending.back as usize)?;
                tail.as_bytes().get(..end)
            }),
        }
        .unwrap_or_default()
    }

    /// Moves rules with more literal text on that side into children. Gives back those without.
    fn split(&mut self, node: u32, pending: Vec<Pending>, side: Side) -> Vec<Pending> {
        let mut groups = Groups::new();
        let mut rest = Vec::new();
        let mut lengths: u16 = 0;
        for mut pending in pending {
            // Children at the back are keyed by all of the end, so they don't go deeper than the longest key.
            let bytes = if side == Side::Back && pending.back > 0 {
                &[]
            } else {
                self.bytes(&pending, side)
            };
            let Some((bit, &length)) = LENGTHS
                .iter()
                .enumerate()
                .rev()
                .find(|&(_, &length)| length <= bytes.len())
            else {
                rest.push(pending);
                continue;
            };
            let key = match side {
                Side::Front => bytes.get(..length),
                Side::Back => bytes.get(bytes.len() - length..),
            };
            let hash = hash::of_child(node, side, key.unwrap_or_default());
            lengths |= 1 << bit;
            match side {
                Side::Front => pending.front += length as u32,
                Side::Back => pending.back += length as u32,
            }
            groups.entry(hash).or_default().push(pending);
        }
        for (hash, group) in sorted(groups) {
            let child = self.node();
            self.keys.push((hash, child));
            self.fill(
                child,
                group,
                if side == Side::Front {
                    Stage::Front
                } else {
                    Stage::Inside
                },
            );
        }
        self.edit(node, |node| match side {
            Side::Front => node.front = lengths,
            Side::Back => node.back = lengths,
        });
        rest
    }

    /// Moves rules with a literal inside into nodes behind an Aho-Corasick searcher. Gives back those without.
    fn inside(&mut self, node: u32, pending: Vec<Pending>) -> Vec<Pending> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let literals = |rule: u32| {
            self.inner
                .get(rule as usize)
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        for literal in pending.iter().flat_map(|pending| literals(pending.rule)) {
            *counts.entry(literal).or_default() += 1;
        }
        let rarity = |literal: &str| {
            (
                counts.get(literal).copied().unwrap_or(0),
                usize::MAX - literal.len(),
            )
        };
        let mut groups: HashMap<String, Vec<Pending>> = HashMap::new();
        let mut rest = Vec::new();
        for pending in pending {
            // The rarest one, and of those the longest.
            match literals(pending.rule)
                .iter()
                .min_by_key(|literal| rarity(literal))
            {
                Some(literal) => groups.entry(literal.clone()).or_default().push(pending),
                None => rest.push(pending),
            }
        }
        if groups.is_empty() {
            return rest;
        }
        let groups = sorted(groups);
        let searcher = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(groups.iter().map(|(literal, _)| literal));
        let Ok(searcher) = searcher else {
            rest.extend(groups.into_iter().flat_map(|(_, group)| group));
            return rest;
        };
        let mut nodes = Vec::new();
        for (_, group) in groups {
            let child = self.node();
            nodes.push(child);
            self.fill(child, group, Stage::Jointly);
        }
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
            join(pending, trees, &mut joints, &mut alone);
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

/// One automaton for all, or for each half, until they fit.
fn join(pending: &[Pending], trees: &[Hir], joints: &mut Vec<Joint>, alone: &mut Vec<Pending>) {
    if pending.len() <= FEW {
        return alone.extend(pending);
    }
    if let Some(automaton) = Automaton::new(trees, LARGEST_JOINT) {
        return joints.push(Joint {
            automaton,
            rules: pending.iter().map(|pending| pending.rule).collect(),
        });
    }
    let (pending, others) = pending.split_at(pending.len() / 2);
    let (trees, other_trees) = trees.split_at(trees.len() / 2);
    join(pending, trees, joints, alone);
    join(others, other_trees, joints, alone);
}

/// In an order that does not change from run to run.
fn sorted<K: Ord, V>(groups: HashMap<K, V>) -> Vec<(K, V)> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    groups
}
