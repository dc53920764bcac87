//! Between Envoy's description of a request and ours, and back.

use super::SentBody;
use crate::canonical::headers;
use crate::canonical::{self, Described, Rejection, Request, Scheme, names};
use crate::engine::Decision;
use crate::pipeline::{Client, Denial, Reason};
use crate::service::reply;
use crate::service::translate::Settings;
use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{
    HeaderValue as EnvoyHeader, HeaderValueOption, address,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::{Struct, Value, value};
use envoy_types::pb::google::rpc::Status;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::net::IpAddr;

/// Envoy says so where it cut the body off at its own limit.
const PARTIAL_BODY: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");

/// What Envoy asks about.
#[derive(Debug)]
pub(super) struct Asked {
    pub request: Result<Request, Rejection>,
    /// Cleaned as at the other doors.
    pub headers: HeaderMap,
    pub client: Client,
    pub body: SentBody,
    /// Names that the upstream must not see, since Doorward took them away.
    removed: Vec<String>,
}

impl Asked {
    pub(super) fn new(asked: CheckRequest, peer: IpAddr, settings: &Settings) -> Asked {
        let attributes = asked.attributes.unwrap_or_default();
        let source = source(&attributes).unwrap_or(peer);
        let http = attributes
            .request
            .and_then(|request| request.http)
            .unwrap_or_default();
        let mut headers = header_map(&http);
        let address = canonical::client_address(source, &headers, &settings.reading.trust);
        let request = if is_too_much(&headers, settings) {
            Err(Rejection::TooManyHeaders)
        } else {
            describe(&http, settings)
        };
        let partial = headers
            .get(PARTIAL_BODY)
            .is_some_and(|value| value == "true");
        let before: Vec<HeaderName> = headers.keys().cloned().collect();
        // Envoy itself is the trusted peer here; what it lets its clients say of forwarding is its configuration's business.
        settings.reading.clean(&mut headers, peer);
        let removed = before
            .iter()
            .filter(|name| !headers.contains_key(*name) && !headers::is_hop_by_hop(name))
            .map(|name| name.as_str().to_owned())
            .collect();
        let body = SentBody(if partial {
            Err(Denial::new(Reason::BodyTooLarge))
        } else {
            Ok(body(http))
        });
        Asked {
            request,
            headers,
            client: Client {
                peer: source,
                address,
            },
            body,
            removed,
        }
    }
}

fn source(attributes: &AttributeContext) -> Option<IpAddr> {
    let address = attributes
        .source
        .as_ref()?
        .address
        .as_ref()?
        .address
        .as_ref()?;
    match address {
        address::Address::SocketAddress(socket) => socket.address.parse().ok(),
        address::Address::Pipe(_) | address::Address::EnvoyInternalAddress(_) => None,
    }
}

/// All lines in order where Envoy sends them raw (`encode_raw_headers`), else one a name.
fn header_map(http: &HttpRequest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &[u8]| {
        // Pseudo-headers are described by fields of their own.
        if let (false, Ok(name), Ok(value)) = (
            name.starts_with(':'),
            HeaderName::try_from(name),
            HeaderValue::from_bytes(value),
        ) {
            headers.append(name, value);
        }
    };
    match &http.header_map {
        Some(map) => {
            for header in &map.headers {
                let value = if header.raw_value.is_empty() {
                    header.value.as_bytes()
                } else {
                    &header.raw_value
                };
                add(&header.key, value);
            }
        }
        None => http
            .headers
            .iter()
            .for_each(|(name, value)| add(name, value.as_bytes())),
    }
    headers
}

/// Whether the client behind the gateway sent more than this door lets pass, in lines or as bytes on the wire of HTTP/1.
fn is_too_much(headers: &HeaderMap, settings: &Settings) -> bool {
    let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    headers.len() > settings.headers
        || headers.iter().map(line).sum::<usize>() > settings.header_bytes
}

fn describe(http: &HttpRequest, settings: &Settings) -> Result<Request, Rejection> {
    let scheme = if http.scheme.eq_ignore_ascii_case("https") {
        Scheme::Https
    } else {
        Scheme::Http
    };
    // `path` holds the query too; `query` is set where Envoy split it off.
    let target = if http.query.is_empty() || http.path.contains('?') {
        http.path.clone()
    } else {
        format!("{}?{}", http.path, http.query)
    };
    let described = Described {
        method: &http.method,
        scheme,
        host: http.host.as_bytes(),
        target: target.as_bytes(),
    };
    canonical::for_description(&described, &settings.reading.paths)
}

fn body(http: HttpRequest) -> Bytes {
    if http.raw_body.is_empty() {
        http.body.into_bytes().into()
    } else {
        http.raw_body.into()
    }
}

/// What the pipeline set is set, and what might be taken for it is removed.
pub(super) fn granted(decision: &Decision, asked: &Asked) -> CheckResponse {
    let mut answer = OkHttpResponse {
        headers_to_remove: asked.removed.clone(),
        ..OkHttpResponse::default()
    };
    if let Ok(grant) = &decision.outcome {
        for (name, value) in grant.headers().iter() {
            answer.headers.push(set(name.name(), value));
            let aliases = asked.headers.keys().filter(|sent| {
                *sent != name.name() && names::aliases(sent.as_str(), name.name().as_str())
            });
            answer
                .headers_to_remove
                .extend(aliases.map(|alias| alias.as_str().to_owned()));
        }
    }
    CheckResponse {
        status: Some(Status {
            code: OK,
            ..Status::default()
        }),
        dynamic_metadata: Some(metadata(decision)),
        http_response: Some(HttpResponse::OkResponse(answer)),
    }
}

/// The same answer as at the other doors.
pub(super) fn denied(decision: &Decision, answer: Response<Bytes>) -> CheckResponse {
    CheckResponse {
        dynamic_metadata: Some(metadata(decision)),
        ..refusal(answer)
    }
}

pub(super) fn rejected(why: Rejection) -> CheckResponse {
    refusal(reply::rejected(why))
}

const OK: i32 = 0;
const PERMISSION_DENIED: i32 = 7;
const UNAUTHENTICATED: i32 = 16;

fn refusal(answer: Response<Bytes>) -> CheckResponse {
    let (parts, body) = answer.into_parts();
    // `OPTIONS *` has an answer of its own at an HTTP door; a gateway that asks about it is refused.
    let status = if parts.status.is_success() {
        StatusCode::NOT_FOUND
    } else {
        parts.status
    };
    let code = if status == StatusCode::UNAUTHORIZED {
        UNAUTHENTICATED
    } else {
        PERMISSION_DENIED
    };
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus {
            code: i32::from(status.as_u16()),
        }),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| set(name, value))
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    CheckResponse {
        status: Some(Status {
            code,
            ..Status::default()
        }),
        dynamic_metadata: None,
        http_response: Some(HttpResponse::DeniedResponse(denied)),
    }
}

fn set(name: &HeaderName, value: &HeaderValue) -> HeaderValueOption {
    let text = std::str::from_utf8(value.as_bytes());
    let header = EnvoyHeader {
        key: name.as_str().to_owned(),
        value: text.unwrap_or_default().to_owned(),
        raw_value: if text.is_err() {
            value.as_bytes().to_vec()
        } else {
            Vec::new()
        },
    };
    HeaderValueOption {
        header: Some(header),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        // An empty value scrubs what the client sent.
        keep_empty_value: true,
        ..HeaderValueOption::default()
    }
}

/// For access logs and later filters of the gateway.
fn metadata(decision: &Decision) -> Struct {
    let mut fields = std::collections::HashMap::new();
    let mut add = |name: &str, text: &str| {
        fields.insert(
            name.to_owned(),
            Value {
                kind: Some(value::Kind::StringValue(text.to_owned())),
            },
        );
    };
    if let Some(rule) = decision.rule() {
        add("rule_id", &rule.id);
    }
    if let Ok(grant) = &decision.outcome {
        add("subject", grant.subject());
    }
    Struct { fields }
}
