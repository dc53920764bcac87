//! Lookups at 10 to 100,000 rules: hits, misses and sets made to be slow, with the linear matcher for contrast.
//!
//! Requests cycle through 64 rules spread over the set, so that what is measured is the index and not the memory of the machine;
//! `cold` cycles through 20,000.

#![allow(
    clippy::unwrap_used,
    reason = "a bench stops where something is not as it should be"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use doorward::matcher::naive::Naive;
use doorward::matcher::{Entry, Key, Matcher, Protocol, Strategy};

const SIZES: [usize; 4] = [10, 1_000, 10_000, 100_000];

/// A shape of rules, and how to hit one of them.
struct Shape {
    name: &'static str,
    url: fn(usize) -> String,
    path: fn(usize) -> String,
    host: fn(usize) -> String,
}

fn service(n: usize) -> String {
    format!("svc{}.example.com", n % 100)
}

fn one_host(_: usize) -> String {
    "h".to_owned()
}

const USUAL: [Shape; 5] = [
    Shape {
        name: "literal",
        url: |n| format!("http://{}/api/v1/thing{n}", service(n)),
        path: |n| format!("/api/v1/thing{n}"),
        host: service,
    },
    Shape {
        name: "prefix",
        url: |n| format!("http://{}/api/v1/thing{n}/<.*>", service(n)),
        path: |n| format!("/api/v1/thing{n}/items/42/detail"),
        host: service,
    },
    Shape {
        name: "miss",
        url: |n| format!("http://{}/api/v1/thing{n}/<.*>", service(n)),
        path: |n| format!("/api/v1/other{n}/items/42"),
        host: service,
    },
    Shape {
        name: "segments",
        url: |n| {
            format!(
                "<https|http>://{}/thing{n}/<[0-9]+>/sub/<[^/]+>",
                service(n)
            )
        },
        path: |n| format!("/thing{n}/12345/sub/abc"),
        host: service,
    },
    Shape {
        name: "look-ahead",
        url: |n| format!("http://{}/app{n}/<(?!admin).*>", service(n)),
        path: |n| format!("/app{n}/users/list/all"),
        host: service,
    },
];

const ADVERSARIAL: [Shape; 4] = [
    Shape {
        name: "one beginning",
        url: |n| format!("http://h/shared/prefix/<.*>/end{n}"),
        path: |n| format!("/shared/prefix/{}end{n}", "x/".repeat(20)),
        host: one_host,
    },
    Shape {
        name: "no beginning",
        url: |n| format!("<.*>/item{n}/<.*>"),
        path: |n| format!("/a/b/c/item{n}/d/e"),
        host: one_host,
    },
    Shape {
        name: "many at once",
        url: |n| format!("<.*>/item{n}/<.*>"),
        path: |n| {
            (0..20)
                .map(|more| format!("/item{}", (n + more) % 10))
                .collect()
        },
        host: one_host,
    },
    Shape {
        name: "beginnings in beginnings",
        url: |n| format!("http://h/{}<[0-9]+>", "a".repeat(n % 200)),
        path: |n| format!("/{}", "a".repeat(n % 200)),
        host: one_host,
    },
];

fn with_rules<T>(shape: &Shape, size: usize, run: impl FnOnce(&[Entry<'_>]) -> T) -> T {
    let methods = ["GET".to_owned(), "POST".to_owned()];
    let urls: Vec<String> = (0..size).map(shape.url).collect();
    let entries: Vec<_> = urls
        .iter()
        .map(|url| Entry {
            protocol: Protocol::Http,
            methods: &methods,
            url,
        })
        .collect();
    run(&entries)
}

/// Hosts and paths that hit rules all over the set.
fn requests(shape: &Shape, size: usize, count: usize) -> Vec<(String, String)> {
    let rule = |n: usize| (n * 7_919) % size;
    (0..count)
        .map(|n| ((shape.host)(rule(n)), (shape.path)(rule(n))))
        .collect()
}

fn key<'a>((host, path): &'a (String, String)) -> Key<'a> {
    Key {
        protocol: Protocol::Http,
        method: "GET",
        scheme: "http",
        host,
        path,
    }
}

fn lookups(criterion: &mut Criterion) {
    for (group, shapes) in [
        ("usual", USUAL.as_slice()),
        ("adversarial", ADVERSARIAL.as_slice()),
    ] {
        let mut group = criterion.benchmark_group(group);
        for (shape, size) in shapes
            .iter()
            .flat_map(|shape| SIZES.map(|size| (shape, size)))
        {
            let matcher = with_rules(shape, size, |entries| {
                Matcher::build(Strategy::Regexp, entries).0
            });
            let requests = requests(shape, size, 64);
            let mut next = requests.iter().cycle();
            group.bench_function(BenchmarkId::new(shape.name, size), |bench| {
                bench.iter(|| matcher.find(black_box(&key(next.next().unwrap()))));
            });
        }
        group.finish();
    }
}

fn cold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cold");
    let [_, shape, ..] = &USUAL;
    for size in SIZES {
        let matcher = with_rules(shape, size, |entries| {
            Matcher::build(Strategy::Regexp, entries).0
        });
        let requests = requests(shape, size, 20_000);
        let mut next = requests.iter().cycle();
        group.bench_function(BenchmarkId::new(shape.name, size), |bench| {
            bench.iter(|| matcher.find(black_box(&key(next.next().unwrap()))));
        });
    }
    group.finish();
}

fn naive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("naive");
    let [_, shape, ..] = &USUAL;
    for size in [10, 1_000] {
        let naive = with_rules(shape, size, |entries| {
            Naive::build(Strategy::Regexp, entries).0
        });
        let requests = requests(shape, size, 64);
        let mut next = requests.iter().cycle();
        group.bench_function(BenchmarkId::new(shape.name, size), |bench| {
            bench.iter(|| naive.find(black_box(&key(next.next().unwrap()))));
        });
    }
    group.finish();
}

fn builds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    group.sample_size(10);
    for shape in &USUAL {
        with_rules(shape, 100_000, |entries| {
            group.bench_function(shape.name, |bench| {
                bench.iter(|| Matcher::build(Strategy::Regexp, black_box(entries)))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, lookups, cold, naive, builds);
criterion_main!(benches);
