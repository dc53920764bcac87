//! Authorities and client certificates in the form that Pingora takes.

use crate::upstreams::{Identity, Tls};
use moka::sync::Cache;
use pingora_core::protocols::tls::CaType;
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use pingora_core::{Error, ErrorType, Result};
use std::panic::catch_unwind;
use std::sync::Arc;

/// More than there are upstreams with settings of their own.
const KEPT: u64 = 10_000;

/// One upstream's.
#[derive(Debug)]
pub(super) struct Credential {
    pub authorities: Option<Arc<CaType>>,
    pub identity: Option<Arc<CertKey>>,
}

/// Those in use, parsed once.
#[derive(Debug)]
pub(super) struct Credentials(Cache<u64, Option<Arc<Credential>>>);

impl Default for Credentials {
    fn default() -> Credentials {
        Credentials(Cache::new(KEPT))
    }
}

impl Credentials {
    pub(super) fn of(&self, tls: &Tls) -> Result<Arc<Credential>> {
        // Rules are compiled with another parser than Pingora's, which panics over what it doesn't understand.
        let parse = || catch_unwind(|| Arc::new(parse(tls))).ok();
        self.0.get_with(tls.fingerprint, parse).ok_or_else(|| {
            let why = "the upstream's certificates can't be used";
            Error::explain(ErrorType::InvalidCert, why).into_up()
        })
    }
}

fn parse(tls: &Tls) -> Credential {
    let authorities = tls.authorities.as_ref().map(|authorities| {
        let parsed = authorities
            .iter()
            .map(|der| WrappedX509::new(der.clone(), parse_x509));
        Arc::from(parsed.collect::<Vec<_>>())
    });
    let identity =
        |identity: &Identity| Arc::new(CertKey::new(identity.chain.clone(), identity.key.to_vec()));
    Credential {
        authorities,
        identity: tls.identity.as_ref().map(identity),
    }
}
