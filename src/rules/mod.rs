//! Rule files become a snapshot.

pub mod compile;
pub mod raw;
