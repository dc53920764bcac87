//! TLS at the listeners: certificates by name, read again when their files change.
//!
//! The handshake is the door's, not Pingora's listener's: that one would panic over a bad file, has a fixed limit of 60 s, and counts
//! no connection before its handshake is done. Here a connection is admitted first, and all of what a listener shows – certificates,
//! client authorities – is one value that is replaced while connections go on (security.md S-G13).

mod load;
mod names;

pub use load::TlsError;

use crate::config;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use load::{Fingerprint, Material};
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::Stream as L4Stream;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use rustls::ServerConfig;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often files are looked at. They are read whole: time stamps lie behind symbolic links and on network file systems.
const LOOK: Duration = Duration::from_secs(1);

/// A listener's TLS.
pub(super) struct Tls {
    /// Such as `serve.proxy.tls`.
    key: String,
    from: config::Tls,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<Seen>,
}

struct Seen {
    shown: Fingerprint,
    /// What was last said of a change that can't be used, so that it is said once.
    complaint: Option<String>,
}

/// Why a connection has no TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoHandshake {
    Failed,
    TooSlow,
}

impl NoHandshake {
    pub(super) fn label(self) -> &'static str {
        match self {
            NoHandshake::Failed => "tls_handshake",
            NoHandshake::TooSlow => "tls_timeout",
        }
    }
}

impl Tls {
    /// Reads and checks everything that the listener needs.
    pub(super) fn load(key: &str, from: &config::Tls) -> Result<Arc<Tls>, TlsError> {
        let material = Material::read(key, from)?;
        let server = material.server_config(key, from)?;
        Ok(Arc::new(Tls {
            key: key.to_owned(),
            from: from.clone(),
            current: ArcSwap::from_pointee(server),
            seen: Mutex::new(Seen {
                shown: material.fingerprint(),
                complaint: None,
            }),
        }))
    }

    /// Makes the handshake within a limit.
    pub(super) async fn accept(&self, io: Stream, most: Duration) -> Result<Stream, NoHandshake> {
        // Listeners hand out nothing else.
        let Ok(io) = io.into_any().downcast::<L4Stream>() else {
            return Err(NoHandshake::Failed);
        };
        let acceptor = Acceptor::from_server_config(self.current.load_full());
        match tokio::time::timeout(most, acceptor.tls_handshake(*io)).await {
            Ok(Ok(io)) => Ok(Box::new(io)),
            Ok(Err(error)) => {
                tracing::debug!(key = self.key, %error, "no TLS handshake");
                Err(NoHandshake::Failed)
            }
            Err(_) => Err(NoHandshake::TooSlow),
        }
    }

    /// Whether there is anything that could change.
    fn has_files(&self) -> bool {
        let is_file = |pem: &config::Pem| matches!(pem, config::Pem::Path(_));
        self.from
            .certificates
            .iter()
            .any(|pair| is_file(&pair.cert) || is_file(&pair.key))
            || self.from.clients.as_ref().is_some_and(|c| is_file(&c.ca))
    }

    /// Shows what the files hold now. Connections that are open keep what they began with.
    fn look(&self) {
        let found = Material::read(&self.key, &self.from);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = match found {
            Ok(material) if material.fingerprint() == seen.shown => {
                seen.complaint = None;
                return;
            }
            Ok(material) => material
                .server_config(&self.key, &self.from)
                .map(|server| (material.fingerprint(), server)),
            Err(error) => Err(error),
        };
        match loaded {
            Ok((fingerprint, server)) => {
                self.current.store(Arc::new(server));
                *seen = Seen {
                    shown: fingerprint,
                    complaint: None,
                };
                tracing::info!(key = self.key, "certificates were read again");
            }
            Err(error) => seen.complain(error.to_string()),
        }
    }
}

impl Seen {
    /// Certificate and key are rarely replaced at one instant: the pair may fit at the next look.
    fn complain(&mut self, error: String) {
        if self.complaint.as_deref() != Some(&error) {
            tracing::error!(error, "changed TLS files can't be used; the old ones stay");
            self.complaint = Some(error);
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.key)
    }
}

/// Looks at the files of all listeners for as long as the process lives.
pub(super) struct Watch(Vec<Arc<Tls>>);

impl Watch {
    /// `None` where no file could change.
    pub(super) fn over(listeners: impl IntoIterator<Item = Arc<Tls>>) -> Option<Watch> {
        let watched: Vec<_> = listeners.into_iter().filter(|t| t.has_files()).collect();
        (!watched.is_empty()).then_some(Watch(watched))
    }
}

#[async_trait]
impl BackgroundService for Watch {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !*shutdown.borrow() {
            tokio::select! {
                _ = ticks.tick() => self.0.iter().for_each(|tls| tls.look()),
                _ = shutdown.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Certificate, Pem};
    use std::fs;
    use std::path::Path;

    #[test]
    fn what_changes_for_the_worse_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let [cert, key] = ["cert", "key"].map(|name| dir.path().join(name));
        let from = |name: &str| {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/tls")
                .join(name)
        };
        fs::copy(from("door.test.crt"), &cert).unwrap();
        fs::copy(from("door.test.key"), &key).unwrap();
        let section = config::Tls {
            certificates: vec![Certificate {
                cert: Pem::Path(cert.clone()),
                key: Pem::Path(key.clone()),
            }],
            clients: None,
        };
        let tls = Tls::load("serve.proxy.tls", &section).unwrap();
        let first = tls.current.load_full();
        let unchanged = || {
            tls.look();
            Arc::ptr_eq(&first, &tls.current.load_full())
        };
        assert!(unchanged(), "the same files");
        fs::copy(from("door2.test.crt"), &cert).unwrap();
        assert!(unchanged(), "half a change");
        fs::remove_file(&key).unwrap();
        assert!(unchanged(), "a missing key");
        fs::copy(from("door2.test.key"), &key).unwrap();
        assert!(!unchanged(), "a pair that fits");
    }
}
