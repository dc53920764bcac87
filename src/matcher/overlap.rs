//! What is wrong with a set of rules as a whole: two that can match the same request, some that never match, and slow patterns.
//!
//! Every rule gets an example, a request that it matches. Looking that up in the index shows the rules that match it too, exactly and
//! without comparing each with each; for literals that is all there is. Two rules with holes may still meet elsewhere: those whose
//! literal parts don't exclude each other are laid over each other as automata, within a budget.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::OnceLock;

use super::engine::automaton::{Automaton, Exactness, StateID, widened};
use super::engine::program::refers_to_groups;
use super::pattern::{Ast, Node, Reader, UNBOUNDED};
use super::shape::{Kind, Run, Shape, Step};
use super::{Entry, Matcher, Pattern, Strategy, parse};

/// How many overlaps are listed.
const MOST_OVERLAPS: usize = 1_000;

/// How many pairs are compared by their literals.
const MOST_PAIRS: usize = 2_000_000;

/// How many automata are made, and how many pairs of them are laid over each other.
const MOST_AUTOMATA: usize = 5_000;
const MOST_PRODUCTS: usize = 20_000;

/// How large an automaton and a product may become.
const LARGEST_AUTOMATON: usize = 1 << 20;
const LARGEST_PRODUCT: usize = 20_000;

/// What was found. `complete`: nothing was left out for want of time, and all patterns could be compared exactly.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    pub overlaps: Vec<Overlap>,
    pub dead: Vec<Dead>,
    pub slow: Vec<u32>,
    pub complete: bool,
}

/// Two entries that both match a request, which is then answered with an error. `first < second`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    pub first: u32,
    pub second: u32,
    pub method: String,
    /// `scheme://host/path`.
    pub url: String,
}

/// An entry that no request matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dead {
    pub entry: u32,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("it lists no methods")]
    NoMethods,
    #[error("its URL has no scheme: requests are compared as `scheme://host/path`")]
    NoScheme,
    #[error("its URL ends in a slash: paths are compared without one")]
    TrailingSlash,
    #[error(
        "its URL has a query or a fragment: neither is part of what is compared, and only an encoded one could match"
    )]
    Query,
    #[error("its path has empty or dot segments: paths are compared in their clean form")]
    UncleanPath,
    #[error("no request can have such a URL")]
    NoSuchUrl,
}

/// Looks at a whole set. Entries whose pattern can't be used are left out: building a matcher reports them.
pub fn lint(strategy: Strategy, entries: &[Entry<'_>]) -> Report {
    let mut lint = Lint::new(strategy, entries);
    lint.examine();
    lint.look_up_examples();
    lint.compare_holes();
    lint.report
        .overlaps
        .sort_by_key(|overlap| (overlap.first, overlap.second));
    lint.report
}

struct Lint<'a> {
    strategy: Strategy,
    entries: &'a [Entry<'a>],
    matcher: Matcher,
    reader: Reader,
    /// For each entry that can match: its literal parts and an example.
    live: Vec<Live>,
    known: HashSet<(u32, u32)>,
    automata: HashMap<u32, Option<(Automaton, Exactness)>>,
    report: Report,
}

struct Live {
    entry: u32,
    heads: Vec<String>,
    literal: bool,
    tail: String,
    example: String,
}

impl<'a> Lint<'a> {
    fn new(strategy: Strategy, entries: &'a [Entry<'a>]) -> Self {
        let (matcher, _) = Matcher::build(strategy, entries);
        let report = Report {
            complete: true,
            ..Report::default()
        };
        Self {
            strategy,
            entries,
            matcher,
            reader: Reader::default(),
            live: Vec::new(),
            known: HashSet::new(),
            automata: HashMap::new(),
            report,
        }
    }

    fn parse(&mut self, entry: u32) -> Option<Ast> {
        let url = self.entries.get(entry as usize)?.url;
        parse(self.strategy, url, &mut self.reader).ok()
    }

    /// Sorts out what never matches and what is slow, and finds examples for the rest.
    fn examine(&mut self) {
        for (index, entry) in (0..).zip(self.entries) {
            let Some(ast) = self.parse(index) else {
                continue;
            };
            if entry.methods.is_empty() {
                self.report.dead.push(Dead {
                    entry: index,
                    why: Why::NoMethods,
                });
                continue;
            }
            if is_slow(&ast.root) {
                self.report.slow.push(index);
            }
            let shape = Shape::of(ast);
            let quick = quick_examples(&shape)
                .into_iter()
                .filter(|text| is_canonical(text));
            let example = match quick.into_iter().find(|text| self.matches(index, text)) {
                Some(example) => Ok(example),
                None => self.example(index),
            };
            match example {
                Ok(example) => {
                    let Shape {
                        heads,
                        complete,
                        tail,
                        ..
                    } = shape;
                    self.live.push(Live {
                        entry: index,
                        heads,
                        literal: complete,
                        tail,
                        example,
                    });
                }
                Err(true) => self.report.dead.push(Dead {
                    entry: index,
                    why: why(entry.url),
                }),
                Err(false) => self.report.complete = false,
            }
        }
    }

    fn matches(&self, entry: u32, subject: &str) -> bool {
        let url = self
            .entries
            .get(entry as usize)
            .map_or("", |entry| entry.url);
        Pattern::new(self.strategy, url).is_ok_and(|pattern| pattern.matches(subject) == Ok(true))
    }

    /// A request that the entry matches. `Err(true)`: there is none; `Err(false)`: none was found.
    fn example(&mut self, entry: u32) -> Result<String, bool> {
        let Some(canonical) = canonical() else {
            return Err(false);
        };
        let found = match self.automaton(entry) {
            Some((automaton, _)) => common(&[automaton, canonical]),
            None => return Err(false),
        };
        match found {
            Ok(Some(example)) if self.matches(entry, &example) => Ok(example),
            Ok(Some(_)) | Err(TooLarge) => Err(false),
            Ok(None) => Err(true),
        }
    }

    fn automaton(&mut self, entry: u32) -> Option<&(Automaton, Exactness)> {
        if !self.automata.contains_key(&entry) {
            let made = match self.parse(entry) {
                Some(ast) if self.automata.len() < MOST_AUTOMATA => {
                    let mut exactness = Exactness::Always;
                    let hir = widened(&ast.root, true, &mut exactness);
                    Automaton::new(&[hir], LARGEST_AUTOMATON)
                        .map(|automaton| (automaton, exactness))
                }
                _ => None,
            };
            self.automata.insert(entry, made);
        }
        self.automata.get(&entry)?.as_ref()
    }

    /// A method that both have, if they are for the same protocol.
    fn common_method(&self, one: u32, other: u32) -> Option<&'a str> {
        let (one, other) = (
            self.entries.get(one as usize)?,
            self.entries.get(other as usize)?,
        );
        let shared = |method: &&String| {
            other
                .methods
                .iter()
                .any(|other| other.eq_ignore_ascii_case(method))
        };
        let method = one.methods.iter().find(shared)?;
        (one.protocol == other.protocol).then_some(method)
    }

    fn note(&mut self, one: u32, other: u32, url: &str) {
        let (first, second) = (one.min(other), one.max(other));
        let Some(method) = self.common_method(first, second) else {
            return;
        };
        if first == second || !self.known.insert((first, second)) {
            return;
        }
        if self.report.overlaps.len() >= MOST_OVERLAPS {
            self.report.complete = false;
            return;
        }
        let (method, url) = (method.to_owned(), url.to_owned());
        self.report.overlaps.push(Overlap {
            first,
            second,
            method,
            url,
        });
    }

    fn look_up_examples(&mut self) {
        for live in std::mem::take(&mut self.live) {
            // A literal that has several forms is looked up in all of them.
            let forms = if live.literal {
                live.heads.as_slice()
            } else {
                std::slice::from_ref(&live.example)
            };
            for form in forms.iter().filter(|form| is_canonical(form)) {
                for other in self.matcher.index.matching(form) {
                    self.note(live.entry, other, form);
                }
            }
            if !live.literal {
                self.live.push(live);
            }
        }
    }

    /// Pairs of rules with holes whose examples did not meet.
    fn compare_holes(&mut self) {
        let live = std::mem::take(&mut self.live);
        let mut by_beginning: HashMap<&str, Vec<(usize, &str)>> = HashMap::new();
        for (index, one) in live.iter().enumerate() {
            for head in &one.heads {
                by_beginning
                    .entry(directory(head))
                    .or_default()
                    .push((index, head));
            }
        }
        let (mut pairs, mut products) = (0, 0);
        for (index, one) in live.iter().enumerate() {
            for head in &one.heads {
                for beginning in directories(head) {
                    for &(other_index, other_head) in
                        by_beginning.get(beginning).into_iter().flatten()
                    {
                        let Some(other) = live.get(other_index) else {
                            continue;
                        };
                        let same_place = beginning.len() == directory(head).len();
                        if other_index == index || same_place && other_index < index {
                            continue;
                        }
                        pairs += 1;
                        if pairs > MOST_PAIRS || products > MOST_PRODUCTS {
                            self.report.complete = false;
                            return;
                        }
                        let apart =
                            !agree(head, other_head) || !agree_at_end(&one.tail, &other.tail);
                        let key = (one.entry.min(other.entry), one.entry.max(other.entry));
                        if apart
                            || self.known.contains(&key)
                            || self.common_method(key.0, key.1).is_none()
                        {
                            continue;
                        }
                        products += 1;
                        self.compare(key.0, key.1);
                    }
                }
            }
        }
    }

    fn compare(&mut self, one: u32, other: u32) {
        // Both are made before either is borrowed.
        let made = self.automaton(one).is_some() && self.automaton(other).is_some();
        let (Some(canonical), true) = (canonical(), made) else {
            self.report.complete = false;
            return;
        };
        let get = |entry: u32| self.automata.get(&entry).and_then(Option::as_ref);
        let (Some((first, _)), Some((second, _))) = (get(one), get(other)) else {
            return;
        };
        match common(&[first, second, canonical]) {
            Ok(None) => {}
            Ok(Some(url)) if self.matches(one, &url) && self.matches(other, &url) => {
                self.note(one, other, &url)
            }
            // The widened forms meet where the patterns don't: whether these meet elsewhere is not known.
            Ok(Some(_)) | Err(TooLarge) => self.report.complete = false,
        }
    }
}

/// Up to and with the last slash.
fn directory(head: &str) -> &str {
    head.get(..head.rfind('/').map_or(0, |at| at + 1))
        .unwrap_or("")
}

/// The beginnings of a head that end with a slash, the empty one first.
fn directories(head: &str) -> impl Iterator<Item = &str> {
    let slashes = head
        .match_indices('/')
        .filter_map(|(at, _)| head.get(..=at));
    std::iter::once("").chain(slashes)
}

fn agree(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn agree_at_end(one: &str, other: &str) -> bool {
    one.ends_with(other) || other.ends_with(one)
}

/// Whether the reference's way of trying everything is the only one, and there is much to try.
fn is_slow(root: &Node) -> bool {
    let unbounded = |node: &Node| matches!(node, Node::Loop { max: UNBOUNDED, .. });
    refers_to_groups(root)
        && root.any(&|node| match node {
            Node::Loop {
                body,
                max: UNBOUNDED,
                ..
            } => body.any(&unbounded),
            _ => false,
        })
}

/// The pattern with its holes filled in. Whether it matches that is for the caller to see.
fn quick_examples(shape: &Shape) -> Vec<String> {
    // What patterns that are not taken apart most often accept; an automaton would find something, but takes longer to make.
    const GUESSES: [&str; 5] = ["a", "x0", "1", "index.html", ""];
    if let Kind::General { prefix, suffix, .. } = &shape.kind {
        return GUESSES
            .map(|guess| format!("{prefix}{guess}{suffix}"))
            .to_vec();
    }
    filled_in(shape).into_iter().collect()
}

fn filled_in(shape: &Shape) -> Option<String> {
    let fill = |run: &Run| {
        let count = run.min.max(1).min(run.max);
        let example = run.set.example();
        example.map(|c| c.to_string().repeat(count as usize))
    };
    match &shape.kind {
        Kind::Literal(text) => Some(text.clone()),
        Kind::Hole {
            prefix,
            run,
            suffix,
        } => Some(format!("{prefix}{}{suffix}", fill(run)?)),
        Kind::Steps(steps) => {
            let piece = |step: &Step| match step {
                Step::Literal(text) => Some(text.clone()),
                Step::Run(run) => fill(run),
                Step::OneOf { choices, .. } => choices.first().cloned(),
            };
            steps.iter().map(piece).collect()
        }
        Kind::General { .. } => None,
    }
}

/// What a subject can be: a scheme, a host in lower case, and a clean path.
fn canonical() -> Option<&'static Automaton> {
    // A path may hold an encoded `?` or `#`, but no rule is meant for that.
    const SUBJECT: &str = concat!(
        r"[a-z][a-z0-9+.-]*://[^/A-Z\x00-\x20?#@\\]+",
        r"(?:/|(?:/(?:[^/.\x00?#][^/\x00?#]*|\.[^/.\x00?#][^/\x00?#]*|\.\.[^/\x00?#]+))+)?"
    );
    static CANONICAL: OnceLock<Option<Automaton>> = OnceLock::new();
    let made = CANONICAL
        .get_or_init(|| Automaton::new(&[regex_syntax::parse(SUBJECT).ok()?], LARGEST_AUTOMATON));
    made.as_ref()
}

fn is_canonical(subject: &str) -> bool {
    canonical().is_some_and(|canonical| canonical.accepts(subject))
}

/// A guess at what the operator overlooked.
fn why(url: &str) -> Why {
    let path = url.split_once("://").map(|(_, rest)| rest);
    match path {
        None => Why::NoScheme,
        Some(path) if path.ends_with('/') => Why::TrailingSlash,
        Some(path) if path.contains("//") || path.contains("/./") || path.contains("/../") => {
            Why::UncleanPath
        }
        Some(path) if path.contains(['?', '#']) => Why::Query,
        Some(_) => Why::NoSuchUrl,
    }
}

struct TooLarge;

/// Bytes in the order in which examples should use them.
fn readable() -> impl Iterator<Item = u8> {
    let letters = (b'a'..=b'z')
        .chain(b'0'..=b'9')
        .chain([b'/', b'-', b'.', b':', b'_']);
    let rest = (b'A'..=b'Z')
        .chain((b'!'..=b'~').filter(u8::is_ascii_punctuation))
        .chain([b' ']);
    letters.chain(rest).chain(0x80..=0xff).chain(0x01..=0x1f)
}

/// The shortest text that all automata accept.
fn common(automata: &[&Automaton]) -> Result<Option<String>, TooLarge> {
    let start: Vec<StateID> = automata.iter().map(|automaton| automaton.start()).collect();
    let mut seen = HashSet::from([start.clone()]);
    // Each place with the place before it and the byte between them.
    let mut places = vec![(start, 0, 0)];
    let mut queue = VecDeque::from([0]);
    while let Some(at) = queue.pop_front() {
        let Some((states, ..)) = places.get(at).cloned() else {
            break;
        };
        if automata
            .iter()
            .zip(&states)
            .all(|(automaton, &state)| automaton.accepts_after(state))
        {
            return Ok(spell(&places, at));
        }
        for byte in readable() {
            let next = automata
                .iter()
                .zip(&states)
                .map(|(automaton, &state)| automaton.step(state, byte))
                .collect::<Option<Vec<_>>>();
            let Some(next) = next.filter(|next| !seen.contains(next)) else {
                continue;
            };
            seen.insert(next.clone());
            places.push((next, at, byte));
            queue.push_back(places.len() - 1);
            if places.len() > LARGEST_PRODUCT {
                return Err(TooLarge);
            }
        }
    }
    Ok(None)
}

fn spell(places: &[(Vec<StateID>, usize, u8)], mut at: usize) -> Option<String> {
    let mut bytes = Vec::new();
    while at != 0 {
        let &(_, before, byte) = places.get(at)?;
        bytes.push(byte);
        at = before;
    }
    bytes.reverse();
    String::from_utf8(bytes).ok()
}
