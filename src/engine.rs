//! Match, run, decide: the straight path of a request.

use crate::canonical::{self, EncodedSlashes, Scheme};
use crate::matcher::{Found, Key, Protocol};
use crate::pipeline::{Captures, Denial, Grant, Reason, Refusal, RequestView};
use crate::snapshot::{Live, Rule, Snapshot};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Histogram;
use bytes::Bytes;
use futures_util::FutureExt;
use http::Response;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Decides on requests, with whatever snapshot is live when they come.
#[derive(Debug, Clone)]
pub struct Engine {
    live: Arc<Live>,
}

/// A request's rule, or why it has none. Holds its snapshot, so that all later steps see the same rules.
#[derive(Debug)]
pub struct Matched {
    snapshot: Arc<Snapshot>,
    found: Result<usize, Reason>,
}

/// What was decided on one request.
#[derive(Debug)]
pub struct Decision {
    matched: Matched,
    pub outcome: Result<Grant, Refused>,
}

/// Why a request was not let through: before a rule was found, or by the rule's pipeline.
#[derive(Debug)]
pub enum Refused {
    Unmatched(Denial),
    ByRule(Refusal),
}

impl Refused {
    pub fn denial(&self) -> &Denial {
        match self {
            Refused::Unmatched(denial) => denial,
            Refused::ByRule(refusal) => &refusal.denial,
        }
    }
}

impl Engine {
    pub fn new(live: Arc<Live>) -> Engine {
        Engine { live }
    }

    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Finds the one rule of a request. No lock, no allocation. A defect of the matcher is a refusal, like any other fault.
    pub fn find(&self, request: &canonical::Request) -> Matched {
        let snapshot = self.live.load();
        let find = AssertUnwindSafe(|| snapshot.matcher.find(&key(request)));
        let found = match std::panic::catch_unwind(find) {
            Ok(Found::One(rule)) => Ok(rule as usize),
            Ok(Found::None) => Err(Reason::NoRule),
            Ok(Found::Several(..)) => Err(Reason::SeveralRules),
            Ok(Found::Overrun(_)) => Err(Reason::MatchOverrun),
            Err(_) => Err(Reason::Panicked),
        };
        let found = match refuses_slash(&snapshot, request, found.ok()) {
            true => Err(Reason::BadRequest),
            false => found,
        };
        Matched { snapshot, found }
    }

    /// Runs the pipeline of the request's rule. Total: whatever goes wrong comes back as a refusal, a panic too.
    pub async fn decide(&self, matched: Matched, view: &RequestView<'_>) -> Decision {
        let outcome = match matched.rule() {
            Ok(rule) => {
                let captures = PatternCaptures {
                    matched: &matched,
                    request: view.canonical,
                };
                // Nothing that the pipeline leaves behind is seen again: the session goes with it.
                let run = AssertUnwindSafe(rule.pipeline.run(view, &captures));
                match run.catch_unwind().await {
                    Ok(outcome) => outcome.map_err(Refused::ByRule),
                    Err(_) => Err(Refused::Unmatched(Denial::new(Reason::Panicked))),
                }
            }
            Err(reason) => Err(Refused::Unmatched(Denial::new(reason))),
        };
        Decision { matched, outcome }
    }
}

impl Matched {
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    pub fn rule(&self) -> Result<&Rule, Reason> {
        let index = self.found?;
        // INVARIANT: the matcher's entries are the snapshot's rules. A miss would be a defect, and is a refusal.
        self.snapshot.rules.get(index).ok_or(Reason::Panicked)
    }

    /// Whether the door must be able to hand out the request's body.
    pub fn needs_body(&self) -> bool {
        self.rule().is_ok_and(|rule| rule.pipeline.needs_body())
    }
}

impl Decision {
    /// A refusal that a door makes itself, after the rule was found (no upstream, a body that broke off).
    pub fn refuse(self, denial: Denial) -> Decision {
        Decision {
            matched: self.matched,
            outcome: Err(Refused::Unmatched(denial)),
        }
    }

    pub fn rule(&self) -> Option<&Rule> {
        self.matched.rule().ok()
    }

    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.matched.snapshot
    }

    /// The answer to a refused request; `None` where it was granted.
    pub fn answer(&self, view: &RequestView<'_>) -> Option<Response<Bytes>> {
        let refused = self.outcome.as_ref().err()?;
        let answers = self
            .rule()
            .map_or(&self.matched.snapshot.answers, |rule| &rule.answers);
        Some(answers.answer(view, refused.denial()))
    }
}

/// Counts what is decided at one door. Handles are made here, once.
#[derive(Debug)]
pub struct Meter {
    metrics: Arc<Metrics>,
    times: Arc<Histogram>,
}

impl Meter {
    pub fn new(metrics: &Arc<Metrics>, door: &str) -> Meter {
        Meter {
            metrics: metrics.clone(),
            times: metrics.decisions.with([door]),
        }
    }

    /// Counts a decision, and says how long it took.
    pub fn decided(&self, decision: &Decision, started: Instant) -> Duration {
        let took = started.elapsed();
        self.times.observe(took);
        let meter = match decision.rule() {
            Some(rule) => &rule.meter,
            None => self.metrics.no_rule(),
        };
        match &decision.outcome {
            Ok(_) => meter.granted(),
            Err(refused) => {
                let reason = refused.denial().reason;
                if reason == Reason::Panicked {
                    self.metrics.panics.with([]).increment();
                }
                meter.denied(reason.label());
            }
        }
        took
    }

    /// Counts a request that could not be understood, on which nothing was decided.
    pub fn rejected(&self) {
        let reason = Reason::BadRequest.label();
        self.metrics.no_rule().denied(reason);
    }
}

/// Runs the matched pattern once more, for those who want its groups.
struct PatternCaptures<'a> {
    matched: &'a Matched,
    request: &'a canonical::Request,
}

impl Captures for PatternCaptures<'_> {
    fn groups(&self) -> Vec<String> {
        let Ok(index) = self
            .matched
            .found
            .and_then(|index| u32::try_from(index).map_err(|_| Reason::Panicked))
        else {
            return Vec::new();
        };
        self.matched
            .snapshot
            .matcher
            .captures(index, &key(self.request))
            .unwrap_or_default()
    }
}

/// Whether the request's path has a `%2F` that its rule, or where it has none the configuration, does not allow.
pub fn refuses_slash(
    snapshot: &Snapshot,
    request: &canonical::Request,
    rule: Option<usize>,
) -> bool {
    let rule = rule.and_then(|index| snapshot.rules.get(index));
    let policy = rule.map_or(snapshot.encoded_slashes, |rule| rule.encoded_slashes);
    policy == EncodedSlashes::Reject && request.has_encoded_slash()
}

/// What the matcher looks a request up by.
pub fn key(request: &canonical::Request) -> Key<'_> {
    let protocol = match request.scheme() {
        Scheme::Http | Scheme::Https | Scheme::Other(_) => Protocol::Http,
        Scheme::Rpc => Protocol::Rpc,
    };
    Key {
        protocol,
        method: request.method(),
        scheme: request.scheme_str(),
        host: request.host(),
        path: request.path(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Forwarded, Inbound, PathPolicy, TrailingSlash, Trust};
    use crate::matcher::{Entry, Matcher, Strategy};
    use crate::pipeline::{Authenticator, Authn, Client, Pipeline, Step};
    use async_trait::async_trait;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use std::net::{IpAddr, Ipv4Addr};

    #[derive(Debug)]
    struct Defective;

    #[async_trait]
    impl Authenticator for Defective {
        async fn authenticate(&self, _: &RequestView<'_>) -> Result<Authn, Denial> {
            panic!("a defect")
        }
    }

    fn snapshot() -> Snapshot {
        let methods = ["GET".to_owned()];
        let entry = Entry {
            protocol: Protocol::Http,
            methods: &methods,
            url: "http://door.test/",
        };
        let (matcher, _) = Matcher::build(Strategy::Regexp, &[entry]);
        let empty = Snapshot::empty();
        let step = Step {
            id: "defective".into(),
            handler: Arc::new(Defective) as Arc<dyn Authenticator>,
            meter: None,
        };
        Snapshot {
            generation: 1,
            matcher,
            rules: vec![Rule {
                id: "a".into(),
                pipeline: Arc::new(Pipeline {
                    authenticators: vec![step],
                    authorizer: None,
                    mutators: Vec::new(),
                }),
                answers: Arc::new(empty.answers.clone()),
                upstream: None,
                encoded_slashes: EncodedSlashes::Keep,
                meter: Arc::default(),
            }],
            answers: empty.answers,
            encoded_slashes: EncodedSlashes::Reject,
        }
    }

    fn anything() -> Matcher {
        let entry = Entry {
            protocol: Protocol::Http,
            methods: &["GET".to_owned()],
            url: "http://door.test/any/<.*>",
        };
        Matcher::build(Strategy::Regexp, &[entry]).0
    }

    fn request(target: &str) -> canonical::Request {
        let described = canonical::Described {
            method: "GET",
            scheme: Scheme::Http,
            host: b"door.test",
            target: target.as_bytes(),
        };
        canonical::for_description(&described, &PathPolicy::default()).unwrap()
    }

    #[tokio::test]
    async fn a_panic_in_a_handler_is_a_refusal_with_an_answer() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("door.test"));
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let inbound = Inbound {
            method: "GET",
            target: b"/",
            authority: None,
            tls: false,
            peer,
            headers: &headers,
        };
        let trust = Trust {
            proxies: Vec::new(),
            forwarded: Forwarded::Ignored,
        };
        let paths = PathPolicy {
            trailing_slash: TrailingSlash::Keep,
            max_target_bytes: 1024,
        };
        let request = canonical::for_proxy(&inbound, &trust, &paths).unwrap();
        let view = RequestView {
            canonical: &request,
            headers: &headers,
            transport_host: "door.test",
            client: Client {
                peer,
                address: peer,
            },
            body: None,
        };
        let engine = Engine::new(Arc::new(Live::new(snapshot())));
        let decision = engine.decide(engine.find(&request), &view).await;
        let refused = decision.outcome.as_ref().unwrap_err();
        assert_eq!(refused.denial().reason, Reason::Panicked);
        let answer = decision.answer(&view).unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn an_encoded_slash_is_for_the_rule_to_allow_and_for_the_configuration_where_there_is_none() {
        let found = |rule: EncodedSlashes, all: EncodedSlashes, target: &str| {
            let mut snapshot = snapshot();
            snapshot.matcher = anything();
            snapshot.encoded_slashes = all;
            for known in &mut snapshot.rules {
                known.encoded_slashes = rule;
            }
            let request = request(target);
            Engine::new(Arc::new(Live::new(snapshot)))
                .find(&request)
                .found
        };
        let (keep, reject) = (EncodedSlashes::Keep, EncodedSlashes::Reject);
        assert_eq!(found(reject, keep, "/any/a%2Fb"), Err(Reason::BadRequest));
        assert_eq!(found(reject, keep, "/any/a/b"), Ok(0));
        assert_eq!(found(keep, reject, "/any/a%2fb"), Ok(0));
        assert_eq!(found(keep, reject, "/none/a%2Fb"), Err(Reason::BadRequest));
        assert_eq!(found(reject, keep, "/none/a%2Fb"), Err(Reason::NoRule));
    }
}
