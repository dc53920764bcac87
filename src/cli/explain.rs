//! `explain`: which rule a request meets, why others miss it, and who would speak for its credentials. Nothing is asked of a server.

use super::{UNUSABLE, complain, print};
use crate::app::{self, Inspected};
use crate::canonical::{Inbound, Request, for_proxy};
use crate::clients::Clients;
use crate::clients::http::{Answer, Call, CallError, StandIn, origin};
use crate::engine;
use crate::matcher::{Candidate, Outcome};
use crate::pipeline::{Authn, Client, Pipeline, RequestView};
use crate::reading::Policy;
use crate::rules::raw::{HandlerUse, Rule};
use clap::Args;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Nobody's address: the request comes from a stranger, unless everybody is a trusted proxy.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// Rules that missed and are told about.
const MISSES: usize = 5;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The method, such as GET.
    method: String,
    /// The whole URL, such as https://api.example/users/7.
    url: String,
    /// A header that the request has, such as `Authorization: Bearer abc`. May be repeated.
    ///
    /// The request counts as a stranger's: forwarding headers are taken away as from anybody outside of `trusted_proxies`. `Host`
    /// takes the place of the URL's. With a header it is also said which authenticator of the rule would take the request.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
}

/// Says which rule a request matches, and the nearest misses.
pub(super) fn run(files: &[PathBuf], arguments: &Arguments) -> ExitCode {
    let sent = match Sent::read(arguments) {
        Ok(sent) => sent,
        Err(why) => {
            complain(&why);
            return ExitCode::from(UNUSABLE);
        }
    };
    let unasked = Arc::new(Unasked::default());
    let inspected = app::inspect_with(files, app::environment(), |settings| {
        Clients::without_network(settings, unasked.clone())
    });
    match inspected {
        Ok(inspected) => sent.explain(&inspected, &unasked),
        Err(problems) => {
            complain(&problems.to_string());
            ExitCode::from(UNUSABLE)
        }
    }
}

/// The request as it would come over a connection.
struct Sent<'a> {
    method: &'a str,
    target: &'a str,
    tls: bool,
    /// With the host.
    headers: HeaderMap,
    /// Whether the caller named headers, and wants to know what becomes of them.
    asks_of_headers: bool,
}

impl<'a> Sent<'a> {
    /// `Err` says what can't be understood.
    fn read(arguments: &'a Arguments) -> Result<Sent<'a>, String> {
        let url = arguments.url.as_str();
        let unusable = || format!("`{url}` is not a URL with http or https and a host");
        let (scheme, rest) = url.split_once("://").ok_or_else(unusable)?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(unusable()),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, target) = rest.split_at_checked(end).ok_or_else(unusable)?;
        let mut headers = HeaderMap::new();
        for line in &arguments.headers {
            let (name, value) = header(line)
                .ok_or_else(|| format!("not a header such as `Name: value`: `{line}`"))?;
            headers.append(name, value);
        }
        if !headers.contains_key(HOST) {
            let host = HeaderValue::from_str(host).map_err(|_| unusable())?;
            headers.insert(HOST, host);
        }
        Ok(Sent {
            method: &arguments.method,
            target: if target.is_empty() { "/" } else { target },
            tls,
            headers,
            asks_of_headers: !arguments.headers.is_empty(),
        })
    }

    fn explain(mut self, inspected: &Inspected, unasked: &Unasked) -> ExitCode {
        let reading = Policy::of_proxy(&inspected.config);
        let inbound = Inbound {
            method: self.method,
            target: self.target.as_bytes(),
            authority: None,
            tls: self.tls,
            peer: STRANGER,
            headers: &self.headers,
        };
        let request = match for_proxy(&inbound, &reading.trust, &reading.paths) {
            Ok(request) => request,
            Err(rejection) => {
                let status = rejection.status();
                print(&format!(
                    "refused with {status} before any rule: {rejection}\n"
                ));
                return ExitCode::FAILURE;
            }
        };
        let (rules, snapshot) = (&inspected.rules, &inspected.snapshot);
        let key = engine::key(&request);
        print(&format!("{} {}\n", key.method, key.subject()));
        for name in self.clean(&reading) {
            print(&format!("  header `{name}` goes no further\n"));
        }
        let candidates = snapshot.matcher.candidates(&key);
        let (matched, missed): (Vec<&Candidate>, Vec<&Candidate>) = candidates
            .iter()
            .partition(|candidate| candidate.outcome == Outcome::Matched);
        let matched: Vec<usize> = matched
            .iter()
            .map(|candidate| candidate.entry as usize)
            .collect();
        let only = match *matched {
            [only] => Some(only),
            _ => None,
        };
        if engine::refuses_slash(snapshot, &request, only) {
            print("refused with 400: the path has an encoded slash\n");
            return ExitCode::FAILURE;
        }
        let rule = only.and_then(|only| rules.get(only).zip(snapshot.rules.get(only)));
        match (rule, matched.is_empty()) {
            (Some((rule, built)), _) => {
                print(&steps(rule, inspected));
                if self.asks_of_headers {
                    print(&self.who_speaks(&request, &built.pipeline, unasked));
                }
            }
            (None, true) => print("no rule matches: answered 404\n"),
            (None, false) => {
                let ids = matched.iter().filter_map(|index| rules.get(*index));
                let ids: Vec<&str> = ids.map(|rule| &*rule.id).collect();
                print(&format!(
                    "several rules match: answered 500: {}\n",
                    ids.join(", ")
                ));
            }
        }
        for candidate in missed.iter().take(MISSES) {
            if let Some(rule) = rules.get(candidate.entry as usize) {
                print(&format!(
                    "  not `{}` ({}): {}\n",
                    rule.id,
                    rule.pattern(),
                    why(candidate.outcome)
                ));
            }
        }
        match rule {
            Some(_) => ExitCode::SUCCESS,
            None => ExitCode::FAILURE,
        }
    }

    /// Takes away what no handler may see, and names it.
    fn clean(&mut self, reading: &Policy) -> Vec<HeaderName> {
        let mut gone: Vec<HeaderName> = self.headers.keys().cloned().collect();
        reading.clean(&mut self.headers, STRANGER);
        gone.retain(|name| !self.headers.contains_key(name));
        gone
    }

    /// What each authenticator of the rule makes of the credentials, up to the one that takes the request.
    fn who_speaks(&self, request: &Request, pipeline: &Pipeline, unasked: &Unasked) -> String {
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok());
        let view = RequestView {
            canonical: request,
            headers: &self.headers,
            transport_host: host.unwrap_or(request.host()),
            client: Client {
                peer: STRANGER,
                address: STRANGER,
            },
            body: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return format!("  authenticators can't be tried: {error}\n"),
        };
        let mut text = String::new();
        for step in &pipeline.authenticators {
            let said = runtime.block_on(step.handler.authenticate(&view));
            let (said, ends) = match (unasked.take(), said) {
                (Some(server), _) => (format!("takes the request, and would ask {server}"), true),
                (None, Ok(Authn::Identified(identity))) => (
                    format!("takes the request, as `{}`", identity.subject),
                    true,
                ),
                (None, Ok(Authn::Skip)) => ("finds no credentials of its kind".to_owned(), false),
                (None, Err(denial)) => {
                    let (status, reason) = (denial.status(), denial.reason.label());
                    let status = status.as_u16();
                    (format!("refuses the request: {status}, {reason}"), true)
                }
            };
            text += &format!("  `{}` {said}\n", step.id);
            if ends {
                return text;
            }
        }
        text + "  no authenticator takes the request: answered 401\n"
    }
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let value = HeaderValue::from_str(value.trim_matches([' ', '\t'])).ok()?;
    Some((name, value))
}

/// Stands in for all servers, none of which is asked, and remembers who would have been first.
#[derive(Debug, Default)]
struct Unasked(Mutex<Option<String>>);

impl Unasked {
    fn take(&self) -> Option<String> {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.take()
    }
}

impl StandIn for Unasked {
    fn answer(&self, call: &Call) -> Result<Answer, CallError> {
        let to = origin(&call.url);
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| to.clone());
        Err(CallError::Unusable { to })
    }
}

fn steps(rule: &Rule, inspected: &Inspected) -> String {
    let handlers = |uses: &[HandlerUse]| {
        let ids: Vec<&str> = uses.iter().map(|used| used.handler.as_str()).collect();
        ids.join(", ")
    };
    let mut text = format!(
        "rule `{}` ({})\n  authenticators  {}\n  authorizer      {}\n  mutators        {}\n  upstream        {}\n",
        rule.id,
        rule.pattern(),
        handlers(rule.authenticators()),
        rule.authorizer.handler,
        handlers(rule.mutators()),
        crate::config::without_password(&rule.upstream.url),
    );
    for problem in inspected.problems_of(rule) {
        text += &format!("  problem: {}\n", problem.message);
    }
    text
}

fn why(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Matched => "it matches",
        Outcome::Overrun => "its pattern takes too many steps: the request is refused",
        Outcome::Method => "another method",
        Outcome::Protocol => "only for calls by RPC",
        Outcome::Path => "another path",
        Outcome::Host => "another host",
        Outcome::Scheme => "another scheme",
        Outcome::BadPattern => "its pattern can't be used",
    }
}
