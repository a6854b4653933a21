//! What a token may do: RFC 6749 §3.3.
//!
//! The API knows `read` (GET), `write` (POST and PUT) and `admin` (everything, DELETE included). Other
//! values are kept as they are, because a server may add some.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use http::Method;
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

/// A right that the API knows, by the name of its scope value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To look.
    Read,
    /// To add and change.
    Write,
    /// To do everything, and to delete.
    Admin,
}

impl Right {
    /// The right that a method takes (API.md §1). PATCH, which the API does not have, changes things
    /// as PUT does; OPTIONS and what is no method of the API take none.
    pub fn needed_for(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Self::Read),
            Method::POST | Method::PUT | Method::PATCH => Some(Self::Write),
            Method::DELETE => Some(Self::Admin),
            _ => None,
        }
    }

    /// The scope value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// What a token may do, as far as that is certain: small enough to travel with every token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rights {
    /// Nobody said, or what was said may mean more than we know: nothing is ruled out.
    #[default]
    Unknown,
    /// `read` alone.
    Read,
    /// `write` alone; it does not include reading.
    Write,
    /// `read` and `write`.
    ReadWrite,
    /// Everything.
    All,
}

impl Rights {
    /// Whether a request that takes `right` can succeed.
    pub fn include(self, right: Right) -> bool {
        match right {
            Right::Read => self != Self::Write,
            Right::Write => self != Self::Read,
            Right::Admin => matches!(self, Self::All | Self::Unknown),
        }
    }
}

impl From<&ScopeSet> for Rights {
    /// `admin`, and Passport's `*`, cover everything. A value that the API is not known to have could
    /// allow anything, and so could an empty set: a token without scopes is judged by other rules.
    fn from(scope: &ScopeSet) -> Self {
        if scope.contains("admin") || scope.contains("*") {
            return Self::All;
        }
        match (scope.contains("read"), scope.contains("write"), scope.0.len()) {
            (true, false, 1) => Self::Read,
            (false, true, 1) => Self::Write,
            (true, true, 2) => Self::ReadWrite,
            _ => Self::Unknown,
        }
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

    #[test]
    fn rights_follow_from_a_scope_that_is_known_for_sure() {
        for (scope, refused) in [
            ("read", &["POST", "PUT", "PATCH", "DELETE"][..]),
            ("write", &["GET", "HEAD", "DELETE"]),
            ("read write", &["DELETE"]),
            ("admin", &[]),
            ("read admin", &[]),
            ("*", &[]),
            ("", &[]),
            ("read tasks:delete", &[]),
        ] {
            let rights = Rights::from(&scope.parse::<ScopeSet>().unwrap());
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                let needed = Right::needed_for(&method.parse().unwrap());
                let allowed = needed.is_none_or(|right| rights.include(right));
                assert_eq!(allowed, !refused.contains(&method), "{scope:?} {method}");
            }
        }
        assert!(Rights::default().include(Right::Admin));
    }
}
