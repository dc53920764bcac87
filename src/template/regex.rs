//! RE2 expressions for the `regex` crate: both run in linear time and differ in a few spellings.

use regex::bytes::{Regex, RegexBuilder};
use std::cell::RefCell;

/// How many expressions a thread keeps compiled. Templates nearly always name theirs literally, so few are enough.
const KEPT: usize = 32;
/// Compiled size above which an expression is refused.
const MAX_SIZE: usize = 1 << 20;

thread_local! {
    /// Most recently used last.
    static COMPILED: RefCell<Vec<(String, Regex)>> = const { RefCell::new(Vec::new()) };
}

/// The expression, compiled now or lately.
pub(crate) fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    COMPILED.with_borrow_mut(|kept| {
        if let Some(at) = kept.iter().position(|(known, _)| known == pattern) {
            let entry = kept.remove(at);
            let regex = entry.1.clone();
            kept.push(entry);
            return Ok(regex);
        }
        let regex = RegexBuilder::new(&translated(pattern))
            .size_limit(MAX_SIZE)
            .dfa_size_limit(MAX_SIZE)
            .build()?;
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((pattern.to_owned(), regex.clone()));
        Ok(regex)
    })
}

/// RE2's classes are ASCII, its brackets hold no brackets, `\Q…\E` quotes, a brace that counts nothing is a brace.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_class = false;
    // Where a class begins, a closing bracket stands for itself.
    let mut class_start = false;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let at_start = std::mem::take(&mut class_start);
        rest = match c {
            '\\' => escaped(&mut out, after, in_class),
            '[' if !in_class => {
                in_class = true;
                class_start = true;
                out.push('[');
                match after.strip_prefix('^') {
                    Some(after) => {
                        out.push('^');
                        after
                    }
                    None => after,
                }
            }
            '[' if after.starts_with(':') && after.contains(":]") => {
                let end = after.find(":]").unwrap_or(0) + 2;
                out.push('[');
                out.push_str(after.get(..end).unwrap_or_default());
                after.get(end..).unwrap_or_default()
            }
            ']' if in_class && !at_start => {
                in_class = false;
                out.push(']');
                after
            }
            '[' | ']' | '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
                after
            }
            '-' if in_class && after.starts_with('-') => {
                out.push_str("\\-");
                after
            }
            '{' if !in_class && !counts(after) => {
                out.push_str("\\{");
                after
            }
            other => {
                out.push(other);
                after
            }
        };
    }
    out
}

/// Whether `{` begins a repetition.
fn counts(after: &str) -> bool {
    let Some((inside, _)) = after.split_once('}') else {
        return false;
    };
    let (low, high) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}

/// Behind a backslash; what is left to read.
fn escaped<'t>(out: &mut String, after: &'t str, in_class: bool) -> &'t str {
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = after.get(c.len_utf8()..).unwrap_or_default();
    let class = match c {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => "[\\t\\n\\x0c\\r ]",
        'S' => "[^\\t\\n\\x0c\\r ]",
        'b' if !in_class => "(?-u:\\b)",
        'B' if !in_class => "(?-u:\\B)",
        'Q' if !in_class => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return rest;
        }
        '0'..='7' => return octal(out, after),
        // What Rust takes for more than RE2 does.
        '<' | '>' => {
            out.push(c);
            return rest;
        }
        _ => {
            out.push('\\');
            out.push(c);
            return rest;
        }
    };
    out.push_str(class);
    rest
}

/// `\012`; a single digit other than 0 would be a back-reference, which neither engine has.
fn octal<'t>(out: &mut String, after: &'t str) -> &'t str {
    let count = after
        .bytes()
        .take(3)
        .take_while(|b| (b'0'..=b'7').contains(b))
        .count();
    let (digits, rest) = after.split_at(count);
    if count == 1 && digits != "0" {
        out.push('\\');
        out.push_str(digits);
        return rest;
    }
    let code = u32::from_str_radix(digits, 8).unwrap_or(0);
    out.push_str(&format!("\\x{{{code:x}}}"));
    rest
}
