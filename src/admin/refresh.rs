//! `POST /refresh`: the operator wants a new token now.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use tokio::sync::oneshot;

use super::Sources;
use crate::answer::{Answer, Code};
use crate::token::order::{Asked, Order};
use crate::token::state::Standing;
use crate::token::status::Status;

/// Answers with the report when the exchange is over, however it ended.
pub(super) async fn refresh(State(sources): State<Arc<Sources>>) -> Response {
    let mut status = sources.token.clone();
    let before = status.borrow().generation;
    let (reply, asked) = oneshot::channel();
    if sources.orders.send(Order::Refresh(reply)).await.is_err() {
        return own(Answer::new(Code::Draining));
    }
    match asked.await {
        Ok(Asked::Begun) => {
            // The refresher lives longer than its listeners' interest; if it ends, so does the wait.
            let over = |status: &Status| {
                let goes_on = matches!(status.state, Standing::Refreshing | Standing::InDoubt);
                status.generation > before || !goes_on && status.trouble.is_some()
            };
            status.wait_for(over).await.ok();
            Json(sources.report()).into_response()
        }
        Ok(Asked::Planned { wait }) => {
            let seconds = wait.as_secs() + 1;
            let message = format!(
                "An exchange began a moment ago; the one that was ordered follows by itself in \
                 {seconds} s."
            );
            own(Answer::new(Code::TooSoon).message(message).retry_after(wait))
        }
        Ok(Asked::Useless) => own(Answer::new(Code::SignInRequired)),
        Ok(Asked::Fixed) => own(Answer::new(Code::Policy)
            .message("A personal access token cannot be refreshed.")
            .hint("Make a new one and put it into its file, which is read again when it changes.")),
        Err(_) => own(Answer::new(Code::Draining)),
    }
}

fn own(answer: Answer) -> Response {
    answer.into_response().map(Body::from)
}
