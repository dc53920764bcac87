//! Authorizers, by id.

mod allow;
mod deny;
mod keto_engine_acp_ory;
mod remote;
mod remote_json;

use super::Kind;
use crate::pipeline::Authorizer;

pub static AUTHORIZERS: &[Kind<dyn Authorizer>] = &[
    allow::KIND,
    deny::KIND,
    keto_engine_acp_ory::KIND,
    remote::KIND,
    remote_json::KIND,
];
