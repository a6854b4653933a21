//! Form and query parameters, in the order in which they came.

use url::form_urlencoded;

/// Decoded name-value pairs.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`; every text is one.
    pub(super) fn read(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The value of a parameter. Of several the last one counts, as in PHP.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first name that came more than once, which RFC 6749 §3.2 forbids.
    pub(super) fn repeated(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }

    /// Cuts white space off every value, as league 9 does.
    pub(super) fn trim(&mut self) {
        for (_, value) in &mut self.0 {
            *value = value.trim().to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_values_counts() {
        let parameters = Parameters::read(b"a=1&b=2+3&a=%34");
        assert_eq!(parameters.value("a"), Some("4"));
        assert_eq!(parameters.value("b"), Some("2 3"));
        assert_eq!(parameters.repeated(), Some("a"));
        assert_eq!(Parameters::read(b"a=1&b=1").repeated(), None);
    }
}
