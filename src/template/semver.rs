//! Versions and constraints as Masterminds' `semver` reads them: lenient about missing parts, strict about pre-releases.

use std::cmp::Ordering;
use std::fmt;

#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) major: u64,
    pub(crate) minor: u64,
    pub(crate) patch: u64,
    pub(crate) pre: String,
    pub(crate) metadata: String,
    pub(crate) original: String,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// A version with parts that may be missing or wild.
struct Partial {
    version: Version,
    minor_given: bool,
    patch_given: bool,
    wild: bool,
    /// `*`: every version.
    any: bool,
}

impl Version {
    /// `NewVersion`: a leading `v` and missing parts are fine, leading zeros too.
    pub(crate) fn parse(text: &str) -> Option<Version> {
        let partial = partial(text)?;
        (!partial.wild).then_some(partial.version)
    }

    pub(crate) fn compare(&self, other: &Version) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| compare_pre(&self.pre, &other.pre))
    }

    /// The next version in a place; what is smaller becomes zero.
    pub(crate) fn bumped(&self, place: Place) -> Version {
        let mut next = self.clone();
        next.metadata.clear();
        match place {
            Place::Major => {
                next.major = next.major.saturating_add(1);
                next.minor = 0;
                next.patch = 0;
            }
            Place::Minor => {
                next.minor = next.minor.saturating_add(1);
                next.patch = 0;
            }
            // A pre-release comes before its release, which is therefore next.
            Place::Patch if !self.pre.is_empty() => {}
            Place::Patch => next.patch = next.patch.saturating_add(1),
        }
        next.pre.clear();
        next.original = next.to_string();
        next
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Major,
    Minor,
    Patch,
}

fn is_part(text: &str) -> bool {
    !text.is_empty()
        && text
            .split('.')
            .all(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

fn partial(text: &str) -> Option<Partial> {
    let original = text.to_owned();
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, metadata) = match text.split_once('+') {
        Some((text, metadata)) if is_part(metadata) => (text, metadata),
        Some(_) => return None,
        None => (text, ""),
    };
    let (core, pre) = match text.split_once('-') {
        Some((core, pre)) if is_part(pre) => (core, pre),
        Some(_) => return None,
        None => (text, ""),
    };
    let bad_number =
        |id: &str| id.len() > 1 && id.starts_with('0') && id.bytes().all(|b| b.is_ascii_digit());
    if pre.split('.').any(bad_number) {
        return None;
    }
    let mut parts = core.split('.');
    let mut wild = false;
    let mut read = |part: Option<&str>| -> Option<(u64, bool)> {
        match part {
            None => Some((0, false)),
            Some("x" | "X" | "*") => {
                wild = true;
                Some((0, false))
            }
            Some(part) if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => {
                let n = part.parse().ok()?;
                // What follows a wild part counts for nothing.
                Some(if wild { (0, false) } else { (n, true) })
            }
            Some(_) => None,
        }
    };
    let (major, major_given) = read(parts.next())?;
    let (minor, minor_given) = read(parts.next())?;
    let (patch, patch_given) = read(parts.next())?;
    if parts.next().is_some() || (!major_given && !wild) {
        return None;
    }
    Some(Partial {
        version: Version {
            major,
            minor,
            patch,
            pre: pre.to_owned(),
            metadata: metadata.to_owned(),
            original,
        },
        minor_given,
        patch_given,
        wild,
        any: !major_given,
    })
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let mut left = a.split('.');
    let mut right = b.split('.');
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Whether a version satisfies a constraint; `None` if that is none.
pub(crate) fn satisfies(constraint: &str, version: &Version) -> Option<bool> {
    let mut satisfied = false;
    for alternative in constraint.split("||") {
        let mut all = true;
        for (operator, wanted) in conditions(alternative)? {
            all &= holds(&operator, &wanted, version)?;
        }
        satisfied |= all;
    }
    Some(satisfied)
}

/// The conditions of one alternative, a range `a - b` taken apart.
fn conditions(text: &str) -> Option<Vec<(String, Partial)>> {
    let mut text = text.trim().to_owned();
    if let Some((low, high)) = text.split_once(" - ") {
        text = format!(">={} <={}", low.trim(), high.trim());
    }
    let mut found = Vec::new();
    let mut rest = text.as_str();
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if rest.is_empty() {
            break;
        }
        let length = rest
            .find(|c: char| !matches!(c, '=' | '!' | '<' | '>' | '~' | '^'))
            .unwrap_or(rest.len());
        let (operator, after) = rest.split_at(length);
        let after = after.trim_start();
        let end = after.find([' ', ',', '\t']).unwrap_or(after.len());
        let (wanted, after) = after.split_at(end);
        found.push((operator.to_owned(), partial(wanted)?));
        rest = after;
    }
    (!found.is_empty()).then_some(found)
}

fn holds(operator: &str, wanted: &Partial, version: &Version) -> Option<bool> {
    let limit = &wanted.version;
    // A pre-release satisfies only conditions that name one.
    if !version.pre.is_empty() && limit.pre.is_empty() && operator != "!=" {
        return match operator {
            "" | "=" | ">" | "<" | ">=" | "=>" | "<=" | "=<" | "~" | "~>" | "^" => Some(false),
            _ => None,
        };
    }
    let order = version.compare(limit);
    let same_major = version.major == limit.major;
    let same_minor = same_major && version.minor == limit.minor;
    let dirty = !wanted.minor_given || !wanted.patch_given;
    Some(match operator {
        "" | "=" if dirty => tilde(wanted, version),
        "" | "=" => order == Ordering::Equal,
        "!=" if !version.pre.is_empty() && limit.pre.is_empty() => false,
        "!=" if dirty => {
            !same_major
                || (wanted.minor_given && !same_minor)
                || (wanted.minor_given && wanted.patch_given && order != Ordering::Equal)
        }
        "!=" => order != Ordering::Equal,
        ">" if !dirty => order == Ordering::Greater,
        ">" => {
            // Whatever the missing parts are, it must be larger.
            version.major > limit.major
                || (wanted.minor_given && same_major && version.minor > limit.minor)
        }
        "<" => order == Ordering::Less,
        ">=" | "=>" => order != Ordering::Less,
        "<=" | "=<" if !dirty => order != Ordering::Greater,
        "<=" | "=<" => {
            version.major < limit.major
                || (same_major && (!wanted.minor_given || version.minor <= limit.minor))
        }
        "~" | "~>" => tilde(wanted, version),
        "^" => caret(wanted, version),
        _ => return None,
    })
}

fn tilde(wanted: &Partial, version: &Version) -> bool {
    let limit = &wanted.version;
    if version.compare(limit) == Ordering::Less {
        return false;
    }
    if wanted.any {
        return true;
    }
    version.major == limit.major && (!wanted.minor_given || version.minor == limit.minor)
}

fn caret(wanted: &Partial, version: &Version) -> bool {
    let limit = &wanted.version;
    if version.compare(limit) == Ordering::Less {
        return false;
    }
    if wanted.any {
        return true;
    }
    if limit.major > 0 || !wanted.minor_given {
        return version.major == limit.major;
    }
    if version.major > 0 {
        return false;
    }
    if limit.minor > 0 || !wanted.patch_given {
        return version.minor == limit.minor;
    }
    version.minor == 0 && version.patch == limit.patch
}
