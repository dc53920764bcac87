//! A compiled template: names are resolved to slots and functions, literals are read.

use super::funcs::Function;
use std::collections::HashMap;
use std::sync::Arc;

/// A variable's place in its template's frame.
pub(crate) type Slot = usize;

/// One template: the main one, or a `define`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    pub(crate) nodes: Vec<Node>,
    /// How many variables it has; the first is `$`.
    pub(crate) slots: usize,
    /// How deep its actions and parentheses nest.
    pub(crate) depth: usize,
    /// The templates that it calls.
    pub(crate) calls: Vec<Arc<str>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    pub(crate) main: Body,
    pub(crate) defined: HashMap<Arc<str>, Arc<Body>>,
    /// Whether a function that changes maps in place occurs.
    pub(crate) mutates: bool,
}

impl Program {
    /// How deep execution can nest: `None` where templates call each other in a circle.
    pub(crate) fn depth(&self) -> Option<usize> {
        let mut known = HashMap::new();
        self.depth_of(&self.main, &mut known, 0)
    }

    fn depth_of<'p>(
        &'p self,
        body: &'p Body,
        known: &mut HashMap<&'p str, Option<usize>>,
        level: usize,
    ) -> Option<usize> {
        // More templates than that in a row are as good as a circle.
        if level > 100 {
            return None;
        }
        let mut deepest = 0;
        for name in &body.calls {
            let Some(called) = self.defined.get(name) else {
                continue;
            };
            let depth = match known.get(name.as_ref()) {
                Some(depth) => (*depth)?,
                None => {
                    // While it is being looked at it counts as a circle.
                    known.insert(name, None);
                    let depth = self.depth_of(called, known, level + 1)?;
                    known.insert(name, Some(depth));
                    depth
                }
            };
            deepest = deepest.max(depth);
        }
        Some(body.depth + 1 + deepest)
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Text(Box<str>),
    /// Evaluates and, if it declares nothing, prints.
    Action(Pipe),
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    Template {
        name: Arc<str>,
        argument: Option<Pipe>,
        at: u32,
    },
    Break,
    Continue,
}

#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) then: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

#[derive(Debug, Clone)]
pub(crate) struct Pipe {
    pub(crate) at: u32,
    pub(crate) target: Target,
    pub(crate) expr: Expr,
}

/// Where a pipeline's value goes. Range may have two variables. `None` is a variable that was never declared, which Go finds out
/// only when it executes the assignment.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Output,
    Declare(Vec<Slot>),
    Assign(Vec<Option<Slot>>),
}

#[derive(Debug, Clone)]
pub(crate) enum Expr {
    Literal(Literal),
    Dot,
    Nil,
    Variable(Slot),
    /// A pipeline in parentheses: where its value is nil, its members are nil too instead of being errors.
    Paren(Box<Expr>),
    /// A member, field or method of a value.
    Field(Box<Field>),
    Call(Box<Call>),
    And(Box<Logic>),
    Or(Box<Logic>),
    /// An error that Go reports when it gets there; what stands before it in the pipeline is executed first.
    Fail {
        before: Option<Box<Expr>>,
        what: Box<str>,
        at: u32,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) base: Expr,
    pub(crate) name: Box<str>,
    pub(crate) args: Vec<Expr>,
    /// The value of the pipeline so far: the last argument, but evaluated first.
    pub(crate) last: Option<Expr>,
    pub(crate) at: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) function: &'static Function,
    pub(crate) args: Vec<Expr>,
    pub(crate) last: Option<Expr>,
    pub(crate) at: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Logic {
    pub(crate) args: Vec<Expr>,
    pub(crate) last: Option<Expr>,
    pub(crate) at: u32,
}

#[derive(Debug, Clone)]
pub(crate) enum Literal {
    Bool(bool),
    Number(Number),
    String(Box<[u8]>),
}

/// A number as written can be of several types; the parameter that it is passed for decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number {
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
    /// Written with a point or an exponent: without a parameter's type it is a double.
    pub(crate) fractional: bool,
    /// Written as `…i`.
    pub(crate) imaginary: bool,
}
