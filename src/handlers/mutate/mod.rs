//! Mutators, by id.

mod cookie;
mod header;
mod hydrator;
mod id_token;
mod noop;

use super::Kind;
use crate::pipeline::Mutator;

pub static MUTATORS: &[Kind<dyn Mutator>] = &[
    cookie::KIND,
    header::KIND,
    hydrator::KIND,
    id_token::KIND,
    noop::KIND,
];
