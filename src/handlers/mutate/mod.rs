//! Mutators, by id.

mod cookie;
mod header;
mod noop;

use super::Kind;
use crate::pipeline::Mutator;

pub static MUTATORS: &[Kind<dyn Mutator>] = &[cookie::KIND, header::KIND, noop::KIND];
