//! Upstreams whose answers have a flaw: the caller gets a 502 or is cut off, the connection is dropped,
//! the token is kept, and the next request is served.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, Version};
use tokio::sync::watch;

use super::super::support::{Certificate, Proxy, Upstream, Wire, full, soon};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Says this on its first connection, then waits for its end; on the others it is well-behaved.
async fn first_says(answer: String) -> Upstream {
    Upstream::raw(move |stream, number| {
        let answer = answer.clone();
        async move {
            let mut wire = Wire::new(stream);
            while wire.head().await.is_some() {
                wire.write(if number == 0 { &answer } else { OK }).await;
            }
        }
    })
    .await
}

/// The answer is not passed on, and hurts nobody else.
async fn is_refused(answer: impl Into<String>) {
    let answer = answer.into();
    let shown = answer[..answer.len().min(100)].escape_default().to_string();
    let upstream = first_says(answer).await;
    let mut proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(GET).await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_protocol"), "{shown}");
    assert_eq!(reply.fields["proxy-status"], "webwork-sidecar; error=http_protocol_error");
    caller.send(GET).await;
    assert_eq!(caller.reply().await.text(), "ok", "{shown}");
    assert_eq!(upstream.connections(), 2, "{shown}");
    assert!(proxy.rejections.try_recv().is_err(), "{shown}");
    assert_eq!(proxy.totals().replays, 0, "{shown}");
}

#[tokio::test]
async fn two_framings_are_none() {
    for fields in [
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2, 3",
        "Content-Length: 2,",
        "Content-Length: 2, +2",
        "Content-Length : 2",
        "Content-Length: 2, 2\r\nTransfer-Encoding: chunked",
        "Content-Length: +2",
        "Content-Length: x",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding : chunked",
        "Content-Length: 2\r\nConnection : close",
    ] {
        is_refused(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nok")).await;
    }
    is_refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn heads_have_one_form() {
    for answer in [
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n X: 1\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX Y: 1\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\x1b[0m\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 20\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/2 200\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "ICY 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "<html>an answer of HTTP/0.9</html>",
        "\0\0\x12\x04\0\0\0\0\0",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        is_refused(answer).await;
    }
}

#[tokio::test]
async fn heads_have_limits() {
    is_refused(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(64 << 10))).await;
    is_refused(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(64 << 10))).await;
    is_refused(format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(257))).await;
    is_refused(format!("{}{OK}", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n".repeat(9))).await;
    is_refused(
        format!("HTTP/1.1 100 Continue\r\n\r\n{OK}").repeat(1_000).replace("200 OK", "100 OK"),
    )
    .await;
}

#[tokio::test]
async fn a_switch_of_protocols_is_no_answer() {
    is_refused("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n")
        .await;
}

#[tokio::test]
async fn a_flawed_chunk_at_hand_takes_the_head_along() {
    for chunks in [
        "zz\r\nok\r\n0\r\n\r\n",
        "2 2\r\nok",
        " 2\r\nok",
        "-2\r\nok",
        "2\nok",
        "2\r\nokay",
        "0\r\nX : 1\r\n\r\n",
    ] {
        is_refused(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")).await;
    }
}

/// The answer as it arrives, on a connection that is used again.
async fn passes(answer: impl Into<String>) -> (HeaderMap, String) {
    let upstream = first_says(answer.into()).await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(GET).await;
    let reply = caller.reply().await;
    assert_eq!(reply.status, 200);
    caller.send(GET).await;
    assert_eq!((caller.reply().await.status, upstream.connections()), (200, 1));
    let text = reply.text().to_owned();
    (reply.fields, text)
}

#[tokio::test]
async fn a_length_that_is_said_twice_is_said_once() {
    for fields in [
        "Content-Length: 2\r\nContent-Length: 2",
        "Content-Length: 2, 2",
        "Content-Length: 2\t,2 , 2\r\nX: 1\r\nContent-Length: 02",
    ] {
        let (fields, text) = passes(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nok")).await;
        let lengths: Vec<_> = fields.get_all("content-length").iter().collect();
        assert_eq!(lengths, ["2"]);
        assert_eq!(text, "ok");
    }
    let upstream = first_says("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n".to_owned()).await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(caller.reply_to("HEAD").await.fields["content-length"], "2");
}

#[tokio::test]
async fn the_space_before_a_colon_goes_no_further() {
    for space in [" ", "\t", " \t  "] {
        let head = format!("X-Note{space}: yes\r\nSet-Cookie{space}: a=b\r\nContent-Length: 2");
        let (fields, text) = passes(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nok")).await;
        assert_eq!((fields["x-note"].as_bytes(), text.as_str()), (b"yes".as_slice(), "ok"));
        // What is dropped is dropped however it is written.
        assert!(!fields.contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn the_space_behind_the_size_of_a_chunk_is_ignored() {
    for chunks in
        ["2 \r\nok\r\n0 \r\n\r\n", "2\t \r\nok\r\n0\t;x\r\n\r\n", "2 ; a=b\r\nok\r\n0\r\n\r\n"]
    {
        let (_, text) =
            passes(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")).await;
        assert_eq!(text, "ok", "{chunks:?}");
    }
}

#[tokio::test]
async fn two_hundred_fields_pass() {
    let fields: String = (0..200).map(|number| format!("X-{number}: {number}\r\n")).collect();
    let head = format!("{fields}X-0: again\r\nContent-Length: 2");
    let (fields, text) = passes(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nok")).await;
    for number in 1..200 {
        assert_eq!(fields[format!("x-{number}")], number.to_string());
    }
    let twice: Vec<_> = fields.get_all("x-0").iter().collect();
    assert_eq!(twice, ["0", "again"]);
    assert_eq!(text, "ok");
}

#[tokio::test]
async fn a_field_that_hyper_does_not_see_is_cleaned_as_any_other() {
    let fields: String = (0..150).map(|number| format!("X-{number}: {number}\r\n")).collect();
    let hidden = "Set-Cookie: a=b\r\nX-Token: token-1\r\nX-Hop: 1\r\nConnection: x-hop";
    let head = format!("{fields}{hidden}\r\nContent-Length: 2");
    let (fields, _) = passes(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nok")).await;
    for name in ["set-cookie", "x-token", "x-hop"] {
        assert!(!fields.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_flaw_within_content_cuts_the_caller_off() {
    for flaw in ["zz\r\n", "4\r\nokay?", "2;\n", "0\r\n\n", "0\r\nX: \0\r\n\r\n"] {
        let (go, wait) = watch::channel(false);
        let upstream = Upstream::raw(move |stream, number| {
            let mut wait = wait.clone();
            async move {
                let mut wire = Wire::new(stream);
                while wire.head().await.is_some() {
                    if number > 0 {
                        wire.write(OK).await;
                        continue;
                    }
                    wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
                        .await;
                    wait.wait_for(|go| *go).await.unwrap();
                    wire.write(flaw).await;
                }
            }
        })
        .await;
        let proxy = Proxy::with(&upstream);
        let mut caller = proxy.caller().await;
        caller.send(GET).await;
        caller.head().await;
        go.send_replace(true);
        let rest = caller.rest().await;
        assert!(
            rest.starts_with(b"2\r\nok\r\n") && !rest.ends_with(b"0\r\n\r\n"),
            "{flaw:?} {rest:?}"
        );
        assert_eq!(proxy.get("/").await.text(), "ok");
        assert_eq!(upstream.connections(), 2, "{flaw:?}");
    }
}

#[tokio::test]
async fn surplus_bytes_cost_the_connection_and_nobody_sees_them() {
    let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled";
    for answer in [
        format!("{OK}x"),
        format!("{OK}{smuggled}"),
        format!("{OK}\r\n"),
        format!("HTTP/1.1 204 No Content\r\nContent-Length: 51\r\n\r\n{smuggled}"),
        format!("HTTP/1.1 304 Not Modified\r\n\r\n{smuggled}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
    ] {
        let upstream = first_says(answer.clone()).await;
        let proxy = Proxy::with(&upstream);
        let mut caller = proxy.caller().await;
        caller.send(GET).await;
        assert!(caller.reply().await.status < 400, "{answer}");
        caller.send(GET).await;
        assert_eq!(caller.reply().await.text(), "ok", "{answer}");
        assert_eq!(upstream.connections(), 2, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_content() {
    let upstream = first_says("HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\nsmuggled".into()).await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(caller.reply_to("HEAD").await.fields["content-length"], "51");
    caller.send(GET).await;
    assert_eq!((caller.reply().await.text(), upstream.connections()), ("ok", 2));
}

#[tokio::test]
async fn what_arrives_on_a_resting_connection_ends_it() {
    let (go, wait) = watch::channel(false);
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::raw(move |stream, number| {
        let (mut wait, ended) = (wait.clone(), ended.clone());
        async move {
            let mut wire = Wire::new(stream);
            while wire.head().await.is_some() {
                wire.write(OK).await;
                if number == 0 {
                    wait.wait_for(|go| *go).await.unwrap();
                    wire.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n").await;
                }
            }
            ended.send(number).unwrap();
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    assert_eq!(proxy.get("/").await.text(), "ok");
    go.send_replace(true);
    assert_eq!(soon(ends.recv()).await, Some(0));
    assert_eq!((proxy.get("/").await.text(), upstream.connections()), ("ok", 2));
}

#[tokio::test]
async fn content_is_passed_on_before_the_next_line_is_complete() {
    let (go, wait) = watch::channel(0);
    let upstream = Upstream::raw(move |stream, _| {
        let mut wait = wait.clone();
        async move {
            let mut wire = Wire::new(stream);
            wire.head().await.unwrap();
            let pieces = [
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\non",
                "e\r",
                "\n1\r\n!\r\n0\r\n\r\n",
            ];
            for (number, piece) in pieces.into_iter().enumerate() {
                wait.wait_for(|go| *go >= number).await.unwrap();
                wire.write(piece).await;
            }
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(GET).await;
    caller.head().await;
    assert_eq!(soon(caller.take(7)).await, b"2\r\non\r\n");
    go.send_replace(1);
    assert_eq!(soon(caller.take(6)).await, b"1\r\ne\r\n");
    go.send_replace(2);
    assert_eq!(soon(caller.take(11)).await, b"1\r\n!\r\n0\r\n\r\n");
}

#[tokio::test]
async fn an_answer_may_end_with_its_connection() {
    for version in ["HTTP/1.0", "HTTP/1.1"] {
        let upstream = Upstream::raw(move |stream, _| async move {
            let mut wire = Wire::new(stream);
            wire.head().await.unwrap();
            wire.write(format!("{version} 200 OK\r\nX: \u{e9}\r\n\r\nuntil\r\n\r\nthe end")).await;
        })
        .await;
        let reply = Proxy::with(&upstream).get("/").await;
        assert_eq!((reply.status, reply.text()), (200, "until\r\n\r\nthe end"));
    }
}

#[tokio::test]
async fn an_answer_that_is_shorter_than_it_says_is_cut_off() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX: 1\r\n",
    ] {
        let upstream = Upstream::raw(move |stream, _| async move {
            let mut wire = Wire::new(stream);
            wire.head().await.unwrap();
            wire.write(answer).await;
        })
        .await;
        let proxy = Proxy::with(&upstream);
        let mut caller = proxy.caller().await;
        caller.send(GET).await;
        caller.head().await;
        let rest = caller.rest().await;
        assert!(!rest.ends_with(b"0\r\n\r\n") && rest.len() < 10, "{answer} {rest:?}");
    }
}

#[tokio::test]
async fn two_lengths_over_http2_are_one_too_many() {
    for lengths in [["2", "2"], ["2", "3"]] {
        let upstream = Upstream::tls(&["h2"], move |request| async move {
            assert_eq!(request.version(), Version::HTTP_2);
            let mut response = Response::new(full("ok"));
            if request.uri().path() == "/two" {
                for length in lengths {
                    response.headers_mut().append("content-length", length.parse().unwrap());
                }
            }
            response
        })
        .await;
        let proxy = Proxy::with(&upstream);
        let reply = proxy.get("/two").await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (502, "upstream_protocol"),
            "{lengths:?}"
        );
        assert_eq!((proxy.get("/").await.text(), upstream.connections()), ("ok", 1));
    }
}

#[tokio::test]
async fn a_switch_of_protocols_is_no_answer_over_http2_either() {
    let upstream = Upstream::tls_raw(&Certificate::good(), &["h2"], |stream, _| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut answer))) = connection.accept().await {
            let mut response = Response::new(());
            if request.uri().path() == "/switch" {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            }
            answer.send_response(response, true).unwrap();
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let reply = proxy.get("/switch").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_protocol"));
    assert_eq!((proxy.get("/").await.status, upstream.connections()), (200, 1));
}

#[tokio::test]
async fn a_caller_that_is_slow_to_ask_again_finds_no_old_answer() {
    // Two answers to one question, the second one late: it belongs to nobody.
    let upstream = Upstream::raw(move |stream, number| async move {
        let mut wire = Wire::new(stream);
        while wire.head().await.is_some() {
            wire.write(OK).await;
            if number == 0 {
                wire.write("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled").await;
                return;
            }
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    assert_eq!(proxy.get("/").await.text(), "ok");
    soon(async {
        while upstream.connections() < 2 {
            assert_eq!(proxy.get("/").await.text(), "ok");
        }
    })
    .await;
    proxy.drain(Duration::from_secs(5));
}
