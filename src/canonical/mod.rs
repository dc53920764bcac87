//! Any transport's request becomes the one that is matched, decided on, logged and forwarded.

mod request;

pub use request::{Request, Scheme};
