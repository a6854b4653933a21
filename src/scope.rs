//! What a token may do: RFC 6749 §3.3.
//!
//! The API knows `read` (GET), `write` (POST and PUT) and `admin` (everything, DELETE included). Other
//! values are kept as they are, because a server may add some.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One value of a scope, never empty, of the characters that RFC 6749 §3.3 allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(String);

impl Scope {
    /// The value as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A scope value with a character that RFC 6749 §3.3 does not allow, or an empty one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is printable ASCII without space, quote and backslash, such as \"read\"")]
pub struct InvalidScope;

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(InvalidScope);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;

    fn try_from(text: String) -> Result<Self, InvalidScope> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

/// A set of scope values. Shown as the wire writes it: separated by spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeSet(BTreeSet<Scope>);

impl ScopeSet {
    /// Whether no value is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `value` is one of them.
    pub fn contains(&self, value: &str) -> bool {
        self.0.iter().any(|scope| scope.as_str() == value)
    }

    /// The values, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl FromStr for ScopeSet {
    type Err = InvalidScope;

    /// Reads the form of the wire: values separated by single or several spaces.
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        text.split(' ').filter(|value| !value.is_empty()).map(str::parse).collect()
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{}", scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_reads_and_writes_the_form_of_the_wire() {
        let set: ScopeSet = "write  read".parse().unwrap();
        assert_eq!(set.to_string(), "read write");
        assert!(set.contains("read") && !set.contains("admin"));
        assert!("".parse::<ScopeSet>().unwrap().is_empty());
    }

    #[test]
    fn characters_outside_the_grammar_are_refused() {
        for text in ["", "a b", "a\"b", "a\\b", "a\u{e9}", "a\r\nb"] {
            assert_eq!(text.parse::<Scope>(), Err(InvalidScope), "{text:?}");
        }
    }
}
