//! Ends a response that the caller does not get, because its request is sent again.

use std::time::Duration;

use http::Response;
use http_body_util::{BodyExt, Limited};
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout_at};

use super::response::Content;

/// Reads what little content a refusal has, so that its connection can be used again; more is not
/// worth the wait, and closes it.
pub(super) fn discard(response: Response<Content>) {
    let deadline = Instant::now() + DISCARD_TIME;
    spawn_local(async move {
        let content = Limited::new(response.into_body(), DISCARD_BYTES);
        drop(timeout_at(deadline, content.collect()).await);
    });
}

const DISCARD_BYTES: usize = 64 << 10;
const DISCARD_TIME: Duration = Duration::from_secs(1);
