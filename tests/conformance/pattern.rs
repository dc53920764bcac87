//! The patterns of `$match` and `$no_match`: those of Python's `re`, searched for anywhere in the text.

use fancy_regex::{Regex, RegexBuilder};
use std::fmt;

/// Patterns that look around step back; one on a body of 200 KB takes more steps than the engine allows by itself.
const STEPS: usize = 50_000_000;

pub struct Pattern {
    source: String,
    regex: Regex,
}

impl Pattern {
    pub fn new(source: &str) -> Result<Pattern, String> {
        let regex = RegexBuilder::new(&translated(source))
            .backtrack_limit(STEPS)
            .delegate_size_limit(64 << 20)
            .build()
            .map_err(|error| format!("pattern `{source}`: {error}"))?;
        Ok(Pattern {
            source: source.to_owned(),
            regex,
        })
    }

    /// # Panics
    /// Where the pattern takes more than [`STEPS`], since neither answer would be known to be right.
    pub fn is_in(&self, text: &str) -> bool {
        self.regex
            .is_match(text)
            .unwrap_or_else(|error| panic!("pattern `{}`: {error}", self.source))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.source)
    }
}

/// Puts what means something else in Rust: there `\Z` is the very end, and `$` stands before a last line break too.
fn translated(source: &str) -> String {
    let mut out = String::new();
    let mut in_class = false;
    let mut letters = source.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('Z') => out.push_str(r"\z"),
                Some(next) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
            '$' if !in_class => out.push_str(r"(?=\n?\z)"),
            _ => {
                in_class = in_class && letter != ']' || letter == '[';
                out.push(letter);
            }
        }
    }
    out
}
