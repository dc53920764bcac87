//! Tools that bring users over: replay requests against two decision APIs, and requests with expected decisions.

pub mod diff;
pub mod fixtures;
pub mod migrate;
pub mod requests;
pub mod setup;
