//! What kind of pattern one is, seen by the index: the literals it begins and ends with, and what is between them.
//!
//! Most rules are literal text with a few simple holes (`<.*>`, `<[0-9]+>`, `<https|http>`). Those are matched by hand, exactly like
//! the general engines would; `tests` hold the two against each other. The rest keeps an [`Ast`] for the part between its literals.

use std::sync::Arc;

use super::pattern::set::{Beyond, Set};
use super::pattern::{Assertion, Ast, Node, UNBOUNDED};

/// How many beginnings alternatives may multiply to.
const MOST_HEADS: usize = 16;

/// A pattern taken apart.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    /// Texts of which one begins every subject that matches.
    pub(super) heads: Vec<String>,
    /// The heads are all there is: the pattern is one of them.
    pub(super) complete: bool,
    /// Every subject that matches ends with it.
    pub(super) tail: String,
    /// Texts that occur in every subject that matches, in order, after its head.
    pub(super) inner: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Literal(String),
    /// One run of characters between two literals.
    Hole {
        prefix: String,
        run: Run,
        suffix: String,
    },
    Steps(Vec<Step>),
    /// Anything else: what is between the literals at both ends.
    General {
        prefix: String,
        middle: Ast,
        suffix: String,
    },
}

/// A piece of a pattern whose match leaves no choice, given what comes after it. `groups` of the pattern hold just this piece, one inside
/// another: `<(a|b)>` has two.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Literal(String),
    Run(Run),
    OneOf { choices: Vec<String>, groups: u32 },
}

/// Characters of a set, as many as there are within bounds.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) set: Arc<Set>,
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) groups: u32,
}

impl Shape {
    pub(super) fn of(ast: Ast) -> Self {
        let (heads, taken) = heads(&ast.root);
        let after = items(&ast.root).get(taken..).unwrap_or_default();
        let complete = after.is_empty();
        let Literals {
            found: inner,
            current: tail,
        } = Literals::of(after);
        let kind = steps(&ast).map_or_else(|| general(ast), simplest);
        Self {
            kind,
            heads,
            complete,
            tail,
            inner,
        }
    }
}

/// The nodes of the outermost sequence.
pub(super) fn items(root: &Node) -> &[Node] {
    match root {
        Node::Concat(nodes) => nodes,
        Node::Empty => &[],
        node => std::slice::from_ref(node),
    }
}

/// The text that a node stands for, if it is just text.
fn literal(node: &Node) -> Option<String> {
    let mut text = String::new();
    for node in items(node) {
        let Node::Char(c) = node else { return None };
        text.push(*c);
    }
    Some(text)
}

fn choices(node: &Node) -> Option<Vec<String>> {
    match node {
        Node::Alternate(nodes) => nodes.iter().map(literal).collect(),
        node => literal(node).map(|text| vec![text]),
    }
}

/// What a node stands for, if it is one of a few texts.
pub(super) fn texts(node: &Node) -> Option<Vec<String>> {
    match node {
        Node::Capture(capture) if capture.takes_from.is_none() => texts(&capture.body),
        node => choices(node),
    }
}

/// The beginnings, and how many nodes they stand for.
fn heads(root: &Node) -> (Vec<String>, usize) {
    let mut heads = vec![String::new()];
    for (taken, node) in items(root).iter().enumerate() {
        if let Node::Char(c) = node {
            heads.iter_mut().for_each(|head| head.push(*c));
            continue;
        }
        let Some(texts) = texts(node).filter(|texts| heads.len() * texts.len() <= MOST_HEADS)
        else {
            return (heads, taken);
        };
        heads = heads
            .iter()
            .flat_map(|head| texts.iter().map(move |text| format!("{head}{text}")))
            .collect();
        heads.sort();
        heads.dedup();
    }
    (heads, items(root).len())
}

/// Texts that every match holds, in order.
#[derive(Debug, Default)]
struct Literals {
    found: Vec<String>,
    /// What was not ended by anything else yet.
    current: String,
}

impl Literals {
    fn of(nodes: &[Node]) -> Self {
        let mut literals = Self::default();
        nodes.iter().for_each(|node| literals.visit(node));
        literals
    }

    fn visit(&mut self, node: &Node) {
        match node {
            Node::Char(c) => self.current.push(*c),
            Node::Concat(nodes) => nodes.iter().for_each(|node| self.visit(node)),
            Node::Capture(capture) if capture.takes_from.is_none() => self.visit(&capture.body),
            Node::Empty | Node::Assert(_) | Node::Look { .. } => {}
            _ if self.current.is_empty() => {}
            _ => self.found.push(std::mem::take(&mut self.current)),
        }
    }
}

/// The pattern as steps, if each of them leaves no choice.
fn steps(ast: &Ast) -> Option<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut groups = 0;
    for node in items(&ast.root) {
        match node {
            Node::Char(c) => match steps.last_mut() {
                Some(Step::Literal(text)) => text.push(*c),
                _ => steps.push(Step::Literal(c.to_string())),
            },
            node => {
                let before = groups;
                let body = unwrapped(node, &mut groups)?;
                steps.push(step(body, groups - before)?);
            }
        }
    }
    let ways: usize = steps
        .iter()
        .map(|step| {
            if let Step::OneOf { choices, .. } = step {
                choices.len()
            } else {
                1
            }
        })
        .product();
    let numbered = ast.groups.len() == groups as usize;
    (numbered && ways <= MOST_HEADS && (0..steps.len()).all(|i| leaves_no_choice(&steps, i)))
        .then_some(steps)
}

/// What is inside groups that hold nothing else, which are counted. `None` where their numbers are not the next ones.
fn unwrapped<'n>(mut node: &'n Node, groups: &mut u32) -> Option<&'n Node> {
    while let Node::Capture(capture) = node {
        *groups += 1;
        if capture.group != Some(*groups) || capture.takes_from.is_some() {
            return None;
        }
        node = &capture.body;
    }
    Some(node)
}

fn step(node: &Node, groups: u32) -> Option<Step> {
    match node {
        Node::Loop { body, min, max, .. } => Some(Step::Run(Run {
            set: body.as_set()?,
            min: *min,
            max: *max,
            groups,
        })),
        Node::Set(set) => Some(Step::Run(Run {
            set: Arc::clone(set),
            min: 1,
            max: 1,
            groups,
        })),
        node => Some(Step::OneOf {
            choices: choices(node)?,
            groups,
        }),
    }
}

/// Whether a run at `i` must take all it can, because what follows can't begin with one of its characters.
fn leaves_no_choice(steps: &[Step], i: usize) -> bool {
    let Some(Step::Run(Run { set, min, max, .. })) = steps.get(i) else {
        return true;
    };
    if min == max {
        return true;
    }
    let excludes = |text: &String| text.chars().next().is_some_and(|c| !set.contains(c));
    match (steps.get(i + 1), steps.get(i + 2)) {
        (None, _) => true,
        // The last literal can only be at the end.
        (Some(Step::Literal(_)), None) => true,
        (Some(Step::Literal(text)), Some(_)) => excludes(text),
        (Some(Step::OneOf { choices, .. }), _) => choices.iter().all(excludes),
        (Some(Step::Run(next)), _) => next.min > 0 && !set.overlaps(&next.set),
    }
}

fn simplest(steps: Vec<Step>) -> Kind {
    let hole = |prefix: &str, run: &Run, suffix: &str| Kind::Hole {
        prefix: prefix.to_owned(),
        run: run.clone(),
        suffix: suffix.to_owned(),
    };
    match steps.as_slice() {
        [] => Kind::Literal(String::new()),
        [Step::Literal(text)] => Kind::Literal(text.clone()),
        [Step::Run(run)] => hole("", run, ""),
        [Step::Literal(prefix), Step::Run(run)] => hole(prefix, run, ""),
        [Step::Run(run), Step::Literal(suffix)] => hole("", run, suffix),
        [Step::Literal(prefix), Step::Run(run), Step::Literal(suffix)] => hole(prefix, run, suffix),
        _ => Kind::Steps(steps),
    }
}

/// Cuts the literals off both ends, where what is left doesn't look at them.
fn general(ast: Ast) -> Kind {
    let looks_back = ast.root.any(&|node| {
        matches!(
            node,
            Node::Look { ahead: false, .. }
                | Node::Assert(
                    Assertion::Start
                        | Assertion::LineStart
                        | Assertion::Boundary
                        | Assertion::NoBoundary
                )
        )
    });
    let looks_ahead = ast.root.any(&|node| match node {
        Node::Look { .. } | Node::IfAhead { .. } => true,
        Node::Assert(assertion) => !matches!(assertion, Assertion::Start | Assertion::LineStart),
        _ => false,
    });
    let Ast { root, groups } = ast;
    let mut nodes = match root {
        Node::Concat(nodes) => nodes,
        node => vec![node],
    };
    let is_char = |node: &&Node| matches!(node, Node::Char(_));
    let front = if looks_back {
        0
    } else {
        nodes.iter().take_while(is_char).count()
    };
    let back = if looks_ahead {
        0
    } else {
        nodes.iter().skip(front).rev().take_while(is_char).count()
    };
    let end = nodes.split_off(nodes.len() - back);
    let middle = nodes.split_off(front);
    let text = |nodes: Vec<Node>| literal(&Node::Concat(nodes)).unwrap_or_default();
    Kind::General {
        prefix: text(nodes),
        middle: Ast {
            root: Node::concat(middle),
            groups,
        },
        suffix: text(end),
    }
}

/// How many bytes of `text` a run takes from its beginning; `None` where it takes fewer characters than it must.
pub(super) fn run(set: &Set, min: u32, max: u32, text: &str) -> Option<usize> {
    if max == UNBOUNDED && min <= 1 {
        let taken = prefix_in(set, text);
        return (taken > 0 || min == 0).then_some(taken);
    }
    let mut taken = 0;
    let mut count = 0;
    for c in text.chars().take(max as usize) {
        if !set.contains(c) {
            break;
        }
        taken += c.len_utf8();
        count += 1;
    }
    (count >= min).then_some(taken)
}

/// The bytes of the longest prefix made of members.
fn prefix_in(set: &Set, text: &str) -> usize {
    if let Some(missing) = set.all_but_one() {
        return text
            .as_bytes()
            .iter()
            .position(|&byte| byte == missing)
            .unwrap_or(text.len());
    }
    if set.is_everything() {
        return text.len();
    }
    match set.beyond() {
        Beyond::Nothing => text.bytes().position(|byte| !set.contains_ascii(byte)),
        Beyond::Everything => text
            .bytes()
            .position(|byte| byte < 0x80 && !set.contains_ascii(byte)),
        Beyond::Some => text
            .char_indices()
            .find(|&(_, c)| !set.contains(c))
            .map(|(at, _)| at),
    }
    .unwrap_or(text.len())
}

/// Whether a run takes exactly this text.
pub(super) fn run_is(set: &Set, min: u32, max: u32, text: &str) -> bool {
    run(set, min, max, text) == Some(text.len())
}
