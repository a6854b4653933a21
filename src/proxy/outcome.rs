//! What an attempt proves of the token and of the upstream, and what a caller is told without a token.

use http::Response;

use crate::answer::{Answer, Code};
use crate::clock;
use crate::telemetry::Counters;
use crate::token::current::{Bearer, CurrentToken};

/// Notes what came of an attempt: two loads, unless it is news.
pub(super) fn learn<B>(
    counters: &Counters,
    current: &CurrentToken,
    sent: &Result<Response<B>, Answer>,
    bearer: &Bearer,
) {
    match sent {
        Ok(response) => {
            counters.upstream().answered();
            current.acceptance().answered(response.status(), bearer.generation());
        }
        Err(answer) => {
            if let Some(reason) = answer.blames_upstream() {
                counters.upstream().failed(reason, clock::wall());
            }
        }
    }
}

/// Says why there is no token and what to do, as far as the refresher has told.
pub(super) fn explained(current: &CurrentToken, answer: Answer) -> Answer {
    let lacks_token =
        matches!(answer.code(), Code::SignInRequired | Code::TokenExpired | Code::TokenPending);
    match current.explained().get().filter(|_| lacks_token) {
        Some(told) => {
            answer.message(format!("No valid token: {}.", told.reason)).hint(told.remedy.clone())
        }
        None => answer,
    }
}
