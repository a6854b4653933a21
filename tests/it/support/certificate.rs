//! Certificates, good ones and others.

use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::write;

/// A server certificate and the authority that signed it.
pub(crate) struct Certificate {
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    key: Vec<u8>,
    ca: Option<String>,
}

impl Certificate {
    pub(crate) fn good() -> Self {
        Self::signed(|_| ())
    }

    /// Signed by an authority that the sidecar trusts, with something to be wrong about it.
    pub(crate) fn signed(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        Self::signed_by("test authority", change)
    }

    fn signed_by(authority: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.distinguished_name.push(rcgen::DnType::CommonName, authority);
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Self {
            chain: vec![certificate.der().clone()],
            key: key.serialize_der(),
            ca: Some(ca_certificate.pem()),
        }
    }

    /// Signed by itself, and trusted by nobody.
    pub(crate) fn self_signed() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { chain: vec![certificate.der().clone()], key: key.serialize_der(), ca: None }
    }

    /// The certificate of an authority, trusted as such, in the place of a server's.
    pub(crate) fn of_an_authority() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let ca = Some(certificate.pem());
        Self { chain: vec![certificate.der().clone()], key: key.serialize_der(), ca }
    }

    /// Signed by an authority that nobody knows.
    pub(crate) fn untrusted() -> Self {
        Self { ca: None, ..Self::signed_by("nobody's authority", |_| ()) }
    }

    /// Signed by an authority that only has the name of a trusted one.
    pub(crate) fn forged() -> Self {
        Self { ca: None, ..Self::good() }
    }

    pub(super) fn acceptor(&self, alpn: &[&str]) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// Who signed it, in PEM form; nothing for an authority that nobody knows.
    pub(crate) fn ca_pem(&self) -> &str {
        self.ca.as_deref().unwrap_or_default()
    }

    pub(super) fn ca_file(&self) -> Option<tempfile::NamedTempFile> {
        self.ca.as_ref().map(|pem| file(pem))
    }
}

/// A file with this in it.
pub(crate) fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    write(file.path(), text);
    file
}
