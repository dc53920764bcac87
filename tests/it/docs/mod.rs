//! The documentation does what it says: every link leads somewhere, every command answers as printed, every configuration is valid.
//!
//! How a fenced block is treated depends on its first word, and on marks behind it:
//!
//! | block | is |
//! | --- | --- |
//! | `console` | run: lines after `$ `, whose answers must have the lines below them in this order; `…` stands for anything |
//! | `sh` | read by a shell without running it; commands and options of `doorward` must exist |
//! | `yaml,config` | written as `doorward.yaml` and validated, together with the rules after it |
//! | `yaml,rules` | written as `rules.yaml` |
//! | `…,file=NAME` | written under that name |
//!
//! Ports are replaced by free ones on the way in, and back on the way out.

mod blocks;
mod commands;
mod links;
