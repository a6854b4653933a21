//! Responses.

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::{Asked, Flaw, Limits, Passed, Reader, Responses, Surplus, repaired};
use super::{LIMITS, Outcome, agree, cut, fed, singly, words};

fn asked(asked: Asked) -> Responses {
    let mut responses = Responses::new(LIMITS);
    responses.expect(asked);
    responses
}

fn flaw(method: Asked, bytes: impl AsRef<[u8]>) -> Option<Flaw> {
    let bytes = bytes.as_ref();
    let whole = fed(asked(method), &[bytes]);
    agree(bytes, &whole, &fed(asked(method), &singly(bytes)));
    whole.flaw()
}

#[test]
fn honest_responses_pass_to_the_last_byte() {
    for (method, response) in [
        (Asked::Other, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        (Asked::Other, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        (Asked::Other, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
        (Asked::Other, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
        (
            Asked::Other,
            "HTTP/1.1 404 Not\t\u{e9} Found\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (Asked::Other, "HTTP/1.1 200 OK\r\n\r\nuntil the end\r\n\r\n\0"),
        (Asked::Other, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
        (Asked::Other, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        (
            Asked::Other,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        (Asked::Head, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (Asked::Head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (Asked::Head, "HTTP/1.1 200 OK\r\n\r\n"),
        (
            Asked::Other,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             3  \r\none\r\n3\t ;a=\"b\"\r\ntwo\r\n0 \t;x\r\n\r\n",
        ),
    ] {
        assert_eq!(flaw(method, response), None, "{response}");
        let whole = Outcome { clear: response.into(), objection: None };
        assert_eq!(fed(asked(method), &[response.as_bytes()]), whole, "{response}");
    }
}

#[test]
fn heads_have_one_form() {
    for (head, expected) in [
        ("HTTP/1.1 OK", Flaw::StatusLine),
        ("HTTP/1.1 20 OK", Flaw::StatusLine),
        ("HTTP/1.1 2000 OK", Flaw::StatusLine),
        ("HTTP/1.1 200OK", Flaw::StatusLine),
        ("HTTP/1.1 099 OK", Flaw::StatusLine),
        ("HTTP/1.1  200 OK", Flaw::StatusLine),
        ("HTTP/1.1\t200 OK", Flaw::StatusLine),
        ("HTTP/1.1", Flaw::StatusLine),
        ("HTTP/1.1 200 O\0K", Flaw::Control),
        ("HTTP/1.1 200 O\rK", Flaw::Control),
        ("http/1.1 200 OK", Flaw::StatusLine),
        ("\r\nHTTP/1.1 200 OK", Flaw::StatusLine),
        ("<html>garbage</html>", Flaw::StatusLine),
        ("HTTP/2.0 200 OK", Flaw::Version),
        ("HTTP/1.2 200 OK", Flaw::Version),
        ("HTTP/1.1 200 OK\nX: 1", Flaw::LineEnd),
        ("HTTP/1.1 200 OK\r\nX: 1\n", Flaw::LineEnd),
        ("HTTP/1.1 200 OK\r\nX: 1\r\n 2", Flaw::Folded),
        ("HTTP/1.1 200 OK\r\nContent-Length : 1", Flaw::FieldName),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding\t: chunked", Flaw::FieldName),
        ("HTTP/1.1 200 OK\r\nconnection : close", Flaw::FieldName),
        ("HTTP/1.1 200 OK\r\nX Y: 1", Flaw::FieldName),
        ("HTTP/1.1 200 OK\r\nX ", Flaw::FieldName),
        ("HTTP/1.1 200 OK\r\n : 1", Flaw::Folded),
        ("HTTP/1.1 200 OK\r\nX: \0", Flaw::Control),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2", Flaw::RepeatedLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 2", Flaw::RepeatedLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\nContent-Length: 2", Flaw::RepeatedLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1,", Flaw::Length),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1,,1", Flaw::Length),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, +1", Flaw::Length),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1;1", Flaw::Length),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\nTransfer-Encoding: chunked",
            Flaw::TwoFramings,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", Flaw::TwoFramings),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", Flaw::Coding),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", Flaw::CodingInHttp10),
        ("HTTP/1.1 204 OK\r\nContent-Length: 1\r\nContent-Length: 2", Flaw::RepeatedLength),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: a", Flaw::Switched),
    ] {
        assert_eq!(flaw(Asked::Other, format!("{head}\r\n\r\n")), Some(expected), "{head:?}");
    }
}

#[test]
fn chunks_have_one_form_but_for_the_space_behind_their_size() {
    let too_long = format!("1{}\r\n", " ".repeat(4 << 10));
    for (content, expected) in [
        ("1 1\r\n", Flaw::ChunkSize),
        ("1 x\r\n", Flaw::ChunkSize),
        (" 1\r\n", Flaw::ChunkSize),
        ("\t1\r\n", Flaw::ChunkSize),
        (" \r\n", Flaw::ChunkSize),
        ("1 \n", Flaw::ChunkExtension),
        ("1 \r1\r\n", Flaw::ChunkExtension),
        ("1 \x0b\r\n", Flaw::ChunkExtension),
        (&too_long, Flaw::ChunkExtension),
        ("0\r\nX : 1\r\n\r\n", Flaw::FieldName),
    ] {
        let response = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{content}");
        assert_eq!(flaw(Asked::Other, response), Some(expected), "{content:?}");
    }
}

/// What goes on of an answer that arrives at once, and the fields that go beside it.
fn gone_on(bytes: &[u8]) -> (Vec<u8>, Vec<Surplus>) {
    let mut responses = Responses::new(Limits { head: 64 << 10, fields: 256, ..LIMITS });
    responses.expect(Asked::Other);
    let verdict = responses.judge(bytes);
    let repairs = responses.repairs();
    (repaired(&bytes[..verdict.clear], &repairs), responses.surplus())
}

#[test]
fn what_has_one_reading_is_written_in_one_form() {
    for (fields, written) in [
        ("X : 1", "X: 1"),
        ("X \t : 1\r\nY:2", "X: 1\r\nY: 2"),
        ("X :", "X: "),
        ("Content-Length: 2\r\nX: 1\r\ncontent-length: 2", "Content-Length: 2\r\nX: 1"),
        ("Content-Length: 2 , 2\t,2", "Content-Length: 2"),
        ("X: 1\r\nContent-Length: 002\r\nContent-Length: 2", "X: 1\r\nContent-Length: 2"),
        ("X : a : b", "X: a : b"),
        ("X: a : b", "X: a : b"),
    ] {
        let head = |fields| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
        let (went, surplus) = gone_on(head(fields).as_bytes());
        assert_eq!(String::from_utf8(went).unwrap(), head(written), "{fields:?}");
        assert!(surplus.is_empty());
    }
}

#[test]
fn repairs_touch_nothing_beside_the_head() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink : a\r\n\r\n";
    let bytes = format!("{interim}HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length: 6\r\n\r\nY : 2\r");
    let (went, surplus) = gone_on(bytes.as_bytes());
    assert_eq!(
        String::from_utf8(went).unwrap(),
        bytes.replace("X :", "X:").replace("Link :", "Link:")
    );
    assert!(surplus.is_empty());
    // Of a head that is not let pass, nothing is repaired.
    let bytes = format!("{interim}HTTP/1.1 200 OK\r\nX : 1\r\nTransfer-Encoding: chunked\r\n\r\nx");
    assert_eq!(gone_on(bytes.as_bytes()).0, interim.replace("Link :", "Link:").as_bytes());
}

#[test]
fn fields_beyond_the_hundredth_go_beside_the_head() {
    let fields: String = (0..200).map(|number| format!("X-{number}: {number}\r\n")).collect();
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Connection: close\r\nContent-Length: 0\r\n\r\n");
    let (went, surplus) = gone_on(head.as_bytes());
    let went = String::from_utf8(went).unwrap();
    assert_eq!(went.matches("\r\n").count(), 1 + 100 + 1);
    // What hyper must know of goes with it, wherever it stood.
    assert!(went.ends_with("X-97: 97\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), "{went}");
    let (name, value) = &surplus[0];
    assert_eq!((surplus.len(), name.as_str(), value.as_bytes()), (102, "x-98", b"98".as_slice()));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(257));
    assert!(gone_on(many.as_bytes()).0.is_empty());
}

#[test]
fn content_that_comes_late_is_known_by_the_answer_before() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (method, answer, late, is_late) in [
        (Asked::Other, "HTTP/1.1 204 No Content\r\n\r\n", "0\r\n\r\n", true),
        (Asked::Other, "HTTP/1.1 304 Not Modified\r\n\r\n", "{}", true),
        (Asked::Other, "HTTP/1.1 204 No Content\r\n\r\n", "HelloHTTP/1.1 200 OK\r\n", true),
        (Asked::Head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok", true),
        (Asked::Other, "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nX\r\n", false),
        (Asked::Other, ok, "garbage", false),
    ] {
        let mut responses = asked(method);
        assert_eq!(responses.judge(answer.as_bytes()).clear, answer.len());
        assert_eq!(responses.had_no_content(), answer != ok);
        responses.expect(Asked::Other);
        assert!(responses.judge(late.as_bytes()).objection.is_some());
        assert_eq!(responses.is_late(), is_late, "{answer} {late}");
    }
}

#[test]
fn surplus_is_told_apart_from_the_answer() {
    for (method, answer) in [
        (Asked::Other, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        (Asked::Other, "HTTP/1.1 204 No Content\r\n\r\n"),
        (Asked::Other, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (Asked::Head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
    ] {
        let outcome = fed(asked(method), &[format!("{answer}x").as_bytes()]);
        assert_eq!(outcome.flaw(), Some(Flaw::Surplus), "{answer}");
        assert_eq!(outcome.clear, answer.as_bytes());
    }
    let unasked = fed(Responses::new(LIMITS), &[b"HTTP/1.1 200 OK\r\n\r\n".as_slice()]);
    assert_eq!((unasked.flaw(), unasked.clear), (Some(Flaw::Surplus), Vec::new()));
}

#[test]
fn each_answer_needs_its_question() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut responses = asked(Asked::Other);
    assert_eq!(responses.judge(answer).clear, answer.len());
    responses.expect(Asked::Head);
    let verdict = responses.judge(answer);
    assert_eq!(verdict.objection.map(|objection| objection.flaw), Some(Flaw::Surplus));
    assert_eq!(verdict.clear, answer.len() - 2);
}

#[test]
fn interim_answers_are_limited() {
    let answer = |count: usize| {
        let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count);
        format!("{interim}HTTP/1.1 204 No Content\r\n\r\n")
    };
    assert_eq!(flaw(Asked::Other, answer(8)), None);
    assert_eq!(flaw(Asked::Other, answer(9)), Some(Flaw::TooManyInterim));
}

#[test]
fn a_flaw_at_hand_takes_the_head_along() {
    let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx";
    let outcome = fed(asked(Asked::Other), &[bytes.as_slice()]);
    assert_eq!((outcome.clear.len(), outcome.objection.unwrap().passed), (0, Passed::Nothing));
}

#[test]
fn heads_are_limited() {
    let head = |size: usize| {
        let begin = "HTTP/1.1 204 No Content\r\nX: ";
        format!("{begin}{}\r\n\r\n", "x".repeat(size - begin.len() - 4))
    };
    assert_eq!(flaw(Asked::Other, head(LIMITS.head)), None);
    assert_eq!(flaw(Asked::Other, head(LIMITS.head + 1)), Some(Flaw::TooLarge));
    let fields = "X: 1\r\n".repeat(LIMITS.fields + 1);
    let many = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    assert_eq!(flaw(Asked::Other, many), Some(Flaw::TooManyFields));
}

proptest! {
    /// Anything that looks a little like responses, in pieces of any size.
    #[test]
    fn pieces_make_no_difference(
        bytes in words(&[
            "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 204 No Content\r\n",
            "HTTP/1.0 200 OK\r\n", "HTTP/1.1 101 Up\r\n", "Content-Length: 3\r\n",
            "Transfer-Encoding: chunked\r\n", "X: 1\r\n", " folded\r\n", "\r\n", "\n", "\r", " ",
            "0\r\n\r\n", "3\r\nabc\r\n", "3;x=y\r\n", "abc", "\0", "X : 1\r\n",
            "Content-Length: 3, 3\r\n", "3 \t\r\n", "3 ;x\r\n",
        ]),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
        method in prop::sample::select(vec![Asked::Head, Asked::Other]),
    ) {
        let whole = fed(asked(method), &[&bytes]);
        agree(&bytes, &whole, &fed(asked(method), &cut(&bytes, &cuts)));
        agree(&bytes, &whole, &fed(asked(method), &singly(&bytes)));
    }

    /// What goes on after repairs has no need of any, and ends where it ended before.
    #[test]
    fn what_is_repaired_is_read_as_before(
        bytes in words(&[
            "HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 Early\r\n", "Content-Length: 3\r\n", "X : 1\r\n",
            "Content-Length: 3, 3\r\n", "X\t:\r\n", "X: 1\r\n", "\r\n", "abc",
            "Transfer-Encoding: chunked\r\n", "3 \r\nabc\r\n", "0\r\n\r\n",
        ]),
    ) {
        let (went, _) = gone_on(&bytes);
        let mut again = asked(Asked::Other);
        prop_assert_eq!(again.judge(&went).clear, went.len());
        prop_assert!(again.repairs().is_empty(), "{}", went.escape_ascii());
    }
}
