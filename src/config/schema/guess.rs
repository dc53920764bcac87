//! What a misspelt name was probably meant to be.

/// The known name closest to `written`, if it is close enough to be meant.
pub fn closest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = plain(written);
    known
        .into_iter()
        .map(|name| (distance(&plain, &self::plain(name)), name))
        .filter(|(distance, name)| *distance * 3 <= name.len().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Without case and separators, so that `preserveHost` and `preserve-host` are `preserve_host`.
fn plain(name: &str) -> Vec<char> {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(64)
        .collect()
}

/// How many letters must be added, dropped or changed.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX - 1);
            let change = at(&row, j) + usize::from(x != y);
            next.push(change.min(at(&row, j + 1) + 1).min(at(&next, j) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_name_is_found_by_spelling_and_not_by_force() {
        let known = ["preserve_host", "strip_path", "url"];
        assert_eq!(closest("preserveHost", known), Some("preserve_host"));
        assert_eq!(closest("strippath", known), Some("strip_path"));
        assert_eq!(closest("ulr", known), None);
        assert_eq!(closest("timeout", known), None);
    }
}
