//! Trees become automata of `regex-automata`: one look at each byte, no memory but their own, no locks.
//!
//! An automaton may accept more than its pattern does: look-around, references and large Unicode sets are widened. So "no" is always
//! final, and "yes" is where the pattern is [`Exactness::Always`] or the text allows it.

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
pub(in crate::matcher) use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, Look, Repetition};

use crate::matcher::pattern::set::{Beyond, Set};
use crate::matcher::pattern::{Assertion, Node, UNBOUNDED};

/// Sets with more ranges than this are widened to all characters beyond ASCII.
const MOST_RANGES: usize = 16;

/// When an automaton's "yes" is the pattern's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::matcher) enum Exactness {
    Never,
    /// For texts of ASCII alone.
    Ascii,
    Always,
}

/// The automaton of one or more patterns, each for whole texts.
#[derive(Debug)]
pub(in crate::matcher) struct Automaton {
    dfa: dense::DFA<Vec<u32>>,
    start: StateID,
}

impl Automaton {
    /// `None` where it would need more than `limit` bytes.
    pub(in crate::matcher) fn new(patterns: &[Hir], limit: usize) -> Option<Self> {
        let anchored: Vec<Hir> = patterns
            .iter()
            .map(|hir| Hir::concat(vec![hir.clone(), Hir::look(Look::End)]))
            .collect();
        let nfa = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .which_captures(thompson::WhichCaptures::None)
                    .nfa_size_limit(Some(limit)),
            )
            .build_many_from_hir(&anchored)
            .ok()?;
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(regex_automata::MatchKind::All)
            .accelerate(false)
            .dfa_size_limit(Some(limit))
            .determinize_size_limit(Some(limit));
        let dfa = dense::Builder::new()
            .configure(config)
            .build_from_nfa(&nfa)
            .ok()?;
        let start = dfa
            .start_state(&start::Config::new().anchored(Anchored::Yes))
            .ok()?;
        Some(Self { dfa, start })
    }

    pub(in crate::matcher) fn memory(&self) -> usize {
        self.dfa.memory_usage()
    }

    /// The patterns that accept the whole text, by their index.
    pub(in crate::matcher) fn accepting(&self, text: &str) -> impl Iterator<Item = usize> + '_ {
        let end = self.end(text);
        let count = end.map_or(0, |end| self.dfa.match_len(end));
        (0..count).filter_map(move |i| end.map(|end| self.dfa.match_pattern(end, i).as_usize()))
    }

    pub(in crate::matcher) fn accepts(&self, text: &str) -> bool {
        self.end(text).is_some()
    }

    pub(in crate::matcher) fn start(&self) -> StateID {
        self.start
    }

    /// `None` where nothing can be accepted any more.
    pub(in crate::matcher) fn step(&self, state: StateID, byte: u8) -> Option<StateID> {
        let next = self.dfa.next_state(state, byte);
        (!self.dfa.is_dead_state(next)).then_some(next)
    }

    pub(in crate::matcher) fn accepts_after(&self, state: StateID) -> bool {
        self.dfa.is_match_state(self.dfa.next_eoi_state(state))
    }

    fn end(&self, text: &str) -> Option<StateID> {
        let mut state = self.start;
        for &byte in text.as_bytes() {
            state = self.dfa.next_state(state, byte);
            if self.dfa.is_special_state(state) && self.dfa.is_dead_state(state) {
                return None;
            }
        }
        let end = self.dfa.next_eoi_state(state);
        self.dfa.is_match_state(end).then_some(end)
    }

    /// How many bytes could be the beginning of something that is accepted.
    pub(in crate::matcher) fn viable(&self, text: &str) -> usize {
        let mut state = self.start;
        for (at, &byte) in text.as_bytes().iter().enumerate() {
            state = self.dfa.next_state(state, byte);
            if self.dfa.is_dead_state(state) {
                return at;
            }
        }
        text.len()
    }
}

/// The widened form of a tree. `tail`: nothing but the end of the text comes after it.
pub(in crate::matcher) fn widened(node: &Node, tail: bool, exactness: &mut Exactness) -> Hir {
    let mut widen = |hir| {
        *exactness = Exactness::Never;
        hir
    };
    match node {
        Node::Empty => Hir::empty(),
        Node::Char(c) => Hir::literal(c.to_string().into_bytes()),
        Node::Set(set) => Hir::class(Class::Unicode(class(set, exactness))),
        Node::Assert(assertion) => match assertion {
            Assertion::Start => Hir::look(Look::Start),
            Assertion::End => Hir::look(Look::End),
            Assertion::EndOrFinalNewline if tail => Hir::empty(),
            Assertion::LineStart => Hir::look(Look::StartLF),
            Assertion::LineEnd => Hir::look(Look::EndLF),
            Assertion::EndOrFinalNewline | Assertion::Boundary | Assertion::NoBoundary => {
                widen(Hir::empty())
            }
        },
        Node::Concat(nodes) => {
            let last = nodes
                .iter()
                .rposition(|node| !is_final_anchor(node))
                .unwrap_or(0);
            Hir::concat(
                nodes
                    .iter()
                    .enumerate()
                    .map(|(i, node)| widened(node, tail && i >= last, exactness))
                    .collect(),
            )
        }
        Node::Alternate(nodes) => Hir::alternation(
            nodes
                .iter()
                .map(|node| widened(node, tail, exactness))
                .collect(),
        ),
        Node::Loop {
            body,
            min,
            max,
            greedy,
        } => Hir::repetition(Repetition {
            min: *min,
            max: (*max != UNBOUNDED).then_some(*max),
            greedy: *greedy,
            sub: Box::new(widened(body, false, exactness)),
        }),
        Node::Capture(capture) => {
            if capture.takes_from.is_some() {
                *exactness = Exactness::Never;
            }
            widened(&capture.body, tail, exactness)
        }
        Node::Look { .. } => widen(Hir::empty()),
        Node::Atomic(body) => {
            *exactness = Exactness::Never;
            widened(body, tail, exactness)
        }
        Node::Back { .. } => widen(anything()),
        Node::IfMatched { yes, no, .. } | Node::IfAhead { yes, no, .. } => {
            *exactness = Exactness::Never;
            Hir::alternation(vec![
                widened(yes, tail, exactness),
                widened(no, tail, exactness),
            ])
        }
    }
}

fn is_final_anchor(node: &Node) -> bool {
    matches!(
        node,
        Node::Empty | Node::Assert(Assertion::End | Assertion::EndOrFinalNewline)
    )
}

fn anything() -> Hir {
    let all = Hir::class(Class::Unicode(ClassUnicode::new([ClassUnicodeRange::new(
        '\0',
        char::MAX,
    )])));
    Hir::repetition(Repetition {
        min: 0,
        max: None,
        greedy: true,
        sub: Box::new(all),
    })
}

fn class(set: &Set, exactness: &mut Exactness) -> ClassUnicode {
    let mut class = set.class().clone();
    if set.beyond() == Beyond::Some && class.ranges().len() > MOST_RANGES {
        class.push(ClassUnicodeRange::new('\u{80}', char::MAX));
        *exactness = (*exactness).min(Exactness::Ascii);
    }
    class
}
