//! Sends a request, and again where no response came and that is allowed.

use http::Response;
use tokio::time::sleep;

use super::Proxy;
use crate::answer::Answer;
use crate::net::upstream::{Failure, Freshness};
use crate::proxy::replay::Tape;
use crate::proxy::request::Outbound;
use crate::proxy::response::Content;
use crate::proxy::retry::{Retries, Retry};
use crate::token::current::Bearer;

impl Proxy {
    /// Returns the response, or why there is none.
    pub(super) async fn send(
        &self,
        outbound: &Outbound,
        tape: &Tape,
        bearer: &Bearer,
    ) -> Result<Response<Content>, Answer> {
        let method = outbound.method();
        let mut freshness = match method.is_idempotent() {
            true if tape.fits() => Freshness::Any,
            // It could not be sent again, so it must not meet a connection that has died at rest.
            true => Freshness::New,
            false => Freshness::Checked,
        };
        let mut retries = Retries::new();
        loop {
            let sent = self.pool.forward(outbound.carrying(bearer, tape), freshness).await;
            let retry = match &sent {
                Ok(response) => retries.after_response(method, response),
                Err(failure) => retries.after(method, failure),
            };
            let is_kept = |_: &Retry| tape.failure().is_none() && tape.is_whole();
            let Some(retry) = retry.filter(is_kept) else {
                return sent.map_err(|failure| failed(tape, &failure));
            };
            drop(sent);
            self.counters.replayed();
            if !retry.pause.is_zero() {
                sleep(retry.pause).await;
            }
            freshness = retry.freshness;
        }
    }
}

fn failed(tape: &Tape, failure: &Failure) -> Answer {
    if let Some(answer) = tape.failure() {
        return answer;
    }
    tracing::warn!(%failure, "a request got no response from the upstream");
    Answer::from(failure)
}
