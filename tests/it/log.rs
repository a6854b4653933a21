//! The access log: one event for each request, and nothing in it that a log should not have.

use http::Response;
use webwork_sidecar::answer::Code;

use super::support::{Log, Start, Upstream, full, refusing, soon};

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
    assert_eq!(fields.get("error.code"), None);
    assert!(fields["head_ms"].as_f64().unwrap() <= fields["total_ms"].as_f64().unwrap());
    assert!(!log.text().contains("secret-query") && !log.text().contains("token-1"));
}

#[tokio::test]
async fn an_answer_of_our_own_is_logged_with_its_code() {
    let log = Log::of_process();
    let upstream = Upstream::plain(|_| async { Response::new(full("")) }).await;
    let mut start = Start::with(&upstream);
    start.proxy.access_log = true;
    start.admission = refusing(Code::CrossSite);
    let proxy = start.go();
    assert_eq!(proxy.get("/api/refused").await.status, 403);
    let event = soon(async {
        loop {
            if let [event] = &log.about("/api/refused")[..] {
                break event.clone();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(event["fields"]["error.code"], "cross_site");
}
