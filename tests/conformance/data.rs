//! The runner's own data: where it is, and how it is read.

use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The folder of suites, keys and exceptions.
pub fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// A file of JSON.
///
/// # Errors
/// What is wrong, behind the file's name.
pub fn read<T: DeserializeOwned>(file: &Path) -> Result<T, String> {
    let told = |error: &dyn Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| told(&error))?;
    serde_json::from_str(&text).map_err(|error| told(&error))
}
