//! Whom we trust on outgoing connections: RFC 8446, RFC 6125.
//!
//! Verification is always on; there is no switch. The embedded roots make an image from scratch work;
//! the system's roots, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name instead of them, come on top,
//! and so does the operator's own CA.

pub mod ca_file;
mod fault;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::CertificateResult;
use tokio_rustls::TlsConnector;

use ca_file::{CaFileError, certificates};

pub use fault::TlsFault;

/// Which protocols a connection may speak: RFC 7301.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2 where the server has it, else HTTP/1.1.
    Http2OrHttp1,
    /// HTTP/1.1 alone, for an exchange that wants a connection of its own.
    Http1,
}

/// The trusted certificate authorities, ready to connect. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trust {
    either: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// Why the trusted certificates could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The operator's file cannot be read.
    #[error("cannot read certificates from {}: {reason}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: io::Error,
    },
    /// The operator's file holds something else.
    #[error("{}; it must be PEM with BEGIN CERTIFICATE", reason.of(path))]
    NoCertificates {
        /// Which file.
        path: PathBuf,
        /// What it holds.
        reason: CaFileError,
    },
    /// A certificate in the operator's file is no certificate authority's.
    #[error("a certificate in {} cannot be trusted: {reason}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: rustls::Error,
    },
    /// The system's store, or what SSL_CERT_FILE or SSL_CERT_DIR name in its place.
    #[error("cannot read the system's certificates ({0}); check SSL_CERT_FILE and SSL_CERT_DIR")]
    System(String),
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

impl Trust {
    /// Embedded roots, the system's (or those that the environment names), and `ca_file`'s.
    ///
    /// # Errors
    ///
    /// [`TrustError`] names the file that is missing or wrong.
    pub fn load(ca_file: Option<&Path>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        // Stores of real systems hold certificates that are too odd for us; the rest still serves.
        let (_, odd) =
            roots.add_parsable_certificates(system(rustls_native_certs::load_native_certs())?);
        if odd > 0 {
            tracing::debug!(odd, "some of the system's certificates were skipped");
        }
        if let Some(path) = ca_file {
            add_file(&mut roots, path)?;
        }
        Self::in_roots(roots)
    }

    fn in_roots(roots: RootCertStore) -> Result<Self, TrustError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut either = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http1 = either.clone();
        either.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { either: Arc::new(either), http1: Arc::new(http1) })
    }

    pub(super) fn connector(&self, alpn: Alpn) -> TlsConnector {
        TlsConnector::from(Arc::clone(match alpn {
            Alpn::Http2OrHttp1 => &self.either,
            Alpn::Http1 => &self.http1,
        }))
    }
}

/// What was found; a store of which nothing at all could be read is an error.
fn system(found: CertificateResult) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    match found.errors.first() {
        Some(error) if found.certs.is_empty() => Err(TrustError::System(error.to_string())),
        Some(error) => {
            tracing::warn!(%error, "some of the system's certificates cannot be read");
            Ok(found.certs)
        }
        None => Ok(found.certs),
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TrustError> {
    let content = fs::read(path)
        .map_err(|reason| TrustError::Unreadable { path: path.to_owned(), reason })?;
    let found = certificates(&content)
        .map_err(|reason| TrustError::NoCertificates { path: path.to_owned(), reason })?;
    for certificate in found {
        roots
            .add(certificate)
            .map_err(|reason| TrustError::Unusable { path: path.to_owned(), reason })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_missing_ca_file_is_named() {
        let error = Trust::load(Some(Path::new("/nowhere/ca.pem"))).unwrap_err().to_string();
        assert!(error.contains("/nowhere/ca.pem"), "{error}");
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_an_error() {
        let file = file("not a certificate");
        let reason = CaFileError::Empty;
        let error = Trust::load(Some(file.path())).unwrap_err();
        assert!(matches!(error, TrustError::NoCertificates { reason: it, .. } if it == reason));
    }

    #[test]
    fn a_ca_file_comes_on_top_of_the_embedded_roots() {
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let file = file(&ca.pem());
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let embedded = roots.len();
        add_file(&mut roots, file.path()).unwrap();
        assert_eq!(roots.len(), embedded + 1);
    }

    #[test]
    fn a_system_store_that_cannot_be_read_is_an_error_that_names_it() {
        let missing = Path::new("/nowhere/certs.pem");
        let found = rustls_native_certs::load_certs_from_paths(Some(missing), None);
        let error = system(found).unwrap_err().to_string();
        assert!(error.contains("/nowhere/certs.pem") && error.contains("SSL_CERT_FILE"), "{error}");
    }
}
