//! `[…]` of the regexp dialect: ranges, shorthands, POSIX names, categories, subtraction.

use regex_syntax::hir::ClassUnicode;

use super::ast::Refusal;
use super::regexp::Scanner;
use super::set::{digit, ecma_space, ignoring_case, lower_case_of, property, range, space, word};

/// How deep subtractions may nest.
const DEEPEST: usize = 50;

#[derive(Debug)]
struct Builder {
    /// What was written as characters and ranges; only these follow case.
    ranges: ClassUnicode,
    categories: ClassUnicode,
    subtracted: Option<ClassUnicode>,
}

impl Builder {
    fn add(&mut self, first: u32, last: u32) {
        self.ranges.union(&range(first, last));
    }

    fn add_category(&mut self, class: &ClassUnicode, negated: bool) {
        self.categories.union(&negated_if(class, negated));
    }
}

fn negated_if(class: &ClassUnicode, negated: bool) -> ClassUnicode {
    let mut class = class.clone();
    if negated {
        class.negate();
    }
    class
}

/// `\p{name}` or `\P{name}`, `ignore_case` as the reference has it: the three cases of letters count as one.
pub(super) fn category(name: &str, negated: bool, ignore_case: bool) -> Option<ClassUnicode> {
    let mut class = negated_if(&property(name)?, negated);
    if ignore_case && matches!(name, "Lu" | "Ll" | "Lt") {
        for name in ["Lu", "Ll", "Lt"] {
            class.union(&negated_if(&property(name)?, negated));
        }
    }
    Some(class)
}

impl Scanner<'_> {
    /// After the `[`. The characters that the class accepts, case already taken into account.
    pub(super) fn class(&mut self) -> Result<ClassUnicode, Refusal> {
        let class = self.class_of_lower(0)?;
        Ok(if self.options.ignore_case {
            ignoring_case(&class)
        } else {
            class
        })
    }

    /// Past a class without a look at what it means.
    pub(super) fn skip_class(&mut self) -> Result<(), Refusal> {
        // The rough scan is lenient where the real one is not: what it can't read, the real one refuses.
        let options = std::mem::take(&mut self.options);
        let from = self.at();
        if self.class_of_lower(0).is_err() {
            self.go_to(from);
        }
        self.options = options;
        Ok(())
    }

    /// Where case is ignored: the set that lower-cased characters are held against.
    fn class_of_lower(&mut self, depth: usize) -> Result<ClassUnicode, Refusal> {
        if depth > DEEPEST {
            return self.refuse("classes are nested too deeply");
        }
        let opened = self.at();
        let negated = self.eat('^');
        let mut built = Builder {
            ranges: ClassUnicode::empty(),
            categories: ClassUnicode::empty(),
            subtracted: None,
        };
        let mut from: Option<u32> = None;
        let mut first = true;
        loop {
            let Some(c) = self.next() else {
                self.go_to(opened.saturating_sub(1));
                return self.refuse("a class without its `]`");
            };
            let (mut value, mut translated) = (u32::from(c), false);
            let is_first = std::mem::take(&mut first);
            match c {
                ']' if !is_first => break,
                '\\' if self.peek(0).is_some() => {
                    match self.class_escape(&mut built, from.is_some())? {
                        Some(escaped) => (value, translated) = (escaped, true),
                        None => continue,
                    }
                }
                '[' if self.peek(0) == Some(':') && from.is_none() && self.posix(&mut built)? => {
                    continue;
                }
                _ => {}
            }
            if let Some(start) = from.take() {
                if value == u32::from('[') && !translated && !is_first {
                    built.add(start, start);
                    self.subtraction(&mut built, depth)?;
                } else if start > value {
                    self.back();
                    return self.refuse("a range whose end is before its start");
                } else {
                    built.add(start, value);
                }
            } else if self.peek(0) == Some('-') && self.peek(1).is_some_and(|c| c != ']') {
                from = Some(value);
                self.next();
            } else if value == u32::from('-')
                && !translated
                && !is_first
                && self.peek(0) == Some('[')
            {
                self.next();
                self.subtraction(&mut built, depth)?;
            } else {
                built.add(value, value);
            }
        }
        if self.options.ignore_case {
            built.ranges.union(&lower_case_of(&built.ranges.clone()));
        }
        let mut class = built.ranges;
        class.union(&built.categories);
        class = negated_if(&class, negated);
        if let Some(subtracted) = built.subtracted {
            class.difference(&subtracted);
        }
        Ok(class)
    }

    fn subtraction(&mut self, built: &mut Builder, depth: usize) -> Result<(), Refusal> {
        built.subtracted = Some(self.class_of_lower(depth + 1)?);
        match self.peek(0) {
            Some(']') | None => Ok(()),
            Some(_) => self.refuse("a subtraction must be the last thing in its class"),
        }
    }

    /// After a backslash. `None` where it stood for more than one character, which is then added already.
    fn class_escape(
        &mut self,
        built: &mut Builder,
        in_range: bool,
    ) -> Result<Option<u32>, Refusal> {
        let c = self.next().unwrap_or('\\');
        if matches!(c, 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P') && in_range {
            self.back();
            return self.refuse("a class inside a range");
        }
        match c {
            'd' | 'D' => built.add_category(digit().class(), c == 'D'),
            's' | 'S' => built.add_category(space().class(), c == 'S'),
            'w' | 'W' => built.add_category(word().class(), c == 'W'),
            'p' | 'P' => {
                let class = self.property(c == 'P')?;
                built.add_category(&class, false);
            }
            '-' => built.add('-'.into(), '-'.into()),
            _ => {
                self.back();
                return self.char_escape().map(Some);
            }
        }
        Ok(None)
    }

    /// At the `:` of `[:name:]`. False where the closing part is missing: then the bracket is an ordinary character.
    fn posix(&mut self, built: &mut Builder) -> Result<bool, Refusal> {
        let from = self.at();
        self.next();
        let negated = self.peek(1).is_some() && self.eat('^');
        let name = self.name();
        let Some(class) = named(&name) else {
            return self.refuse("an unknown name of a class");
        };
        built.ranges.union(&negated_if(&class, negated));
        if self.eat(':') && self.eat(']') {
            return Ok(true);
        }
        self.go_to(from);
        Ok(false)
    }
}

fn named(name: &str) -> Option<ClassUnicode> {
    let ranges: &[(char, char)] = match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => return Some(digit().class().clone()),
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => return Some(ecma_space()),
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    let mut class = ClassUnicode::empty();
    for &(first, last) in ranges {
        class.union(&range(first.into(), last.into()));
    }
    Some(class)
}
