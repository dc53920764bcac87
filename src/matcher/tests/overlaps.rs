//! Faults of whole sets: overlaps, rules that never match, slow patterns.

use crate::matcher::overlap::{Dead, Report, Why, lint};
use crate::matcher::{Entry, Found, Key, Matcher, Protocol, Strategy};

fn report(strategy: Strategy, rules: &[(&[&str], &str)]) -> Report {
    let methods: Vec<Vec<String>> = rules
        .iter()
        .map(|(methods, _)| methods.iter().map(|&method| method.to_owned()).collect())
        .collect();
    let entries: Vec<_> = rules
        .iter()
        .zip(&methods)
        .map(|((_, url), methods)| Entry {
            protocol: Protocol::Http,
            methods,
            url,
        })
        .collect();
    let report = lint(strategy, &entries);
    let (matcher, _) = Matcher::build(strategy, &entries);
    for overlap in &report.overlaps {
        let (scheme, rest) = overlap.url.split_once("://").unwrap();
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let key = Key {
            protocol: Protocol::Http,
            method: &overlap.method,
            scheme,
            host,
            path,
        };
        assert!(
            matches!(matcher.find(&key), Found::Several(..)),
            "{overlap:?}"
        );
    }
    report
}

fn pairs(urls: &[&str]) -> Vec<(u32, u32)> {
    let rules: Vec<(&[&str], &str)> = urls.iter().map(|&url| (&["GET"][..], url)).collect();
    report(Strategy::Regexp, &rules)
        .overlaps
        .iter()
        .map(|overlap| (overlap.first, overlap.second))
        .collect()
}

#[test]
fn a_literal_inside_a_prefix_overlaps() {
    assert_eq!(
        pairs(&["http://h/a/<.*>", "http://h/a/b", "http://h/c"]),
        [(0, 1)]
    );
}

#[test]
fn the_same_url_twice_overlaps() {
    assert_eq!(pairs(&["http://h/a", "http://h/a"]), [(0, 1)]);
}

#[test]
fn a_prefix_inside_a_prefix_overlaps() {
    assert_eq!(
        pairs(&["http://h/<.*>", "http://h/a/<.+>", "http://g/<.*>"]),
        [(0, 1)]
    );
}

#[test]
fn holes_that_meet_at_a_place_of_their_own_overlap() {
    let rules: &[(&[&str], &str)] = &[
        (&["GET"], "http://h/<[^/]+>/x"),
        (&["GET"], "http://h/y/<[^/]+>"),
    ];
    let report = report(Strategy::Regexp, rules);
    assert_eq!(report.overlaps.len(), 1);
    assert_eq!(report.overlaps[0].url, "http://h/y/x");
    assert!(report.complete);
}

#[test]
fn disjoint_holes_do_not_overlap() {
    assert!(
        pairs(&[
            "http://h/<[a-z]+>",
            "http://h/<[0-9]+>",
            "http://h/<(?!x).*\\.html>/<a|b>"
        ])
        .is_empty()
    );
}

#[test]
fn a_hole_that_excludes_a_literal_does_not_overlap_with_it() {
    assert!(pairs(&["http://h/<(?!admin$).*>", "http://h/admin"]).is_empty());
}

#[test]
fn rules_without_a_common_method_do_not_overlap() {
    let rules: &[(&[&str], &str)] = &[
        (&["GET"], "http://h/<.*>"),
        (&["POST", "PUT"], "http://h/<.*>"),
        (&["put"], "http://h/a"),
    ];
    let report = report(Strategy::Regexp, rules);
    assert_eq!(
        report
            .overlaps
            .iter()
            .map(|overlap| (overlap.first, overlap.second))
            .collect::<Vec<_>>(),
        [(1, 2)]
    );
}

#[test]
fn globs_overlap_too() {
    let rules: &[(&[&str], &str)] = &[
        (&["GET"], "http://h/<{a,b}>/<*>"),
        (&["GET"], "http://h/<*>/c"),
        (&["GET"], "http://h/<*.css>"),
    ];
    let report = report(Strategy::Glob, rules);
    assert_eq!(
        report
            .overlaps
            .iter()
            .map(|overlap| (overlap.first, overlap.second))
            .collect::<Vec<_>>(),
        [(0, 1)]
    );
}

#[test]
fn rules_that_never_match_are_found_with_the_reason() {
    let rules: &[(&[&str], &str)] = &[
        (&["GET"], "http://h/a/"),
        (&["GET"], "http://h/"),
        (&["GET"], "h/a"),
        (&[], "http://h/b"),
        (&["GET"], "http://h/a//b"),
        (&["GET"], "http://h/<.*>/"),
        (&["GET"], "HTTP://h/c"),
        (&["GET"], "http://h/c?x=<.*>"),
    ];
    let expected = [
        (0, Why::TrailingSlash),
        (2, Why::NoScheme),
        (3, Why::NoMethods),
        (4, Why::UncleanPath),
        (5, Why::TrailingSlash),
        (6, Why::NoSuchUrl),
        (7, Why::Query),
    ];
    let report = report(Strategy::Regexp, rules);
    assert_eq!(
        report.dead,
        expected.map(|(entry, why)| Dead { entry, why })
    );
}

#[test]
fn a_pattern_that_must_be_tried_in_every_way_is_slow() {
    let rules: &[(&[&str], &str)] = &[
        (&["GET"], "http://h/a/<(?:(?<x>a+)\\k<x>?)+>b"),
        (&["GET"], "http://h/b/<(a+)+>"),
    ];
    assert_eq!(report(Strategy::Regexp, rules).slow, [0]);
}
