//! Text that must never be seen: tokens, client secrets, keys.
//!
//! Redaction lives on the type of the field, never on the struct around it: a struct may derive
//! `Debug` freely, and a log line that prints it shows [`Fingerprint`]s. There is no `Display`, no
//! `Serialize` and no `Deref`; the one way to the text is [`Secret::expose`], so that `grep expose`
//! lists every place where a secret leaves this type.
//!
//! The memory is wiped when its owner drops it, and so is every copy that is made on the way in or out.
//! What a socket is given is out of reach: buffers of hyper and rustls are freed as they are.

use std::fmt;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// Text whose only visible form is its [`Fingerprint`].
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text over; the copy that was passed in is wiped.
    pub fn new(text: String) -> Self {
        // To shrink the text to its length could move it, and leave it behind where it was.
        Self(SecretString::from(Zeroizing::new(text).as_str()))
    }

    /// 256 random bits of the system in 43 characters of `[A-Za-z0-9_-]`, which nobody can guess:
    /// RFC 7636 §4.1 and RFC 6749 §10.10.
    ///
    /// # Errors
    ///
    /// The system has no randomness to give.
    pub fn random() -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
    }

    /// The text itself. Never hand the result to a formatter.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The text as bytes to be sent; wiped when the last of their owners drops them. Never hand the
    /// result to a formatter.
    pub fn expose_bytes(self) -> Bytes {
        Bytes::from_owner(Sent(self))
    }

    /// What may be shown instead of the text.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.expose())
    }
}

/// Owns the bytes that are sent.
struct Sent(Secret);

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.fingerprint())
    }
}

impl PartialEq for Secret {
    /// Takes the same time wherever the texts differ, so that a caller cannot guess byte by byte.
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.expose().as_bytes(), other.expose().as_bytes()).into()
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// The first 8 hexadecimal digits of the SHA-256 of a secret: enough to tell two tokens apart in a
/// log, too little to learn anything about either.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 4]);

impl Fingerprint {
    /// The fingerprint of a text.
    pub fn of(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        Self([digest[0], digest[1], digest[2], digest[3]])
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        match u32::from_str_radix(&digits, 16) {
            Ok(number) if digits.len() == 8 && !digits.starts_with('+') => {
                Ok(Self(number.to_be_bytes()))
            }
            _ => Err(de::Error::custom("a fingerprint has 8 hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_fingerprint_and_nothing_else() {
        let secret = Secret::new("canary-value".into());
        assert_eq!(format!("{secret:?}"), format!("Secret({})", Fingerprint::of("canary-value")));
    }

    #[test]
    fn a_fingerprint_is_the_start_of_sha_256() {
        // FIPS 180-2, appendix B.1: SHA-256("abc") = ba7816bf…
        assert_eq!(Fingerprint::of("abc").to_string(), "ba7816bf");
    }

    #[test]
    fn a_fingerprint_survives_json() {
        let fingerprint = Fingerprint::of("abc");
        let text = serde_json::to_string(&fingerprint).unwrap();
        assert_eq!(text, "\"ba7816bf\"");
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), fingerprint);
        assert!(serde_json::from_str::<Fingerprint>("\"+a7816bf\"").is_err());
        assert!(serde_json::from_str::<Fingerprint>("\"ba78\"").is_err());
    }

    #[test]
    fn what_is_random_is_as_long_as_a_verifier_and_never_the_same() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one, other);
    }

    #[test]
    fn secrets_compare_by_text() {
        assert_eq!(Secret::new("a".into()), Secret::new("a".into()));
        assert_ne!(Secret::new("a".into()), Secret::new("ab".into()));
    }
}
