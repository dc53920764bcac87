//! Rule files become a snapshot.

pub mod compile;
mod decode;
pub mod document;
mod migrate;
pub mod raw;
