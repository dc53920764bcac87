//! The table of `tests/security/README.md` names tests that exist.

use std::collections::BTreeSet;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every `fn` below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text
                .split("fn ")
                .skip(1)
                .filter_map(|rest| rest.split('(').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_row_of_the_security_table_is_shown_by_a_test_that_exists() {
    let root = Path::new(ROOT);
    let table = std::fs::read_to_string(root.join("tests/security/README.md")).unwrap();
    let mut known = BTreeSet::new();
    functions(&root.join("src"), &mut known);
    functions(&root.join("tests"), &mut known);
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| S-"))
        .collect();
    assert_eq!(rows.len(), 87);
    for row in rows {
        let shown_by = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        assert!(!shown_by.is_empty(), "{row}");
        for name in shown_by.split('`').skip(1).step_by(2) {
            let exists = match name.split_once(':') {
                Some(("suite", suite)) => root
                    .join(format!("tests/conformance/suites/{suite}.json"))
                    .exists(),
                Some(("fuzz", target)) => {
                    root.join(format!("fuzz/fuzz_targets/{target}.rs")).exists()
                }
                Some(_) => false,
                None => match name {
                    "differential" => root.join("tests/differential/run.py").exists(),
                    "gateways" => root.join("tests/gateways/run.py").exists(),
                    "deny" => root.join("deny.toml").exists(),
                    test => known.contains(test),
                },
            };
            assert!(exists, "{name} in {row}");
        }
    }
}
