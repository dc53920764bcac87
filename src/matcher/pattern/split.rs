//! Cuts a rule's URL into literal text and the `<…>` parts, as both strategies do.

use super::ast::Refusal;

/// A part of a URL pattern with its byte offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::matcher) enum Part<'a> {
    Literal { at: usize, text: &'a str },
    Body { at: usize, text: &'a str },
}

/// Brackets are counted inside bodies too: `<<a>>` is one part with the body `<a>`.
pub(in crate::matcher) fn split(pattern: &str) -> Result<Vec<Part<'_>>, Refusal> {
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0_usize, 0);
    let unbalanced = |at| Refusal {
        at,
        message: "unbalanced `<` and `>`".to_owned(),
    };
    for (at, byte) in pattern.bytes().enumerate() {
        match byte {
            b'<' => {
                if depth == 0 {
                    parts.extend(
                        pattern
                            .get(from..at)
                            .filter(|text| !text.is_empty())
                            .map(|text| Part::Literal { at: from, text }),
                    );
                    from = at + 1;
                }
                depth += 1;
            }
            b'>' => {
                depth = depth.checked_sub(1).ok_or_else(|| unbalanced(at))?;
                if depth == 0 {
                    parts.extend(
                        pattern
                            .get(from..at)
                            .map(|text| Part::Body { at: from, text }),
                    );
                    from = at + 1;
                }
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(unbalanced(from.saturating_sub(1)));
    }
    parts.extend(
        pattern
            .get(from..)
            .filter(|text| !text.is_empty())
            .map(|text| Part::Literal { at: from, text }),
    );
    Ok(parts)
}
