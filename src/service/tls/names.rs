//! Which certificate a client is shown: by the name that it asks for (RFC 6066 §3, RFC 9525 §6.3).

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

type Candidates = Vec<Arc<CertifiedKey>>;

/// Certificates by the names that they are for, in lower case and without a final dot.
#[derive(Debug, Default)]
pub(super) struct ByName {
    exact: HashMap<Box<str>, Candidates>,
    /// `*.example.com`, under `example.com`.
    wildcard: HashMap<Box<str>, Candidates>,
    all: Candidates,
}

impl ByName {
    /// Adds a certificate under each of its names. The first one added is also for names that nobody has.
    pub(super) fn add(&mut self, certified: Arc<CertifiedKey>) -> Result<(), String> {
        let end_entity = certified.end_entity_cert().map_err(|e| e.to_string())?;
        let parsed = webpki::EndEntityCert::try_from(end_entity).map_err(|e| e.to_string())?;
        for name in parsed.valid_dns_names() {
            let name = canonical(name);
            let (map, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcard, parent),
                None => (&mut self.exact, name.as_str()),
            };
            map.entry(name.into()).or_default().push(certified.clone());
        }
        self.all.push(certified.clone());
        Ok(())
    }

    /// The candidates for a name, the best fitting ones only.
    fn named(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let found = name.map(canonical).and_then(|name| {
            let parent = name.split_once('.').map(|(_, parent)| parent);
            self.exact
                .get(name.as_str())
                .or_else(|| self.wildcard.get(parent?))
        });
        found.unwrap_or(&self.all)
    }
}

impl ResolvesServerCert for ByName {
    /// Of several certificates for a name, the first whose key fits the client's algorithms: RSA beside ECDSA.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = self.named(hello.server_name());
        candidates
            .iter()
            .find(|c| c.key.choose_scheme(hello.signature_schemes()).is_some())
            .or(candidates.first())
            .cloned()
    }
}

fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::ring::default_provider;
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};

    fn certified(file: &str) -> Arc<CertifiedKey> {
        let read = |kind: &str| {
            let dir = env!("CARGO_MANIFEST_DIR");
            std::fs::read(format!("{dir}/tests/tls/{file}.{kind}")).unwrap()
        };
        let chain = CertificateDer::pem_slice_iter(&read("crt"))
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_slice(&read("key")).unwrap();
        Arc::new(CertifiedKey::from_der(chain, key, &default_provider()).unwrap())
    }

    #[test]
    fn a_name_finds_its_own_certificate_however_it_is_spelt() {
        let (door, wild) = (certified("door.test"), certified("wild.test"));
        let mut names = ByName::default();
        names.add(door.clone()).unwrap();
        names.add(wild.clone()).unwrap();
        for (name, expected) in [
            (Some("door.test"), &door),
            (Some("DOOR.test."), &door),
            (Some("a.wild.test"), &wild),
            (Some("A.Wild.Test"), &wild),
            // Neither below nor above the label that the wildcard stands for.
            (Some("a.b.wild.test"), &door),
            (Some("wild.test"), &door),
            (Some("other.test"), &door),
            (None, &door),
        ] {
            let found = names.named(name).first().unwrap();
            assert!(Arc::ptr_eq(found, expected), "{name:?}");
        }
    }
}
