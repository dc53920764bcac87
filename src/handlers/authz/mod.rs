//! Authorizers, by id.

mod allow;
mod deny;

use super::Kind;
use crate::pipeline::Authorizer;

pub static AUTHORIZERS: &[Kind<dyn Authorizer>] = &[allow::KIND, deny::KIND];
