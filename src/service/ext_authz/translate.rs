//! A decision as Envoy's ext_authz is told.

use crate::canonical::{Rejection, names};
use crate::engine::Decision;
use crate::ext_authz::Asked;
use crate::service::reply;
use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue as EnvoyHeader, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::{Struct, Value, value};
use envoy_types::pb::google::rpc::Status;
use http::{HeaderName, HeaderValue, Response, StatusCode};

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
