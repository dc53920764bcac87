//! Likely mistakes in templates.

use super::ast::{Body, Branch, Expr, Node, Program, Target};
use super::fail::place;
use std::fmt;

/// Something that works but is likely not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub line: usize,
    pub column: usize,
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.what
        )
    }
}

/// Functions whose result can stand inside a JSON string as it is.
const SAFE: &[&str] = &[
    "b64enc",
    "b32enc",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "adler32sum",
    "len",
    "int",
    "int64",
    "float64",
    "add",
    "add1",
    "sub",
    "mul",
    "div",
    "mod",
    "max",
    "min",
    "unixEpoch",
    "uuidv4",
    "urlquery",
    "js",
    "date",
    "now",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "not",
    "hasKey",
    "has",
    "hasPrefix",
    "hasSuffix",
    "contains",
    "empty",
    "toJson",
    "mustToJson",
    "toRawJson",
    "mustToRawJson",
    "quote",
];

pub(super) fn warnings(source: &str, program: &Program) -> Vec<Warning> {
    let mut lint = Lint {
        source,
        looks_like_json: source.trim_start().starts_with(['{', '['])
            && !source.trim_start().starts_with("{{"),
        in_string: false,
        escaped: false,
        found: Vec::new(),
    };
    lint.body(&program.main);
    lint.found
}

struct Lint<'s> {
    source: &'s str,
    looks_like_json: bool,
    /// Whether the text so far ends inside a JSON string.
    in_string: bool,
    escaped: bool,
    found: Vec<Warning>,
}

impl Lint<'_> {
    fn body(&mut self, body: &Body) {
        self.nodes(&body.nodes);
    }

    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Text(text) => self.text(text),
                Node::Action(pipe) => {
                    if let Target::Output = pipe.target
                        && self.looks_like_json
                        && self.in_string
                        && !is_safe(&pipe.expr)
                    {
                        let (line, column) = place(self.source, pipe.at as usize);
                        self.found.push(Warning {
                            line,
                            column,
                            what: "a value stands inside a JSON string without `toJson`: a quotation mark in it \
                                   ends the string and what follows becomes JSON; write `{{ … | toJson }}` without \
                                   quotation marks around it"
                                .to_owned(),
                        });
                    }
                }
                Node::If(branch) | Node::With(branch) | Node::Range(branch) => self.branch(branch),
                Node::Template { .. } | Node::Break | Node::Continue => {}
            }
        }
    }

    /// Both branches begin in the same place; it is taken that they end in the same one.
    fn branch(&mut self, branch: &Branch) {
        let before = (self.in_string, self.escaped);
        self.nodes(&branch.then);
        let after = (self.in_string, self.escaped);
        (self.in_string, self.escaped) = before;
        self.nodes(&branch.otherwise);
        (self.in_string, self.escaped) = after;
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' if self.in_string => self.escaped = true,
                '"' => self.in_string = !self.in_string,
                _ => {}
            }
        }
    }
}

fn is_safe(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_) => true,
        Expr::Call(call) => SAFE.contains(&call.function.name),
        Expr::Paren(inner) => is_safe(inner),
        Expr::Dot
        | Expr::Nil
        | Expr::Variable(_)
        | Expr::Field(_)
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Fail { .. } => false,
    }
}
