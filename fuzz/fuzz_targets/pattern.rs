//! Any pattern and subject: the pattern is refused or compiles, and matching ends.
#![no_main]

use doorward::matcher::{Pattern, Strategy};
use libfuzzer_sys::fuzz_target;

// Input: a pattern, a line break, a subject.
fuzz_target!(|text: &str| {
    let (pattern, subject) = text.split_once('\n').unwrap_or((text, ""));
    for strategy in [Strategy::Regexp, Strategy::Glob] {
        let Ok(pattern) = Pattern::new(strategy, pattern) else { continue };
        let Ok(matches) = pattern.matches(subject) else { continue };
        if let Ok(captures) = pattern.captures(subject) {
            assert_eq!(captures.is_some(), matches);
        }
    }
});
