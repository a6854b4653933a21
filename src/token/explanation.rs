//! Why there is no token and what to do about it, in words: for the callers that are answered 503
//! meanwhile.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::source::Credential;
use super::state::Standing;

/// A reason and its remedy. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is wrong, without a full stop.
    pub reason: String,
    /// What to do, as a whole sentence.
    pub remedy: String,
}

impl Explanation {
    /// Explains `trouble` of this state. `page` is where a browser can sign in.
    pub(super) fn of(
        credential: &Credential,
        state: Standing,
        trouble: &str,
        page: Option<&str>,
    ) -> Self {
        let by_person = matches!(
            state,
            Standing::SignedOut | Standing::Lost | Standing::Misconfigured | Standing::Rejected
        );
        // What a person has to do follows the reason. The reason of a failed attempt has colons of its own.
        let (reason, advice) = match trouble.split_once(": ").filter(|_| by_person) {
            Some((reason, advice)) => (reason, Some(advice)),
            None => (trouble, None),
        };
        let remedy = match (state, credential, advice) {
            (Standing::SignedOut | Standing::Lost, Credential::AuthorizationCode(_), _) => {
                sign_in(page)
            }
            (_, _, Some(advice)) => sentence(advice),
            _ => "Repeat the request after the time in Retry-After; `webwork-sidecar status` shows the last error."
                .to_owned(),
        };
        Self { reason: reason.to_owned(), remedy }
    }
}

fn sign_in(page: Option<&str>) -> String {
    match page {
        Some(page) => format!("Sign in at {page}/ or with `webwork-sidecar login`."),
        None => "Sign in with `webwork-sidecar login`.".to_owned(),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let end = if text.ends_with('.') { "" } else { "." };
    first.chain(letters).collect::<String>() + end
}

/// The explanation of this moment, written by the refresher. Cheap to clone; every clone sees the same.
#[derive(Clone, Debug, Default)]
pub struct Explained(Arc<ArcSwapOption<Explanation>>);

impl Explained {
    /// Replaces it.
    pub(super) fn set(&self, explanation: Option<Explanation>) {
        self.0.store(explanation.map(Arc::new));
    }

    /// The reason and the remedy, while something is wrong.
    pub fn get(&self) -> Option<Arc<Explanation>> {
        self.0.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::super::bearer::AccessToken;
    use super::super::source::AuthorizationCode;
    use super::super::state::{Loss, Refusal};
    use super::*;

    fn code() -> Credential {
        Credential::AuthorizationCode(AuthorizationCode::example())
    }

    #[test]
    fn a_sign_in_has_the_address_at_which_the_sidecar_really_listens() {
        for (state, trouble) in [
            (Standing::SignedOut, Standing::SignedOut.advice().unwrap()),
            (Standing::Lost, Loss::Refused.advice()),
            (Standing::Lost, Loss::AnswerLost.advice()),
        ] {
            let told = Explanation::of(&code(), state, trouble, Some("http://localhost:9191"));
            assert!(told.remedy.contains("http://localhost:9191/"), "{told:?}");
            assert!(!told.reason.contains(": "), "{told:?}");
            let told = Explanation::of(&code(), state, trouble, None);
            assert!(told.remedy.contains("`webwork-sidecar login`"), "{told:?}");
        }
    }

    #[test]
    fn nobody_is_sent_to_a_sign_in_for_what_it_does_not_help() {
        let personal = AccessToken::new("canary".into()).unwrap();
        let personal = Credential::PersonalAccessToken(personal);
        for (credential, state, trouble) in [
            (code(), Standing::Misconfigured, Refusal::Client.advice()),
            (code(), Standing::Misconfigured, Refusal::Request.advice()),
            (code(), Standing::Retrying, "token endpoint: connection refused: a: b"),
            (personal, Standing::Rejected, Standing::Rejected.advice().unwrap()),
        ] {
            let told = Explanation::of(&credential, state, trouble, Some("http://localhost:9181"));
            let all = format!("{told:?}").to_lowercase();
            assert!(!all.contains("sign in") && !all.contains("canary"), "{told:?}");
            assert!(trouble.starts_with(&told.reason), "{told:?}");
        }
    }
}
