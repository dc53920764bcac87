//! The regexp dialect: .NET's expressions as the reference's engine reads them (regexp2 1.2.0 with its RE2 switch).
//!
//! A rule's pattern becomes one expression: each `<…>` is a group, the rest is literal, and both ends are anchored. Each body must
//! also be an expression of its own, as in the reference: so no group spans two parts.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::ast::{Assertion, Ast, Capture, Node, Refusal, UNBOUNDED};
use super::groups::Groups;
use super::set::{Set, digit, folded, is_word, lower, space, word};
use super::split::{Part, split};

/// How deep groups may nest.
const DEEPEST: usize = 150;

/// Reads the patterns of a rule set. Most bodies are the same few, and each of them is read once.
#[derive(Debug, Default)]
pub(in crate::matcher) struct Reader {
    /// Bodies without groups of their own, which mean the same wherever they are.
    plain: HashMap<String, Node>,
}

impl Reader {
    /// A rule's URL. The ends of the text are not part of the tree: whoever runs it anchors it there.
    pub(in crate::matcher) fn parse(&mut self, pattern: &str) -> Result<Ast, Refusal> {
        let parts = split(pattern)?;
        let is_plain = |part: &Part<'_>| {
            matches!(part, Part::Literal { .. })
                || matches!(part, Part::Body { text, .. } if means_the_same_anywhere(text))
        };
        if !parts.iter().all(is_plain) {
            return parse(&parts);
        }
        let (mut nodes, mut groups) = (Vec::with_capacity(pattern.len()), Vec::new());
        for part in parts {
            match part {
                Part::Literal { text, .. } => nodes.extend(text.chars().map(Node::Char)),
                Part::Body { at, text } => {
                    let group = groups.len() as u32 + 1;
                    groups.push(group);
                    let body = self.plain(text, at)?;
                    nodes.push(Node::Capture(Box::new(Capture {
                        group: Some(group),
                        takes_from: None,
                        body,
                    })));
                }
            }
        }
        Ok(Ast {
            root: Node::concat(nodes),
            groups,
        })
    }

    fn plain(&mut self, body: &str, at: usize) -> Result<Node, Refusal> {
        if let Some(node) = self.plain.get(body) {
            return Ok(node.clone());
        }
        alone(body, at)?;
        let (places, chars): (Vec<_>, Vec<_>) = body
            .char_indices()
            .map(|(offset, c)| (at + offset, c))
            .unzip();
        let node = Parser::parse(&chars, &places)?.root;
        self.plain.insert(body.to_owned(), node.clone());
        Ok(node)
    }
}

/// Without parentheses there are no groups and no switches, and without numbers no references to the groups around.
fn means_the_same_anywhere(body: &str) -> bool {
    !body.contains('(')
        && !body
            .as_bytes()
            .windows(2)
            .any(|pair| matches!(pair, [b'\\', b'0'..=b'9']))
}

fn parse(parts: &[Part<'_>]) -> Result<Ast, Refusal> {
    let (mut chars, mut places) = (Vec::new(), Vec::new());
    let mut push = |c: char, at: usize| {
        chars.push(c);
        places.push(at);
    };
    for &part in parts {
        match part {
            Part::Literal { at, text } => {
                for (offset, c) in text.char_indices() {
                    if r"\.+*?()|[]{}^$".contains(c) {
                        push('\\', at + offset);
                    }
                    push(c, at + offset);
                }
            }
            Part::Body { at, text } => {
                alone(text, at)?;
                push('(', at);
                text.char_indices()
                    .for_each(|(offset, c)| push(c, at + offset));
                push(')', at + text.len());
            }
        }
    }
    Parser::parse(&chars, &places)
}

/// An expression outside any rule, not anchored: for the recorded facts about the engine itself.
#[cfg(test)]
pub(in crate::matcher) fn parse_bare(pattern: &str) -> Result<Ast, Refusal> {
    let (places, chars): (Vec<_>, Vec<_>) = pattern.char_indices().unzip();
    Parser::parse(&chars, &places)
}

fn alone(body: &str, at: usize) -> Result<(), Refusal> {
    let anchored = std::iter::once((0, '^'))
        .chain(body.char_indices())
        .chain(std::iter::once((body.len(), '$')));
    let (places, chars): (Vec<_>, Vec<_>) = anchored.map(|(offset, c)| (at + offset, c)).unzip();
    Parser::parse(&chars, &places).map(|_| ())
}

/// The switches of `(?imnsx)`.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Options {
    pub(super) ignore_case: bool,
    pub(super) multiline: bool,
    pub(super) explicit: bool,
    pub(super) single_line: bool,
    pub(super) extended: bool,
}

/// A place in an expression and the switches that hold there.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    chars: &'a [char],
    places: &'a [usize],
    at: usize,
    pub(super) options: Options,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(chars: &'a [char], places: &'a [usize]) -> Self {
        Self {
            chars,
            places,
            at: 0,
            options: Options::default(),
        }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        Some(c)
    }

    pub(super) fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.peek(0) == Some(c);
        self.at += usize::from(found);
        found
    }

    pub(super) fn refuse<T>(&self, message: &str) -> Result<T, Refusal> {
        let at = self
            .places
            .get(self.at)
            .or(self.places.last())
            .copied()
            .unwrap_or(0);
        Err(Refusal {
            at,
            message: message.to_owned(),
        })
    }

    /// Comments, and in extended mode white space too.
    pub(super) fn skip_blank(&mut self) -> Result<(), Refusal> {
        loop {
            if self.options.extended {
                while self.peek(0).is_some_and(|c| matches!(c, '\t'..='\r' | ' ')) {
                    self.at += 1;
                }
                if self.peek(0) == Some('#') {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                    continue;
                }
            }
            if (self.peek(0), self.peek(1), self.peek(2)) != (Some('('), Some('?'), Some('#')) {
                return Ok(());
            }
            let from = self.at;
            while self.peek(0).is_some_and(|c| c != ')') {
                self.at += 1;
            }
            if !self.eat(')') {
                self.at = from;
                return self.refuse("a comment without its end");
            }
        }
    }

    pub(super) fn name(&mut self) -> String {
        let from = self.at;
        while self.peek(0).is_some_and(is_word) {
            self.at += 1;
        }
        self.chars
            .get(from..self.at)
            .unwrap_or_default()
            .iter()
            .collect()
    }

    pub(super) fn decimal(&mut self) -> Result<u32, Refusal> {
        let mut value: u32 = 0;
        while let Some(d) = self.peek(0).and_then(|c| c.to_digit(10)) {
            match value
                .checked_mul(10)
                .and_then(|v| v.checked_add(d))
                .filter(|&v| v <= i32::MAX as u32)
            {
                Some(v) => value = v,
                None => return self.refuse("a number that is too large"),
            }
            self.at += 1;
        }
        Ok(value)
    }

    /// Switches up to the first character that is none.
    pub(super) fn read_options(&mut self) {
        let mut on = true;
        while let Some(c) = self.peek(0) {
            match c.to_ascii_lowercase() {
                '-' => on = false,
                '+' => on = true,
                'i' => self.options.ignore_case = on,
                'm' => self.options.multiline = on,
                'n' => self.options.explicit = on,
                's' => self.options.single_line = on,
                'x' => self.options.extended = on,
                // "Debug" in the reference: accepted, means nothing.
                'd' => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    /// After a backslash, where only groups are of interest.
    pub(super) fn skip_escape(&mut self) {
        if self.next() == Some('c') {
            self.next();
        }
    }

    fn hex(&mut self, digits: usize) -> Result<u32, Refusal> {
        let mut value = 0;
        for _ in 0..digits {
            let Some(d) = self.peek(0).and_then(|c| c.to_digit(16)) else {
                return self.refuse("too few hexadecimal digits");
            };
            value = value * 16 + d;
            self.at += 1;
        }
        Ok(value)
    }

    fn hex_in_braces(&mut self) -> Result<u32, Refusal> {
        let mut value = 0;
        let from = self.at;
        while let Some(d) = self.peek(0).and_then(|c| c.to_digit(16)) {
            value = value * 16 + d;
            if value > 0x10_ffff {
                return self.refuse("a number that is no character");
            }
            self.at += 1;
        }
        if self.at == from || !self.eat('}') {
            return self.refuse("expected hexadecimal digits and `}`");
        }
        Ok(value)
    }

    /// Up to three digits. The reference takes any third character below `8` for a digit; that defect is not kept.
    fn octal(&mut self) -> u32 {
        let mut value = 0;
        for _ in 0..3 {
            let Some(d) = self.peek(0).and_then(|c| c.to_digit(8)) else {
                break;
            };
            value = value * 8 + d;
            self.at += 1;
        }
        value & 0xff
    }

    /// After a backslash: an escape that means one character.
    pub(super) fn char_escape(&mut self) -> Result<u32, Refusal> {
        let Some(c) = self.next() else {
            return self.refuse("a backslash at the end");
        };
        Ok(match c {
            '0'..='7' => {
                self.back();
                self.octal()
            }
            'x' if self.eat('{') => self.hex_in_braces()?,
            'x' => self.hex(2)?,
            'u' => self.hex(4)?,
            'a' => 7,
            'b' => 8,
            'e' => 0x1b,
            'f' => 0xc,
            'n' => 0xa,
            'r' => 0xd,
            't' => 9,
            'v' => 0xb,
            'c' => {
                let control = self
                    .next()
                    .map(|c| u32::from(c.to_ascii_uppercase()).wrapping_sub(0x40));
                match control.filter(|&c| c < 0x20) {
                    Some(control) => control,
                    None => return self.refuse("an unknown control character"),
                }
            }
            c if is_word(c) => {
                self.back();
                return self.refuse("an escape without a meaning");
            }
            c => c.into(),
        })
    }

    /// After `\p` or `\P`.
    pub(super) fn property(
        &mut self,
        negated: bool,
    ) -> Result<regex_syntax::hir::ClassUnicode, Refusal> {
        if !self.eat('{') {
            return self.refuse("expected `{` and the name of a category");
        }
        let from = self.at;
        while self.peek(0).is_some_and(|c| is_word(c) || c == '-') {
            self.at += 1;
        }
        let name: String = self
            .chars
            .get(from..self.at)
            .unwrap_or_default()
            .iter()
            .collect();
        if !self.eat('}') {
            return self.refuse("expected `}`");
        }
        match super::class::category(&name, negated, self.options.ignore_case) {
            Some(class) => Ok(class),
            None => {
                self.at = from;
                self.refuse("an unknown category, script or property")
            }
        }
    }

    fn is_quantifier(&self) -> bool {
        match self.peek(0) {
            Some('*' | '+' | '?') => true,
            Some('{') => {
                let digits = |from: usize| {
                    (from..)
                        .take_while(|&i| self.peek(i).is_some_and(|c| c.is_ascii_digit()))
                        .count()
                };
                let min = digits(1);
                match self.peek(1 + min) {
                    Some('}') => min > 0,
                    Some(',') => min > 0 && self.peek(2 + min + digits(2 + min)) == Some('}'),
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

/// What a `(` opens.
enum Opened {
    /// Switches for the rest of the surrounding group.
    Switches,
    Group,
    Capture {
        group: Option<u32>,
        takes_from: Option<u32>,
    },
    Look {
        ahead: bool,
        negative: bool,
    },
    Atomic,
    IfMatched(u32),
    IfAhead,
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    groups: Groups,
    next_group: u32,
    /// The next plain parenthesis opens no group. The reference leaves this set after a look-around as a condition, and so do we.
    plain_paren: bool,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn parse(chars: &'a [char], places: &'a [usize]) -> Result<Ast, Refusal> {
        let groups = Groups::of(chars, places)?;
        let mut parser = Parser {
            scanner: Scanner::new(chars, places),
            groups,
            next_group: 1,
            plain_paren: false,
            depth: 0,
        };
        let root = Node::alternate(parser.choices(false)?);
        if parser.scanner.peek(0).is_some() {
            return parser.scanner.refuse("a `)` without its `(`");
        }
        let groups = parser
            .groups
            .numbers
            .into_iter()
            .filter(|&n| n != 0)
            .collect();
        Ok(Ast { root, groups })
    }

    /// Alternatives up to the `)` that ends them or the end, both left alone.
    fn choices(&mut self, inside_condition: bool) -> Result<Vec<Node>, Refusal> {
        let mut choices = Vec::new();
        loop {
            choices.push(self.sequence(inside_condition && choices.is_empty())?);
            if !self.scanner.eat('|') {
                return Ok(choices);
            }
        }
    }

    /// `condition_first`: the first unit is the condition of `(?(…)…)` and stands alone.
    fn sequence(&mut self, condition_first: bool) -> Result<Node, Refusal> {
        let mut nodes = Vec::new();
        loop {
            self.scanner.skip_blank()?;
            let condition = condition_first && nodes.is_empty();
            let unit = match self.scanner.peek(0) {
                None | Some('|' | ')') => break,
                Some('(') => match self.group(condition)? {
                    Some(node) => node,
                    None => continue,
                },
                Some(_) if self.scanner.is_quantifier() => {
                    return self.scanner.refuse("nothing to repeat");
                }
                Some(_) => self.unit()?,
            };
            // What follows a condition is looked at as if nothing were before it.
            let unit = if condition {
                unit
            } else {
                self.quantified(unit)?
            };
            nodes.push(unit);
        }
        if condition_first {
            // Kept apart from what follows: the caller takes the first one away.
            return Ok(Node::Concat(nodes));
        }
        Ok(Node::concat(nodes))
    }

    fn unit(&mut self) -> Result<Node, Refusal> {
        let options = self.scanner.options;
        Ok(match self.scanner.next() {
            Some('[') => Node::Set(Arc::new(Set::new(self.scanner.class()?))),
            Some('\\') => self.escape()?,
            Some('^') if options.multiline => Node::Assert(Assertion::LineStart),
            Some('^') => Node::Assert(Assertion::Start),
            Some('$') if options.multiline => Node::Assert(Assertion::LineEnd),
            Some('$') => Node::Assert(Assertion::EndOrFinalNewline),
            Some('.') if options.single_line => Node::Set(any()),
            Some('.') => Node::Set(any_but_newline()),
            Some(c) => self.character(c),
            None => Node::Empty,
        })
    }

    fn character(&self, c: char) -> Node {
        if !self.scanner.options.ignore_case {
            return Node::Char(c);
        }
        let set = Set::new(folded(c));
        set.only()
            .map_or_else(|| Node::Set(Arc::new(set)), Node::Char)
    }

    fn quantified(&mut self, unit: Node) -> Result<Node, Refusal> {
        self.scanner.skip_blank()?;
        if !self.scanner.is_quantifier() {
            return Ok(unit);
        }
        let (min, max) = match self.scanner.next() {
            Some('*') => (0, UNBOUNDED),
            Some('+') => (1, UNBOUNDED),
            Some('?') => (0, 1),
            _ => {
                let min = self.scanner.decimal()?;
                let max = match self.scanner.eat(',') {
                    false => min,
                    true if self.scanner.peek(0) == Some('}') => UNBOUNDED,
                    true => self.scanner.decimal()?,
                };
                self.scanner.eat('}');
                (min, max)
            }
        };
        if min > max {
            return self
                .scanner
                .refuse("a repetition whose end is before its start");
        }
        self.scanner.skip_blank()?;
        let greedy = !self.scanner.eat('?');
        self.scanner.skip_blank()?;
        if self.scanner.is_quantifier() {
            return self.scanner.refuse("a repetition of a repetition");
        }
        // A repetition of exactly one is the thing itself, but for what empty matches capture, which one round can't show.
        if (min, max) == (1, 1) {
            return Ok(unit);
        }
        Ok(Node::Loop {
            body: Box::new(unit),
            min,
            max,
            greedy,
        })
    }

    fn escape(&mut self) -> Result<Node, Refusal> {
        let set = |shorthand: &Arc<Set>, negated: bool| {
            if !negated {
                return Node::Set(Arc::clone(shorthand));
            }
            let mut class = shorthand.class().clone();
            class.negate();
            Node::Set(Arc::new(Set::new(class)))
        };
        let Some(c) = self.scanner.peek(0) else {
            return self.scanner.refuse("a backslash at the end");
        };
        let node = match c {
            'b' => Node::Assert(Assertion::Boundary),
            'B' => Node::Assert(Assertion::NoBoundary),
            // `\G` is where the search began, and a rule's search begins at the start.
            'A' | 'G' => Node::Assert(Assertion::Start),
            'Z' => Node::Assert(Assertion::EndOrFinalNewline),
            'z' => Node::Assert(Assertion::End),
            'w' | 'W' => set(word(), c == 'W'),
            'd' | 'D' => set(digit(), c == 'D'),
            's' | 'S' => set(space(), c == 'S'),
            'p' | 'P' => {
                self.scanner.next();
                let class = self.scanner.property(c == 'P')?;
                return Ok(Node::Set(Arc::new(Set::new(self.cased(class)))));
            }
            _ => return self.reference_or_character(),
        };
        self.scanner.next();
        Ok(match node {
            // Negated shorthands are tested on the lower-cased character like everything else.
            Node::Set(set) if self.scanner.options.ignore_case => {
                Node::Set(Arc::new(Set::new(self.cased(set.class().clone()))))
            }
            node => node,
        })
    }

    fn cased(&self, class: regex_syntax::hir::ClassUnicode) -> regex_syntax::hir::ClassUnicode {
        if self.scanner.options.ignore_case {
            super::set::ignoring_case(&class)
        } else {
            class
        }
    }

    /// `\1`, `\k<name>`, `\<name>`, or an escaped character.
    fn reference_or_character(&mut self) -> Result<Node, Refusal> {
        let from = self.scanner.at();
        if let Some(group) = self.reference()? {
            return Ok(Node::Back {
                group,
                ignore_case: self.scanner.options.ignore_case,
            });
        }
        self.scanner.go_to(from);
        let value = self.scanner.char_escape()?;
        // A surrogate is no character: it matches nothing.
        let Some(c) = char::from_u32(value) else {
            return Ok(Node::Set(Arc::new(Set::new(
                regex_syntax::hir::ClassUnicode::empty(),
            ))));
        };
        Ok(self.character(if self.scanner.options.ignore_case {
            lower(c)
        } else {
            c
        }))
    }

    fn reference(&mut self) -> Result<Option<u32>, Refusal> {
        let named = self.scanner.eat('k');
        let close = match self.scanner.peek(0) {
            Some('<') if self.scanner.peek(1).is_some() => '>',
            Some('\'') if self.scanner.peek(1).is_some() => '\'',
            _ if named => return self.scanner.refuse("expected the name of a group"),
            Some('1'..='9') => {
                let group = self.scanner.decimal()?;
                if self.groups.numbers.contains(&group) {
                    return Ok(Some(group));
                }
                return if group <= 9 {
                    self.scanner
                        .refuse("a reference to a group that does not exist")
                } else {
                    Ok(None)
                };
            }
            _ => return Ok(None),
        };
        self.scanner.next();
        let known = match self.scanner.peek(0) {
            Some(c) if c.is_ascii_digit() => {
                Some(self.scanner.decimal()?).filter(|group| self.groups.numbers.contains(group))
            }
            Some(c) if is_word(c) => {
                let name = self.scanner.name();
                self.groups.names.get(&name).copied()
            }
            _ => return Ok(None),
        };
        match (self.scanner.eat(close), known) {
            (true, Some(group)) => Ok(Some(group)),
            (true, None) => self
                .scanner
                .refuse("a reference to a group that does not exist"),
            (false, _) => Ok(None),
        }
    }

    /// A parenthesis and what it holds. `None`: it only set switches.
    fn group(&mut self, is_condition: bool) -> Result<Option<Node>, Refusal> {
        let opened_at = self.scanner.at();
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.scanner.refuse("groups are nested too deeply");
        }
        self.scanner.next();
        let outside = self.scanner.options;
        let opened = self.open(is_condition)?;
        if let Opened::Switches = opened {
            self.depth -= 1;
            return Ok(None);
        }
        let mut choices = self.choices(matches!(opened, Opened::IfAhead))?;
        if !self.scanner.eat(')') {
            self.scanner.go_to(opened_at);
            return self.scanner.refuse("a `(` without its `)`");
        }
        self.scanner.options = outside;
        self.depth -= 1;
        if matches!(opened, Opened::IfMatched(_) | Opened::IfAhead) && choices.len() > 2 {
            self.scanner.go_to(opened_at);
            return self
                .scanner
                .refuse("a condition with more than two alternatives");
        }
        Ok(Some(match opened {
            Opened::Capture { group, takes_from } => Node::Capture(Box::new(Capture {
                group,
                takes_from,
                body: Node::alternate(choices),
            })),
            Opened::Look { ahead, negative } => Node::Look {
                ahead,
                negative,
                body: Box::new(Node::alternate(choices)),
            },
            Opened::Atomic => Node::Atomic(Box::new(Node::alternate(choices))),
            Opened::IfMatched(group) => {
                let no = Box::new(if choices.len() == 2 {
                    choices.pop().unwrap_or(Node::Empty)
                } else {
                    Node::Empty
                });
                Node::IfMatched {
                    group,
                    yes: Box::new(Node::alternate(choices)),
                    no,
                }
            }
            Opened::IfAhead => {
                let no = Box::new(if choices.len() == 2 {
                    choices.pop().unwrap_or(Node::Empty)
                } else {
                    Node::Empty
                });
                let mut yes = match choices.pop() {
                    Some(Node::Concat(nodes)) => nodes,
                    _ => Vec::new(),
                };
                if yes.is_empty() {
                    return self.scanner.refuse("a condition that is missing");
                }
                let condition = Box::new(yes.remove(0));
                Node::IfAhead {
                    condition,
                    yes: Box::new(Node::concat(yes)),
                    no,
                }
            }
            Opened::Group | Opened::Switches => Node::alternate(choices),
        }))
    }

    fn open(&mut self, is_condition: bool) -> Result<Opened, Refusal> {
        let from = self.scanner.at();
        if self.scanner.peek(0) != Some('?') || self.scanner.peek(1) == Some(')') {
            if self.scanner.options.explicit || self.plain_paren {
                self.plain_paren = false;
                return Ok(Opened::Group);
            }
            self.next_group += 1;
            return Ok(Opened::Capture {
                group: Some(self.next_group - 1),
                takes_from: None,
            });
        }
        self.scanner.next();
        let look = |ahead, negative| Ok(Opened::Look { ahead, negative });
        match self.scanner.next() {
            Some(':') => Ok(Opened::Group),
            Some('=') => look(true, false),
            Some('!') => look(true, true),
            Some('>') => Ok(Opened::Atomic),
            Some('<') if self.scanner.eat('=') => look(false, false),
            Some('<') if self.scanner.eat('!') => look(false, true),
            Some('<') => self.named('>'),
            Some('\'') => self.named('\''),
            Some('(') => self.condition(),
            Some('P') => self.named_as_in_go(),
            Some(_) => {
                self.scanner.back();
                if !is_condition {
                    self.scanner.read_options();
                }
                match self.scanner.next() {
                    Some(')') => Ok(Opened::Switches),
                    Some(':') => Ok(Opened::Group),
                    _ => self.unknown(from),
                }
            }
            None => self.unknown(from),
        }
    }

    fn unknown(&mut self, at: usize) -> Result<Opened, Refusal> {
        self.scanner.go_to(at);
        self.scanner.refuse("an unknown kind of group")
    }

    /// After `(?<` or `(?'`: `name`, `name-other` or `-other`.
    fn named(&mut self, close: char) -> Result<Opened, Refusal> {
        let from = self.scanner.at();
        let group = if self.scanner.peek(0) == Some('-') {
            None
        } else {
            self.group_name(false)?
        };
        if group == Some(0) {
            return self.scanner.refuse("group 0 is the whole match");
        }
        let mut takes_from = None;
        if self.scanner.eat('-') {
            takes_from = self.group_name(true)?;
        }
        if !self.scanner.eat(close) {
            return self.scanner.refuse("an invalid name of a group");
        }
        if group.is_none() && takes_from.is_none() {
            return self.unknown(from);
        }
        Ok(Opened::Capture { group, takes_from })
    }

    /// The number that a group's name stands for.
    fn group_name(&mut self, must_exist: bool) -> Result<Option<u32>, Refusal> {
        let known = match self.scanner.peek(0) {
            Some(c) if c.is_ascii_digit() => {
                Some(self.scanner.decimal()?).filter(|number| self.groups.numbers.contains(number))
            }
            Some(c) if is_word(c) => {
                let name = self.scanner.name();
                self.groups.names.get(&name).copied()
            }
            _ => return self.scanner.refuse("an invalid name of a group"),
        };
        if must_exist && known.is_none() {
            return self
                .scanner
                .refuse("a reference to a group that does not exist");
        }
        Ok(known)
    }

    /// After `(?P`.
    fn named_as_in_go(&mut self) -> Result<Opened, Refusal> {
        let from = self.scanner.at();
        if !self.scanner.eat('<') || !self.scanner.peek(0).is_some_and(is_word) {
            return self.unknown(from);
        }
        let name = self.scanner.name();
        match (self.scanner.eat('>'), self.groups.names.get(&name)) {
            (true, Some(&group)) => Ok(Opened::Capture {
                group: Some(group),
                takes_from: None,
            }),
            _ => self.scanner.refuse("an invalid name of a group"),
        }
    }

    /// After `(?(`.
    fn condition(&mut self) -> Result<Opened, Refusal> {
        let from = self.scanner.at();
        match self.scanner.peek(0) {
            Some(c) if c.is_ascii_digit() => {
                let group = self.scanner.decimal()?;
                return match (self.scanner.eat(')'), self.groups.numbers.contains(&group)) {
                    (true, true) => Ok(Opened::IfMatched(group)),
                    _ => self
                        .scanner
                        .refuse("a condition on a group that does not exist"),
                };
            }
            Some(c) if is_word(c) => {
                let name = self.scanner.name();
                if let (Some(&group), true) = (self.groups.names.get(&name), self.scanner.eat(')'))
                {
                    return Ok(Opened::IfMatched(group));
                }
            }
            _ => {}
        }
        self.scanner.go_to(from - 1);
        self.plain_paren = true;
        if self.scanner.peek(1) == Some('?') {
            match (self.scanner.peek(2), self.scanner.peek(3)) {
                (Some('#'), _) => return self.scanner.refuse("a comment as a condition"),
                (Some('\''), _) => return self.scanner.refuse("a named group as a condition"),
                (Some('<'), Some(c)) if c != '!' && c != '=' => {
                    return self.scanner.refuse("a named group as a condition");
                }
                _ => {}
            }
        }
        Ok(Opened::IfAhead)
    }
}

fn any() -> Arc<Set> {
    static ANY: OnceLock<Arc<Set>> = OnceLock::new();
    Arc::clone(ANY.get_or_init(|| Arc::new(Set::all_but(&[]))))
}

fn any_but_newline() -> Arc<Set> {
    static ANY: OnceLock<Arc<Set>> = OnceLock::new();
    Arc::clone(ANY.get_or_init(|| Arc::new(Set::all_but(&['\n']))))
}
