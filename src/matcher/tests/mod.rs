//! The matcher against the recorded facts, and the index against the obvious matcher.

mod agreement;
mod goldens;
mod overlaps;
