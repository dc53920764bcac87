//! What a pattern means, whichever of the two dialects it was written in.

use std::sync::Arc;

use super::set::Set;

/// `u32::MAX` as an upper bound means "any number".
pub(in crate::matcher) const UNBOUNDED: u32 = u32::MAX;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::matcher) enum Node {
    Empty,
    Char(char),
    Set(Arc<Set>),
    Assert(Assertion),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    Loop {
        body: Box<Node>,
        min: u32,
        max: u32,
        greedy: bool,
    },
    Capture(Box<Capture>),
    Look {
        ahead: bool,
        negative: bool,
        body: Box<Node>,
    },
    Atomic(Box<Node>),
    /// What a group captured last, once more.
    Back {
        group: u32,
        ignore_case: bool,
    },
    /// `(?(1)yes|no)`
    IfMatched {
        group: u32,
        yes: Box<Node>,
        no: Box<Node>,
    },
    /// `(?(?=x)yes|no)`
    IfAhead {
        condition: Box<Node>,
        yes: Box<Node>,
        no: Box<Node>,
    },
}

/// A group with a number, or a balancing one, which takes a capture away from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::matcher) struct Capture {
    pub(in crate::matcher) group: Option<u32>,
    pub(in crate::matcher) takes_from: Option<u32>,
    pub(in crate::matcher) body: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::matcher) enum Assertion {
    Start,
    End,
    /// `$` and `\Z` inside a pattern: the end, or before a newline that ends the text.
    EndOrFinalNewline,
    LineStart,
    LineEnd,
    Boundary,
    NoBoundary,
}

impl Node {
    pub(in crate::matcher) fn concat(mut nodes: Vec<Node>) -> Node {
        match nodes.len() {
            0 => Node::Empty,
            1 => nodes.pop().unwrap_or(Node::Empty),
            _ => Node::Concat(nodes),
        }
    }

    pub(in crate::matcher) fn alternate(mut nodes: Vec<Node>) -> Node {
        match nodes.len() {
            0 => Node::Empty,
            1 => nodes.pop().unwrap_or(Node::Empty),
            _ => Node::Alternate(nodes),
        }
    }

    /// The nodes directly inside.
    pub(in crate::matcher) fn children(&self) -> Vec<&Node> {
        match self {
            Node::Empty | Node::Char(_) | Node::Set(_) | Node::Assert(_) | Node::Back { .. } => {
                Vec::new()
            }
            Node::Concat(nodes) | Node::Alternate(nodes) => nodes.iter().collect(),
            Node::Loop { body, .. } | Node::Look { body, .. } | Node::Atomic(body) => vec![body],
            Node::Capture(capture) => vec![&capture.body],
            Node::IfMatched { yes, no, .. } => vec![yes, no],
            Node::IfAhead { condition, yes, no } => vec![condition, yes, no],
        }
    }

    /// Whether this node or one inside it has the property.
    pub(in crate::matcher) fn any(&self, has: &impl Fn(&Node) -> bool) -> bool {
        has(self) || self.children().into_iter().any(|child| child.any(has))
    }

    /// The set of a node that consumes exactly one character.
    pub(in crate::matcher) fn as_set(&self) -> Option<Arc<Set>> {
        match self {
            Node::Char(c) => Some(Arc::new(Set::one(*c))),
            Node::Set(set) => Some(Arc::clone(set)),
            _ => None,
        }
    }
}

/// A whole pattern, anchored at both ends by whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::matcher) struct Ast {
    pub(in crate::matcher) root: Node,
    /// The numbers of all groups but 0, in order.
    pub(in crate::matcher) groups: Vec<u32>,
}

/// A pattern that can't be used, and where its fault is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::matcher) struct Refusal {
    /// Byte offset in the pattern as it was written.
    pub(in crate::matcher) at: usize,
    pub(in crate::matcher) message: String,
}
