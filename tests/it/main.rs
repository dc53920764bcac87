//! End-to-end tests: the real binary on free ports, spoken to in raw bytes. One test binary, so that it is linked once.

mod frame;
mod support;
