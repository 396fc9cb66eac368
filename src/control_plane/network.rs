//! What every connection to the control plane shares: which certificates are trusted and whether proxies apply.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use crate::config::ProxySettings;
use crate::network;
use crate::network::told;

/// Trust and proxies of the connections to the control plane.
#[derive(Clone, Debug)]
pub struct Network {
    roots: Arc<RootCertStore>,
    /// `None` where no connection goes through one.
    proxies: Option<Arc<network::Proxies>>,
}

/// Whether connections go through a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proxies {
    /// As `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in either case.
    Environment,
    /// Never.
    Bypass,
}

impl Network {
    /// The system's certificate authorities, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`, and the proxies of
    /// the environment. Reads files: call it once, at start.
    pub fn system() -> Result<Self, NetworkError> {
        let found = rustls_native_certs::load_native_certs();
        let problem = |error| told("a file cannot be read", error);
        let problems = || found.errors.iter().map(|one| problem(one)).collect::<Vec<_>>().join("; ");
        if found.certs.is_empty() {
            return Err(NetworkError::NoAuthorities { problems: problems() });
        }
        if !found.errors.is_empty() {
            tracing::warn!(error = problems(), "some certificate authorities cannot be read");
        }
        Self::trusting(found.certs, Proxies::Environment)
    }

    /// Exactly these certificate authorities (DER). Those that are no authority are left out.
    pub fn trusting(
        authorities: impl IntoIterator<Item = CertificateDer<'static>>,
        proxies: Proxies,
    ) -> Result<Self, NetworkError> {
        let mut roots = RootCertStore::empty();
        let (added, ignored) = roots.add_parsable_certificates(authorities);
        if added == 0 {
            let problems = format!("{ignored} certificates are unusable as authorities");
            return Err(NetworkError::NoAuthorities { problems });
        }
        let proxies = match proxies {
            Proxies::Environment => Some(Arc::new(network::Proxies::of(&ProxySettings::of_process()))),
            Proxies::Bypass => None,
        };
        Ok(Self { roots: Arc::new(roots), proxies })
    }

    pub(super) fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }

    pub(super) fn proxies(&self) -> Option<&Arc<network::Proxies>> {
        self.proxies.as_ref()
    }

    /// TLS 1.2 or newer with ring, offering `protocols` in this order.
    pub(super) fn tls(&self, protocols: &[&[u8]]) -> Result<rustls::ClientConfig, NetworkError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| NetworkError::Tls { reason: told("its configuration cannot be made", &error) })?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(tls)
    }
}

/// Why no secure connection can be made at all.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Not one certificate authority to trust.
    #[error(
        "no certificate authority is trusted: install the system's CA bundle or name one with SSL_CERT_FILE \
         ({problems})"
    )]
    NoAuthorities {
        /// What was wrong with those that were looked at.
        problems: String,
    },
    /// The cryptography refuses the protocol versions.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// What the library said, in our words.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_authority_the_error_names_the_remedy() {
        let garbage = CertificateDer::from(vec![1, 2, 3]);
        for authorities in [vec![], vec![garbage]] {
            let error = Network::trusting(authorities, Proxies::Bypass).unwrap_err();
            assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
        }
    }
}
