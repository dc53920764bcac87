//! The glob dialect: `*` and `?` stop at `.` and `/`, `**` does not, classes, alternatives.

use std::sync::{Arc, OnceLock};

use regex_syntax::hir::ClassUnicode;

use super::ast::{Ast, Node, Refusal, UNBOUNDED};
use super::set::{Set, range, single};
use super::split::{Part, split};

/// How deep alternatives may nest.
const DEEPEST: usize = 100;

pub(in crate::matcher) fn parse(pattern: &str) -> Result<Ast, Refusal> {
    let mut nodes = Vec::new();
    for part in split(pattern)? {
        match part {
            Part::Literal { text, .. } => nodes.extend(text.chars().map(Node::Char)),
            Part::Body { at, text } => {
                let mut body = Body {
                    rest: text,
                    at,
                    depth: 0,
                };
                nodes.push(body.sequence()?);
            }
        }
    }
    Ok(Ast {
        root: Node::concat(nodes),
        groups: Vec::new(),
    })
}

fn segment() -> &'static Arc<Set> {
    static SEGMENT: OnceLock<Arc<Set>> = OnceLock::new();
    SEGMENT.get_or_init(|| Arc::new(Set::all_but(&['.', '/'])))
}

fn anything() -> &'static Arc<Set> {
    static ANYTHING: OnceLock<Arc<Set>> = OnceLock::new();
    ANYTHING.get_or_init(|| Arc::new(Set::all_but(&[])))
}

fn any_run(set: &Arc<Set>) -> Node {
    Node::Loop {
        body: Box::new(Node::Set(Arc::clone(set))),
        min: 0,
        max: UNBOUNDED,
        greedy: true,
    }
}

struct Body<'a> {
    rest: &'a str,
    at: usize,
    depth: usize,
}

impl Body<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or("");
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.rest.starts_with(c);
        if found {
            self.next();
        }
        found
    }

    fn refuse<T>(&self, message: &str) -> Result<T, Refusal> {
        Err(Refusal {
            at: self.at,
            message: message.to_owned(),
        })
    }

    /// Up to the end, or inside alternatives up to the `,` or `}` that ends this one (which is left alone).
    fn sequence(&mut self) -> Result<Node, Refusal> {
        let mut nodes = Vec::new();
        loop {
            if self.depth > 0 && self.rest.starts_with([',', '}']) {
                break;
            }
            let Some(c) = self.next() else { break };
            nodes.push(match c {
                '*' if self.eat('*') => any_run(anything()),
                '*' => any_run(segment()),
                '?' => Node::Set(Arc::clone(segment())),
                '[' => self.class()?,
                '{' => self.alternatives()?,
                // A backslash at the end stands for nothing, as recorded.
                '\\' => self.next().map_or(Node::Empty, Node::Char),
                c => Node::Char(c),
            });
        }
        Ok(Node::concat(nodes))
    }

    /// The end of the body also ends alternatives, as recorded.
    fn alternatives(&mut self) -> Result<Node, Refusal> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.refuse("alternatives are nested too deeply");
        }
        let mut choices = vec![self.sequence()?];
        while self.eat(',') {
            choices.push(self.sequence()?);
        }
        self.eat('}');
        self.depth -= 1;
        Ok(Node::alternate(choices))
    }

    /// Either one range (any character with a `-` after it begins one, even a backslash) or a list of characters.
    fn class(&mut self) -> Result<Node, Refusal> {
        let negated = self.eat('!');
        let mut class = match self.range()? {
            Some(range) => range,
            None => self.list()?,
        };
        if negated {
            class.negate();
        }
        Ok(Node::Set(Arc::new(Set::new(class))))
    }

    fn range(&mut self) -> Result<Option<ClassUnicode>, Refusal> {
        let mut ahead = self.rest.chars();
        let (Some(first), Some('-')) = (ahead.next(), ahead.next()) else {
            return Ok(None);
        };
        self.next();
        self.next();
        match (self.next(), self.eat(']')) {
            (Some(last), true) if first <= last => Ok(Some(range(first.into(), last.into()))),
            (Some(_), true) => self.refuse("a range whose end is before its start"),
            _ => self.refuse("a class is either one range or a list of characters"),
        }
    }

    fn list(&mut self) -> Result<ClassUnicode, Refusal> {
        let mut class = ClassUnicode::empty();
        loop {
            let listed = match self.next() {
                Some(']') if class.ranges().is_empty() => return self.refuse("an empty class"),
                Some(']') => return Ok(class),
                Some('\\') => self.next(),
                c => c,
            };
            match listed {
                Some(c) => class.union(&single(c)),
                None => return self.refuse("a class without its `]`"),
            }
        }
    }
}
