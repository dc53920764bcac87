//! `credentials generate`.

use super::{complain, print};
use crate::clients::keys;
use std::process::ExitCode;

pub(super) fn generate(alg: &str, kid: &str, bits: u32) -> ExitCode {
    let kid = Some(kid).filter(|kid| !kid.is_empty());
    match keys::generate(alg, kid, bits) {
        Ok(set) => {
            print(&format!("{set:#}\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
