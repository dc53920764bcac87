//! Reading patterns: both dialects become one [`Ast`], or a refusal that says where the fault is.

pub(super) mod ast;
mod class;
mod fold;
mod glob;
mod groups;
mod regexp;
pub(super) mod set;
mod split;

pub(super) use ast::{Assertion, Ast, Capture, Node, Refusal, UNBOUNDED};
pub(super) use fold::lower_case_host;
pub(super) use glob::parse as parse_glob;
pub(super) use regexp::Reader;
#[cfg(test)]
pub(super) use regexp::parse_bare;
