//! Tokens into a compiled template.
//!
//! Go's grammar, with what Go only finds out when it executes kept as nodes that fail then.

use super::Policy;
use super::ast::{
    Body, Branch, Call, Expr, Field, Literal, Logic, Node, Number, Pipe, Program, Slot, Target,
};
use super::fail::{Fail, failf};
use super::funcs::{self, Effect};
use super::lexer::{self, Keyword, Kind, Token};
use super::number::{float_to_int, parse_float, parse_int, parse_uint};
use super::val::Res;
use std::collections::HashMap;
use std::sync::Arc;

/// How deep actions and parentheses may nest: reading and executing them takes stack.
const MAX_DEPTH: usize = 1_000;
/// How many `else if` may follow each other; they cost stack only here.
const MAX_CHAIN: usize = 256;

pub(crate) fn parse(source: &str, policy: Policy) -> Result<Program, Fail> {
    let mut parser = Parser {
        tokens: lexer::lex(source)?,
        next: 0,
        policy,
        scope: Scope::new(),
        ranges: 0,
        depth: 0,
        deepest: 0,
        calls: Vec::new(),
        chain: 0,
        defined: HashMap::new(),
        mutates: false,
    };
    let nodes = parser.main()?;
    Ok(Program {
        main: Body {
            nodes,
            slots: parser.scope.slots,
            depth: parser.deepest,
            calls: parser.calls,
        },
        defined: parser.defined,
        mutates: parser.mutates,
    })
}

/// The variables that a place of a template can name.
struct Scope {
    /// Innermost last.
    visible: Vec<(String, Slot)>,
    slots: usize,
}

impl Scope {
    fn new() -> Scope {
        Scope {
            visible: vec![("$".to_owned(), 0)],
            slots: 1,
        }
    }

    fn find(&self, name: &str) -> Option<Slot> {
        let found = self.visible.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, slot)| *slot)
    }

    fn declare(&mut self, name: &str) -> Slot {
        let slot = self.slots;
        self.slots += 1;
        self.visible.push((name.to_owned(), slot));
        slot
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    policy: Policy,
    scope: Scope,
    ranges: usize,
    depth: usize,
    /// Of the template that is being read.
    deepest: usize,
    calls: Vec<Arc<str>>,
    chain: usize,
    defined: HashMap<Arc<str>, Arc<Body>>,
    mutates: bool,
}

/// What ends a list of nodes.
enum Ending {
    End,
    Else(u32),
}

impl Parser {
    fn peek(&self) -> &Token {
        static END: Token = Token {
            kind: Kind::End,
            at: usize::MAX,
        };
        self.tokens.get(self.next).unwrap_or(&END)
    }

    fn at(&self) -> u32 {
        self.peek().at as u32
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
    }

    fn error<T>(&self, what: String) -> Res<T> {
        failf(what).map_err(|fail| fail.at(self.at()))
    }

    fn unexpected<T>(&self, context: &str) -> Res<T> {
        let found = describe(&self.peek().kind);
        self.error(format!("unexpected {found} in {context}"))
    }

    /// Skips space, then demands the token.
    fn expect(&mut self, kind: &Kind, context: &str) -> Res<()> {
        self.skip_space();
        if self.peek().kind != *kind {
            return self.unexpected(context);
        }
        self.next += 1;
        Ok(())
    }

    fn enter(&mut self) -> Res<()> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        if self.depth > MAX_DEPTH {
            return self.error("nests too deeply".to_owned());
        }
        Ok(())
    }

    fn main(&mut self) -> Res<Vec<Node>> {
        let mut nodes = Vec::new();
        loop {
            if self.peek().kind == Kind::End {
                return Ok(nodes);
            }
            if self.peek().kind == Kind::LeftDelim {
                let start = self.next;
                self.next += 1;
                self.skip_space();
                if self.peek().kind == Kind::Keyword(Keyword::Define) {
                    self.next += 1;
                    self.define()?;
                    continue;
                }
                self.next = start;
            }
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::Ending(ending) => {
                    let what = match ending {
                        Ending::End => "end",
                        Ending::Else(_) => "else",
                    };
                    return self.error(format!("unexpected {{{{{what}}}}}"));
                }
            }
        }
    }

    /// Nodes up to `end` or `else`.
    fn list(&mut self) -> Res<(Vec<Node>, Ending)> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::End {
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::Ending(ending) => return Ok((nodes, ending)),
            }
        }
        self.error("unexpected end of template".to_owned())
    }

    fn text_or_action(&mut self) -> Res<Item> {
        let token = self.peek().clone();
        match token.kind {
            Kind::Text(text) => {
                self.next += 1;
                Ok(Item::Node(Node::Text(text.into())))
            }
            Kind::LeftDelim => {
                self.next += 1;
                self.enter()?;
                let item = self.action()?;
                self.depth -= 1;
                Ok(item)
            }
            _ => self.unexpected("input"),
        }
    }

    /// Behind a left delimiter.
    fn action(&mut self) -> Res<Item> {
        self.skip_space();
        let at = self.at();
        let Kind::Keyword(keyword) = self.peek().kind else {
            return self
                .pipe("command", &Kind::RightDelim)
                .map(|pipe| Item::Node(Node::Action(pipe)));
        };
        self.next += 1;
        match keyword {
            Keyword::Block => self.block(at).map(Item::Node),
            Keyword::Break | Keyword::Continue => self.jump(keyword).map(Item::Node),
            Keyword::Define => {
                self.next -= 1;
                self.unexpected("action")
            }
            Keyword::Else => self.otherwise(at).map(Item::Ending),
            Keyword::End => {
                self.expect(&Kind::RightDelim, "end")?;
                Ok(Item::Ending(Ending::End))
            }
            Keyword::If => self
                .control("if")
                .map(|b| Item::Node(Node::If(Box::new(b)))),
            Keyword::Range => self
                .control("range")
                .map(|b| Item::Node(Node::Range(Box::new(b)))),
            Keyword::With => self
                .control("with")
                .map(|b| Item::Node(Node::With(Box::new(b)))),
            Keyword::Template => self.template(at).map(Item::Node),
        }
    }

    /// `else`, with `if` or `with` left for the caller where one follows.
    fn otherwise(&mut self, at: u32) -> Res<Ending> {
        self.skip_space();
        if let Kind::Keyword(Keyword::If | Keyword::With) = self.peek().kind {
            return Ok(Ending::Else(at));
        }
        self.expect(&Kind::RightDelim, "else")?;
        Ok(Ending::Else(at))
    }

    fn jump(&mut self, keyword: Keyword) -> Res<Node> {
        let (name, node) = match keyword {
            Keyword::Break => ("break", Node::Break),
            _ => ("continue", Node::Continue),
        };
        self.expect(&Kind::RightDelim, name)?;
        if self.ranges == 0 {
            return self.error(format!("{{{{{name}}}}} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    /// The rest of an `if`, `with` or `range`, with everything up to its `end`.
    fn control(&mut self, context: &'static str) -> Res<Branch> {
        let mark = self.scope.visible.len();
        let pipe = self.pipe(context, &Kind::RightDelim)?;
        let inner = self.scope.visible.len();
        let range = usize::from(context == "range");
        self.ranges += range;
        let (then, ending) = self.list()?;
        self.ranges -= range;
        // What the first branch declared does not exist in the second.
        self.scope.visible.truncate(inner);
        let otherwise = match ending {
            Ending::End => Vec::new(),
            Ending::Else(_) => self.else_list(context)?,
        };
        self.scope.visible.truncate(mark);
        Ok(Branch {
            pipe,
            then,
            otherwise,
        })
    }

    fn else_list(&mut self, context: &'static str) -> Res<Vec<Node>> {
        let chained = match (self.peek().kind.clone(), context) {
            (Kind::Keyword(Keyword::If), "if") => Some("if"),
            (Kind::Keyword(Keyword::With), "with") => Some("with"),
            (Kind::Keyword(_), _) => return self.unexpected(context),
            _ => None,
        };
        if let Some(context) = chained {
            self.next += 1;
            self.chain += 1;
            if self.chain > MAX_CHAIN {
                return self.error("too many else branches in a row".to_owned());
            }
            let branch = Box::new(self.control(context)?);
            self.chain -= 1;
            return Ok(vec![if context == "if" {
                Node::If(branch)
            } else {
                Node::With(branch)
            }]);
        }
        match self.list()? {
            (nodes, Ending::End) => Ok(nodes),
            (_, Ending::Else(at)) => {
                failf("expected end, found {{else}}".to_owned()).map_err(|fail| fail.at(at))
            }
        }
    }

    /// A template's name, which is a literal string.
    fn name(&mut self, context: &str) -> Res<Arc<str>> {
        self.skip_space();
        let name = match self.peek().kind.clone() {
            Kind::Quoted(text) => lexer::unquote(&text).map_err(|fail| fail.at(self.at()))?,
            Kind::Raw(text) => text.into_bytes(),
            _ => return self.unexpected(context),
        };
        self.next += 1;
        Ok(Arc::from(String::from_utf8_lossy(&name).as_ref()))
    }

    fn template(&mut self, at: u32) -> Res<Node> {
        let name = self.name("template clause")?;
        self.calls.push(name.clone());
        self.skip_space();
        let argument = if self.peek().kind == Kind::RightDelim {
            self.next += 1;
            None
        } else {
            Some(self.pipe("template clause", &Kind::RightDelim)?)
        };
        Ok(Node::Template { name, argument, at })
    }

    fn define(&mut self) -> Res<()> {
        let name = self.name("define clause")?;
        self.expect(&Kind::RightDelim, "define clause")?;
        self.definition(name)
    }

    fn block(&mut self, at: u32) -> Res<Node> {
        let name = self.name("block clause")?;
        let argument = Some(self.pipe("block clause", &Kind::RightDelim)?);
        self.calls.push(name.clone());
        self.definition(name.clone())?;
        Ok(Node::Template { name, argument, at })
    }

    /// A template of its own: no variable of what is around it is visible inside.
    fn definition(&mut self, name: Arc<str>) -> Res<()> {
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let ranges = std::mem::take(&mut self.ranges);
        let deepest = std::mem::take(&mut self.deepest);
        let calls = std::mem::take(&mut self.calls);
        let (nodes, ending) = self.list()?;
        if let Ending::Else(_) = ending {
            return self.error("unexpected {{else}} in define clause".to_owned());
        }
        let body = Body {
            nodes,
            slots: self.scope.slots,
            depth: self.deepest,
            calls: std::mem::replace(&mut self.calls, calls),
        };
        self.scope = outer;
        self.ranges = ranges;
        self.deepest = deepest;
        let known = self.defined.get(&name);
        if known.is_some_and(|known| !is_empty(known)) {
            if is_empty(&body) {
                return Ok(());
            }
            return self.error(format!("multiple definition of template `{name}`"));
        }
        self.defined.insert(name, Arc::new(body));
        Ok(())
    }

    fn pipe(&mut self, context: &str, end: &Kind) -> Res<Pipe> {
        self.skip_space();
        let at = self.at();
        let (names, assign) = self.targets(context)?;
        let mut stage = 0;
        let mut expr: Option<Expr> = None;
        loop {
            self.skip_space();
            if self.peek().kind == *end {
                self.next += 1;
                break;
            }
            if !starts_operand(&self.peek().kind) {
                return self.unexpected(context);
            }
            stage += 1;
            let command = self.command()?;
            if stage > 1 && command.is_literal {
                return self.error(format!("non executable command in pipeline stage {stage}"));
            }
            expr = Some(self.compile(command, expr)?);
        }
        let Some(expr) = expr else {
            return self.error(format!("missing value for {context}"));
        };
        let target = match (names.is_empty(), assign) {
            (true, _) => Target::Output,
            (false, true) => Target::Assign(
                names
                    .iter()
                    .map(|name| {
                        let found = self.scope.find(name);
                        if found.is_none() {
                            // From here on Go's parser takes the name for declared.
                            self.scope.declare(name);
                        }
                        found
                    })
                    .collect(),
            ),
            (false, false) => {
                Target::Declare(names.iter().map(|name| self.scope.declare(name)).collect())
            }
        };
        Ok(Pipe { at, target, expr })
    }

    /// `$x :=`, `$x =`, and in a range `$i, $x :=`.
    fn targets(&mut self, context: &str) -> Res<(Vec<String>, bool)> {
        let mut names = Vec::new();
        loop {
            self.skip_space();
            let start = self.next;
            let Kind::Variable(name) = self.peek().kind.clone() else {
                return Ok((names, false));
            };
            self.next += 1;
            self.skip_space();
            match self.peek().kind {
                Kind::Assign | Kind::Declare => {
                    let assign = self.peek().kind == Kind::Assign;
                    self.next += 1;
                    names.push(name);
                    return Ok((names, assign));
                }
                Kind::Char(',') => {
                    self.next += 1;
                    names.push(name);
                    if context != "range" || names.len() > 1 {
                        return self.error(format!("too many declarations in {context}"));
                    }
                    self.skip_space();
                    if !matches!(
                        self.peek().kind,
                        Kind::Variable(_) | Kind::RightDelim | Kind::RightParen
                    ) {
                        return self.error("range can only initialize variables".to_owned());
                    }
                }
                _ => {
                    self.next = start;
                    return Ok((names, false));
                }
            }
        }
    }

    /// Operands up to a pipe or the end of the pipeline.
    fn command(&mut self) -> Res<Command> {
        let at = self.at();
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            match self.peek().kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => break,
                Kind::Pipe => {
                    self.next += 1;
                    break;
                }
                _ => return self.unexpected("operand"),
            }
        }
        if operands.is_empty() {
            return self.error("empty command".to_owned());
        }
        let is_literal = operands.first().is_some_and(|first| {
            matches!(
                first,
                Operand::Expr(Expr::Literal(_) | Expr::Dot | Expr::Nil)
            )
        });
        Ok(Command {
            operands,
            is_literal,
            at,
        })
    }

    fn operand(&mut self) -> Res<Option<Operand>> {
        let at = self.at();
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        let Kind::Field(_) = self.peek().kind else {
            return Ok(Some(term));
        };
        if let Operand::Expr(Expr::Literal(_) | Expr::Nil | Expr::Dot) = term {
            return self.error("unexpected . after a term without members".to_owned());
        }
        let mut expr = self.operand_expr(term, at)?;
        while let Kind::Field(name) = self.peek().kind.clone() {
            expr = field(expr, &name, self.at());
            self.next += 1;
        }
        Ok(Some(Operand::Expr(expr)))
    }

    fn term(&mut self) -> Res<Option<Operand>> {
        let at = self.at();
        let expr = match self.peek().kind.clone() {
            Kind::Identifier(name) => {
                if !self.exists(&name) {
                    return self.error(format!("function `{name}` not defined"));
                }
                self.next += 1;
                return Ok(Some(Operand::Function(name, at)));
            }
            Kind::Dot => Expr::Dot,
            Kind::Nil => Expr::Nil,
            Kind::Bool(value) => Expr::Literal(Literal::Bool(value)),
            Kind::Variable(name) => match self.scope.find(&name) {
                Some(slot) => Expr::Variable(slot),
                None => return self.error(format!("undefined variable `{name}`")),
            },
            Kind::Field(name) => field(Expr::Dot, &name, at),
            Kind::CharConstant(text) => {
                let value = lexer::unquote_char(&text).map_err(|fail| fail.at(at))?;
                Expr::Literal(Literal::Number(char_number(value)))
            }
            Kind::Number(text) | Kind::Complex(text) => match number(&text) {
                Some(number) => Expr::Literal(Literal::Number(number)),
                None => return self.error(format!("illegal number syntax: `{text}`")),
            },
            Kind::Quoted(text) => {
                let text = lexer::unquote(&text).map_err(|fail| fail.at(at))?;
                Expr::Literal(Literal::String(text.into()))
            }
            Kind::Raw(text) => Expr::Literal(Literal::String(text.into_bytes().into())),
            Kind::LeftParen => {
                self.next += 1;
                self.enter()?;
                let pipe = self.pipe("parenthesized pipeline", &Kind::RightParen)?;
                self.depth -= 1;
                return Ok(Some(Operand::Pipe(pipe)));
            }
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(Operand::Expr(expr)))
    }

    fn exists(&self, name: &str) -> bool {
        matches!(name, "and" | "or")
            || funcs::find(name).is_some_and(|function| {
                function.effect != Effect::Unsafe || self.policy == Policy::WithUnsafeFunctions
            })
    }

    /// An operand that is not the first of its command.
    fn operand_expr(&mut self, operand: Operand, at: u32) -> Res<Expr> {
        match operand {
            Operand::Expr(expr) => Ok(expr),
            Operand::Function(name, at) => self.call(&name, Vec::new(), None, at),
            Operand::Pipe(pipe) => match pipe.target {
                Target::Output => Ok(match pipe.expr {
                    expr @ Expr::Field(_) => Expr::Paren(Box::new(expr)),
                    expr => expr,
                }),
                Target::Declare(_) | Target::Assign(_) => {
                    failf("a declaration in parentheses".to_owned()).map_err(|fail| fail.at(at))
                }
            },
        }
    }

    /// One command, with the value of the pipeline before it.
    fn compile(&mut self, command: Command, last: Option<Expr>) -> Res<Expr> {
        let at = command.at;
        let mut operands = command.operands.into_iter();
        let Some(first) = operands.next() else {
            return self.error("empty command".to_owned());
        };
        let mut args = Vec::new();
        for operand in operands {
            args.push(self.operand_expr(operand, at)?);
        }
        let has_arguments = !args.is_empty() || last.is_some();
        match first {
            Operand::Function(name, at) => self.call(&name, args, last, at),
            Operand::Expr(Expr::Field(mut field)) if is_plain(&field) => {
                field.args = args;
                field.last = last;
                Ok(Expr::Field(field))
            }
            Operand::Expr(Expr::Nil) => Ok(failing(last, "nil is not a command", at)),
            other => {
                let expr = self.operand_expr(other, at)?;
                Ok(if has_arguments {
                    failing(last, "can't give argument to non-function", at)
                } else {
                    expr
                })
            }
        }
    }

    fn call(&mut self, name: &str, args: Vec<Expr>, last: Option<Expr>, at: u32) -> Res<Expr> {
        let logic = match name {
            "and" => Some(Expr::And as fn(Box<Logic>) -> Expr),
            "or" => Some(Expr::Or as fn(Box<Logic>) -> Expr),
            _ => None,
        };
        if let Some(make) = logic {
            if args.is_empty() && last.is_none() {
                return Ok(failing(None, "wrong number of arguments", at));
            }
            return Ok(make(Box::new(Logic { args, last, at })));
        }
        let Some(function) = funcs::find(name) else {
            return self.error(format!("function `{name}` not defined"));
        };
        self.mutates |= function.effect == Effect::Mutates;
        let count = args.len() + usize::from(last.is_some());
        let wanted = function.params.len();
        if count < wanted || (count > wanted && function.rest.is_none()) {
            return Ok(failing(
                last,
                &format!("wrong number of arguments for {name}: want {wanted}, got {count}"),
                at,
            ));
        }
        Ok(Expr::Call(Box::new(Call {
            function,
            args,
            last,
            at,
        })))
    }
}

enum Item {
    Node(Node),
    Ending(Ending),
}

enum Operand {
    Expr(Expr),
    Function(String, u32),
    Pipe(Pipe),
}

struct Command {
    operands: Vec<Operand>,
    is_literal: bool,
    at: u32,
}

fn failing(before: Option<Expr>, what: &str, at: u32) -> Expr {
    Expr::Fail {
        before: before.map(Box::new),
        what: what.into(),
        at,
    }
}

/// `name` begins with a dot.
fn field(base: Expr, name: &str, at: u32) -> Expr {
    Expr::Field(Box::new(Field {
        base,
        name: name.trim_start_matches('.').into(),
        args: Vec::new(),
        last: None,
        at,
    }))
}

fn is_plain(field: &Field) -> bool {
    field.args.is_empty() && field.last.is_none()
}

/// Whether nothing but space would be printed; such a definition may be replaced.
fn is_empty(body: &Body) -> bool {
    body.nodes
        .iter()
        .all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}

fn starts_operand(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Bool(_)
            | Kind::CharConstant(_)
            | Kind::Complex(_)
            | Kind::Dot
            | Kind::Field(_)
            | Kind::Identifier(_)
            | Kind::Number(_)
            | Kind::Nil
            | Kind::Raw(_)
            | Kind::Quoted(_)
            | Kind::Variable(_)
            | Kind::LeftParen
    )
}

fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Text(_) => "text".to_owned(),
        Kind::LeftDelim => "{{".to_owned(),
        Kind::RightDelim => "}}".to_owned(),
        Kind::Space => "space".to_owned(),
        Kind::Assign => "=".to_owned(),
        Kind::Declare => ":=".to_owned(),
        Kind::Pipe => "|".to_owned(),
        Kind::LeftParen => "(".to_owned(),
        Kind::RightParen => ")".to_owned(),
        Kind::Char(c) => format!("`{c}`"),
        Kind::CharConstant(text)
        | Kind::Number(text)
        | Kind::Complex(text)
        | Kind::Quoted(text)
        | Kind::Raw(text)
        | Kind::Field(text)
        | Kind::Variable(text)
        | Kind::Identifier(text) => format!("`{text}`"),
        Kind::Bool(value) => format!("`{value}`"),
        Kind::Dot => "`.`".to_owned(),
        Kind::Keyword(keyword) => format!("{{{{{}}}}}", format!("{keyword:?}").to_lowercase()),
        Kind::Nil => "nil".to_owned(),
        Kind::End => "end of template".to_owned(),
    }
}

fn char_number(value: i64) -> Number {
    Number {
        int: Some(value),
        uint: u64::try_from(value).ok(),
        float: Some(value as f64),
        complex: None,
        fractional: false,
        imaginary: false,
    }
}

/// A number in all the types that it can have; `None` if it has none.
fn number(text: &str) -> Option<Number> {
    if text.ends_with('i') {
        return imaginary(text);
    }
    let uint = parse_uint(text.strip_prefix('+').unwrap_or(text), 0);
    let int = parse_int(text, 0);
    let (mut int, mut uint) = match int {
        Some(0) => (Some(0), Some(0)),
        other => (other, uint),
    };
    let fractional = text.contains(['.', 'e', 'E', 'p', 'P']) && !is_hex_int(text);
    let float = match (int, uint) {
        (Some(n), _) => Some(n as f64),
        (None, Some(n)) => Some(n as f64),
        (None, None) => {
            let x = parse_float(text).filter(|_| text.contains(['.', 'e', 'E', 'p', 'P']))?;
            let whole = float_to_int(x);
            if whole as f64 == x {
                int = Some(whole);
                uint = u64::try_from(whole).ok();
            }
            Some(x)
        }
    };
    Some(Number {
        int,
        uint,
        float,
        complex: None,
        fractional,
        imaginary: false,
    })
}

fn is_hex_int(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    digits.starts_with("0x") && !digits.contains(['p', '.'])
}

/// `2i` or `1+2i`.
fn imaginary(text: &str) -> Option<Number> {
    let body = text.strip_suffix('i')?;
    let split = body
        .char_indices()
        .rev()
        .find(|&(i, c)| {
            let exponent = body
                .get(..i)
                .is_some_and(|b| b.ends_with(['e', 'E', 'p', 'P']));
            i > 0 && (c == '+' || c == '-') && !exponent
        })
        .map(|(i, _)| body.split_at(i));
    let (re, im) = match split {
        Some((re, im)) => (parse_float(re)?, parse_float(im)?),
        None => (0.0, parse_float(body)?),
    };
    let real = (im == 0.0).then_some(re);
    let int = real
        .filter(|x| float_to_int(*x) as f64 == *x)
        .map(float_to_int);
    Some(Number {
        int,
        uint: int.and_then(|n| u64::try_from(n).ok()),
        float: real,
        complex: Some((re, im)),
        fractional: false,
        imaginary: true,
    })
}
