//! Which handler answers.

use super::*;
use crate::canonical::{Described, PathPolicy, Scheme, for_description};
use crate::pipeline::Client;
use http::HeaderMap;
use std::net::IpAddr;

/// Takes one status and answers with another.
#[derive(Debug)]
struct Stub {
    takes: u16,
    answers: u16,
}

impl ErrorHandler for Stub {
    fn applies(&self, _: &RequestView<'_>, denial: &Denial) -> Verdict {
        if denial.status() == self.takes {
            Verdict::Takes
        } else {
            Verdict::Passes
        }
    }

    fn render(&self, _: &RequestView<'_>, _: &Denial) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::from_u16(self.answers).expect("a status");
        answer
    }
}

fn works(takes: u16, answers: u16) -> Strategy {
    Strategy::Works(Arc::new(Stub { takes, answers }))
}

fn broken() -> Strategy {
    Strategy::Broken(Arc::new(
        Denial::new(Reason::Misconfigured).because("a key in a file"),
    ))
}

fn answers(rule: Vec<Strategy>, fallback: Vec<Strategy>) -> Answers {
    Answers {
        rule,
        fallback: fallback.into(),
        on_ambiguity: OnAmbiguity::First,
        dependency_status: DependencyStatus::Recorded,
    }
}

fn answer(answers: &Answers, reason: Reason) -> (u16, String) {
    let described = Described {
        method: "GET",
        scheme: Scheme::Http,
        host: b"app.test",
        target: b"/",
    };
    let canonical = for_description(&described, &PathPolicy::default()).expect("a request");
    let local = IpAddr::from([127, 0, 0, 1]);
    let request = RequestView {
        canonical: &canonical,
        headers: &HeaderMap::new(),
        transport_host: "app.test",
        client: Client {
            peer: local,
            address: local,
        },
        body: None,
    };
    let answer = answers.answer(&request, &Denial::new(reason));
    let body = String::from_utf8(answer.body().to_vec()).expect("text");
    (answer.status().as_u16(), body)
}

#[test]
fn the_rules_own_handlers_come_first_and_in_order() {
    let both = answers(
        vec![works(403, 301), works(403, 302)],
        vec![works(403, 418)],
    );
    assert_eq!(answer(&both, Reason::Forbidden).0, 301);
    let second = answers(
        vec![works(401, 301), works(403, 302)],
        vec![works(403, 418)],
    );
    assert_eq!(answer(&second, Reason::Forbidden).0, 302);
    let neither = answers(
        vec![works(401, 301)],
        vec![works(404, 302), works(403, 418)],
    );
    assert_eq!(answer(&neither, Reason::Forbidden).0, 418);
}

#[test]
fn a_broken_handler_answers_500_where_it_is_reached() {
    for (rule, fallback) in [
        (vec![broken(), works(403, 302)], vec![works(403, 418)]),
        (vec![works(401, 302), broken()], vec![works(403, 418)]),
        (vec![], vec![broken(), works(403, 418)]),
    ] {
        let (status, body) = answer(&answers(rule, fallback), Reason::Forbidden);
        assert_eq!(status, 500);
        assert!(!body.contains("a key in a file"), "{body}");
    }
    let not_reached = answers(vec![works(403, 302), broken()], vec![broken()]);
    assert_eq!(answer(&not_reached, Reason::Forbidden).0, 302);
}

#[test]
fn two_that_match_are_an_error_only_where_that_is_asked_for() {
    let mut both = answers(vec![works(403, 301), works(403, 302)], vec![]);
    both.on_ambiguity = OnAmbiguity::Error;
    let (status, body) = answer(&both, Reason::Forbidden);
    assert_eq!(status, 500);
    assert!(body.contains("more than one error handlers"), "{body}");
    let mut one = answers(vec![works(403, 301), works(401, 302)], vec![]);
    one.on_ambiguity = OnAmbiguity::Error;
    assert_eq!(answer(&one, Reason::Forbidden).0, 301);
}

#[test]
fn where_nobody_answers_a_500_says_so() {
    let (status, body) = answer(&answers(vec![], vec![works(404, 418)]), Reason::Forbidden);
    assert_eq!(status, 500);
    assert!(
        body.contains("no matching error handling strategy was found"),
        "{body}"
    );
}

#[test]
fn failed_dependencies_can_be_a_gateways_errors() {
    let mut gateway = answers(
        vec![],
        vec![works(502, 302), works(504, 303), works(403, 418)],
    );
    gateway.dependency_status = DependencyStatus::Gateway;
    assert_eq!(answer(&gateway, Reason::DependencyUnavailable).0, 302);
    assert_eq!(answer(&gateway, Reason::DependencyTimeout).0, 303);
    assert_eq!(answer(&gateway, Reason::Forbidden).0, 418);
}
