//! Authenticators, by id.

mod anonymous;
mod bearer_token;
mod cookie_session;
mod jwt;
mod noop;
mod oauth2_client_credentials;
mod oauth2_introspection;
mod unauthorized;

use super::Kind;
use crate::pipeline::Authenticator;

#[cfg(test)]
mod tests;

pub static AUTHENTICATORS: &[Kind<dyn Authenticator>] = &[
    anonymous::KIND,
    bearer_token::KIND,
    cookie_session::KIND,
    jwt::KIND,
    noop::KIND,
    oauth2_client_credentials::KIND,
    oauth2_introspection::KIND,
    unauthorized::KIND,
];
