//! Lexical paths, as Go's `path` package has them. They are bytes: a decoded URL path need not be UTF-8.

/// The shortest path that means the same: no `.`, no `..` that can be resolved, no repeated or trailing slash. `.` if nothing is left.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.first() == Some(&b'/');
    let mut out = Vec::with_capacity(path.len().max(1));
    if rooted {
        out.push(b'/');
    }
    // What `..` cannot take back: the root, or leading `..` of a relative path.
    let mut fixed = out.len();
    for segment in path.split(|&b| b == b'/') {
        match segment {
            b"" | b"." => {}
            b".." if out.len() > fixed => {
                let cut = out.iter().rposition(|&b| b == b'/').unwrap_or(0);
                out.truncate(cut.max(fixed));
            }
            b".." if rooted => {}
            b".." => {
                push_segment(&mut out, segment);
                fixed = out.len();
            }
            _ => push_segment(&mut out, segment),
        }
    }
    if out.is_empty() {
        out.push(b'.');
    }
    out
}

/// Joins the parts that are not empty with slashes and cleans the result; empty if all are.
pub fn join<T: AsRef<[u8]>>(parts: &[T]) -> Vec<u8> {
    let mut joined: Vec<u8> = Vec::new();
    for part in parts
        .iter()
        .map(AsRef::as_ref)
        .filter(|part| !part.is_empty())
    {
        if !joined.is_empty() {
            joined.push(b'/');
        }
        joined.extend_from_slice(part);
    }
    if joined.is_empty() {
        joined
    } else {
        clean(&joined)
    }
}

fn push_segment(out: &mut Vec<u8>, segment: &[u8]) {
    if out.last().is_some_and(|&last| last != b'/') {
        out.push(b'/');
    }
    out.extend_from_slice(segment);
}
