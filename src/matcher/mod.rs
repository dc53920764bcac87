//! URL patterns and the index over them. Knows neither rules nor an HTTP library: maps (method, scheme, host, path) to small integers.
//!
//! A pattern stands for whole URLs, `scheme://host/path`. [`Matcher::build`] reads all of them once; [`Matcher::find`] then says which
//! one a request belongs to: none, exactly one, or several, which is an error of the operator and never settled by order.
//!
//! - `pattern`: both dialects become one tree, or a refusal with its place.
//! - `engine`: trees become programs that run in bounded time.
//! - `index`: from a request to the few patterns that can match it.
//! - [`naive`]: the obvious linear matcher, the oracle of tests and benches.

mod engine;
mod index;
pub mod naive;
pub mod overlap;
mod pattern;
mod shape;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use engine::Expression;
pub use engine::Overrun;
use index::Index;
use pattern::{Ast, Refusal, lower_case_host};

/// The dialect of all patterns of a rule set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    Regexp,
    Glob,
}

/// What a rule is for. A request of one kind never matches a rule of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    Http,
    Rpc,
}

/// One rule, as far as finding it goes.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub protocol: Protocol,
    /// Exact names, compared without case. An empty list matches nothing.
    pub methods: &'a [String],
    /// `scheme://host/path` with `<…>` parts.
    pub url: &'a str,
}

/// One request. The host is in lower case and the path is decoded and cleaned; together they are `scheme://host` + path.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    pub protocol: Protocol,
    pub method: &'a str,
    pub scheme: &'a str,
    pub host: &'a str,
    pub path: &'a str,
}

impl Key<'_> {
    /// The text that patterns see.
    pub fn subject(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }
}

/// Which entries match a request, by their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    None,
    One(u32),
    /// At least two. An error of the operator: no order decides between them.
    Several(u32, u32),
    /// The pattern of this entry took too many steps, and there were no two others. A denial, never "no match": nobody may choose a
    /// path that makes a rule disappear.
    Overrun(u32),
}

/// A pattern that can't be used. Its entry matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at} of the pattern: {message}")]
pub struct PatternError {
    /// The index of the entry.
    pub entry: u32,
    /// Byte offset in its URL.
    pub at: usize,
    pub message: String,
}

impl PatternError {
    fn new(entry: u32, refusal: Refusal) -> Self {
        Self {
            entry,
            at: refusal.at,
            message: refusal.message,
        }
    }
}

/// One URL pattern on its own, run by the backtracking machine alone.
#[derive(Debug)]
pub struct Pattern {
    expression: Expression,
}

/// A rule's URL as a tree whose host accepts lower case.
fn parse(strategy: Strategy, url: &str, reader: &mut pattern::Reader) -> Result<Ast, Refusal> {
    let mut ast = match strategy {
        Strategy::Regexp => reader.parse(url),
        Strategy::Glob => pattern::parse_glob(url),
    }?;
    lower_case_host(&mut ast.root);
    Ok(ast)
}

impl Pattern {
    pub fn new(strategy: Strategy, url: &str) -> Result<Self, PatternError> {
        let ast = parse(strategy, url, &mut pattern::Reader::default())
            .map_err(|refusal| PatternError::new(0, refusal))?;
        Ok(Self {
            expression: Expression::new(ast),
        })
    }

    /// Whether it matches the whole subject.
    pub fn matches(&self, subject: &str) -> Result<bool, Overrun> {
        self.expression.machine_matches(subject)
    }

    /// What its groups captured, in order of their numbers, "" for those that took no part. Empty for globs. `None`: no match.
    pub fn captures(&self, subject: &str) -> Result<Option<Vec<String>>, Overrun> {
        if !self.matches(subject)? {
            return Ok(None);
        }
        self.expression.captured(subject).map(Some)
    }
}

/// All patterns of a rule set.
#[derive(Debug)]
pub struct Matcher {
    index: Index,
}

impl Matcher {
    /// Never fails: a bad pattern is set aside (its entry matches nothing) and reported.
    pub fn build(strategy: Strategy, entries: &[Entry<'_>]) -> (Self, Vec<PatternError>) {
        let url = |index: u32| entries.get(index as usize).map_or("", |entry| entry.url);
        let reader = RefCell::new(pattern::Reader::default());
        let parse = |index| parse(strategy, url(index), &mut reader.borrow_mut());
        let (index, errors) = Index::build(entries, &parse);
        (Self { index }, errors)
    }

    pub fn find(&self, key: &Key<'_>) -> Found {
        self.index.find(key)
    }

    /// What the groups of an entry's pattern captured: the reference's `RegexpCaptureGroups`. Empty for globs, and where the entry
    /// does not match.
    pub fn captures(&self, entry: u32, key: &Key<'_>) -> Result<Vec<String>, Overrun> {
        self.index.captures(entry, key)
    }

    /// Whether an entry would match, and if not, why: for explanations. Those that match come first, then the nearest misses.
    pub fn candidates(&self, key: &Key<'_>) -> Vec<Candidate> {
        self.index.candidates(key)
    }
}

/// An entry that was considered for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    pub entry: u32,
    pub outcome: Outcome,
}

/// Whether an entry matches, or the first thing that kept it from matching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Matched,
    /// Too many steps: the request is denied.
    Overrun,
    /// Everything but the method fits.
    Method,
    /// Everything but the kind of request fits.
    Protocol,
    Path,
    Host,
    Scheme,
    /// The pattern can't be used.
    BadPattern,
}
