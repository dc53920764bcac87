//! Whom connections trust and what they show.

use super::Settings;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::path::Path;
use std::sync::Once;
use zeroize::Zeroizing;

/// Why the client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("http: `{path}`: {why}")]
    File { path: String, why: String },
}

/// What TLS connections are made with; read once.
pub(super) struct Tls(ClientConfig);

impl Tls {
    /// The machine's authorities and the configured ones. A machine without a certificate store is no error: plain HTTP works
    /// there, and HTTPS trusts the configured authorities only.
    pub(super) fn read(settings: &Settings) -> Result<Tls, SetupError> {
        install_crypto();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &settings.ca {
            let before = roots.len();
            roots.add_parsable_certificates(certificates(path)?);
            if roots.len() == before {
                return Err(unreadable(path, &"there is no certificate in it"));
            }
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        let Some(path) = &settings.client_certificate else {
            return Ok(Tls(config.with_no_client_auth()));
        };
        let pem = Zeroizing::new(std::fs::read(path).map_err(|e| unreadable(path, &e))?);
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| unreadable(path, &e))?;
        config
            .with_client_auth_cert(certificates(path)?, key)
            .map(Tls)
            .map_err(|e| unreadable(path, &e))
    }

    pub(super) fn config(&self) -> ClientConfig {
        self.0.clone()
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect())
        .map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &Path, why: &dyn fmt::Display) -> SetupError {
    SetupError::File {
        path: path.display().to_string(),
        why: why.to_string(),
    }
}

/// Makes ring the process's TLS provider; what was installed before stays.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
