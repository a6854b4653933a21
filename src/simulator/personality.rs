//! Which authorization server is imitated.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The authorization server that the token endpoint imitates. Which one WebWork runs is not known, so
/// a client must live with each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Personality {
    /// league/oauth2-server 8.5.4, as in Laravel Passport 11 and 12.
    League8,
    /// league/oauth2-server 9.4.1, as in Laravel Passport 13.
    League9,
    /// A strict server after RFC 9700: a reused refresh token ends the whole family of tokens.
    Rfc9700,
}

/// Text that names no personality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected league8, league9 or rfc9700")]
pub struct InvalidPersonality;

impl Personality {
    const ALL: [Self; 3] = [Self::League8, Self::League9, Self::Rfc9700];

    /// The name that [`FromStr`] reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::League8 => "league8",
            Self::League9 => "league9",
            Self::Rfc9700 => "rfc9700",
        }
    }
}

impl FromStr for Personality {
    type Err = InvalidPersonality;

    fn from_str(text: &str) -> Result<Self, InvalidPersonality> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(InvalidPersonality)
    }
}

impl fmt::Display for Personality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personality_is_read_by_the_name_it_shows() {
        for personality in Personality::ALL {
            assert_eq!(personality.to_string().parse(), Ok(personality));
        }
        assert_eq!("league7".parse::<Personality>(), Err(InvalidPersonality));
    }
}
