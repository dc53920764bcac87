//! Any transport's request becomes the one that is matched, decided on, logged and forwarded.

pub mod cookies;
pub mod credentials;
pub mod names;
mod request;

pub use request::{Request, Scheme};
