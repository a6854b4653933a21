//! The access log: one event for each request, and nothing in it that a log should not have.

use http::Response;

use super::support::{Log, Start, Upstream, full, soon};

#[tokio::test]
async fn a_request_is_one_event_without_its_query() {
    let log = Log::of_process();
    let upstream = Upstream::plain(|_| async { Response::new(full("12345")) }).await;
    let mut start = Start::with(&upstream);
    start.proxy.access_log = true;
    let proxy = start.go();
    assert_eq!(proxy.get("/api/logged?secret=secret-query").await.status, 200);
    let event = soon(async {
        loop {
            if let [event] = &log.about("/api/logged")[..] {
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
    assert!(!log.text().contains("secret-query") && !log.text().contains("token-1"));
}
