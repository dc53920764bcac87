//! Rule files become a snapshot.

pub mod compile;
mod decode;
pub mod document;
mod migrate;
pub mod raw;
mod shared;
pub mod source;
pub mod status;
mod upstream;
pub mod watch;

#[cfg(test)]
pub(crate) use upstream::SECTIONS as UPSTREAM_SECTIONS;
