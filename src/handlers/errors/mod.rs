//! Error handlers, by id.

mod json;
mod redirect;
mod www_authenticate;

use super::Kind;
use crate::pipeline::ErrorHandler;

pub static ERROR_HANDLERS: &[Kind<dyn ErrorHandler>] =
    &[json::KIND, redirect::KIND, www_authenticate::KIND];

#[cfg(test)]
mod tests;
