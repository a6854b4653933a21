//! Certificates in a file, as people and tools leave it.
//!
//! PEM (RFC 7468) allows text around a certificate. Byte order marks, indented lines and old labels have
//! one reading, so they are read. What is no PEM gets a name and the command that converts it.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Why a file gives no certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaFileError {
    /// No certificate, and nothing that looks like one.
    Empty,
    /// A certificate that is cut off, or is no Base64.
    Damaged,
    /// Line ends that are written as a backslash and an `n`, as in JSON.
    Escaped,
    /// Binary, as Windows and Java export certificates.
    Der,
    /// Two bytes for each character.
    Utf16,
    /// OpenSSL's own form, with its notes on what to trust the certificate for.
    Trusted,
    /// A bundle of certificates in another form.
    Pkcs7,
    /// A request for a certificate.
    Request,
    /// A private key alone.
    PrivateKey,
}

impl CaFileError {
    /// What is wrong with the file of this name, and what to do.
    pub fn of(self, path: &Path) -> String {
        let file = path.display();
        match self {
            Self::Empty => format!("there is no certificate in {file}"),
            Self::Damaged => format!("a certificate in {file} is damaged"),
            Self::Escaped => {
                format!("line ends in {file} are written as \\n; write real line ends")
            }
            Self::Der => format!(
                "{file} is binary (DER or PKCS #12); convert it with `openssl x509 -inform der -in FILE -out ca.pem`, or `openssl pkcs12 -in FILE -nokeys -out ca.pem`"
            ),
            Self::Utf16 => {
                format!("{file} is UTF-16, as > in Windows PowerShell writes it; save it as UTF-8")
            }
            Self::Trusted => format!(
                "{file} holds a TRUSTED CERTIFICATE; convert it with `openssl x509 -in FILE -out ca.pem`"
            ),
            Self::Pkcs7 => format!(
                "{file} is PKCS #7; convert it with `openssl pkcs7 -print_certs -in FILE -out ca.pem`"
            ),
            Self::Request => format!(
                "{file} holds a request for a certificate; name the certificate of the authority"
            ),
            Self::PrivateKey => format!(
                "{file} holds a private key and no certificate; name the certificate of the authority"
            ),
        }
    }
}

/// The certificates in the content of a file, at least one.
///
/// # Errors
///
/// [`CaFileError`] says what the file holds instead.
pub fn certificates(content: &[u8]) -> Result<Vec<CertificateDer<'static>>, CaFileError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&plain(content)).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => Err(instead(content)),
        Ok(certificates) => Ok(certificates),
        Err(_) if has(content, b"\\n") => Err(CaFileError::Escaped),
        Err(_) => Err(CaFileError::Damaged),
    }
}

/// The lines without white space and byte order marks around them. Files with a mark are joined to bundles,
/// so that it may begin any line.
fn plain(content: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(content.len() + 1);
    for line in content.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let line = line.trim_ascii();
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
        plain.extend_from_slice(match line {
            b"-----BEGIN X509 CERTIFICATE-----" => b"-----BEGIN CERTIFICATE-----",
            b"-----END X509 CERTIFICATE-----" => b"-----END CERTIFICATE-----",
            line => line,
        });
        plain.push(b'\n');
    }
    plain
}

/// What a file without a certificate in PEM holds.
fn instead(content: &[u8]) -> CaFileError {
    match content {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => CaFileError::Utf16,
        // A SEQUENCE whose length takes more than one byte: X.690 §8.1.3.5.
        [0x30, 0x81..=0x84, ..] => CaFileError::Der,
        _ if has(content, b"-----BEGIN TRUSTED CERTIFICATE-----") => CaFileError::Trusted,
        _ if has(content, b"-----BEGIN PKCS7-----") => CaFileError::Pkcs7,
        _ if has(content, b" CERTIFICATE REQUEST-----") => CaFileError::Request,
        _ if has(content, b"PRIVATE KEY-----") => CaFileError::PrivateKey,
        _ => CaFileError::Empty,
    }
}

fn has(content: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(content, text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> rcgen::Certificate {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap()
    }

    #[test]
    fn pem_is_read_however_it_was_saved() {
        let certificate = certificate();
        let pem = certificate.pem();
        let indented: String = pem.lines().map(|line| format!("    {line} \t\n")).collect();
        for (content, count) in [
            (pem.clone(), 1),
            (pem.trim_end().to_owned(), 1),
            (pem.replace("\r\n", "\n"), 1),
            (pem.replace("\r\n", "\n").replace('\n', "\r\n"), 1),
            (pem.replace("\r\n", "\n").replace('\n', "\r"), 1),
            (pem.replace('\n', "\n\n"), 1),
            (format!("\u{feff}{pem}"), 1),
            (format!("{pem}\u{feff}{pem}"), 2),
            (format!("\u{feff}  {indented}"), 1),
            (format!("subject=CN = private caf\u{e9}\n\n{pem}\nthat was it"), 1),
            (pem.replace(" CERTIFICATE", " X509 CERTIFICATE"), 1),
            (format!("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n{pem}"), 1),
        ] {
            let read = certificates(content.as_bytes());
            assert_eq!(read, Ok(vec![certificate.der().clone(); count]), "{content}");
        }
    }

    #[test]
    fn what_is_no_pem_is_named() {
        let certificate = certificate();
        let pem = certificate.pem().replace("\r\n", "\n");
        let utf16: Vec<u8> =
            format!("\u{feff}{pem}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let labelled = |label: &str| pem.replace(" CERTIFICATE", &format!(" {label}")).into_bytes();
        for (content, expected) in [
            (Vec::new(), CaFileError::Empty),
            (b"0 certificates".to_vec(), CaFileError::Empty),
            (certificate.der().to_vec(), CaFileError::Der),
            (utf16, CaFileError::Utf16),
            (pem.replace('\n', "\\n").into_bytes(), CaFileError::Escaped),
            (pem.as_bytes()[..pem.len() / 2].to_vec(), CaFileError::Damaged),
            (pem.replace("-----END", "!\n-----END").into_bytes(), CaFileError::Damaged),
            (labelled("TRUSTED CERTIFICATE"), CaFileError::Trusted),
            (labelled("PKCS7"), CaFileError::Pkcs7),
            (labelled("CERTIFICATE REQUEST"), CaFileError::Request),
            (labelled("PRIVATE KEY"), CaFileError::PrivateKey),
        ] {
            assert_eq!(certificates(&content), Err(expected));
            assert!(expected.of(Path::new("ca.pem")).contains("ca.pem"));
        }
    }
}
