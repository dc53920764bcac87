//! `when`: which refusals an error handler takes.

use super::media::{MediaRange, accepted, content_types};
use crate::handlers::BuildError;
use crate::pipeline::{Denial, RequestView, Verdict, status_name};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, StatusCode};
use ipnet::IpNet;
use serde::Deserialize;
use std::net::IpAddr;

/// What a request without the header counts as.
const UNKNOWN_TYPE: &[u8] = b"application/octet-stream";

/// The conditions as written.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Settings(Vec<ConditionSettings>);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConditionSettings {
    error: Vec<String>,
    request: RequestSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RequestSettings {
    header: HeaderSettings,
    remote_ip: RemoteIpSettings,
    cidr: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HeaderSettings {
    accept: Vec<String>,
    content_type: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RemoteIpSettings {
    r#match: Vec<String>,
    respect_forwarded_for_header: bool,
}

/// One of the conditions must hold; none at all always holds.
#[derive(Debug)]
pub(crate) struct When(Vec<Condition>);

/// All parts must hold; of the entries of a part, one. `None` holds always.
#[derive(Debug)]
struct Condition {
    statuses: Option<Vec<StatusCode>>,
    accept: Option<Vec<MediaRange>>,
    content_type: Option<Vec<MediaRange>>,
    networks: Vec<Networks>,
}

#[derive(Debug)]
struct Networks {
    of: Whose,
    ranges: Vec<IpNet>,
}

#[derive(Debug, Clone, Copy)]
enum Whose {
    /// The other end of the connection.
    Peer,
    /// The client, as trusted proxies tell it.
    Client,
}

impl When {
    /// `Err` where a network is none. Names of no status and malformed media types never match, as in the reference.
    pub(crate) fn build(settings: Settings) -> Result<When, BuildError> {
        let conditions: Result<_, _> = settings.0.into_iter().map(Condition::build).collect();
        Ok(When(conditions?))
    }

    pub(crate) fn verdict(&self, request: &RequestView<'_>, denial: &Denial) -> Verdict {
        let holds = |condition: &Condition| condition.holds(request, denial);
        if self.0.is_empty() || self.0.iter().any(holds) {
            Verdict::Takes
        } else {
            Verdict::Passes
        }
    }
}

impl Condition {
    fn build(settings: ConditionSettings) -> Result<Condition, BuildError> {
        let request = settings.request;
        let whose = if request.remote_ip.respect_forwarded_for_header {
            Whose::Client
        } else {
            Whose::Peer
        };
        let networks = [
            (whose, request.remote_ip.r#match),
            (Whose::Client, request.cidr),
        ];
        Ok(Condition {
            statuses: some(settings.error).map(|names| statuses(&names)),
            accept: some(request.header.accept).map(|texts| ranges(&texts)),
            content_type: some(request.header.content_type).map(|texts| ranges(&texts)),
            networks: networks
                .into_iter()
                .filter_map(|(of, texts)| Some((of, some(texts)?)))
                .map(|(of, texts)| Networks::build(of, &texts))
                .collect::<Result<_, _>>()?,
        })
    }

    fn holds(&self, request: &RequestView<'_>, denial: &Denial) -> bool {
        let is_type = |wanted: &[MediaRange], name: &HeaderName, read: Read| {
            let line = request
                .header(name)
                .map(|value| value.as_bytes())
                .filter(|line| !line.trim_ascii().is_empty());
            read(line.unwrap_or(UNKNOWN_TYPE))
                .iter()
                .any(|sent| wanted.iter().any(|wanted| wanted.covers(sent)))
        };
        holds(&self.statuses, |all| all.contains(&denial.status()))
            && self.networks.iter().all(|networks| networks.hold(request))
            && holds(&self.accept, |all| is_type(all, &ACCEPT, accepted))
            && holds(&self.content_type, |all| {
                is_type(all, &CONTENT_TYPE, content_types)
            })
    }
}

type Read = fn(&[u8]) -> Vec<MediaRange>;

fn holds<T>(part: &Option<Vec<T>>, test: impl FnOnce(&[T]) -> bool) -> bool {
    part.as_deref().is_none_or(test)
}

/// An empty list is no condition.
fn some(texts: Vec<String>) -> Option<Vec<String>> {
    (!texts.is_empty()).then_some(texts)
}

fn statuses(names: &[String]) -> Vec<StatusCode> {
    (100..600)
        .filter_map(|code| StatusCode::from_u16(code).ok())
        .filter(|&status| {
            let name = status_name(status);
            !name.is_empty() && names.contains(&name)
        })
        .collect()
}

fn ranges(texts: &[String]) -> Vec<MediaRange> {
    texts
        .iter()
        .flat_map(|text| accepted(text.as_bytes()))
        .collect()
}

impl Networks {
    fn build(of: Whose, texts: &[String]) -> Result<Networks, BuildError> {
        let ranges = texts
            .iter()
            .map(|text| network(text))
            .collect::<Result<_, _>>()?;
        Ok(Networks { of, ranges })
    }

    fn hold(&self, request: &RequestView<'_>) -> bool {
        let address = match self.of {
            Whose::Peer => request.client.peer,
            Whose::Client => request.client.address,
        }
        .to_canonical();
        self.ranges.iter().any(|range| range.contains(&address))
    }
}

/// A network as Go's `net.ParseCIDR` reads it: bits of the host are ignored, an IPv4 network may be written as a mapped one.
fn network(text: &str) -> Result<IpNet, BuildError> {
    const MAPPED_BITS: u8 = 96;
    let malformed =
        || BuildError::new(format!("`{text}` is not a network, such as `192.0.2.0/24`"));
    let (address, length) = text.split_once('/').ok_or_else(malformed)?;
    let address: IpAddr = address.parse().map_err(|_| malformed())?;
    if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed());
    }
    let length: u8 = length.parse().map_err(|_| malformed())?;
    let (address, length) = match (address.to_canonical(), address) {
        (v4 @ IpAddr::V4(_), IpAddr::V6(_)) if length >= MAPPED_BITS => (v4, length - MAPPED_BITS),
        _ => (address, length),
    };
    IpNet::new(address, length).map_err(|_| malformed())
}

#[cfg(test)]
mod tests;
