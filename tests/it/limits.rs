//! What callers may take, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use webwork_sidecar::guard::Admitted;
use webwork_sidecar::net::listen::Address;
use webwork_sidecar::net::memory::Budget;

use super::support::{Caller, Proxy, Start, Upstream, full, soon};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn ready() -> Upstream {
    Upstream::plain(|_| async { Response::new(full("ok")) }).await
}

/// An upstream that answers as often as it is told to.
async fn waiting() -> (Arc<Semaphore>, Upstream) {
    let go = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&go);
    let upstream = Upstream::plain(move |_| {
        let told = Arc::clone(&told);
        async move {
            told.acquire().await.unwrap().forget();
            Response::new(full("ok"))
        }
    })
    .await;
    (go, upstream)
}

#[tokio::test]
async fn a_head_of_32_kib_passes_and_a_larger_one_does_not() {
    let upstream = ready().await;
    let proxy = Proxy::with(&upstream);
    let head = |size: usize| {
        let begin = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        format!("{begin}{}\r\n\r\n", "x".repeat(size - begin.len() - 4))
    };
    assert_eq!(proxy.ask(&head(32 << 10)).await.status, 200);
    assert_eq!(proxy.ask(&head((32 << 10) + 1)).await.status, 431);
}

#[tokio::test]
async fn a_hundred_fields_pass_and_one_more_does_not() {
    let upstream = ready().await;
    let proxy = Proxy::with(&upstream);
    let head = |count: usize| {
        let fields: String = (1..count).map(|number| format!("X-{number}: 1\r\n")).collect();
        format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
    };
    assert_eq!(proxy.ask(&head(100)).await.status, 200);
    assert_eq!(proxy.ask(&head(101)).await.status, 431);
}

#[tokio::test]
async fn a_target_of_8_kib_passes_and_a_longer_one_does_not() {
    let upstream = ready().await;
    let proxy = Proxy::with(&upstream);
    let target = |size: usize| format!("/{}", "a".repeat(size - 1));
    assert_eq!(proxy.get(&target(8 << 10)).await.status, 200);
    let reply = proxy.get(&target((8 << 10) + 1)).await;
    assert_eq!((reply.status, reply.code().as_str()), (431, "too_large"));
}

#[tokio::test]
async fn a_head_that_dribbles_is_cut_off_and_a_connection_that_rests_is_not() {
    let upstream = ready().await;
    let mut start = Start::with(&upstream);
    start.serve.head_timeout = Duration::from_millis(50);
    let proxy = start.go();
    let mut resting = proxy.caller().await;
    let mut dribbling = proxy.caller().await;
    dribbling.send("GET / HT").await;
    assert_eq!(dribbling.reply().await.status, 408);
    assert!(dribbling.is_closed().await);
    resting.send(GET).await;
    assert_eq!(resting.reply().await.text(), "ok");
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_closed() {
    let upstream = ready().await;
    let mut start = Start::with(&upstream);
    start.serve.idle_timeout = Duration::from_millis(50);
    let proxy = start.go();
    let mut unused = proxy.caller().await;
    let mut used = proxy.caller().await;
    used.send(GET).await;
    assert_eq!(used.reply().await.text(), "ok");
    assert!(unused.is_closed().await && used.is_closed().await);
    proxy.until(|totals| totals.connections == 0).await;
}

#[tokio::test]
async fn a_request_may_take_longer_than_a_connection_may_rest() {
    let (go, upstream) = waiting().await;
    let mut start = Start::with(&upstream);
    start.serve.idle_timeout = Duration::from_millis(20);
    let proxy = start.go();
    let mut unused = proxy.caller().await;
    let mut caller = proxy.caller().await;
    caller.send(GET).await;
    assert!(unused.is_closed().await);
    go.add_permits(1);
    assert_eq!(caller.reply().await.text(), "ok");
}

#[tokio::test]
async fn content_that_stops_arriving_is_a_408() {
    let upstream = Upstream::plain(|request| async move {
        use http_body_util::BodyExt;
        drop(request.into_body().collect().await);
        Response::new(full("late"))
    })
    .await;
    let mut start = Start::with(&upstream);
    start.serve.content_timeout = Duration::from_millis(50);
    let proxy = start.go();
    let reply = proxy.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\npart").await;
    assert_eq!((reply.status, reply.code().as_str()), (408, "caller_timeout"));
    assert_eq!(reply.fields["connection"], "close");
}

#[tokio::test]
async fn at_the_limit_connections_wait_and_are_not_reset() {
    let upstream = ready().await;
    let mut start = Start::with(&upstream);
    start.serve.max_connections = 1;
    start.cores = 2;
    let proxy = start.go();
    let mut first = proxy.caller().await;
    first.send(GET).await;
    assert_eq!(first.reply().await.text(), "ok");
    let mut second = proxy.caller().await;
    second.send(GET).await;
    first.send(GET).await;
    assert_eq!(first.reply().await.text(), "ok");
    assert_eq!(proxy.totals().answers, 2);
    drop(first);
    assert_eq!(second.reply().await.text(), "ok");
}

#[tokio::test]
async fn requests_wait_for_memory_and_go_on() {
    const CALLERS: usize = 12;
    let (go, upstream) = waiting().await;
    let mut start = Start::with(&upstream);
    start.cores = 2;
    // The cores of this test share it.
    start.memory = Budget::new(MIB, true, 0);
    let memory = start.memory.clone();
    let proxy = start.go();
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let mut caller = proxy.caller().await;
        caller.send(GET).await;
        callers.push(caller);
    }
    soon(async {
        while memory.waited() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let served = proxy.totals().in_flight;
    assert!(0 < served && served < CALLERS as u64, "{served}");
    assert!(memory.reserved() <= MIB);
    go.add_permits(CALLERS);
    for mut caller in callers {
        assert_eq!(caller.reply().await.text(), "ok");
    }
    proxy.until(|totals| totals.connections == 0).await;
    // What is left is kept by the cores for the next requests.
    assert!(memory.reserved() < MIB / 2, "{}", memory.reserved());
}

/// The time that a caller has for its head is over long before there is memory for its request.
#[tokio::test]
async fn a_request_that_waits_for_memory_is_not_taken_for_a_slow_caller() {
    let (go, upstream) = waiting().await;
    let mut start = Start::with(&upstream);
    start.serve.head_timeout = Duration::from_millis(20);
    start.memory = Budget::new(MIB, true, 0);
    let memory = start.memory.clone();
    let proxy = start.go();
    let mut callers = Vec::new();
    while memory.waited() == 0 {
        let mut caller = proxy.caller().await;
        caller.send(GET).await;
        callers.push(caller);
        let asked = callers.len() as u64;
        proxy.until(|totals| totals.in_flight == asked || memory.waited() > 0).await;
    }
    // Each of these has its time at another proxy, one after the other.
    let mut clock = Start::with(&upstream);
    clock.serve.head_timeout = Duration::from_millis(20);
    let clock = clock.go();
    for _ in 0..3 {
        let mut slow = clock.caller().await;
        slow.send("GET / HTTP/1.1\r\n").await;
        assert_eq!(slow.reply().await.status, 408);
    }
    go.add_permits(callers.len());
    for mut caller in callers {
        assert_eq!(caller.reply().await.text(), "ok");
    }
}

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_panic_ends_its_own_connection_and_no_other() {
    let upstream = ready().await;
    let mut start = Start::with(&upstream);
    start.admission = Arc::new(|head, _| {
        assert!(head.uri.path() != "/defect", "planted");
        Ok(Admitted::Request)
    });
    let proxy = start.go();
    let mut other = proxy.caller().await;
    other.send(GET).await;
    assert_eq!(other.reply().await.text(), "ok");
    let mut unlucky = proxy.caller().await;
    unlucky.send("GET /defect HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let reply = unlucky.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (500, "internal"));
    assert!(unlucky.is_closed().await);
    other.send(GET).await;
    assert_eq!(other.reply().await.text(), "ok");
    proxy.until(|totals| totals.in_flight == 0).await;
}

#[tokio::test]
async fn a_drain_finishes_what_runs_and_closes_what_rests() {
    let (go, upstream) = waiting().await;
    let mut start = Start::with(&upstream);
    start.cores = 2;
    let mut proxy = start.go();
    let Address::Tcp(address) = proxy.address.clone() else { panic!() };
    let mut resting = proxy.caller().await;
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut caller = proxy.caller().await;
        caller.send(GET).await;
        busy.push(caller);
    }
    proxy.until(|totals| totals.in_flight == 4 && totals.connections == 5).await;
    proxy.drain(Duration::from_secs(15));
    assert!(resting.is_closed().await);
    soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    go.add_permits(busy.len());
    for mut caller in busy {
        let reply = caller.reply().await;
        assert_eq!((reply.text(), &reply.fields["connection"]), ("ok", &"close".parse().unwrap()));
        assert!(caller.is_closed().await);
    }
    proxy.ended().await;
    assert_eq!(proxy.totals().connections, 0);
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let (_go, upstream) = waiting().await;
    let mut proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(GET).await;
    proxy.until(|totals| totals.in_flight == 1).await;
    proxy.drain(Duration::from_millis(50));
    proxy.ended().await;
    assert!(caller.is_closed().await);
}

#[tokio::test]
async fn unix_sockets_serve_too() {
    let upstream = ready().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("proxy.sock");
    let mut start = Start::with(&upstream);
    start.listen = Address::Unix(path.clone());
    start.cores = 2;
    let _proxy = start.go();
    for _ in 0..4 {
        let mut caller = Caller::new(UnixStream::connect(&path).await.unwrap());
        caller.send(GET).await;
        assert_eq!(caller.reply().await.text(), "ok");
    }
}

#[tokio::test]
async fn a_caller_that_asks_for_it_is_disconnected() {
    let upstream = ready().await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let reply = caller.reply().await;
    assert_eq!((reply.text(), &reply.fields["connection"]), ("ok", &"close".parse().unwrap()));
    assert!(caller.is_closed().await);
}
