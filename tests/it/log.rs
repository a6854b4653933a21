//! The access log: one event for each request, and nothing in it that a log should not have.

use std::io;
use std::sync::{Arc, Mutex};

use http::Response;
use tracing_subscriber::fmt::MakeWriter;

use super::support::{Start, Upstream, full, soon};

/// Every log line of this process, from whichever thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn about(&self, path: &str) -> Vec<serde_json::Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("canary-query") && !text.contains("token-1"));
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
        events.filter(|event: &serde_json::Value| event["fields"]["path"] == path).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_request_is_one_event_without_its_query() {
    let lines = Lines::default();
    tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .init();
    let upstream = Upstream::plain(|_| async { Response::new(full("12345")) }).await;
    let mut start = Start::with(&upstream);
    start.proxy.access_log = true;
    let sidecar = start.go();
    assert_eq!(sidecar.get("/api/logged?secret=canary-query").await.status, 200);
    let event = soon(async {
        loop {
            if let [event] = &lines.about("/api/logged")[..] {
                break event.clone();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(event["target"], "access");
    let fields = &event["fields"];
    assert_eq!((&fields["method"], &fields["status"]), (&"GET".into(), &200.into()));
    assert_eq!((&fields["bytes"], &fields["generation"]), (&5.into(), &1.into()));
    assert!(fields["head_ms"].as_f64().unwrap() <= fields["total_ms"].as_f64().unwrap());
}
