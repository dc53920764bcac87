//! Running a pattern against a text.

pub(super) mod automaton;
mod machine;
pub(super) mod program;

use std::cell::RefCell;
use std::sync::OnceLock;

use super::pattern::Ast;
use automaton::{Automaton, Exactness, widened};
use machine::{Captured, Choice, Machine};
use program::Program;

pub(super) use machine::Groups;

/// A pattern took more steps than it may: whether it matches is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pattern took too many steps")]
pub struct Overrun;

/// Memory that runs use again and again. It belongs to a thread, so that no run allocates once its thread has warmed up.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    choices: Vec<Choice>,
    trail: Vec<(u32, u32)>,
    arena: Vec<Captured>,
    registers: Vec<u32>,
    visited: Vec<u64>,
    journal: Vec<usize>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fn with_scratch<T>(run: impl Fn(&mut Scratch) -> T) -> T {
    let lent = SCRATCH.try_with(|scratch| {
        scratch
            .try_borrow_mut()
            .ok()
            .map(|mut scratch| run(&mut scratch))
    });
    match lent {
        Ok(Some(result)) => result,
        // A thread that is ending has no scratch any more.
        _ => run(&mut Scratch::default()),
    }
}

/// Automata that would be larger than this are not made; the machine does the work then.
const LARGEST_AUTOMATON: usize = 64 << 10;

/// A pattern that can be run.
#[derive(Debug)]
pub(super) struct Expression {
    ast: Ast,
    truth: Option<Program>,
    exact: OnceLock<Program>,
    automaton: OnceLock<(Option<Box<Automaton>>, Exactness)>,
}

impl Expression {
    pub(super) fn new(ast: Ast) -> Self {
        let truth = Program::truth(&ast);
        Self {
            ast,
            truth,
            exact: OnceLock::new(),
            automaton: OnceLock::new(),
        }
    }

    fn exact(&self) -> &Program {
        self.exact.get_or_init(|| Program::exact(&self.ast))
    }

    fn automaton(&self) -> &(Option<Box<Automaton>>, Exactness) {
        self.automaton.get_or_init(|| {
            let mut exactness = Exactness::Always;
            let hir = widened(&self.ast.root, true, &mut exactness);
            // Where its "yes" never counts it would only be one more thing to run.
            let wanted = exactness > Exactness::Never;
            (
                wanted
                    .then(|| Automaton::new(&[hir], LARGEST_AUTOMATON))
                    .flatten()
                    .map(Box::new),
                exactness,
            )
        })
    }

    /// Makes now what would be made when it is first needed.
    pub(super) fn warm_up(&self) {
        self.automaton();
        self.exact();
    }

    /// Whether it matches the whole text: by automaton where one can tell, else by the machine.
    pub(super) fn matches(&self, text: &str) -> Result<bool, Overrun> {
        let (Some(automaton), exactness) = self.automaton() else {
            return self.machine_matches(text);
        };
        if !automaton.accepts(text) {
            return Ok(false);
        }
        if *exactness == Exactness::Always || text.is_ascii() {
            return Ok(true);
        }
        self.machine_matches(text)
    }

    /// The same by the machine alone.
    pub(super) fn machine_matches(&self, text: &str) -> Result<bool, Overrun> {
        let program = self.truth.as_ref().unwrap_or_else(|| self.exact());
        with_scratch(|scratch| Machine::new(program, text, scratch).matches_at(0))
            .map(|end| end.is_some())
    }

    /// The texts of the groups of a match, "" for groups that took no part.
    pub(super) fn captured(&self, text: &str) -> Result<Vec<String>, Overrun> {
        if self.ast.groups.is_empty() {
            return Ok(Vec::new());
        }
        let found = match self.groups(text) {
            Ok(Some(groups)) => groups,
            // A match that takes the exact program too long, or that the reference's engine would miss.
            Ok(None) | Err(Overrun) => {
                let program = Program::truth_with_groups(&self.ast).ok_or(Overrun)?;
                run(&program, text)?.ok_or(Overrun)?
            }
        };
        let text_of = |range: Option<(usize, usize)>| {
            range
                .and_then(|(start, end)| text.get(start..end))
                .unwrap_or("")
                .to_owned()
        };
        Ok(found.groups.into_iter().map(text_of).collect())
    }

    /// How many bytes of the text could be the beginning of a match, as far as that can be told cheaply.
    pub(super) fn viable(&self, text: &str) -> usize {
        let hir = widened(&self.ast.root, true, &mut Exactness::Always.clone());
        Automaton::new(&[hir], LARGEST_AUTOMATON)
            .map_or(text.len(), |automaton| automaton.viable(text))
    }

    /// What the groups of a match of the whole text hold; `None` where the reference's engine would find none.
    pub(super) fn groups(&self, text: &str) -> Result<Option<Groups>, Overrun> {
        run(self.exact(), text)
    }

    /// Whether the machine has to be asked.
    pub(super) fn needs_machine(&self) -> bool {
        self.automaton().0.is_none()
    }
}

fn run(program: &Program, text: &str) -> Result<Option<Groups>, Overrun> {
    with_scratch(|scratch| {
        let mut machine = Machine::new(program, text, scratch);
        Ok(machine.matches_at(0)?.map(|end| machine.groups(end)))
    })
}

/// The first match anywhere: its start, its end and its groups. For expressions outside rules.
#[cfg(test)]
pub(super) fn search(ast: &Ast, text: &str) -> Result<Option<(usize, Groups)>, Overrun> {
    let program = Program::exact_unanchored(ast);
    for start in text
        .char_indices()
        .map(|(start, _)| start)
        .chain([text.len()])
    {
        let found = with_scratch(|scratch| {
            let mut machine = Machine::new(&program, text, scratch);
            Ok(machine.matches_at(start)?.map(|end| machine.groups(end)))
        })?;
        if let Some(groups) = found {
            return Ok(Some((start, groups)));
        }
    }
    Ok(None)
}
