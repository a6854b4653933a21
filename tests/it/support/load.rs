//! Callers that never rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::{Caller, ECHO, Sidecar};

/// Requests, one after the other on each of several connections, until it is told to end.
pub(crate) struct Load {
    enough: Arc<AtomicBool>,
    callers: JoinSet<Answers>,
}

/// How many answers had which status.
pub(crate) type Answers = BTreeMap<u16, u64>;

/// A small JSON text, echoed by the service.
const CONTENT: &str = "{\"workspace_id\":501,\"title\":\"Write the copy\"}";

impl Load {
    /// GET and POST in turn, over this many connections that stay open.
    pub(crate) async fn on(sidecar: &Sidecar, connections: usize) -> Self {
        let enough = Arc::<AtomicBool>::default();
        let mut callers = JoinSet::new();
        for _ in 0..connections {
            let (caller, enough) = (sidecar.caller().await, Arc::clone(&enough));
            let get = sidecar.get_request("/api/v2/workspaces");
            let post = sidecar.post_request(ECHO, CONTENT);
            callers.spawn(async move { calls(caller, get, post, &enough).await });
        }
        Self { enough, callers }
    }

    /// Ends it, and tells what the callers saw.
    pub(crate) async fn end(self) -> Answers {
        self.enough.store(true, Ordering::Relaxed);
        let mut all = Answers::new();
        for (status, count) in self.callers.join_all().await.into_iter().flatten() {
            *all.entry(status).or_default() += count;
        }
        all
    }

    /// Ends it, and tells how many answers there were: all of them good.
    pub(crate) async fn ends_well(self) -> u64 {
        let answers = self.end().await;
        let count = answers.get(&200).copied().unwrap_or_default();
        assert!(count > 0 && answers.len() == 1, "{answers:?}");
        count
    }
}

async fn calls(
    mut caller: Caller<tokio::net::TcpStream>,
    get: String,
    post: Vec<u8>,
    enough: &AtomicBool,
) -> Answers {
    let mut answers = Answers::new();
    while !enough.load(Ordering::Relaxed) {
        caller.send(&get).await;
        let reply = caller.reply().await;
        *answers.entry(reply.status).or_default() += 1;
        caller.send(&post).await;
        let reply = caller.reply().await;
        if reply.status == 200 {
            assert_eq!(reply.text(), CONTENT);
        }
        *answers.entry(reply.status).or_default() += 1;
    }
    answers
}
