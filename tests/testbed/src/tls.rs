//! Certificate authorities of the testbed's own: each server makes one, which its clients must be told to trust.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

/// What a server needs to speak TLS 1.2 and 1.3, and what its clients must trust.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// The authority's certificate.
    pub(crate) ca_pem: String,
    authority: CertifiedIssuer<'static, KeyPair>,
    protocols: Vec<Vec<u8>>,
}

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate.
    #[error("make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The TLS configuration.
    #[error("configure TLS")]
    Configuration(#[from] rustls::Error),
}

impl Tls {
    /// Makes a fresh authority and a certificate for `localhost` and the loopback addresses; offers `protocols` (ALPN)
    /// in this order.
    pub(crate) fn generate(protocols: &[&[u8]]) -> Result<Self, TlsError> {
        let mut authority = CertificateParams::new(Vec::<String>::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "testbed CA");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let protocols: Vec<Vec<u8>> = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let acceptor = acceptor(&authority, &protocols, Validity::Now)?;
        Ok(Self { acceptor, ca_pem: authority.pem(), authority, protocols })
    }

    /// Speaks with another certificate of the same authority.
    pub(crate) fn another(&self, validity: Validity) -> Result<TlsAcceptor, TlsError> {
        acceptor(&self.authority, &self.protocols, validity)
    }
}

/// When a certificate is good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Validity {
    /// For years.
    Now,
    /// Until some time ago.
    Before,
}

fn acceptor(
    authority: &CertifiedIssuer<'static, KeyPair>,
    protocols: &[Vec<u8>],
    validity: Validity,
) -> Result<TlsAcceptor, TlsError> {
    let mut leaf = CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec())?;
    leaf.distinguished_name.push(DnType::CommonName, "testbed");
    // Python's TLS insists on it.
    if validity == Validity::Before {
        leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, authority)?;
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = protocols.to_vec();
    Ok(TlsAcceptor::from(Arc::new(config)))
}
