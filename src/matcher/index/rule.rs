//! One rule as the index keeps it: small, and next to its neighbours.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::engine::{Expression, Overrun};
use super::super::pattern::Ast;
use super::super::pattern::set::Set;
use super::super::shape::{self, Kind, run, run_is};

/// A piece of the common text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    at: u32,
    length: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// The methods it allows, see `methods`.
    pub(super) methods: u64,
    pub(super) entry: u32,
    test: Test,
}

#[derive(Debug, Clone, Copy)]
enum Test {
    Literal(Span),
    Hole {
        prefix: Span,
        suffix: Span,
        set: u32,
        min: u32,
        max: u32,
        groups: u32,
    },
    Steps {
        first: u32,
        count: u32,
    },
    General {
        prefix: Span,
        suffix: Span,
        expression: u32,
    },
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Literal(Span),
    Run {
        set: u32,
        min: u32,
        max: u32,
        groups: u32,
    },
    OneOf {
        first: u32,
        count: u32,
        groups: u32,
    },
}

/// All rules, with everything that they share.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) list: Vec<Rule>,
    text: String,
    sets: Vec<Arc<Set>>,
    steps: Vec<Step>,
    choices: Vec<Span>,
    expressions: Vec<Arc<Expression>>,
}

/// Finds what is already there while rules are added.
#[derive(Debug, Default)]
pub(super) struct Interning {
    sets: HashMap<Arc<Set>, u32>,
    expressions: HashMap<Ast, u32>,
}

impl Rules {
    pub(super) fn add(
        &mut self,
        methods: u64,
        entry: u32,
        kind: Kind,
        interning: &mut Interning,
    ) -> u32 {
        let test = match kind {
            Kind::Literal(text) => Test::Literal(self.span(&text)),
            Kind::Hole {
                prefix,
                run,
                suffix,
            } => Test::Hole {
                prefix: self.span(&prefix),
                suffix: self.span(&suffix),
                set: self.set(run.set, interning),
                min: run.min,
                max: run.max,
                groups: run.groups,
            },
            Kind::Steps(steps) => {
                let steps: Vec<_> = steps
                    .into_iter()
                    .map(|step| self.step(step, interning))
                    .collect();
                let first = self.steps.len() as u32;
                self.steps.extend(steps);
                Test::Steps {
                    first,
                    count: self.steps.len() as u32 - first,
                }
            }
            Kind::General {
                prefix,
                middle,
                suffix,
            } => {
                let expression =
                    *interning
                        .expressions
                        .entry(middle)
                        .or_insert_with_key(|middle| {
                            self.expressions
                                .push(Arc::new(Expression::new(middle.clone())));
                            self.expressions.len() as u32 - 1
                        });
                Test::General {
                    prefix: self.span(&prefix),
                    suffix: self.span(&suffix),
                    expression,
                }
            }
        };
        self.list.push(Rule {
            methods,
            entry,
            test,
        });
        self.list.len() as u32 - 1
    }

    fn step(&mut self, step: shape::Step, interning: &mut Interning) -> Step {
        match step {
            shape::Step::Literal(text) => Step::Literal(self.span(&text)),
            shape::Step::Run(run) => Step::Run {
                set: self.set(run.set, interning),
                min: run.min,
                max: run.max,
                groups: run.groups,
            },
            shape::Step::OneOf { choices, groups } => {
                let first = self.choices.len() as u32;
                for choice in &choices {
                    let span = self.span(choice);
                    self.choices.push(span);
                }
                Step::OneOf {
                    first,
                    count: choices.len() as u32,
                    groups,
                }
            }
        }
    }

    fn span(&mut self, text: &str) -> Span {
        let at = self.text.len() as u32;
        self.text.push_str(text);
        Span {
            at,
            length: text.len() as u32,
        }
    }

    fn set(&mut self, set: Arc<Set>, interning: &mut Interning) -> u32 {
        *interning.sets.entry(set).or_insert_with_key(|set| {
            self.sets.push(Arc::clone(set));
            self.sets.len() as u32 - 1
        })
    }

    /// Gives back what growing left over.
    pub(super) fn shrink(&mut self) {
        self.list.shrink_to_fit();
        self.text.shrink_to_fit();
        self.steps.shrink_to_fit();
        self.choices.shrink_to_fit();
    }

    pub(super) fn expressions(&self) -> &[Arc<Expression>] {
        &self.expressions
    }

    pub(super) fn get(&self, rule: u32) -> Option<&Rule> {
        self.list.get(rule as usize)
    }

    fn text(&self, span: Span) -> &str {
        self.text
            .get(span.at as usize..(span.at + span.length) as usize)
            .unwrap_or("")
    }

    /// What is between the two literals, if both are there.
    fn between<'s>(&self, prefix: Span, suffix: Span, subject: &'s str) -> Option<&'s str> {
        subject
            .strip_prefix(self.text(prefix))?
            .strip_suffix(self.text(suffix))
    }

    /// Whether the rule's pattern matches the whole subject.
    pub(super) fn matches(&self, rule: &Rule, subject: &str) -> Result<bool, Overrun> {
        Ok(match rule.test {
            Test::Literal(text) => subject == self.text(text),
            Test::Hole {
                prefix,
                suffix,
                set,
                min,
                max,
                ..
            } => self.fits_hole(prefix, suffix, set, (min, max), subject),
            Test::Steps { first, count } => {
                self.walk(self.steps_of(first, count), subject, 0, &mut |_, _| {})
            }
            Test::General {
                prefix,
                suffix,
                expression,
            } => {
                match (
                    self.between(prefix, suffix, subject),
                    self.expressions.get(expression as usize),
                ) {
                    (Some(middle), Some(expression)) => expression.matches(middle)?,
                    _ => false,
                }
            }
        })
    }

    /// Whether it takes the machine to tell.
    pub(super) fn needs_machine(&self, rule: &Rule) -> bool {
        let Test::General { expression, .. } = rule.test else {
            return false;
        };
        let expression = self.expressions.get(expression as usize);
        expression.is_some_and(|expression| expression.needs_machine())
    }

    /// The ends are looked at first: where thousands share a beginning, that is what tells them apart.
    fn fits_hole(
        &self,
        prefix: Span,
        suffix: Span,
        set: u32,
        (min, max): (u32, u32),
        subject: &str,
    ) -> bool {
        let Some(rest) = subject.strip_suffix(self.text(suffix)) else {
            return false;
        };
        let Some(set) = self.sets.get(set as usize) else {
            return false;
        };
        let last_fits = rest.len() == prefix.length as usize
            || rest
                .as_bytes()
                .last()
                .is_none_or(|&last| last >= 0x80 || set.contains_ascii(last));
        last_fits
            && rest
                .strip_prefix(self.text(prefix))
                .is_some_and(|middle| run_is(set, min, max, middle))
    }

    /// What the groups of a match hold.
    pub(super) fn captures(&self, rule: &Rule, subject: &str) -> Result<Vec<String>, Overrun> {
        let mut captured = Vec::new();
        match rule.test {
            Test::Literal(_) => {}
            Test::Hole {
                prefix,
                suffix,
                groups,
                ..
            } => {
                let hole = self.between(prefix, suffix, subject);
                captured.extend(
                    hole.into_iter()
                        .flat_map(|text| std::iter::repeat_n(text.to_owned(), groups as usize)),
                );
            }
            Test::Steps { first, count } => {
                let mut found = Vec::new();
                let matched = self.walk(
                    self.steps_of(first, count),
                    subject,
                    0,
                    &mut |start, end| found.push((start, end)),
                );
                // Groups are noted from the last to the first, on the way back from the end.
                let text = |&(start, end): &(usize, usize)| {
                    subject.get(start..end).unwrap_or("").to_owned()
                };
                captured.extend(found.iter().rev().filter(|_| matched).map(text));
            }
            Test::General {
                prefix,
                suffix,
                expression,
            } => {
                let (middle, expression) = (
                    self.between(prefix, suffix, subject),
                    self.expressions.get(expression as usize),
                );
                if let (Some(middle), Some(expression)) = (middle, expression) {
                    captured = expression.captured(middle)?;
                }
            }
        }
        Ok(captured)
    }

    /// How many bytes of the subject could be the beginning of something that the rule matches; for explanations.
    pub(super) fn viable(&self, rule: &Rule, subject: &str) -> usize {
        let common = |text: &str, from: usize| {
            text.bytes()
                .zip(subject.bytes().skip(from))
                .take_while(|(one, other)| one == other)
                .count()
        };
        match rule.test {
            Test::Literal(text) => common(self.text(text), 0),
            Test::Hole { prefix, set, .. } => {
                let fits = common(self.text(prefix), 0);
                let (Some(rest), Some(set)) = (
                    subject.strip_prefix(self.text(prefix)),
                    self.sets.get(set as usize),
                ) else {
                    return fits;
                };
                fits + run(set, 0, u32::MAX, rest).unwrap_or(0)
            }
            Test::Steps { first, count } => {
                let mut at = 0;
                for step in self.steps_of(first, count) {
                    let rest = subject.get(at..).unwrap_or("");
                    match step {
                        Step::Literal(text) => {
                            let fits = common(self.text(*text), at);
                            at += fits;
                            if fits < text.length as usize {
                                return at;
                            }
                        }
                        Step::Run { set, max, .. } => {
                            at += self
                                .sets
                                .get(*set as usize)
                                .and_then(|set| run(set, 0, *max, rest))
                                .unwrap_or(0);
                        }
                        Step::OneOf { first, count, .. } => {
                            let choices = self
                                .choices
                                .get(*first as usize..(first + count) as usize)
                                .unwrap_or_default();
                            let texts = choices.iter().map(|&choice| self.text(choice));
                            let Some(taken) = texts
                                .filter(|text| rest.starts_with(text))
                                .map(str::len)
                                .max()
                            else {
                                return at;
                            };
                            at += taken;
                        }
                    }
                }
                at
            }
            Test::General {
                prefix, expression, ..
            } => {
                let fits = common(self.text(prefix), 0);
                let rest = subject.strip_prefix(self.text(prefix));
                let expression = self.expressions.get(expression as usize);
                fits + rest
                    .zip(expression)
                    .map_or(0, |(rest, expression)| expression.viable(rest))
            }
        }
    }

    fn steps_of(&self, first: u32, count: u32) -> &[Step] {
        self.steps
            .get(first as usize..(first + count) as usize)
            .unwrap_or_default()
    }

    /// Whether the steps match from `at` to the end. Notes groups once the end is reached, the last one first.
    fn walk(
        &self,
        steps: &[Step],
        subject: &str,
        at: usize,
        note: &mut impl FnMut(usize, usize),
    ) -> bool {
        let Some(rest) = subject.get(at..) else {
            return false;
        };
        match steps {
            [] => rest.is_empty(),
            [Step::Literal(text), later @ ..] => {
                rest.starts_with(self.text(*text))
                    && self.walk(later, subject, at + text.length as usize, note)
            }
            [
                Step::Run {
                    set,
                    min,
                    max,
                    groups,
                },
                later @ ..,
            ] => {
                let Some(set) = self.sets.get(*set as usize) else {
                    return false;
                };
                // Before the last literal a run takes just what is left of the subject.
                let reach = match later {
                    [Step::Literal(last)] => match rest.strip_suffix(self.text(*last)) {
                        Some(middle) => middle,
                        None => return false,
                    },
                    _ => rest,
                };
                let Some(taken) = run(set, *min, *max, reach) else {
                    return false;
                };
                let matched = self.walk(later, subject, at + taken, note);
                if matched {
                    (0..*groups).for_each(|_| note(at, at + taken));
                }
                matched
            }
            [
                Step::OneOf {
                    first,
                    count,
                    groups,
                },
                later @ ..,
            ] => {
                let choices = self
                    .choices
                    .get(*first as usize..(first + count) as usize)
                    .unwrap_or_default();
                for choice in choices {
                    let end = at + choice.length as usize;
                    if rest.starts_with(self.text(*choice)) && self.walk(later, subject, end, note)
                    {
                        (0..*groups).for_each(|_| note(at, end));
                        return true;
                    }
                }
                false
            }
        }
    }
}
