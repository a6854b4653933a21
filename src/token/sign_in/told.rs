//! What an authorization server says in its own words.

use std::fmt;

use crate::secret::Secret;

/// Longest text in characters that is passed on.
const MAX_LENGTH: usize = 200;

/// Text of an authorization server, or of whoever claims to be one: printable, short, and in quotation
/// marks wherever it is shown, so that nobody takes it for ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told(String);

impl Told {
    /// Keeps letters, digits, spaces and the signs of ASCII but for quotation marks and brackets, in
    /// which a page or a terminal could see more than text.
    pub fn new(text: &str) -> Self {
        let plain = |sign: &char| {
            sign.is_alphanumeric()
                || *sign == ' '
                || sign.is_ascii_punctuation() && !BAD.contains(sign)
        };
        Self(text.chars().filter(plain).take(MAX_LENGTH).collect())
    }

    /// The text, unless it repeats this secret.
    #[must_use]
    pub(super) fn without(self, secret: &Secret) -> Self {
        if self.0.contains(secret.expose()) { Self::default() } else { self }
    }
}

const BAD: [char; 4] = ['"', '<', '>', '&'];

impl fmt::Display for Told {
    /// Continues a sentence, or adds nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            "" => Ok(()),
            text => write!(f, "; the server says \"{text}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_short_plain_text_is_passed_on() {
        let told = Told::new("a\u{1b}[31m<script>\"b\u{202e}\r\n&c é");
        assert_eq!(told.to_string(), "; the server says \"a[31mscriptbc é\"");
        assert_eq!(Told::new(&"x".repeat(1000)).0.len(), MAX_LENGTH);
        assert_eq!(Told::new("\r\n").to_string(), "");
        let told = Told::new("a st\u{7}ate b");
        assert_eq!(told.clone().without(&Secret::new("state".into())), Told::default());
        assert_eq!(told.clone().without(&Secret::new("other".into())), told);
    }
}
