//! Error handlers, by id.

use super::Kind;
use crate::pipeline::ErrorHandler;

pub static ERROR_HANDLERS: &[Kind<dyn ErrorHandler>] = &[];
