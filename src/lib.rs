//! Doorward: an identity and access proxy.
//!
//! The modules in the order in which a request meets them:
//!
//! 1. [`service`]: the front doors (reverse proxy, decision API, gRPC ext_authz). They translate in and out and decide nothing.
//!    [`tower`] is one more, inside the process of a gRPC or Connect service. [`reading`] is what the configuration says to them,
//!    [`ext_authz`] what Envoy asks.
//! 2. [`canonical`]: any transport's request becomes the one value that is matched, decided on, logged and forwarded.
//! 3. [`engine`]: match, run, decide. [`matcher`] finds the rule, [`snapshot`] holds everything a decision depends on.
//! 4. [`pipeline`]: authentication, authorization, mutation; a finished pipeline makes a [`pipeline::Grant`].
//! 5. [`handlers`]: the steps of a pipeline, one file each, with [`clients`] for what they call out with.
//!
//! Around them: [`config`] (what the operator wrote), [`rules`] (rule files become a snapshot), [`reload`] (sources change),
//! [`telemetry`] (metrics, logs, traces), [`cli`] and [`app`] (the composition root).
//!
//! At the bottom, dialects of Go that rules and configurations are written in: [`value`] (JSON values), [`gourl`] (URLs),
//! [`template`] (text/template with Sprig), [`gjson`] (paths into JSON).

#![allow(
    rustdoc::private_intra_doc_links,
    reason = "these pages are for those who work on the code, and lead to it"
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        reason = "a test stops where something is not as it should be"
    )
)]

#[cfg(feature = "server")]
pub mod adopt;
#[cfg(feature = "server")]
pub mod app;
pub mod canonical;
#[cfg(feature = "server")]
pub mod cli;
pub mod clients;
pub mod config;
#[cfg(feature = "server")]
pub mod demo;
pub mod engine;
#[cfg(feature = "ext_authz")]
pub mod ext_authz;
pub mod gjson;
pub mod gourl;
pub mod handlers;
#[cfg(test)]
mod layers;
pub mod matcher;
pub mod pipeline;
pub mod reading;
#[cfg(all(test, feature = "server"))]
mod reference;
pub mod reload;
pub mod rpc;
pub mod rules;
pub mod scope;
#[cfg(feature = "server")]
pub mod service;
pub mod snapshot;
pub mod telemetry;
pub mod template;
#[cfg(feature = "tower")]
pub mod tower;
pub mod upstreams;
pub mod value;
