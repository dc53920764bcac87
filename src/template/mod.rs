//! Go's `text/template` with the Sprig functions: lexer, parser, compiled program.
//!
//! A template is compiled once, when a rule is loaded; what Go's parser refuses is refused then. Executing it borrows from the
//! session: nothing is copied until a template makes something new. Functions that reach the environment, the network or a key
//! generator do not exist unless the policy lets them, and steps, output and memory are bounded.

mod ast;
mod data;
mod exec;
mod fail;
mod funcs;
mod lexer;
mod lint;
mod members;
mod number;
mod parser;
mod print;
mod quote;
mod regex;
mod semver;
mod time;
mod val;

pub use fail::{RenderError, TemplateError};
pub use lint::Warning;

#[cfg(test)]
pub(crate) use funcs::{Effect, described as functions};

use crate::pipeline::Session;
use crate::value::{Escape, Map, Value};
use ast::{Expr, Literal, Node, Program, Target};
use data::Data;
use exec::Exec;
use fail::{Fail, place};
use funcs::Cx;
use print::Printer;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use val::{Val, to_value};

/// Bytes of strings, lists and maps that one rendering may make.
const BUDGET: usize = 16 << 20;

/// Which functions exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    #[default]
    Safe,
    /// Also those that reach the environment or the network, make keys, or burn time on purpose (`templates.unsafe_functions`).
    WithUnsafeFunctions,
}

/// A compiled template. Cheap to clone.
#[derive(Clone)]
pub struct Template {
    source: Arc<str>,
    program: Arc<Compiled>,
}

enum Compiled {
    /// Text and literals only: the result is known.
    Constant(Vec<u8>),
    Program(Program),
    /// One that nests deeply or calls itself, which the stack of a worker may be too small for.
    Deep(Program),
}

/// What a rendering made.
struct Rendered<'t> {
    text: Cow<'t, [u8]>,
    /// The session's `extra`, if it was changed.
    extra: Option<Map>,
}

impl Template {
    /// Compiles `source`, or says where it is no template.
    pub fn compile(source: &str, policy: Policy) -> Result<Template, TemplateError> {
        let failed = |fail: Fail| {
            let (line, column) = place(source, fail.at.unwrap_or(0) as usize);
            TemplateError {
                line,
                column,
                what: fail.what.into_owned(),
            }
        };
        if source.len() > MAX_SOURCE {
            return Err(failed(Fail {
                what: "the template is too long".into(),
                at: None,
            }));
        }
        let brackets = source.matches("{{").count() + source.matches('(').count();
        let parsed = if brackets > SHALLOW {
            with_large_stack(|| parser::parse(source, policy))
        } else {
            Some(parser::parse(source, policy))
        };
        let no_thread = || {
            Err(Fail {
                what: NO_THREAD.into(),
                at: None,
            })
        };
        let program = parsed.unwrap_or_else(no_thread).map_err(failed)?;
        let compiled = match (constant(&program), program.depth()) {
            (Some(text), _) => Compiled::Constant(text),
            (None, Some(0..=SHALLOW)) => Compiled::Program(program),
            (None, _) => Compiled::Deep(program),
        };
        Ok(Template {
            source: source.into(),
            program: Arc::new(compiled),
        })
    }

    /// The text for a session, which need not be UTF-8. `set` and its like change the session's `extra`; on an error nothing changes.
    pub fn render(&self, session: &mut Session<'_>) -> Result<Cow<'_, [u8]>, RenderError> {
        let rendered = self.run(session)?;
        if let Some(extra) = rendered.extra {
            session.extra = Some(Arc::new(extra));
        }
        Ok(rendered.text)
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text, where it is the same for every session.
    pub fn constant(&self) -> Option<&[u8]> {
        match &*self.program {
            Compiled::Constant(text) => Some(text),
            Compiled::Program(_) | Compiled::Deep(_) => None,
        }
    }

    /// What is likely a mistake, or dangerous.
    pub fn warnings(&self) -> Vec<Warning> {
        match &*self.program {
            Compiled::Constant(_) => Vec::new(),
            Compiled::Program(program) | Compiled::Deep(program) => {
                lint::warnings(&self.source, program)
            }
        }
    }

    fn run(&self, data: &dyn Data) -> Result<Rendered<'_>, RenderError> {
        match &*self.program {
            Compiled::Constant(text) => Ok(Rendered {
                text: Cow::Borrowed(text),
                extra: None,
            }),
            Compiled::Program(program) => self.execute(program, data),
            Compiled::Deep(program) => with_large_stack(|| self.execute(program, data))
                .unwrap_or_else(|| {
                    Err(RenderError {
                        line: 1,
                        column: 1,
                        what: NO_THREAD.to_owned(),
                    })
                }),
        }
    }

    fn execute(
        &self,
        program: &Program,
        data: &dyn Data,
    ) -> Result<Rendered<'static>, RenderError> {
        let extra = program.mutates.then(|| match data.extra() {
            Some(map) => Val::owned_map(map),
            None => Val::JsonMap(None),
        });
        let mut exec = Exec {
            program,
            data,
            cx: Cx {
                printer: Printer::new(data),
                budget: BUDGET,
            },
            extra,
            out: Vec::with_capacity(self.source.len()),
            steps: 0,
            levels: 0,
        };
        match exec.main().and_then(|()| changed_extra(&exec)) {
            Ok(extra) => Ok(Rendered {
                text: Cow::Owned(exec.out),
                extra,
            }),
            Err(fail) => {
                let (line, column) = place(&self.source, fail.at.unwrap_or(0) as usize);
                Err(RenderError {
                    line,
                    column,
                    what: fail.what.into_owned(),
                })
            }
        }
    }
}

/// A session as JSON, as a hydrator gets it: what `{{ toJson . }}` makes.
pub fn session_json(session: &Session<'_>) -> Result<Vec<u8>, RenderError> {
    let cx = Cx {
        printer: Printer::new(session),
        budget: BUDGET,
    };
    funcs::encode(&cx, &Val::Session, Escape::Html).map_err(|fail| RenderError {
        line: 1,
        column: 1,
        what: fail.what.into_owned(),
    })
}

/// What nests no deeper than this is read and executed on the stack of whoever asks.
const SHALLOW: usize = 32;
const NO_THREAD: &str = "no thread for a template that nests deeply";

/// Runs `work` where there is stack enough for the deepest template. `None` where no thread can be had.
fn with_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    const STACK: usize = 64 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("template".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .ok()?;
        thread.join().ok()
    })
}

/// Longer templates are refused: no rule has one, and places in them are counted in 32 bits.
const MAX_SOURCE: usize = 1 << 20;

/// The session's `extra` as the template left it; `None` if it did not change it.
fn changed_extra(exec: &Exec<'_, '_>) -> val::Res<Option<Map>> {
    let Some(extra @ Val::Map(_)) = &exec.extra else {
        return Ok(None);
    };
    let printer = &exec.cx.printer;
    let kept = to_value(extra, &|val| printer.text(val), 0);
    exec.cx.check_nesting()?;
    match kept {
        Some(Value::Map(map)) if exec.data.extra() != Some(&map) => Ok(Some(map)),
        Some(_) => Ok(None),
        None => fail::fail("a value nests too deeply"),
    }
}

/// The text of a template that prints nothing but text and string literals.
fn constant(program: &Program) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for node in &program.main.nodes {
        match node {
            Node::Text(text) => out.extend_from_slice(text.as_bytes()),
            Node::Action(pipe) => match (&pipe.target, &pipe.expr) {
                (Target::Output, Expr::Literal(Literal::String(text))) => {
                    out.extend_from_slice(text);
                }
                _ => return None,
            },
            _ => return None,
        }
    }
    Some(out)
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.source).finish()
    }
}

#[cfg(test)]
mod differential;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;
