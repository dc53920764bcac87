//! From PEM texts to what a TLS server needs, with every problem named by its key and file.

use super::names::ByName;
use crate::config::{self, ClientCertificate, Pem};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use zeroize::Zeroizing;

/// TLS material that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct TlsError {
    /// Such as `serve.proxy.tls.cert.path`.
    key: String,
    why: String,
}

/// What tells two states of the files apart.
pub(super) type Fingerprint = [u8; 32];

type Text = Zeroizing<Vec<u8>>;

/// The texts of one state, not yet looked into.
pub(super) struct Material {
    /// Certificate and key, in the order of the configuration.
    pairs: Vec<(Text, Text)>,
    client_ca: Option<Text>,
}

impl Material {
    pub(super) fn read(key: &str, from: &config::Tls) -> Result<Material, TlsError> {
        let pairs = from.certificates.iter().enumerate().map(|(index, pair)| {
            let place = place(key, index);
            Ok((
                text(&format!("{place}.cert"), &pair.cert)?,
                text(&format!("{place}.key"), &pair.key)?,
            ))
        });
        let client_ca = from
            .clients
            .as_ref()
            .map(|clients| text(&format!("{key}.client_ca"), &clients.ca));
        Ok(Material {
            pairs: pairs.collect::<Result<_, TlsError>>()?,
            client_ca: client_ca.transpose()?,
        })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut context = Context::new(&SHA256);
        let texts = self.pairs.iter().flat_map(|(cert, key)| [cert, key]);
        for text in texts.chain(&self.client_ca) {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text);
        }
        let mut fingerprint = [0; 32];
        for (to, from) in fingerprint.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        fingerprint
    }

    pub(super) fn server_config(
        &self,
        key: &str,
        from: &config::Tls,
    ) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(default_provider());
        let mut names = ByName::default();
        for (index, ((cert, private), pair)) in
            self.pairs.iter().zip(&from.certificates).enumerate()
        {
            let place = place(key, index);
            let certified = certified_key(&place, pair, cert, private, &provider)?;
            names.add(Arc::new(certified)).map_err(|why| TlsError {
                key: source(&format!("{place}.cert"), &pair.cert),
                why: format!("not a certificate for a server: {why}"),
            })?;
        }
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| wrong(key, error))?;
        let builder = match (&self.client_ca, &from.clients) {
            (Some(ca), Some(clients)) => {
                builder.with_client_cert_verifier(verifier(key, clients, ca, provider)?)
            }
            (_, _) => builder.with_no_client_auth(),
        };
        let mut server = builder.with_cert_resolver(Arc::new(names));
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Keys of its own for each state: nobody resumes past a change of the client authorities.
        server.ticketer = Ticketer::new().map_err(|error| wrong(key, error))?;
        Ok(server)
    }
}

/// The first pair stands in the section itself.
fn place(key: &str, index: usize) -> String {
    match index.checked_sub(1) {
        None => key.to_owned(),
        Some(further) => format!("{key}.certificates.{further}"),
    }
}

/// The full key of a text.
fn source(key: &str, pem: &Pem) -> String {
    match pem {
        Pem::Path(_) => format!("{key}.path"),
        Pem::Base64(_) => format!("{key}.base64"),
    }
}

fn text(key: &str, pem: &Pem) -> Result<Text, TlsError> {
    let read = match pem {
        Pem::Path(path) => {
            std::fs::read(path).map_err(|error| format!("`{}`: {error}", path.display()))
        }
        Pem::Base64(text) => STANDARD
            .decode(text.reveal())
            .map_err(|error| format!("not base64: {error}")),
    };
    read.map(Zeroizing::new).map_err(|why| TlsError {
        key: source(key, pem),
        why,
    })
}

/// Puts the file's name before what is wrong with it.
fn bad(key: &str, pem: &Pem, why: impl std::fmt::Display) -> TlsError {
    let why = match pem {
        Pem::Path(path) => format!("`{}`: {why}", path.display()),
        Pem::Base64(_) => why.to_string(),
    };
    TlsError {
        key: source(key, pem),
        why,
    }
}

fn wrong(key: &str, why: impl std::fmt::Display) -> TlsError {
    TlsError {
        key: key.to_owned(),
        why: why.to_string(),
    }
}

fn certified_key(
    place: &str,
    pair: &config::Certificate,
    cert: &[u8],
    private: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let (cert_key, key_key) = (format!("{place}.cert"), format!("{place}.key"));
    let chain = certificates(cert).map_err(|why| bad(&cert_key, &pair.cert, why))?;
    if let Some(Err(error)) = chain.first().map(webpki::EndEntityCert::try_from) {
        return Err(bad(
            &cert_key,
            &pair.cert,
            format!("no certificate: {error}"),
        ));
    }
    let private = PrivateKeyDer::from_pem_slice(private)
        .map_err(|error| bad(&key_key, &pair.key, format!("no private key: {error}")))?;
    // Says nothing of the key but that it doesn't fit.
    CertifiedKey::from_der(chain, private, provider)
        .map_err(|error| bad(&key_key, &pair.key, format!("can't be used: {error}")))
}

pub(in crate::service) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(chain) if chain.is_empty() => Err("no certificate in it".to_owned()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("no certificate: {error}")),
    }
}

fn verifier(
    key: &str,
    clients: &config::ClientAuth,
    ca: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let key = format!("{key}.client_ca");
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca).map_err(|why| bad(&key, &clients.ca, why))? {
        roots
            .add(certificate)
            .map_err(|error| bad(&key, &clients.ca, error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match clients.presence {
        ClientCertificate::Required => builder,
        ClientCertificate::Optional => builder.allow_unauthenticated(),
    };
    builder
        .build()
        .map_err(|error| bad(&key, &clients.ca, error))
}
