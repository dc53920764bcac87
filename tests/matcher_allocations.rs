//! Lookups allocate nothing. Alone in its program, because the counting allocator counts every thread's allocations.

use std::alloc::System;

use doorward::matcher::{Entry, Found, Key, Matcher, Protocol, Strategy};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_lookup_allocates_nothing_once_its_thread_has_warmed_up() {
    let methods = ["GET".to_owned()];
    let mut urls: Vec<String> = (0..300)
        .map(|n| format!("http://h{}.test/a{n}/<.*>", n % 7))
        .collect();
    urls.extend((0..50).map(|n| format!("<https|http>://h/s/<[0-9]+>/x{n}/<[^/]+>")));
    urls.extend((0..50).map(|n| format!("<.*>/item{n}/<.*>")));
    urls.extend((0..50).map(|n| format!("http://h/l/<(?!admin).*>/l{n}")));
    urls.extend((1..40).map(|n| format!("http://h/n/<[a-z]{{{n}}}>")));
    urls.push("http://h/b/<(?<x>a|b)-\\k<x>>".to_owned());
    urls.push("http://h/slow/<(?:(?<x>a+)\\k<x>?)+>b".to_owned());
    let entries: Vec<_> = urls
        .iter()
        .map(|url| Entry {
            protocol: Protocol::Http,
            methods: &methods,
            url,
        })
        .collect();
    let (matcher, errors) = Matcher::build(Strategy::Regexp, &entries);
    assert!(errors.is_empty());
    let slow = format!("/slow/{}c", "a".repeat(60));
    let requests = [
        ("h3.test", "/a10/some/path", true),
        ("h3.test", "/a11/some/path", false),
        ("h", "/s/12/x7/y", true),
        ("h", "/item3/d", true),
        ("h", "/item3/item4/d/é", true),
        ("h", "/l/user/l4", true),
        ("h", "/l/admin/l4", false),
        ("h", "/n/abc", true),
        ("h", "/n/abcé", false),
        ("h", "/b/a-a", true),
        ("h", &slow, false),
    ];
    let look_up_all = || {
        for &(host, path, expected) in &requests {
            let key = Key {
                protocol: Protocol::Http,
                method: "GET",
                scheme: "http",
                host,
                path,
            };
            let found = matcher.find(&key);
            assert_eq!(
                found != Found::None && !matches!(found, Found::Overrun(_)),
                expected,
                "{path}"
            );
        }
    };
    look_up_all();
    let region = Region::new(ALLOCATOR);
    for _ in 0..100 {
        look_up_all();
    }
    let change = region.change();
    assert_eq!(change.allocations + change.reallocations, 0, "{change:?}");
}
