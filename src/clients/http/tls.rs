//! Whom connections trust and what they show.

use super::Settings;
use std::fmt;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

/// Why the client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("http: `{path}`: {why}")]
    File { path: String, why: String },
    #[error("http: {0}")]
    Tls(String),
}

/// What TLS connections are made with; read once.
pub(super) struct Tls {
    authorities: Vec<reqwest::Certificate>,
    identity: Option<reqwest::Identity>,
}

impl Tls {
    pub(super) fn read(settings: &Settings) -> Result<Tls, SetupError> {
        let authorities = match &settings.ca {
            None => Vec::new(),
            Some(path) => reqwest::Certificate::from_pem_bundle(&read(path)?)
                .map_err(|e| unreadable(path, &e))?,
        };
        let identity = match &settings.client_certificate {
            None => None,
            Some(path) => {
                let mut pem = read(path)?;
                let identity = reqwest::Identity::from_pem(&pem);
                zeroize::Zeroize::zeroize(&mut pem);
                Some(identity.map_err(|e| unreadable(path, &e))?)
            }
        };
        Ok(Tls {
            authorities,
            identity,
        })
    }

    pub(super) fn client(
        &self,
        settings: &Settings,
        connect: Duration,
    ) -> Result<reqwest::Client, SetupError> {
        let builder = || {
            let mut builder = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(connect)
                .pool_max_idle_per_host(settings.idle_per_host)
                .pool_idle_timeout(settings.idle_timeout)
                .tcp_nodelay(true);
            if let Some(identity) = &self.identity {
                builder = builder.identity(identity.clone());
            }
            builder
        };
        let trusting = builder().tls_certs_merge(self.authorities.clone()).build();
        // A machine without a certificate store: plain HTTP still works, and HTTPS trusts the configured authorities only.
        trusting
            .or_else(|_| builder().tls_certs_only(self.authorities.clone()).build())
            .map_err(|e| SetupError::Tls(e.without_url().to_string()))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|e| unreadable(path, &e))
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
