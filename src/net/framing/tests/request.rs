//! Requests.

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::{Asked, Flaw, Objection, Passed, Reader, Requests};
use super::{LIMITS, Outcome, agree, cut, fed, singly, words};

fn read(bytes: &[u8]) -> Outcome {
    fed(Requests::new(LIMITS), &[bytes])
}

fn flaw(bytes: impl AsRef<[u8]>) -> Option<Flaw> {
    let bytes = bytes.as_ref();
    let whole = read(bytes);
    agree(bytes, &whole, &fed(Requests::new(LIMITS), &singly(bytes)));
    whole.flaw()
}

#[test]
fn honest_requests_pass_to_the_last_byte() {
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /api/v2/x?y=%20&z={a|b}^c HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost:a\r\n\r\n",
        "GET http://a/b HTTP/1.1\r\nHost: \t a \t \r\nEmpty:\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
        "M-SEARCH / HTTP/1.1\r\nX: \u{e9}\t\u{e9}\r\n!#$%&'*+-.^_`|~0: x\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0005\r\n\r\n\r\n\0\x7f\r",
        "POST / HTTP/1.1\r\nTransfer-Encoding: \tChunked \r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
         3;a=\"b\"\r\none\r\n0000000000000004\r\nfour\r\nA\r\n\r\n\r\n\r\n\r\n\r\n\r\n00;x\r\nSum: 1\r\n\r\n",
    ] {
        let twice = request.repeat(2);
        let outcome = read(twice.as_bytes());
        assert_eq!(outcome, Outcome { clear: twice.clone().into(), objection: None }, "{request}");
        assert_eq!(flaw(twice), None, "{request}");
    }
}

#[test]
fn request_lines_have_one_form() {
    for (line, expected) in [
        ("GET /", Flaw::RequestLine),
        ("GET", Flaw::RequestLine),
        ("GET  / HTTP/1.1", Flaw::RequestLine),
        ("GET /  HTTP/1.1", Flaw::RequestLine),
        ("GET / HTTP/1.1 ", Flaw::RequestLine),
        ("GET / b HTTP/1.1", Flaw::RequestLine),
        ("GET / FTP/1.1", Flaw::RequestLine),
        ("GET / HTTP/", Flaw::RequestLine),
        ("GET\t/ HTTP/1.1", Flaw::Method),
        ("GE(T / HTTP/1.1", Flaw::Method),
        (" GET / HTTP/1.1", Flaw::Method),
        ("\u{e9}GET / HTTP/1.1", Flaw::Method),
        ("\x16\x03\x01", Flaw::Tls),
        ("\rGET / HTTP/1.1", Flaw::Control),
        ("GET /\ta HTTP/1.1", Flaw::Target),
        ("GET /\0 HTTP/1.1", Flaw::Control),
        ("GET /\r HTTP/1.1", Flaw::Control),
        ("GET /a#b HTTP/1.1", Flaw::Target),
        ("GET /a?b#c HTTP/1.1", Flaw::Target),
        ("GET http://a/<b HTTP/1.1", Flaw::Target),
        ("GET http:// HTTP/1.1", Flaw::Target),
        ("GET a:b:c HTTP/1.1", Flaw::Target),
        ("GET / http/1.1", Flaw::Version),
        ("GET / HTTP/1.2", Flaw::Version),
        ("GET / HTTP/2.0", Flaw::Version),
        ("GET / HTTP/9.9", Flaw::Version),
        ("GET / HTTP/01.1", Flaw::Version),
        ("GET / HTTP/1.1x", Flaw::Version),
        ("PRI * HTTP/2.0\r\n\r\nSM", Flaw::Http2),
        ("PRI / HTTP/2.0", Flaw::Version),
    ] {
        assert_eq!(flaw(format!("{line}\r\nHost: a\r\n\r\n")), Some(expected), "{line:?}");
    }
}

#[test]
fn targets_go_on_as_they_are_or_encoded() {
    for (target, spelt) in [
        (&b"/api/v2/x?q=`a`"[..], &b"/api/v2/x?q=`a`"[..]),
        (b"/a?q=\"<>\"", b"/a?q=%22%3C%3E%22"),
        (b"/a`<\">?q={|}^\\", b"/a%60%3C\"%3E?q={|}^\\"),
        (b"/caf\xc3\xa9?q=\xc3\xa9", b"/caf\xc3\xa9?q=\xc3\xa9"),
        (b"/caf\xe9?q=\xff", b"/caf%E9?q=%FF"),
    ] {
        for before in ["", "\r\n"] {
            let head = |target: &[u8]| {
                let content = b" HTTP/1.1\r\nContent-Length: 3\r\n\r\n\0<\xff";
                [before.as_bytes(), b"POST ", target, content].concat()
            };
            let (sent, expected) = (head(target).repeat(2), head(spelt).repeat(2));
            assert_eq!(read(&sent), Outcome { clear: expected, objection: None });
            assert_eq!(flaw(sent), None);
        }
    }
}

#[test]
fn limits_count_for_the_target_that_goes_on() {
    let head = |target: &str, rest: usize| {
        let rest = "x".repeat(rest);
        format!("GET /{target} HTTP/1.1\r\nX: {rest}\r\n\r\n")
    };
    assert_eq!(flaw(head(&"<".repeat(21), 0)), None);
    assert_eq!(flaw(head(&"<".repeat(22), 0)), Some(Flaw::TargetTooLong));
    let room = LIMITS.head - head("", 0).len();
    assert_eq!(flaw(head("<<", room - 6)), None);
    assert_eq!(flaw(head("<<", room - 5)), Some(Flaw::TooLarge));
}

#[test]
fn one_empty_line_may_stand_before_a_request() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(flaw(format!("\r\n{request}\r\n{request}\r\n")), None);
    for (before, expected) in
        [("\r\n\r\n", Flaw::RequestLine), ("\n", Flaw::Method), ("\r\r\n", Flaw::Control)]
    {
        assert_eq!(flaw(format!("{before}{request}")), Some(expected), "{before:?}");
    }
}

#[test]
fn fields_have_one_form() {
    for (line, expected) in [
        (" X: 1", Flaw::Folded),
        ("\tX: 1", Flaw::Folded),
        ("X: 1\r\n 2", Flaw::Folded),
        ("X: 1\r\n\t", Flaw::Folded),
        ("X : 1", Flaw::FieldName),
        ("X\t: 1", Flaw::FieldName),
        (": 1", Flaw::FieldName),
        ("X", Flaw::FieldName),
        ("X;Y: 1", Flaw::FieldName),
        ("X\0: 1", Flaw::Control),
        ("\u{e9}: 1", Flaw::FieldName),
        ("X: a\0b", Flaw::Control),
        ("X: a\rb", Flaw::Control),
        ("X: a\r", Flaw::Control),
        ("X: a\x0bb", Flaw::Control),
        ("X: a\x7f", Flaw::Control),
        ("X: a\nY: b", Flaw::LineEnd),
        ("X: a\n", Flaw::LineEnd),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
        assert_eq!(flaw(request), Some(expected), "{line:?}");
    }
}

#[test]
fn there_is_one_framing_or_none() {
    for (fields, expected) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", Flaw::TwoFramings),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", Flaw::TwoFramings),
        ("Content-Length: 5\r\nContent-Length: 5", Flaw::RepeatedLength),
        ("Content-Length: 5\r\nContent-Length: 6", Flaw::RepeatedLength),
        ("Content-Length: 5, 5", Flaw::Length),
        ("Content-Length: 5 5", Flaw::Length),
        ("Content-Length: +5", Flaw::Length),
        ("Content-Length: -5", Flaw::Length),
        ("Content-Length: 0x5", Flaw::Length),
        ("Content-Length: 5.0", Flaw::Length),
        ("Content-Length: \"5\"", Flaw::Length),
        ("Content-Length:", Flaw::Length),
        ("Content-Length: \u{665}", Flaw::Length),
        ("Content-Length: 18446744073709551616", Flaw::Length),
        ("Content-Length: 00000000000000000005", Flaw::Length),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Flaw::RepeatedCoding),
        ("Transfer-Encoding: chunked, chunked", Flaw::Coding),
        ("Transfer-Encoding: gzip, chunked", Flaw::Coding),
        ("Transfer-Encoding: chunked, gzip", Flaw::Coding),
        ("Transfer-Encoding: identity", Flaw::Coding),
        ("Transfer-Encoding: chunked;q=1", Flaw::Coding),
        ("Transfer-Encoding: \"chunked\"", Flaw::Coding),
        ("Transfer-Encoding: ,chunked", Flaw::Coding),
        ("Transfer-Encoding: chunked,", Flaw::Coding),
        ("Transfer-Encoding: xchunked", Flaw::Coding),
        ("Transfer-Encoding:", Flaw::Coding),
        ("Transfer-Encoding: \x0bchunked", Flaw::Control),
        ("Transfer-Encoding : chunked", Flaw::FieldName),
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        assert_eq!(flaw(request), Some(expected), "{fields:?}");
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(flaw(old), Some(Flaw::CodingInHttp10));
}

#[test]
fn chunks_have_one_form() {
    let too_long = format!("1;{}\r\n", "x".repeat(4 << 10));
    for (content, expected) in [
        ("\r\n", Flaw::ChunkSize),
        ("g\r\n", Flaw::ChunkSize),
        ("+1\r\n", Flaw::ChunkSize),
        ("-1\r\n", Flaw::ChunkSize),
        ("0x1\r\n", Flaw::ChunkSize),
        (" 1\r\n", Flaw::ChunkSize),
        ("1 \r\n", Flaw::ChunkSize),
        ("1\t;a\r\n", Flaw::ChunkSize),
        ("1\n", Flaw::ChunkSize),
        ("1\rx", Flaw::ChunkSize),
        ("00000000000000001\r\n", Flaw::ChunkSize),
        ("FFFFFFFFFFFFFFFFF\r\n", Flaw::ChunkSize),
        (";a\r\n", Flaw::ChunkSize),
        ("1;a\n", Flaw::ChunkExtension),
        ("1;a\rb\r\n", Flaw::ChunkExtension),
        ("1;\0\r\n", Flaw::ChunkExtension),
        (&too_long, Flaw::ChunkExtension),
        ("1\r\nab", Flaw::ChunkEnd),
        ("1\r\na\n", Flaw::ChunkEnd),
        ("1\r\na\rb", Flaw::ChunkEnd),
        ("0\r\nX : 1\r\n\r\n", Flaw::FieldName),
        ("0\r\nX: 1\n\r\n", Flaw::LineEnd),
        ("0\r\n X: 1\r\n\r\n", Flaw::Folded),
        ("0\r\nX: \0\r\n\r\n", Flaw::Control),
        ("0\r\nContent-Length: x\r\n\r\n", Flaw::Length),
    ] {
        let request = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{content}");
        assert_eq!(flaw(request), Some(expected), "{content:?}");
    }
}

#[test]
fn extensions_and_trailers_are_limited_in_all() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = |count: usize| format!("{head}{}0\r\n\r\n", "1;23456\r\na\r\n".repeat(count));
    assert_eq!(flaw(chunks(512)), None);
    assert_eq!(flaw(chunks(513)), Some(Flaw::ChunkExtension));
    let trailers = |count: usize| format!("{head}0\r\n{}\r\n", "X: 1\r\n".repeat(count));
    assert_eq!(flaw(trailers(10)), None);
    assert_eq!(flaw(trailers(11)), Some(Flaw::TrailersTooLarge));
    let trailer = |size: usize| format!("{head}0\r\nX:{}\r\n\r\n", "1".repeat(size - 6));
    assert_eq!(flaw(trailer(4 << 10)), None);
    assert_eq!(flaw(trailer((4 << 10) + 1)), Some(Flaw::TrailersTooLarge));
}

#[test]
fn heads_are_limited() {
    let head = |size: usize| {
        let begin = "GET / HTTP/1.1\r\nX: ";
        format!("{begin}{}\r\n\r\n", "x".repeat(size - begin.len() - 4))
    };
    assert_eq!(flaw(head(LIMITS.head)), None);
    assert_eq!(flaw(head(LIMITS.head + 1)), Some(Flaw::TooLarge));
    assert_eq!(flaw("G".repeat(LIMITS.head)), Some(Flaw::TooLarge));
    let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(count));
    assert_eq!(flaw(fields(LIMITS.fields)), None);
    assert_eq!(flaw(fields(LIMITS.fields + 1)), Some(Flaw::TooManyFields));
    let target = |size: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(size - 1));
    assert_eq!(flaw(target(LIMITS.target)), None);
    assert_eq!(flaw(target(LIMITS.target + 1)), Some(Flaw::TargetTooLong));
}

#[test]
fn what_is_not_complete_is_not_clear() {
    for (bytes, clear) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r", 0),
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", 40),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1", 47),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r", 47),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r", 51),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n\r", 50),
    ] {
        let outcome = read(bytes.as_bytes());
        assert_eq!((outcome.clear.len(), outcome.objection), (clear, None), "{bytes:?}");
    }
}

#[test]
fn a_flaw_at_hand_takes_its_whole_message_along() {
    let before = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let bytes = format!("{before}{head}1\r\na\r\nx");
    let outcome = read(bytes.as_bytes());
    assert_eq!(outcome.clear, before.as_bytes());
    let objection = Objection { flaw: Flaw::ChunkSize, passed: Passed::Nothing };
    assert_eq!(outcome.objection, Some(objection));
    // Where the head was here before, it has gone on.
    let (early, late) = bytes.as_bytes().split_at(before.len() + head.len());
    let outcome = fed(Requests::new(LIMITS), &[early, late]);
    assert_eq!(outcome.clear, format!("{before}{head}1\r\na\r\n").as_bytes());
    assert_eq!(outcome.objection.unwrap().passed, Passed::Head);
}

#[test]
fn the_method_of_a_flawed_request_is_known_if_it_was_read() {
    for (bytes, asked) in [
        ("HEAD / HTTP/1.1\r\nX : 1\r\n", Asked::Head),
        ("GET / HTTP/1.1\r\nX : 1\r\n", Asked::Other),
        ("HEAD / HTTP/3\r\n", Asked::Other),
    ] {
        let mut requests = Requests::new(LIMITS);
        assert!(requests.judge(bytes.as_bytes()).objection.is_some());
        assert_eq!(requests.asked(), asked);
    }
}

#[test]
fn an_empty_line_is_no_beginning() {
    let requests = Requests::new(LIMITS);
    for (rest, is_beginning) in [("", false), ("\r", false), ("\r\n", false), ("\r\nG", true)] {
        assert_eq!(requests.is_beginning(rest.as_bytes()), is_beginning);
    }
}

proptest! {
    /// Anything that looks a little like requests, in pieces of any size.
    #[test]
    fn pieces_make_no_difference(
        bytes in words(&[
            "GET / HTTP/1.1\r\n", "POST /a HTTP/1.1\r\n", "POST / HTTP/1.0\r\n", "GET /\r\n",
            "Host: a\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip\r\n", "X: 1\r\n", " folded\r\n", "\r\n", "\n", "\r", " ", ":",
            "0\r\n\r\n", "3\r\nabc\r\n", "3;x=y\r\n", "abc", "\0", "HTTP/1.1",
        ]),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        agree(&bytes, &read(&bytes), &fed(Requests::new(LIMITS), &cut(&bytes, &cuts)));
        agree(&bytes, &read(&bytes), &fed(Requests::new(LIMITS), &singly(&bytes)));
    }
}
