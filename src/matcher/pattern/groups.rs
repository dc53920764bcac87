//! Numbers of groups, found before the pattern itself is read, because a reference may come before its group.
//!
//! The reference counts with a rough scan of its own. Unnamed groups take 1, 2, 3 … in order, explicit numbers are kept, and named
//! groups get the numbers that are left over, in order of appearance.

use std::collections::{BTreeSet, HashMap};

use super::ast::Refusal;
use super::regexp::Scanner;
use super::set::is_word;

#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) numbers: BTreeSet<u32>,
    pub(super) names: HashMap<String, u32>,
}

impl Groups {
    pub(super) fn of(pattern: &[char], places: &[usize]) -> Result<Self, Refusal> {
        let mut count = Count {
            scanner: Scanner::new(pattern, places),
            groups: Self::default(),
            named: Vec::new(),
            next: 1,
            condition: false,
        };
        count.groups.numbers.insert(0);
        count.run()?;
        count.number_names();
        Ok(count.groups)
    }
}

struct Count<'a> {
    scanner: Scanner<'a>,
    groups: Groups,
    named: Vec<String>,
    next: u32,
    /// The next plain parenthesis is the condition of `(?(…)yes|no)` and no group.
    condition: bool,
}

impl Count<'_> {
    fn run(&mut self) -> Result<(), Refusal> {
        let mut outer = Vec::new();
        while let Some(c) = self.scanner.next() {
            match c {
                '\\' => self.scanner.skip_escape(),
                '#' if self.scanner.options.extended => {
                    self.scanner.back();
                    self.scanner.skip_blank()?;
                }
                '[' => self.scanner.skip_class()?,
                ')' => {
                    if let Some(options) = outer.pop() {
                        self.scanner.options = options;
                    }
                }
                '(' if self.scanner.peek(0) == Some('?') && self.scanner.peek(1) == Some('#') => {
                    self.scanner.back();
                    self.scanner.skip_blank()?;
                }
                '(' => {
                    outer.push(self.scanner.options);
                    if self.open(&mut outer)? {
                        self.condition = true;
                        continue;
                    }
                    self.condition = false;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// After a `(`. True before the parenthesis that holds a condition.
    fn open(&mut self, outer: &mut Vec<super::regexp::Options>) -> Result<bool, Refusal> {
        if !self.scanner.eat('?') {
            if !self.scanner.options.explicit && !self.condition {
                self.groups.numbers.insert(self.next);
                self.next += 1;
            }
            return Ok(false);
        }
        match (self.scanner.peek(0), self.scanner.peek(1)) {
            (Some('<' | '\''), Some(c)) => {
                self.scanner.next();
                self.named(c)?;
            }
            (Some('P'), Some('<')) => {
                self.scanner.next();
                self.scanner.next();
                if self.scanner.peek(0).is_some_and(is_word) {
                    self.name();
                }
            }
            _ => {
                self.scanner.read_options();
                match self.scanner.peek(0) {
                    Some(')') => {
                        self.scanner.next();
                        outer.pop();
                    }
                    Some('(') => return Ok(true),
                    _ => {}
                }
            }
        }
        Ok(false)
    }

    fn named(&mut self, c: char) -> Result<(), Refusal> {
        if c.is_ascii_digit() && c != '0' {
            let number = self.scanner.decimal()?;
            self.groups.numbers.insert(number);
        } else if c != '0' && is_word(c) {
            self.name();
        }
        Ok(())
    }

    fn name(&mut self) {
        let name = self.scanner.name();
        if !self.named.contains(&name) {
            self.named.push(name);
        }
    }

    fn number_names(&mut self) {
        for name in std::mem::take(&mut self.named) {
            while self.groups.numbers.contains(&self.next) {
                self.next += 1;
            }
            self.groups.numbers.insert(self.next);
            self.groups.names.insert(name, self.next);
            self.next += 1;
        }
    }
}
