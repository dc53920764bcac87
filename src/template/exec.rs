//! Executes a compiled template.

use super::ast::{
    Body, Branch, Call, Expr, Field, Literal, Logic, Node, Number, Pipe, Program, Slot, Target,
};
use super::data::Data;
use super::fail::{Fail, fail, failf};
use super::funcs::{Args, Cx, Ty};
use super::members;
use super::val::{IntType, Res, Str, Val};

/// How many nodes and function calls one rendering may execute.
const MAX_STEPS: usize = 1_000_000;
/// How large a rendered text may get.
const MAX_OUTPUT: usize = 1 << 20;
/// How deep execution may nest: actions, parentheses, templates that call each other. Each level takes stack.
const MAX_LEVELS: usize = 3_000;

pub(crate) struct Exec<'a, 'd> {
    pub(crate) program: &'a Program,
    pub(crate) data: &'a dyn Data,
    pub(crate) cx: Cx<'d>,
    /// `.Extra`, if this template may change it.
    pub(crate) extra: Option<Val<'a>>,
    pub(crate) out: Vec<u8>,
    pub(crate) steps: usize,
    pub(crate) levels: usize,
}

/// Where execution goes on.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// The variables of one template; `None` before they are declared.
type Frame<'a> = Vec<Option<Val<'a>>>;

impl<'a> Exec<'a, '_> {
    pub(crate) fn main(&mut self) -> Res<()> {
        let program = self.program;
        self.body(&program.main, Val::Session)
    }

    fn body(&mut self, body: &'a Body, dot: Val<'a>) -> Res<()> {
        let mut frame: Frame<'a> = Vec::with_capacity(body.slots);
        frame.resize_with(body.slots, || None);
        set(&mut frame, 0, dot.clone());
        self.nodes(&body.nodes, &dot, &mut frame).map(|_| ())
    }

    fn step(&mut self) -> Res<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return fail("the template takes too many steps");
        }
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> Res<()> {
        if self.out.len() + text.len() > MAX_OUTPUT {
            return fail("the template's text gets too long");
        }
        self.out.extend_from_slice(text);
        Ok(())
    }

    /// One level deeper; whoever went down comes up again, unless all ends with a failure.
    fn descend(&mut self) -> Res<()> {
        self.levels += 1;
        if self.levels > MAX_LEVELS {
            return fail("the template nests or calls itself too deeply");
        }
        Ok(())
    }

    fn nodes(&mut self, nodes: &'a [Node], dot: &Val<'a>, frame: &mut Frame<'a>) -> Res<Flow> {
        self.descend()?;
        for node in nodes {
            let flow = self.node(node, dot, frame)?;
            if flow != Flow::On {
                self.levels -= 1;
                return Ok(flow);
            }
        }
        self.levels -= 1;
        Ok(Flow::On)
    }

    fn node(&mut self, node: &'a Node, dot: &Val<'a>, frame: &mut Frame<'a>) -> Res<Flow> {
        self.step()?;
        match node {
            Node::Text(text) => self.write(text.as_bytes())?,
            Node::Action(pipe) => {
                let val = self.pipe(pipe, dot, frame)?;
                if let Target::Output = pipe.target {
                    self.print(&val).map_err(|fail| fail.at(pipe.at))?;
                }
            }
            Node::If(branch) => return self.condition(branch, dot, frame),
            Node::With(branch) => {
                let val = self.pipe(&branch.pipe, dot, frame)?;
                return if val.truth() {
                    self.nodes(&branch.then, &val, frame)
                } else {
                    self.nodes(&branch.otherwise, dot, frame)
                };
            }
            Node::Range(branch) => return self.range(branch, dot, frame),
            Node::Template { name, argument, at } => {
                let argument = match argument {
                    Some(pipe) => self.pipe(pipe, dot, frame)?,
                    None => Val::Nil,
                };
                self.template(name, argument).map_err(|fail| fail.at(*at))?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    /// Follows a chain of `else if` without recursion.
    fn condition(&mut self, branch: &'a Branch, dot: &Val<'a>, frame: &mut Frame<'a>) -> Res<Flow> {
        let mut branch = branch;
        loop {
            if self.pipe(&branch.pipe, dot, frame)?.truth() {
                return self.nodes(&branch.then, dot, frame);
            }
            match branch.otherwise.as_slice() {
                [Node::If(next)] => {
                    self.step()?;
                    branch = next;
                }
                nodes => return self.nodes(nodes, dot, frame),
            }
        }
    }

    fn print(&mut self, val: &Val<'a>) -> Res<()> {
        if let Val::Str(text) = val {
            return self.write(text.bytes());
        }
        let mut text = Vec::new();
        match (val, &self.extra) {
            (Val::Session, Some(_)) => {
                let copy = members::copy_of(self.root_extra());
                self.cx.printer.action(&mut text, &copy);
            }
            _ => self.cx.printer.action(&mut text, val),
        }
        self.cx.check_nesting()?;
        self.write(&text)
    }

    /// `.Extra` of the session itself.
    pub(crate) fn root_extra(&self) -> Val<'a> {
        match &self.extra {
            Some(extra) => extra.clone(),
            None => Val::JsonMap(self.data.extra()),
        }
    }

    fn template(&mut self, name: &str, argument: Val<'a>) -> Res<()> {
        let program = self.program;
        let Some(body) = program.defined.get(name) else {
            return failf(format!("template `{name}` not defined"));
        };
        self.body(body, argument)
    }

    fn range(&mut self, branch: &'a Branch, dot: &Val<'a>, frame: &mut Frame<'a>) -> Res<Flow> {
        let at = branch.pipe.at;
        let val = self.pipe(&branch.pipe, dot, frame)?;
        let pairs = self
            .pairs(&val, two_variables(&branch.pipe.target))
            .map_err(|fail| fail.at(at))?;
        let mut any = false;
        for (key, item) in pairs {
            any = true;
            self.step()?;
            assign_pair(&branch.pipe.target, frame, key, &item).map_err(|fail| fail.at(at))?;
            match self.nodes(&branch.then, &item, frame)? {
                Flow::Break => break,
                Flow::On | Flow::Continue => {}
            }
        }
        if any {
            Ok(Flow::On)
        } else {
            self.nodes(&branch.otherwise, dot, frame)
        }
    }

    /// What a range goes over.
    fn pairs(&mut self, val: &Val<'a>, two: bool) -> Res<Vec<(Val<'a>, Val<'a>)>> {
        if let Some(items) = val.items() {
            let pairs = items.into_iter().enumerate();
            return Ok(pairs.map(|(i, item)| (Val::int(i as i64), item)).collect());
        }
        if let Some(entries) = val.entries() {
            return Ok(entries);
        }
        match val {
            Val::Nil => Ok(Vec::new()),
            Val::Int(kind, n) => {
                if two {
                    return fail("can't range over an integer with two variables");
                }
                let count = usize::try_from(*n).unwrap_or(0);
                if count > MAX_STEPS {
                    return fail("the template takes too many steps");
                }
                Ok((0..count as i64)
                    .map(|i| (Val::Int(*kind, i), Val::Int(*kind, i)))
                    .collect())
            }
            other => failf(format!("range can't iterate over {}", other.type_name())),
        }
    }

    fn pipe(&mut self, pipe: &'a Pipe, dot: &Val<'a>, frame: &mut Frame<'a>) -> Res<Val<'a>> {
        let val = self
            .eval(&pipe.expr, dot, frame)
            .map_err(|fail| fail.at(pipe.at))?;
        match &pipe.target {
            Target::Output => {}
            Target::Declare(slots) => {
                for slot in slots {
                    set(frame, *slot, val.clone());
                }
            }
            Target::Assign(slots) => {
                for slot in slots {
                    assign(frame, *slot, val.clone()).map_err(|fail| fail.at(pipe.at))?;
                }
            }
        }
        Ok(val)
    }

    fn eval(&mut self, expr: &'a Expr, dot: &Val<'a>, frame: &mut Frame<'a>) -> Res<Val<'a>> {
        match expr {
            Expr::Literal(literal) => ideal(literal),
            Expr::Dot => Ok(dot.clone()),
            Expr::Paren(inner) => self.eval(inner, dot, frame),
            Expr::Nil => Ok(Val::Nil),
            Expr::Variable(slot) => match frame.get(*slot) {
                Some(Some(val)) => Ok(val.clone()),
                Some(None) | None => fail("undefined variable"),
            },
            Expr::Field(field) => self
                .field(field, dot, frame)
                .map_err(|fail| fail.at(field.at)),
            Expr::Call(call) => self.call(call, dot, frame).map_err(|fail| fail.at(call.at)),
            Expr::And(logic) => self.logic(logic, dot, frame, false),
            Expr::Or(logic) => self.logic(logic, dot, frame, true),
            Expr::Fail { before, what, at } => {
                if let Some(before) = before {
                    self.eval(before, dot, frame)?;
                }
                Err(Fail {
                    what: what.to_string().into(),
                    at: Some(*at),
                })
            }
        }
    }

    /// `and` and `or`: the first argument whose truth is `stop`, else the last one.
    fn logic(
        &mut self,
        logic: &'a Logic,
        dot: &Val<'a>,
        frame: &mut Frame<'a>,
        stop: bool,
    ) -> Res<Val<'a>> {
        let last = match &logic.last {
            Some(last) => Some(self.eval(last, dot, frame)?),
            None => None,
        };
        let mut val = Val::Nil;
        for arg in &logic.args {
            val = self
                .eval(arg, dot, frame)
                .map_err(|fail| fail.at(logic.at))?;
            if val.truth() == stop {
                return Ok(val);
            }
        }
        Ok(last.unwrap_or(val))
    }

    fn call(&mut self, call: &'a Call, dot: &Val<'a>, frame: &mut Frame<'a>) -> Res<Val<'a>> {
        self.step()?;
        let last = match &call.last {
            Some(last) => Some(self.eval(last, dot, frame)?),
            None => None,
        };
        let function = call.function;
        let mut args = Vec::with_capacity(call.args.len() + usize::from(last.is_some()));
        for (i, arg) in call.args.iter().enumerate() {
            args.push(self.arg(arg, function.param(i), dot, frame)?);
        }
        if let Some(last) = last {
            args.push(fitting(last, function.param(args.len()))?);
        }
        if self.extra.is_some() {
            self.show_changes(&mut args);
        }
        (function.run)(&mut self.cx, Args::new(args))
    }

    /// Where `.Extra` may have changed, functions are given the session with what it holds now.
    fn show_changes(&self, args: &mut [Val<'a>]) {
        for arg in args {
            if let Val::Session = arg {
                *arg = members::copy_of(self.root_extra());
            }
        }
    }

    /// An argument for a parameter: literals take its type, everything else must have it.
    fn arg(
        &mut self,
        expr: &'a Expr,
        ty: Ty,
        dot: &Val<'a>,
        frame: &mut Frame<'a>,
    ) -> Res<Val<'a>> {
        match expr {
            Expr::Literal(literal) => literal_for(literal, ty),
            Expr::Nil => match ty {
                Ty::Any | Ty::Url | Ty::Version | Ty::Location => Ok(Val::Nil),
                Ty::Map => Ok(Val::JsonMap(None)),
                Ty::String
                | Ty::Int
                | Ty::Uint32
                | Ty::Float
                | Ty::Bool
                | Ty::Time
                | Ty::Duration => failf(format!("cannot assign nil to {}", ty_name(ty))),
            },
            other => fitting(self.eval(other, dot, frame)?, ty),
        }
    }

    fn field(&mut self, field: &'a Field, dot: &Val<'a>, frame: &mut Frame<'a>) -> Res<Val<'a>> {
        let last = match &field.last {
            Some(last) => Some(self.eval(last, dot, frame)?),
            None => None,
        };
        let base = self.eval(&field.base, dot, frame)?;
        if let (Val::Nil, false) = (&base, matches!(field.base, Expr::Field(_))) {
            return Ok(Val::Nil);
        }
        if field.args.is_empty() && last.is_none() {
            return members::field(self, &base, &field.name);
        }
        let Some(params) = members::params(&base, &field.name) else {
            return failf(format!(
                "`{}` has arguments but is not a method of {}",
                field.name,
                base.type_name()
            ));
        };
        let mut args = Vec::with_capacity(field.args.len() + 1);
        for (i, arg) in field.args.iter().enumerate() {
            args.push(self.arg(arg, params.at(i), dot, frame)?);
        }
        if let Some(last) = last {
            args.push(fitting(last, params.at(args.len()))?);
        }
        members::call(self, &base, &field.name, args)
    }
}

fn set<'a>(frame: &mut Frame<'a>, slot: Slot, val: Val<'a>) {
    if let Some(place) = frame.get_mut(slot) {
        *place = Some(val);
    }
}

fn assign<'a>(frame: &mut Frame<'a>, slot: Option<Slot>, val: Val<'a>) -> Res<()> {
    match slot.and_then(|slot| frame.get_mut(slot)) {
        Some(place @ Some(_)) => {
            *place = Some(val);
            Ok(())
        }
        Some(None) | None => fail("undefined variable"),
    }
}

fn two_variables(target: &Target) -> bool {
    match target {
        Target::Output => false,
        Target::Declare(slots) => slots.len() > 1,
        Target::Assign(slots) => slots.len() > 1,
    }
}

/// One variable holds the element, two hold key and element.
fn assign_pair<'a>(
    target: &Target,
    frame: &mut Frame<'a>,
    key: Val<'a>,
    item: &Val<'a>,
) -> Res<()> {
    match target {
        Target::Output => {}
        Target::Declare(slots) => match slots.as_slice() {
            [one] => set(frame, *one, item.clone()),
            [first, second, ..] => {
                set(frame, *first, key);
                set(frame, *second, item.clone());
            }
            [] => {}
        },
        Target::Assign(slots) => match slots.as_slice() {
            [one] => assign(frame, *one, item.clone())?,
            [first, second, ..] => {
                assign(frame, *first, key)?;
                assign(frame, *second, item.clone())?;
            }
            [] => {}
        },
    }
    Ok(())
}

/// A literal without a parameter to take its type from.
fn ideal<'a>(literal: &'a Literal) -> Res<Val<'a>> {
    Ok(match literal {
        Literal::Bool(b) => Val::Bool(*b),
        Literal::String(text) => Val::Str(Str::Borrowed(text)),
        Literal::Number(Number {
            complex: Some((re, im)),
            imaginary: true,
            ..
        }) => Val::Complex(*re, *im),
        Literal::Number(Number {
            float: Some(x),
            fractional: true,
            ..
        }) => Val::Float(*x),
        Literal::Number(Number { int: Some(n), .. }) => Val::int(*n),
        Literal::Number(_) => return fail("integer overflow"),
    })
}

fn literal_for<'a>(literal: &'a Literal, ty: Ty) -> Res<Val<'a>> {
    let number = |n: &Number| match ty {
        Ty::Int => n.int.map(Val::int),
        Ty::Duration => n.int.map(|n| Val::Int(IntType::Duration, n)),
        Ty::Uint32 => n
            .uint
            .and_then(|n| u32::try_from(n).ok())
            .map(|n| Val::Int(IntType::Uint32, i64::from(n))),
        Ty::Float => n.float.map(Val::Float),
        Ty::Any
        | Ty::String
        | Ty::Bool
        | Ty::Map
        | Ty::Time
        | Ty::Url
        | Ty::Version
        | Ty::Location => None,
    };
    let val = match (literal, ty) {
        (_, Ty::Any) => return ideal(literal),
        (Literal::Bool(b), Ty::Bool) => Some(Val::Bool(*b)),
        (Literal::String(text), Ty::String) => Some(Val::Str(Str::Borrowed(text))),
        (Literal::Number(n), _) => number(n),
        (Literal::Bool(_) | Literal::String(_), _) => None,
    };
    match val {
        Some(val) => Ok(val),
        None => failf(format!("expected {}", ty_name(ty))),
    }
}

/// A value for a parameter of a type: nothing is converted.
fn fitting<'a>(val: Val<'a>, ty: Ty) -> Res<Val<'a>> {
    let fits = match ty {
        Ty::Any => true,
        Ty::String => matches!(val, Val::Str(_)),
        Ty::Int => matches!(val, Val::Int(IntType::Int, _)),
        Ty::Uint32 => matches!(val, Val::Int(IntType::Uint32, _)),
        Ty::Duration => matches!(val, Val::Int(IntType::Duration, _)),
        Ty::Float => matches!(val, Val::Float(_)),
        Ty::Bool => matches!(val, Val::Bool(_)),
        Ty::Map => val.type_name() == "map[string]interface {}",
        Ty::Time => matches!(val, Val::Time(_)),
        Ty::Url => matches!(val, Val::Url(_) | Val::NilUrl),
        Ty::Version => matches!(val, Val::Version(_)),
        Ty::Location => matches!(val, Val::Location(_)),
    };
    if fits {
        return Ok(val);
    }
    failf(format!(
        "wrong type for value; expected {}; got {}",
        ty_name(ty),
        val.type_name()
    ))
}

fn ty_name(ty: Ty) -> &'static str {
    match ty {
        Ty::Any => "interface {}",
        Ty::String => "string",
        Ty::Int => "int",
        Ty::Uint32 => "uint32",
        Ty::Float => "float64",
        Ty::Bool => "bool",
        Ty::Map => "map[string]interface {}",
        Ty::Time => "time.Time",
        Ty::Duration => "time.Duration",
        Ty::Url => "*url.URL",
        Ty::Version => "*semver.Version",
        Ty::Location => "*time.Location",
    }
}
