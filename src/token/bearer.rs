//! Tokens, checked at the door.
//!
//! A token becomes a field value on every request. One with a line break would inject fields, so its
//! alphabet is checked once, here.
//!
//! RFC 6750 §2.1 has the alphabet `b64token`, but real tokens have more: those of Laravel Sanctum begin
//! with `12|`. Any visible ASCII character is legal in a field value (RFC 9110 §5.5) and passes, except
//! for three that a recipient could read in two ways: `,` separates members of a list, and `"` and `\`
//! begin and end quoted text (RFC 9110 §5.6).

use crate::secret::{Fingerprint, Secret};

/// An access token: RFC 6749 §1.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken(Secret);

/// A refresh token: RFC 6749 §1.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken(Secret);

/// Text that cannot be a token. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// A character that would break the field or the form that carries it.
    #[error(
        "it has a character that no token has: white space, a control character, one that is not ASCII, or one of , \" \\"
    )]
    Alphabet,
    /// Longer than [`MAX_LENGTH`].
    #[error("it is longer than 16 KiB")]
    Length,
}

/// Longest token in bytes. API.md §2 has seen 1,100 and warns of assuming a limit; a head of 32 KiB
/// must still hold it.
pub const MAX_LENGTH: usize = 16 << 10;

impl AccessToken {
    /// Checks that every character is visible ASCII, and none of `,` `"` `\`.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] when the text could not travel in `Authorization: Bearer`.
    pub fn new(text: String) -> Result<Self, InvalidToken> {
        let token = Secret::new(text);
        checked(token.expose(), |byte| byte.is_ascii_graphic() && !b",\"\\".contains(&byte))?;
        Ok(Self(token))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What may be shown of it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }
}

impl RefreshToken {
    /// Checks the alphabet of RFC 6749 appendix A.17: printable ASCII.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] when the text cannot be a refresh token.
    pub fn new(text: String) -> Result<Self, InvalidToken> {
        let token = Secret::new(text);
        checked(token.expose(), |byte| (0x20..=0x7e).contains(&byte))?;
        Ok(Self(token))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What may be shown of it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }
}

fn checked(text: &str, allowed: impl Fn(u8) -> bool) -> Result<(), InvalidToken> {
    if text.is_empty() {
        return Err(InvalidToken::Empty);
    }
    if text.len() > MAX_LENGTH {
        return Err(InvalidToken::Length);
    }
    if !text.bytes().all(allowed) {
        return Err(InvalidToken::Alphabet);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_inject_a_field_passes() {
        for text in [
            "a b",
            "a\r\nX: y",
            "a\nb",
            "a\tb",
            "a\0",
            "\u{7f}",
            "caf\u{e9}",
            "\"a\"",
            "a,b",
            "a\\b",
        ] {
            assert_eq!(AccessToken::new(text.into()), Err(InvalidToken::Alphabet), "{text:?}");
        }
        assert_eq!(AccessToken::new(String::new()), Err(InvalidToken::Empty));
        for text in ["eyJ0.e-_~+/30==", "12|abcDEF0123", "a:b", "!#$%&'()*+-./:;<=>?@[]^_`{|}~"] {
            assert!(AccessToken::new(text.into()).is_ok(), "{text}");
        }
        assert!(RefreshToken::new("def50200 with space".into()).is_ok());
        assert_eq!(RefreshToken::new("a\nb".into()), Err(InvalidToken::Alphabet));
        assert_eq!(RefreshToken::new("a".repeat(MAX_LENGTH + 1)), Err(InvalidToken::Length));
    }
}
