//! What Go's YAML refuses and the parser would accept.

use super::SyntaxError;

pub(super) fn check(text: &str) -> Result<(), SyntaxError> {
    for (index, line) in text.split('\n').enumerate() {
        let refuse = |message: &str| SyntaxError {
            line: Some(index + 1),
            message: message.to_owned(),
        };
        if line.chars().any(|c| !printable(c)) {
            return Err(refuse("control characters are not allowed"));
        }
        if let Some(version) = line.strip_prefix("%YAML")
            && version.split_whitespace().next() != Some("1.1")
        {
            return Err(refuse("the only version in a %YAML directive is 1.1"));
        }
    }
    let mut contents = text.split('\n').enumerate().filter(|(_, line)| {
        let content = line.trim_start();
        !content.is_empty() && !content.starts_with('#')
    });
    match contents.next() {
        Some((index, line)) if line.starts_with('\t') => Err(SyntaxError {
            line: Some(index + 1),
            message: "a tab can't indent".to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn printable(c: char) -> bool {
    matches!(c,
        '\t' | '\r' | '\u{20}'..='\u{7e}' | '\u{85}' | '\u{a0}'..='\u{d7ff}'
        | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// Whether Go reads these escapes of a double-quoted text; `source` is what stands between and including the quotes.
pub(super) fn escapes(source: &str) -> Result<(), &'static str> {
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            continue;
        }
        let digits = match chars.next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some('/') => return Err("the escape `\\/` is not known"),
            Some(_) | None => continue,
        };
        let hex: String = chars.by_ref().take(digits).collect();
        let known = u32::from_str_radix(&hex, 16).is_ok_and(|code| char::from_u32(code).is_some());
        if !known {
            return Err("an escape is not a character");
        }
    }
    Ok(())
}
