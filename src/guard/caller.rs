//! Does the caller know what a caller has to know? The defence against other users and containers that
//! reach the port (the key), and against programs that are made to send requests (the field).

use http::{HeaderMap, HeaderName};
use subtle::ConstantTimeEq;

use crate::secret::Secret;

use super::{InvalidConfig, Refusal};

/// The field that carries the caller key. It is between the caller and us: never forward it.
pub const CALLER_KEY: HeaderName = HeaderName::from_static("x-sidecar-key");

/// The key that every request must carry.
#[derive(Clone, Debug)]
pub(super) struct CallerKey(Secret);

impl CallerKey {
    /// Takes printable ASCII without spaces: anything else would not survive the way through a field.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig::CallerKey`], which does not quote the key.
    pub(super) fn new(key: Secret) -> Result<Self, InvalidConfig> {
        let text = key.expose();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidConfig::CallerKey);
        }
        Ok(Self(key))
    }

    /// Exactly one key, compared in constant time, so that it cannot be guessed byte by byte.
    pub(super) fn admit(&self, fields: &HeaderMap) -> Result<(), Refusal> {
        let mut values = fields.get_all(CALLER_KEY).iter();
        let value = values.next().ok_or(Refusal::CallerKeyMissing)?;
        let known: bool = self.0.expose().as_bytes().ct_eq(value.as_bytes()).into();
        if known && values.next().is_none() { Ok(()) } else { Err(Refusal::CallerKeyWrong) }
    }
}

/// A field that every request must carry, with any value.
///
/// Who makes a program fetch a URL of their choice (SSRF) seldom chooses its fields as well. So the
/// field tells a request that was meant from one that was smuggled in; it is no secret.
#[derive(Clone, Debug)]
pub(super) struct RequiredField(pub(super) HeaderName);

impl RequiredField {
    pub(super) fn admit(&self, fields: &HeaderMap) -> Result<(), Refusal> {
        if fields.contains_key(&self.0) {
            return Ok(());
        }
        Err(Refusal::FieldMissing(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(sent: &[&'static str]) -> Result<(), Refusal> {
        let mut fields = HeaderMap::new();
        for value in sent {
            fields.append(CALLER_KEY, value.parse().unwrap());
        }
        CallerKey::new(Secret::new("right-key".into())).unwrap().admit(&fields)
    }

    #[test]
    fn only_the_whole_key_sent_once_is_admitted() {
        assert_eq!(verdict(&["right-key"]), Ok(()));
        assert_eq!(verdict(&[]), Err(Refusal::CallerKeyMissing));
        for wrong in ["", "right-ke", "right-key2", "Right-key", "wrong-key"] {
            assert_eq!(verdict(&[wrong]), Err(Refusal::CallerKeyWrong), "{wrong:?}");
        }
        assert_eq!(verdict(&["right-key", "right-key"]), Err(Refusal::CallerKeyWrong));
        assert_eq!(verdict(&["right-key", "wrong-key"]), Err(Refusal::CallerKeyWrong));
    }

    #[test]
    fn a_key_that_no_field_could_carry_is_refused_without_being_quoted() {
        for key in ["", "two words", "line\n", "caf\u{e9}"] {
            let error = CallerKey::new(Secret::new(key.into())).map(drop).unwrap_err();
            assert_eq!(error, InvalidConfig::CallerKey);
            assert!(key.is_empty() || !error.to_string().contains(key));
        }
    }

    #[test]
    fn a_required_field_is_enough_with_any_value() {
        let field = RequiredField(HeaderName::from_static("x-webwork-proxy"));
        let mut fields = HeaderMap::new();
        assert_eq!(field.admit(&fields), Err(Refusal::FieldMissing(field.0.clone())));
        fields.insert("x-webwork-proxy", "".parse().unwrap());
        assert_eq!(field.admit(&fields), Ok(()));
    }
}
