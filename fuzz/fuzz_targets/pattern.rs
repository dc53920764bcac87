//! Any patterns and subject: a pattern is refused or compiles, matching ends, and the index finds what the obvious matcher finds.
#![no_main]

use doorward::matcher::naive::Naive;
use doorward::matcher::{Entry, Found, Key, Matcher, Pattern, Protocol, Strategy};
use libfuzzer_sys::fuzz_target;

// Input: a pattern, a subject and more patterns, one a line.
fuzz_target!(|text: &str| {
    let mut lines = text.split('\n').take(8);
    let (first, subject) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let patterns: Vec<&str> = std::iter::once(first).chain(lines).collect();
    for strategy in [Strategy::Regexp, Strategy::Glob] {
        alone(strategy, first, subject);
        if let Some(key) = key(subject) {
            together(strategy, &patterns, &key);
        }
    }
});

fn alone(strategy: Strategy, pattern: &str, subject: &str) {
    let Ok(pattern) = Pattern::new(strategy, pattern) else {
        return;
    };
    let Ok(matches) = pattern.matches(subject) else {
        return;
    };
    if let Ok(captures) = pattern.captures(subject) {
        assert_eq!(captures.is_some(), matches);
    }
}

/// A subject as canonical requests have it.
fn key(subject: &str) -> Option<Key<'_>> {
    let (scheme, rest) = subject.split_once("://")?;
    let (host, path) = rest.split_at(rest.find('/')?);
    let lower = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase())
    };
    let fits = lower(scheme) && !scheme.contains(':') && lower(host);
    fits.then_some(Key {
        protocol: Protocol::Http,
        method: "GET",
        scheme,
        host,
        path,
    })
}

fn together(strategy: Strategy, patterns: &[&str], key: &Key<'_>) {
    let methods = ["GET".to_owned()];
    let entry = |&url| Entry {
        protocol: Protocol::Http,
        methods: &methods,
        url,
    };
    let entries: Vec<Entry<'_>> = patterns.iter().map(entry).collect();
    let (matcher, errors) = Matcher::build(strategy, &entries);
    let (naive, obvious_errors) = Naive::build(strategy, &entries);
    assert_eq!(errors, obvious_errors);
    match (matcher.find(key), naive.find(key)) {
        // Which two of several are named is not settled; what takes the obvious matcher too long, the index may know at once.
        (Found::Several(..), Found::Several(..)) | (_, Found::Overrun(_)) => {}
        (found, expected) => assert_eq!(found, expected),
    }
    if let Found::One(entry) = matcher.find(key) {
        assert_eq!(matcher.captures(entry, key), naive.captures(entry, key));
    }
}
