//! What came of a form, told once: the word in the address chooses one of our own sentences, and nothing
//! of the address itself is shown.

use maud::{Markup, Render, html};
use url::form_urlencoded;

use super::icons::Icon;

/// What came of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    tone: Tone,
    text: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Good,
    Neutral,
    Bad,
}

/// What came of `POST /refresh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum Refreshed {
    /// An exchange goes on.
    Begun,
    /// It follows by itself.
    Planned,
    /// No exchange can help.
    Useless,
    /// The token is a personal one.
    Fixed,
    /// The sidecar is stopping.
    Stopping,
}

impl Refreshed {
    const ALL: [Self; 5] = [Self::Begun, Self::Planned, Self::Useless, Self::Fixed, Self::Stopping];

    /// The address at which it is told.
    pub(in crate::admin) fn url(self) -> String {
        format!("/?refresh={}", self.word())
    }

    fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Planned => "planned",
            Self::Useless => "useless",
            Self::Fixed => "fixed",
            Self::Stopping => "stopping",
        }
    }

    fn notice(self) -> Notice {
        let (tone, text) = match self {
            Self::Begun => (Tone::Neutral, "An exchange was ordered; below is how it goes on."),
            Self::Planned => (
                Tone::Neutral,
                "An exchange began a moment ago; the one that was ordered follows by itself.",
            ),
            Self::Useless => (Tone::Bad, "No exchange can help now: do what is said below."),
            Self::Fixed => (Tone::Bad, "A personal access token cannot be refreshed."),
            Self::Stopping => (Tone::Bad, "The sidecar is stopping: no exchange begins now."),
        };
        Notice { tone, text }
    }
}

impl Notice {
    /// Whether it tells of a success.
    pub(super) fn is_good(&self) -> bool {
        self.tone == Tone::Good
    }

    /// The notice that the query asks for; of two, the first.
    pub(super) fn of(query: &str) -> Option<Self> {
        form_urlencoded::parse(query.as_bytes()).find_map(|(name, value)| match &*name {
            "sign_in" => Some(sign_in(&value)),
            "refresh" => {
                Refreshed::ALL.into_iter().find(|it| it.word() == value).map(Refreshed::notice)
            }
            _ => None,
        })
    }
}

/// The words are those of [`SignInError::word`](crate::token::sign_in::SignInError::word) and two more.
fn sign_in(word: &str) -> Notice {
    match word {
        "done" => {
            Notice { tone: Tone::Good, text: "Signed in: the new tokens are stored and in use." }
        }
        "out" => Notice { tone: Tone::Neutral, text: "Signed out: the tokens are forgotten." },
        _ => Notice { tone: Tone::Bad, text: failure(word) },
    }
}

#[rustfmt::skip]
fn failure(word: &str) -> &'static str {
    match word {
        "kind" => "Nobody signs in with this kind of credential: a sign-in needs [credential.authorization_code].",
        "store" => "The state directory could not keep the tokens. The log says what to mend; then sign in again.",
        "busy" => "The sidecar is exchanging tokens, or cannot store them. Try again in a minute.",
        "denied" => "Access was denied. Sign in again and approve it, as a workspace owner or executive manager.",
        "scope" => "The authorization server does not allow the scope: correct credential.authorization_code.scope.",
        "unattended" => "The authorization server must ask a person, and was told not to: remove prompt=none from authorize_url.",
        "state" => "The answer belongs to another sign-in, or to none that waits. Sign in again, and use the newest page alone.",
        "issuer" => "The answer came from another authorization server; nothing was sent to anybody. Sign in again.",
        "address" => "That is not the address at which the browser ended. Paste the whole of it, from http to its end.",
        "code" => "The code was used before, has expired or is unknown. Sign in again, and come back only once.",
        "redirect_uri" => "The authorization server knows another redirect_uri: write the registered one into the configuration, byte for byte.",
        "verifier" => "The proof of this sign-in (PKCE) was not accepted. Sign in again, and use the newest page alone.",
        "client" => "The authorization server does not accept this client: correct client_id, client_secret or client_authentication.",
        "refused" => "The authorization server refuses the sign-in: check the registration of the app.",
        "server" => "The authorization server failed or is busy. Sign in again in a minute.",
        "unreachable" => "The token endpoint could not be reached; the code was not sent. Mend that, then sign in again.",
        "answer_lost" => "The answer with the tokens was lost. Sign in again; tokens from before stay in use.",
        "no_refresh_token" => "The authorization server gave no refresh token: let the app have that grant type, or add the scope for it.",
        "random" => "This system gives no random numbers, so no sign-in can begin.",
        _ => "The sign-in did not come about. The log says why; sign in again.",
    }
}

impl Render for Notice {
    fn render(&self) -> Markup {
        let icon = match self.tone {
            Tone::Good => Icon::Check,
            Tone::Neutral => Icon::Clock,
            Tone::Bad => Icon::Cross,
        };
        html! {
            aside #notice class=(icon.class()) role="status" aria-label="Notice" {
                (icon.picture()) p { (self.text) }
                a href="/" { "Close" span.hidden { " this notice" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_chooses_a_sentence_and_shows_nothing_of_itself() {
        assert_eq!(Notice::of("sign_in=done").unwrap().tone, Tone::Good);
        let unknown = Notice::of("sign_in=%3Cb%3Eevil").unwrap();
        assert_eq!(unknown, sign_in("no such word"));
        assert!(!unknown.render().into_string().contains("evil"));
        for nothing in ["", "refresh=evil", "other=done", "refresh"] {
            assert_eq!(Notice::of(nothing), None, "{nothing}");
        }
        for refreshed in Refreshed::ALL {
            let url = refreshed.url();
            assert_eq!(Notice::of(url.strip_prefix("/?").unwrap()), Some(refreshed.notice()));
        }
    }

    #[test]
    fn every_reason_has_a_sentence_of_its_own() {
        let text = include_str!("../../token/sign_in/error.rs");
        let words: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.contains("fn word"))
            .take_while(|line| !line.contains("fn is_final"))
            .filter_map(|line| line.split_once("=> \"")?.1.split('"').next())
            .collect();
        assert!(words.len() > 15, "{words:?}");
        for word in words {
            assert_ne!(failure(word), failure("no such word"), "{word}");
        }
    }
}
