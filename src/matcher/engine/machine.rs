//! The backtracking machine: runs programs within a budget of steps.
//!
//! Exact programs keep captures in registers; every change is noted in a trail so that it can be taken back. Truth programs remember
//! where they failed instead: a split that was passed at some place is not passed there again.

use crate::matcher::pattern::Assertion;
use crate::matcher::pattern::set::{Set, is_word, lower};

use super::program::{Direction, Greed, Op, Place, Program};
use super::{Overrun, Scratch};

/// Steps that one run may take: a third of a millisecond's worth, measured, for an exact program and as much for a truth program, whose
/// steps are cheaper.
const EXACT_BUDGET: u32 = 50_000;
const TRUTH_BUDGET: u32 = 100_000;

/// An empty register.
const NONE: u32 = u32::MAX;

/// A way that was not taken yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    kind: Kind,
    at: Place,
    position: u32,
    trail: u32,
    arena: u32,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Resume,
    /// One more round of a lazy loop.
    Round {
        counter: u32,
        count: u32,
    },
    /// A greedy run may give characters back down to this position.
    GiveBack {
        until: u32,
    },
    /// A lazy run may take so many more.
    TakeMore {
        left: u32,
    },
}

/// A capture and the one of the same group before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Captured {
    start: u32,
    end: u32,
    previous: u32,
}

/// Where a match ended, and its groups in order of their numbers.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::matcher) struct Groups {
    pub(in crate::matcher) end: usize,
    pub(in crate::matcher) groups: Vec<Option<(usize, usize)>>,
}

pub(super) struct Machine<'a> {
    program: &'a Program,
    text: &'a str,
    scratch: &'a mut Scratch,
    left: u32,
    /// How many runs are inside one another.
    nested: u32,
}

impl<'a> Machine<'a> {
    pub(super) fn new(program: &'a Program, text: &'a str, scratch: &'a mut Scratch) -> Self {
        scratch.choices.clear();
        scratch.trail.clear();
        scratch.arena.clear();
        scratch.registers.clear();
        scratch.registers.resize(program.registers as usize, NONE);
        scratch.journal.clear();
        scratch.visited.clear();
        let bits = program.memos.unwrap_or(0) as usize * (text.len() + 1);
        scratch.visited.resize(bits.div_ceil(64), 0);
        let budget = if program.memos.is_some() {
            TRUTH_BUDGET
        } else {
            EXACT_BUDGET
        };
        let left = budget.saturating_sub((bits / 1024).min(u32::MAX as usize) as u32);
        Self {
            program,
            text,
            scratch,
            left,
            nested: 0,
        }
    }

    /// Whether there is a match that begins at `start`.
    pub(super) fn matches_at(&mut self, start: usize) -> Result<Option<usize>, Overrun> {
        self.run(0, start)
    }

    pub(super) fn groups(&self, end: usize) -> Groups {
        let captured = |index: usize| {
            let newest = *self.scratch.registers.get(index)?;
            let captured = self.scratch.arena.get(newest as usize)?;
            Some((captured.start as usize, captured.end as usize))
        };
        Groups {
            end,
            groups: (0..self.program.groups.len()).map(captured).collect(),
        }
    }

    /// Runs from `at` to a `Done`. The choices of a run that succeeded are left for the caller to drop.
    fn run(&mut self, at: Place, position: usize) -> Result<Option<usize>, Overrun> {
        let program = self.program;
        let base = self.scratch.choices.len();
        let (mut at, mut position) = (at, position);
        loop {
            self.left = self.left.checked_sub(1).ok_or(Overrun)?;
            let Some(op) = program.ops.get(at as usize) else {
                return Ok(None);
            };
            if matches!(op, Op::Done) {
                return Ok(Some(position));
            }
            match self.step(op, at, position)? {
                Some(next) => (at, position) = next,
                None => match self.backtrack(base) {
                    Some(next) => (at, position) = next,
                    None => return Ok(None),
                },
            }
        }
    }

    /// Where to go on, or `None` where this way fails.
    fn step(
        &mut self,
        op: &Op,
        at: Place,
        position: usize,
    ) -> Result<Option<(Place, usize)>, Overrun> {
        let next = at + 1;
        Ok(match *op {
            Op::Char(c, direction) => self
                .char_at(position, direction)
                .filter(|&(found, _)| found == c)
                .map(|(_, to)| (next, to)),
            Op::Set(set, direction) => {
                let found = self
                    .char_at(position, direction)
                    .filter(|&(found, _)| self.set(set).is_some_and(|set| set.contains(found)));
                found.map(|(_, to)| (next, to))
            }
            Op::Run {
                set,
                min,
                max,
                greed,
                direction,
            } => self.take(set, (min, max), greed, direction, next, position)?,
            Op::Assert(assertion) => self.holds(assertion, position).then_some((next, position)),
            Op::Jump(to) => Some((to, position)),
            Op::Split {
                first,
                second,
                memo,
            } => {
                if !self.visit(memo, position) {
                    return Ok(None);
                }
                self.choose(Kind::Resume, second, position);
                Some((first, position))
            }
            Op::LoopStart { counter } => {
                self.write(counter, 0);
                self.write(counter + 1, NONE);
                Some((next, position))
            }
            Op::LoopNext {
                counter,
                min,
                max,
                greedy,
                body,
            } => {
                let (count, mark) = (self.read(counter), self.read(counter + 1));
                if count < min {
                    self.begin_round(counter, count, position);
                    return Ok(Some((body, position)));
                }
                // An empty round is the last one.
                if count >= max || mark == position as u32 {
                    return Ok(Some((next, position)));
                }
                if greedy {
                    self.choose(Kind::Resume, next, position);
                    self.begin_round(counter, count, position);
                    Some((body, position))
                } else {
                    self.choose(Kind::Round { counter, count }, body, position);
                    Some((next, position))
                }
            }
            Op::Open { register } => {
                self.write(register, position as u32);
                Some((next, position))
            }
            Op::Close {
                register,
                group,
                takes_from,
            } => self
                .close(register, group, takes_from, position)
                .then_some((next, position)),
            Op::Look { negative, after } => {
                let found = self.ahead(next, position, negative)?;
                (found != negative).then_some((after, position))
            }
            Op::Atomic { after } => self.nested_run(next, position)?.map(|end| (after, end)),
            Op::Back {
                group,
                ignore_case,
                direction,
            } => self
                .again(group, ignore_case, direction, position)
                .map(|to| (next, to)),
            Op::IfMatched { group, otherwise } => Some((
                if self.read(group) == NONE {
                    otherwise
                } else {
                    next
                },
                position,
            )),
            Op::IfAhead { then, otherwise } => Some((
                if self.ahead(next, position, false)? {
                    then
                } else {
                    otherwise
                },
                position,
            )),
            Op::Done => None,
        })
    }

    fn choose(&mut self, kind: Kind, at: Place, position: usize) {
        let (trail, arena) = (
            self.scratch.trail.len() as u32,
            self.scratch.arena.len() as u32,
        );
        self.scratch.choices.push(Choice {
            kind,
            at,
            position: position as u32,
            trail,
            arena,
        });
    }

    fn backtrack(&mut self, base: usize) -> Option<(Place, usize)> {
        loop {
            if self.scratch.choices.len() <= base {
                return None;
            }
            let choice = self.scratch.choices.pop()?;
            self.undo(choice.trail as usize, choice.arena as usize);
            let position = choice.position as usize;
            match choice.kind {
                Kind::Resume => return Some((choice.at, position)),
                Kind::Round { counter, count } => {
                    self.begin_round(counter, count, position);
                    return Some((choice.at, position));
                }
                Kind::GiveBack { until } => {
                    let direction = self.run_direction(choice.at);
                    let back = match direction {
                        Direction::Forward => self.char_at(position, Direction::Backward),
                        Direction::Backward => self.char_at(position, Direction::Forward),
                    };
                    let (_, to) = back?;
                    if to as u32 != until {
                        self.choose(choice.kind, choice.at, to);
                    }
                    return Some((choice.at, to));
                }
                Kind::TakeMore { left } => {
                    if let Some(to) = self.take_one(choice.at, position) {
                        if left > 1 {
                            self.choose(
                                Kind::TakeMore {
                                    left: left - u32::from(left != u32::MAX),
                                },
                                choice.at,
                                to,
                            );
                        }
                        return Some((choice.at, to));
                    }
                }
            }
        }
    }

    fn run_direction(&self, after: Place) -> Direction {
        match self.program.ops.get(after.wrapping_sub(1) as usize) {
            Some(Op::Run { direction, .. }) => *direction,
            _ => Direction::Forward,
        }
    }

    fn take_one(&self, after: Place, position: usize) -> Option<usize> {
        let Some(Op::Run { set, direction, .. }) =
            self.program.ops.get(after.wrapping_sub(1) as usize)
        else {
            return None;
        };
        let (found, to) = self.char_at(position, *direction)?;
        self.set(*set)?.contains(found).then_some(to)
    }

    /// A repeated character.
    fn take(
        &mut self,
        set: u32,
        (min, max): (u32, u32),
        greed: Greed,
        direction: Direction,
        next: Place,
        position: usize,
    ) -> Result<Option<(Place, usize)>, Overrun> {
        let wanted = if let Greed::Lazy = greed { min } else { max };
        let (mut to, mut until, mut count) = (position, position, 0);
        if let Some(set) = self.set(set) {
            while count < wanted {
                let Some((_, beyond)) = self
                    .char_at(to, direction)
                    .filter(|&(found, _)| set.contains(found))
                else {
                    break;
                };
                to = beyond;
                count += 1;
                if count == min {
                    until = to;
                }
            }
        }
        self.left = self.left.checked_sub(count / 16).ok_or(Overrun)?;
        if count < min {
            return Ok(None);
        }
        match greed {
            Greed::Greedy if to != until => self.choose(
                Kind::GiveBack {
                    until: until as u32,
                },
                next,
                to,
            ),
            Greed::Lazy if max > min => {
                let left = if max == u32::MAX { max } else { max - min };
                self.choose(Kind::TakeMore { left }, next, to);
            }
            _ => {}
        }
        Ok(Some((next, to)))
    }

    fn begin_round(&mut self, counter: u32, count: u32, position: usize) {
        self.write(counter, count + 1);
        self.write(counter + 1, position as u32);
    }

    fn read(&self, register: u32) -> u32 {
        self.scratch
            .registers
            .get(register as usize)
            .copied()
            .unwrap_or(NONE)
    }

    fn write(&mut self, register: u32, value: u32) {
        if let Some(slot) = self.scratch.registers.get_mut(register as usize) {
            self.scratch.trail.push((register, *slot));
            *slot = value;
        }
    }

    fn undo(&mut self, trail: usize, arena: usize) {
        while self.scratch.trail.len() > trail {
            let Some((register, value)) = self.scratch.trail.pop() else {
                break;
            };
            if let Some(slot) = self.scratch.registers.get_mut(register as usize) {
                *slot = value;
            }
        }
        self.scratch.arena.truncate(arena);
    }

    fn newest(&self, group: u32) -> Option<Captured> {
        self.scratch.arena.get(self.read(group) as usize).copied()
    }

    fn capture(&mut self, group: u32, start: u32, end: u32) {
        let previous = self.read(group);
        let index = self.scratch.arena.len() as u32;
        self.scratch.arena.push(Captured {
            start,
            end,
            previous,
        });
        self.write(group, index);
    }

    /// Ends a group. A balancing one takes the newest capture of another away, and gets what lies between the two.
    fn close(
        &mut self,
        register: u32,
        group: Option<u32>,
        takes_from: Option<u32>,
        position: usize,
    ) -> bool {
        let (one, other) = (self.read(register), position as u32);
        let (mut start, mut end) = (one.min(other), one.max(other));
        if let Some(from) = takes_from {
            let Some(taken) = self.newest(from) else {
                return false;
            };
            if start >= taken.end {
                (start, end) = (taken.end, start);
            } else if end <= taken.start {
                start = taken.start;
            } else {
                (start, end) = (start.max(taken.start), end.min(taken.end));
            }
            self.write(from, taken.previous);
        }
        if let Some(group) = group {
            self.capture(group, start.min(end), start.max(end));
        }
        true
    }

    fn ahead(&mut self, at: Place, position: usize, negative: bool) -> Result<bool, Overrun> {
        let (trail, arena) = (self.scratch.trail.len(), self.scratch.arena.len());
        let found = self.nested_run(at, position)?.is_some();
        if negative {
            self.undo(trail, arena);
        }
        Ok(found)
    }

    /// A run whose choices are dropped once it has succeeded.
    fn nested_run(&mut self, at: Place, position: usize) -> Result<Option<usize>, Overrun> {
        let (choices, journal) = (self.scratch.choices.len(), self.scratch.journal.len());
        self.nested += 1;
        let end = self.run(at, position)?;
        self.nested -= 1;
        self.scratch.choices.truncate(choices);
        if end.is_some() {
            // What was passed on the way to a success has not failed: it may succeed from elsewhere too.
            while self.scratch.journal.len() > journal {
                let Some(bit) = self.scratch.journal.pop() else {
                    break;
                };
                if let Some(word) = self.scratch.visited.get_mut(bit / 64) {
                    *word &= !(1 << (bit % 64));
                }
            }
        }
        Ok(end)
    }

    /// Notes a visit. False if a truth program has been at this split with this position before.
    fn visit(&mut self, memo: u32, position: usize) -> bool {
        if self.program.memos.is_none() {
            return true;
        }
        let bit = memo as usize * (self.text.len() + 1) + position;
        let Some(word) = self.scratch.visited.get_mut(bit / 64) else {
            return true;
        };
        let seen = *word >> (bit % 64) & 1 == 1;
        *word |= 1 << (bit % 64);
        if !seen && self.nested > 0 {
            self.scratch.journal.push(bit);
        }
        !seen
    }

    fn set(&self, index: u32) -> Option<&'a Set> {
        self.program.sets.get(index as usize).map(|set| &**set)
    }

    /// The next character and the position beyond it.
    fn char_at(&self, position: usize, direction: Direction) -> Option<(char, usize)> {
        match direction {
            Direction::Forward => match self.text.as_bytes().get(position) {
                Some(&byte) if byte < 0x80 => Some((byte.into(), position + 1)),
                _ => self
                    .text
                    .get(position..)?
                    .chars()
                    .next()
                    .map(|c| (c, position + c.len_utf8())),
            },
            Direction::Backward => self
                .text
                .get(..position)?
                .chars()
                .next_back()
                .map(|c| (c, position - c.len_utf8())),
        }
    }

    fn holds(&self, assertion: Assertion, position: usize) -> bool {
        let (text, end) = (self.text.as_bytes(), self.text.len());
        let newline_at = |position: usize| text.get(position) == Some(&b'\n');
        match assertion {
            Assertion::Start => position == 0,
            Assertion::End => position == end,
            Assertion::EndOrFinalNewline => {
                position == end || position + 1 == end && newline_at(position)
            }
            Assertion::LineStart => position == 0 || newline_at(position - 1),
            Assertion::LineEnd => position == end || newline_at(position),
            Assertion::Boundary => self.at_boundary(position),
            Assertion::NoBoundary => !self.at_boundary(position),
        }
    }

    fn at_boundary(&self, position: usize) -> bool {
        let word = |direction| {
            self.char_at(position, direction)
                .is_some_and(|(c, _)| is_word(c))
        };
        word(Direction::Forward) != word(Direction::Backward)
    }

    /// What the group captured last, once more. A group without a capture matches nothing.
    fn again(
        &self,
        group: u32,
        ignore_case: bool,
        direction: Direction,
        position: usize,
    ) -> Option<usize> {
        let captured = self.newest(group)?;
        let wanted = self
            .text
            .get(captured.start as usize..captured.end as usize)?;
        if ignore_case {
            return self.again_ignoring_case(wanted, direction, position);
        }
        match direction {
            Direction::Forward => self
                .text
                .get(position..)?
                .starts_with(wanted)
                .then(|| position + wanted.len()),
            Direction::Backward => self
                .text
                .get(..position)?
                .ends_with(wanted)
                .then(|| position - wanted.len()),
        }
    }

    fn again_ignoring_case(
        &self,
        wanted: &str,
        direction: Direction,
        mut position: usize,
    ) -> Option<usize> {
        let mut wanted = wanted.chars();
        loop {
            let next = match direction {
                Direction::Forward => wanted.next(),
                Direction::Backward => wanted.next_back(),
            };
            let Some(c) = next else { return Some(position) };
            let (found, to) = self.char_at(position, direction)?;
            if lower(found) != lower(c) {
                return None;
            }
            position = to;
        }
    }
}
