//! The pictures: shape and colour say the same, so that either is enough.

use maud::{Markup, html};

use crate::admin::Mood;
use crate::token::ended::Ending;

/// What an icon says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    Check,
    Clock,
    Warning,
    Cross,
    Power,
}

impl Icon {
    pub(super) fn of_mood(mood: Mood) -> Self {
        match mood {
            Mood::Well => Self::Check,
            Mood::Passing => Self::Clock,
            Mood::Degraded => Self::Warning,
            Mood::Broken => Self::Cross,
            Mood::Ending => Self::Power,
        }
    }

    pub(super) fn of_ending(ending: Ending) -> Self {
        match ending {
            Ending::Granted => Self::Check,
            Ending::DeadGrant | Ending::Client | Ending::Request => Self::Cross,
            Ending::Throttled | Ending::NotSent => Self::Clock,
            Ending::InDoubt => Self::Warning,
        }
    }

    /// The same in a colour: a class of the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Check => "well",
            Self::Clock => "passing",
            Self::Warning => "degraded",
            Self::Cross => "broken",
            Self::Power => "ending",
        }
    }

    /// The same in a character, for the title of a tab.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Check => "✓",
            Self::Clock => "…",
            Self::Warning => "!",
            Self::Cross => "✗",
            Self::Power => "■",
        }
    }

    /// Lines in a square of 24.
    fn path(self) -> &'static str {
        match self {
            Self::Check => "M5 12.5l4.5 4.5L19 7.5",
            Self::Clock => "M12 6.5V12l3.5 2.5M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18z",
            Self::Warning => "M12 4.5L21 20H3zM12 10v4.5M12 17.2v.3",
            Self::Cross => "M7 7l10 10M17 7L7 17",
            Self::Power => "M12 4v8M7 6.8a8 8 0 1 0 10 0",
        }
    }

    /// The picture; the text beside it says the same.
    pub(super) fn picture(self) -> Markup {
        html! {
            svg.icon viewBox="0 0 24 24" aria-hidden="true" focusable="false" { path d=(self.path()); }
        }
    }
}

/// The mark of the project: a bearer that keeps turning.
pub(super) fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 32 32" aria-hidden="true" focusable="false" {
            path d="M25.5 11a10.5 10.5 0 1 0 1 7";
            path d="M26.5 5v6.5H20";
            circle cx="16" cy="16" r="3.5" {}
        }
    }
}
