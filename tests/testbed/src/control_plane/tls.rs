//! The certificate authority of one server and the certificate that it signs.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

/// What a server shows to its clients, and what they need to believe it.
pub(super) struct Identity {
    /// The authority as PEM: what `SSL_CERT_FILE` of a connector names.
    pub(super) ca_pem: String,
    /// Speaks TLS 1.2 and 1.3 as `localhost`, 127.0.0.1 and `::1`; offers `h2` and `http/1.1`.
    pub(super) acceptor: TlsAcceptor,
}

/// Makes a new authority and a server certificate; the authority's key is forgotten.
pub(super) fn identity() -> io::Result<Identity> {
    let ca_key = KeyPair::generate().map_err(io::Error::other)?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "testbed control plane CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_certificate = ca.self_signed(&ca_key).map_err(io::Error::other)?;
    let ca_pem = ca_certificate.pem();
    let issuer = Issuer::new(ca, ca_key);

    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut server = CertificateParams::new(names).map_err(io::Error::other)?;
    server.distinguished_name.push(DnType::CommonName, "testbed control plane");
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let certificate = server.signed_by(&key, &issuer).map_err(io::Error::other)?;

    let private_key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private_key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Identity { ca_pem, acceptor: TlsAcceptor::from(Arc::new(config)) })
}
