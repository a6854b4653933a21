//! `POST /refresh`: the operator wants a new token now.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use tokio::sync::oneshot;

use super::Sources;
use super::asker::Asker;
use super::page::Refreshed;
use crate::answer::{Answer, Code};
use crate::token::current::Generation;
use crate::token::order::{Asked, Order};
use crate::token::state::Standing;
use crate::token::status::Status;

/// Answers a program with the report when the exchange is over, however it ended, and a form with the
/// page that shows how it goes on.
pub(super) async fn refresh(State(sources): State<Arc<Sources>>, fields: HeaderMap) -> Response {
    match Asker::of(&fields) {
        Asker::Browser => Redirect::to(&told(&order(&sources).await).url()).into_response(),
        Asker::Program | Asker::Stranger => answer(&sources, order(&sources).await).await,
    }
}

/// What was ordered, and which token was in use before.
struct Ordered {
    asked: Option<Asked>,
    before: Generation,
}

async fn order(sources: &Sources) -> Ordered {
    let before = sources.token.borrow().generation;
    let (reply, asked) = oneshot::channel();
    let sent = sources.orders.send(Order::Refresh(reply)).await;
    let asked = if sent.is_ok() { asked.await.ok() } else { None };
    Ordered { asked, before }
}

/// The notice for a person.
fn told(ordered: &Ordered) -> Refreshed {
    match ordered.asked {
        Some(Asked::Begun) => Refreshed::Begun,
        Some(Asked::Planned { .. }) => Refreshed::Planned,
        Some(Asked::Useless) => Refreshed::Useless,
        Some(Asked::Fixed) => Refreshed::Fixed,
        None => Refreshed::Stopping,
    }
}

async fn answer(sources: &Sources, Ordered { asked, before }: Ordered) -> Response {
    match asked {
        Some(Asked::Begun) => {
            // The refresher lives longer than its listeners' interest; if it ends, so does the wait.
            let over = |status: &Status| {
                let goes_on = matches!(status.state, Standing::Refreshing | Standing::InDoubt);
                status.generation > before || !goes_on && status.trouble.is_some()
            };
            sources.token.clone().wait_for(over).await.ok();
            Json(sources.report()).into_response()
        }
        Some(Asked::Planned { wait }) => {
            let seconds = wait.as_secs() + 1;
            let message = format!(
                "An exchange began a moment ago; the one that was ordered follows by itself in \
                 {seconds} s."
            );
            own(Answer::new(Code::TooSoon).message(message).retry_after(wait))
        }
        Some(Asked::Useless) => {
            let answer = Answer::new(Code::SignInRequired);
            own(match &sources.token.borrow().trouble {
                Some(trouble) => answer.message(format!("No exchange can help now: {trouble}.")),
                None => answer,
            })
        }
        Some(Asked::Fixed) => own(Answer::new(Code::Policy)
            .message("A personal access token cannot be refreshed.")
            .hint("Make a new one and put it into its file, which is read again when it changes.")),
        None => own(Answer::new(Code::Draining)),
    }
}

fn own(answer: Answer) -> Response {
    answer.into_response().map(Body::from)
}
