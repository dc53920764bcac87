//! Trees become programs for the backtracking machine.
//!
//! There are two kinds. An *exact* one knows groups, counts rounds and behaves like the reference's engine step by step, so that its
//! captures are the reference's. A *truth* one only says yes or no: it has no groups and no counters, so that a place it has failed at
//! once need never be tried again, which makes it linear. Patterns with references to groups have no truth program.

use std::sync::Arc;

use crate::matcher::pattern::set::Set;
use crate::matcher::pattern::{Assertion, Ast, Capture, Node, UNBOUNDED};

/// A truth program that would grow beyond this is not made.
const LARGEST: usize = 4_000;

pub(super) type Place = u32;

#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    Forward,
    Backward,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Greed {
    Greedy,
    Lazy,
    /// Gives nothing back: used where giving back can't help.
    Possessive,
}

#[derive(Debug, Clone)]
pub(super) enum Op {
    Char(char, Direction),
    Set(u32, Direction),
    Run {
        set: u32,
        min: u32,
        max: u32,
        greed: Greed,
        direction: Direction,
    },
    Assert(Assertion),
    Jump(Place),
    /// Tries `first`, then `second`. `memo` numbers the split in a truth program.
    Split {
        first: Place,
        second: Place,
        memo: u32,
    },
    /// Begins a loop whose state is in `counter` and the register after it.
    LoopStart {
        counter: u32,
    },
    LoopNext {
        counter: u32,
        min: u32,
        max: u32,
        greedy: bool,
        body: Place,
    },
    Open {
        register: u32,
    },
    Close {
        register: u32,
        group: Option<u32>,
        takes_from: Option<u32>,
    },
    /// The body follows and ends with `Done`.
    Look {
        negative: bool,
        after: Place,
    },
    Atomic {
        after: Place,
    },
    Back {
        group: u32,
        ignore_case: bool,
        direction: Direction,
    },
    /// Goes on if the group has a capture.
    IfMatched {
        group: u32,
        otherwise: Place,
    },
    /// The condition follows and ends with `Done`.
    IfAhead {
        then: Place,
        otherwise: Place,
    },
    Done,
}

#[derive(Debug)]
pub(super) struct Program {
    pub(super) ops: Vec<Op>,
    pub(super) sets: Vec<Arc<Set>>,
    /// The first registers hold the newest capture of each group, by its index in `groups`.
    pub(super) registers: u32,
    pub(super) groups: Vec<u32>,
    /// How many splits a truth program remembers; `None` for an exact one.
    pub(super) memos: Option<u32>,
}

/// What is known about what comes after a node.
#[derive(Debug, Clone, Copy)]
enum Follow {
    End,
    Char(char),
    Unknown,
}

impl Program {
    /// Whole texts only.
    pub(super) fn exact(ast: &Ast) -> Self {
        Self::exact_with(ast, Follow::End)
    }

    /// The first match from where it is started.
    #[cfg(test)]
    pub(super) fn exact_unanchored(ast: &Ast) -> Self {
        Self::exact_with(ast, Follow::Unknown)
    }

    fn exact_with(ast: &Ast, follow: Follow) -> Self {
        let mut compiler = Compiler::new(ast.groups.clone(), true);
        compiler.whole(&ast.root, follow);
        compiler.finish()
    }

    pub(super) fn truth(ast: &Ast) -> Option<Self> {
        Self::linear(ast, Vec::new())
    }

    /// A truth program that keeps captures all the same. They are the reference's but for what rounds that match nothing capture.
    pub(super) fn truth_with_groups(ast: &Ast) -> Option<Self> {
        Self::linear(ast, ast.groups.clone())
    }

    fn linear(ast: &Ast, groups: Vec<u32>) -> Option<Self> {
        if refers_to_groups(&ast.root) {
            return None;
        }
        let mut compiler = Compiler::new(groups, false);
        compiler.whole(&ast.root, Follow::End);
        (compiler.ops.len() < LARGEST).then(|| compiler.finish())
    }
}

/// Whether the answer depends on what groups captured.
pub(in crate::matcher) fn refers_to_groups(root: &Node) -> bool {
    root.any(&|node| match node {
        Node::Back { .. } | Node::IfMatched { .. } => true,
        Node::Capture(capture) => capture.takes_from.is_some(),
        _ => false,
    })
}

struct Compiler {
    ops: Vec<Op>,
    sets: Vec<Arc<Set>>,
    groups: Vec<u32>,
    registers: u32,
    memos: u32,
    exact: bool,
}

impl Compiler {
    fn new(groups: Vec<u32>, exact: bool) -> Self {
        let registers = groups.len() as u32;
        Self {
            ops: Vec::new(),
            sets: Vec::new(),
            groups,
            registers,
            memos: 0,
            exact,
        }
    }

    fn finish(self) -> Program {
        let memos = (!self.exact).then_some(self.memos);
        Program {
            ops: self.ops,
            sets: self.sets,
            registers: self.registers,
            groups: self.groups,
            memos,
        }
    }

    fn whole(&mut self, root: &Node, follow: Follow) {
        self.node(root, Direction::Forward, follow);
        if let Follow::End = follow {
            self.ops.push(Op::Assert(Assertion::End));
        }
        self.ops.push(Op::Done);
    }

    fn here(&self) -> Place {
        self.ops.len() as Place
    }

    fn set(&mut self, set: &Arc<Set>) -> u32 {
        let known = self.sets.iter().position(|known| known == set);
        let index = known.unwrap_or_else(|| {
            self.sets.push(Arc::clone(set));
            self.sets.len() - 1
        });
        index as u32
    }

    fn register(&mut self, count: u32) -> u32 {
        self.registers += count;
        self.registers - count
    }

    /// The register of a group, if the pattern has it.
    fn group(&self, number: u32) -> Option<u32> {
        self.groups
            .binary_search(&number)
            .ok()
            .map(|index| index as u32)
    }

    fn split(&mut self) -> usize {
        self.ops.push(Op::Split {
            first: 0,
            second: 0,
            memo: self.memos,
        });
        self.memos += 1;
        self.ops.len() - 1
    }

    fn set_split(&mut self, at: usize, to: (Place, Place)) {
        if let Some(Op::Split { first, second, .. }) = self.ops.get_mut(at) {
            (*first, *second) = to;
        }
    }

    fn set_jump(&mut self, at: usize) {
        let here = self.here();
        if let Some(Op::Jump(to)) = self.ops.get_mut(at) {
            *to = here;
        }
    }

    fn node(&mut self, node: &Node, direction: Direction, follow: Follow) {
        if !self.exact && self.ops.len() >= LARGEST {
            return;
        }
        match node {
            Node::Empty => {}
            Node::Char(c) => self.ops.push(Op::Char(*c, direction)),
            Node::Set(set) => {
                let set = self.set(set);
                self.ops.push(Op::Set(set, direction));
            }
            Node::Assert(assertion) => self.ops.push(Op::Assert(*assertion)),
            Node::Concat(nodes) => self.concat(nodes, direction, follow),
            Node::Alternate(nodes) => self.alternate(nodes, direction, follow),
            Node::Loop {
                body,
                min,
                max,
                greedy,
            } => match body.as_set() {
                Some(set) => self.run(&set, (*min, *max), *greedy, direction, follow),
                None => self.repeat(body, (*min, *max), *greedy, direction, follow),
            },
            Node::Capture(capture) => self.capture(capture, direction, follow),
            Node::Look {
                ahead,
                negative,
                body,
            } => {
                let inside = if *ahead {
                    Direction::Forward
                } else {
                    Direction::Backward
                };
                let at = self.ops.len();
                self.ops.push(Op::Look {
                    negative: *negative,
                    after: 0,
                });
                self.nested(body, inside);
                let here = self.here();
                if let Some(Op::Look { after, .. }) = self.ops.get_mut(at) {
                    *after = here;
                }
            }
            Node::Atomic(body) => {
                let at = self.ops.len();
                self.ops.push(Op::Atomic { after: 0 });
                self.nested(body, direction);
                let here = self.here();
                if let Some(Op::Atomic { after }) = self.ops.get_mut(at) {
                    *after = here;
                }
            }
            Node::Back { group, ignore_case } => {
                if let Some(group) = self.group(*group) {
                    self.ops.push(Op::Back {
                        group,
                        ignore_case: *ignore_case,
                        direction,
                    });
                }
            }
            Node::IfMatched { group, yes, no } => {
                let at = self.ops.len();
                let group = self.group(*group).unwrap_or(u32::MAX);
                self.ops.push(Op::IfMatched {
                    group,
                    otherwise: 0,
                });
                let otherwise = self.either(yes, no, direction, follow);
                if let Some(Op::IfMatched { otherwise: to, .. }) = self.ops.get_mut(at) {
                    *to = otherwise;
                }
            }
            Node::IfAhead { condition, yes, no } => {
                let at = self.ops.len();
                self.ops.push(Op::IfAhead {
                    then: 0,
                    otherwise: 0,
                });
                self.nested(condition, direction);
                let yes_at = self.here();
                let no_at = self.either(yes, no, direction, follow);
                if let Some(Op::IfAhead { then, otherwise }) = self.ops.get_mut(at) {
                    (*then, *otherwise) = (yes_at, no_at);
                }
            }
        }
    }

    /// A program inside the program, with its own end.
    fn nested(&mut self, body: &Node, direction: Direction) {
        self.node(body, direction, Follow::Unknown);
        self.ops.push(Op::Done);
    }

    /// Two ways that meet again. Gives back where the second begins.
    fn either(&mut self, yes: &Node, no: &Node, direction: Direction, follow: Follow) -> Place {
        self.node(yes, direction, follow);
        let jump = self.ops.len();
        self.ops.push(Op::Jump(0));
        let no_at = self.here();
        self.node(no, direction, follow);
        self.set_jump(jump);
        no_at
    }

    fn concat(&mut self, nodes: &[Node], direction: Direction, follow: Follow) {
        match direction {
            Direction::Forward => {
                for (i, node) in nodes.iter().enumerate() {
                    let rest = nodes.get(i + 1..).unwrap_or_default();
                    self.node(node, direction, follow_of(rest, follow));
                }
            }
            Direction::Backward => nodes
                .iter()
                .rev()
                .for_each(|node| self.node(node, direction, Follow::Unknown)),
        }
    }

    fn alternate(&mut self, nodes: &[Node], direction: Direction, follow: Follow) {
        let mut jumps = Vec::new();
        for (i, node) in nodes.iter().enumerate() {
            if i + 1 == nodes.len() {
                self.node(node, direction, follow);
                break;
            }
            let split = self.split();
            self.node(node, direction, follow);
            jumps.push(self.ops.len());
            self.ops.push(Op::Jump(0));
            let to = (split as Place + 1, self.here());
            self.set_split(split, to);
        }
        jumps.into_iter().for_each(|jump| self.set_jump(jump));
    }

    fn capture(&mut self, capture: &Capture, direction: Direction, follow: Follow) {
        if !self.exact && self.groups.is_empty() {
            return self.node(&capture.body, direction, follow);
        }
        let register = self.register(1);
        self.ops.push(Op::Open { register });
        self.node(&capture.body, direction, follow);
        let group = capture.group.and_then(|group| self.group(group));
        let takes_from = capture
            .takes_from
            .map(|group| self.group(group).unwrap_or(u32::MAX));
        self.ops.push(Op::Close {
            register,
            group,
            takes_from,
        });
    }

    /// A repeated character.
    fn run(
        &mut self,
        set: &Arc<Set>,
        (min, max): (u32, u32),
        greedy: bool,
        direction: Direction,
        follow: Follow,
    ) {
        let must_take_all = matches!(direction, Direction::Forward)
            && max == UNBOUNDED
            && match follow {
                Follow::End => true,
                Follow::Char(c) => !set.contains(c),
                Follow::Unknown => false,
            };
        let index = self.set(set);
        let run = |min, max, greed| Op::Run {
            set: index,
            min,
            max,
            greed,
            direction,
        };
        if must_take_all || min == max {
            return self.ops.push(run(min, max, Greed::Possessive));
        }
        if self.exact {
            return self.ops.push(run(
                min,
                max,
                if greedy { Greed::Greedy } else { Greed::Lazy },
            ));
        }
        if min > 0 {
            self.ops.push(run(min, min, Greed::Possessive));
        }
        let body = Node::Set(Arc::clone(set));
        self.optional_rounds(&body, (min, max), greedy, direction, Follow::Unknown);
    }

    fn repeat(
        &mut self,
        body: &Node,
        (min, max): (u32, u32),
        greedy: bool,
        direction: Direction,
        follow: Follow,
    ) {
        if max == 0 {
            return;
        }
        if !self.exact {
            for _ in 0..min {
                self.node(body, direction, Follow::Unknown);
                if self.ops.len() >= LARGEST {
                    return;
                }
            }
            return self.optional_rounds(body, (min, max), greedy, direction, follow);
        }
        let counter = self.register(2);
        self.ops.push(Op::LoopStart { counter });
        let jump = self.ops.len();
        self.ops.push(Op::Jump(0));
        let start = self.here();
        let follow = if max == 1 { follow } else { Follow::Unknown };
        self.node(body, direction, follow);
        self.set_jump(jump);
        self.ops.push(Op::LoopNext {
            counter,
            min,
            max,
            greedy,
            body: start,
        });
    }

    /// The rounds of a loop that need not be, in a truth program.
    fn optional_rounds(
        &mut self,
        body: &Node,
        (min, max): (u32, u32),
        greedy: bool,
        direction: Direction,
        follow: Follow,
    ) {
        let order = |body, exit| if greedy { (body, exit) } else { (exit, body) };
        if max == UNBOUNDED {
            let split = self.split();
            self.node(body, direction, Follow::Unknown);
            self.ops.push(Op::Jump(split as Place));
            let to = order(split as Place + 1, self.here());
            return self.set_split(split, to);
        }
        let mut splits = Vec::new();
        for round in min..max {
            if self.ops.len() >= LARGEST {
                return;
            }
            splits.push(self.split());
            let last = round + 1 == max;
            self.node(body, direction, if last { follow } else { Follow::Unknown });
        }
        let here = self.here();
        splits
            .into_iter()
            .for_each(|split| self.set_split(split, order(split as Place + 1, here)));
    }
}

/// What comes first in `rest`, or after it where that is empty.
fn follow_of(rest: &[Node], after: Follow) -> Follow {
    match rest.first() {
        None => after,
        Some(Node::Empty) => follow_of(rest.get(1..).unwrap_or_default(), after),
        Some(Node::Char(c)) => Follow::Char(*c),
        Some(Node::Assert(Assertion::End)) => Follow::End,
        Some(Node::Concat(nodes)) => follow_of(nodes, Follow::Unknown),
        Some(Node::Capture(capture)) => {
            follow_of(std::slice::from_ref(&capture.body), Follow::Unknown)
        }
        Some(_) => Follow::Unknown,
    }
}
