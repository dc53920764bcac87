//! Mutators, by id.

mod noop;

use super::Kind;
use crate::pipeline::Mutator;

pub static MUTATORS: &[Kind<dyn Mutator>] = &[noop::KIND];
