//! Authenticators, by id.

mod anonymous;
mod noop;
mod unauthorized;

use super::Kind;
use crate::pipeline::Authenticator;

pub static AUTHENTICATORS: &[Kind<dyn Authenticator>] =
    &[anonymous::KIND, noop::KIND, unauthorized::KIND];
