//! The request as it goes to the upstream: the caller's, without what is not the upstream's business.

use http::header::{AUTHORIZATION, EXPECT, HeaderValue, TE, VIA};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri, Version, request};

use super::fields::clean_request;
use super::replay::{Playback, Tape};
use crate::answer::{Answer, Code};
use crate::token::current::Bearer;

/// A request that can be made as often as its content can be played.
#[derive(Debug)]
pub(super) struct Outbound {
    method: Method,
    target: PathAndQuery,
    fields: HeaderMap,
}

impl Outbound {
    /// Takes method and target as they are, and cleans the fields in place. The origin is the pool's
    /// to add: nothing in here can lead to another one.
    pub(super) fn of(head: request::Parts) -> Result<Self, Answer> {
        let target = head.uri.into_parts().path_and_query;
        let target = target.ok_or_else(|| Answer::new(Code::BadRequest))?;
        let mut fields = head.headers;
        check_expectation(&fields)?;
        let takes_trailers = takes_trailers(&fields);
        clean_request(&mut fields);
        if takes_trailers {
            fields.insert(TE, HeaderValue::from_static("trailers"));
        }
        fields.append(VIA, via(head.version));
        Ok(Self { method: head.method, target, fields })
    }

    /// The method.
    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// The request with this token and the content from its beginning.
    pub(super) fn carrying(&self, bearer: &Bearer, tape: &Tape) -> Request<Playback> {
        let mut request = Request::new(tape.play());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from(self.target.clone());
        *request.headers_mut() = self.fields.clone();
        request.headers_mut().insert(AUTHORIZATION, bearer.field().clone());
        request
    }
}

/// RFC 9110 §10.1.1. `100-continue` is answered by hyper when the content is first asked for, which
/// is after the request was admitted and has its token.
fn check_expectation(fields: &HeaderMap) -> Result<(), Answer> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if fields.get_all(EXPECT).iter().all(known) {
        Ok(())
    } else {
        Err(Answer::new(Code::ExpectationFailed))
    }
}

/// RFC 9110 §10.1.4: only a caller that says so gets trailers, so only then are they asked for.
fn takes_trailers(fields: &HeaderMap) -> bool {
    fields.get_all(TE).iter().any(|value| {
        let mut codings = value.as_bytes().split(|byte| *byte == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}

/// RFC 9110 §7.6.3: the protocol that the message came in, and a pseudonym.
pub(super) fn via(received: Version) -> HeaderValue {
    HeaderValue::from_static(match received {
        Version::HTTP_10 => "1.0 webwork-sidecar",
        Version::HTTP_2 => "2 webwork-sidecar",
        _ => "1.1 webwork-sidecar",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::bearer::AccessToken;
    use crate::token::current::Generation;

    fn sent(request: request::Builder) -> Request<Playback> {
        let (head, ()) = request.body(()).unwrap().into_parts();
        let bearer = Bearer::new(Generation(1), &AccessToken::new("canary".into()).unwrap());
        Outbound::of(head).unwrap().carrying(&bearer, &Tape::empty())
    }

    #[test]
    fn the_target_is_the_same_to_the_byte() {
        for target in ["/api//v2/%2e%2E/a%2Fb;c?x=%20&y=+&&z", "/?", "/%E2%82%AC"] {
            assert_eq!(sent(Request::get(target)).uri().to_string(), target);
        }
    }

    #[test]
    fn an_absolute_target_leads_nowhere_else() {
        assert_eq!(sent(Request::get("http://evil.example/a?b")).uri().to_string(), "/a?b");
    }

    #[test]
    fn the_token_is_ours_and_there_is_one() {
        let request = Request::get("/")
            .header("Connection", "authorization")
            .header("Authorization", "Bearer callers")
            .header("Authorization", "Basic callers");
        let sent = sent(request);
        let tokens: Vec<_> = sent.headers().get_all(AUTHORIZATION).iter().collect();
        assert_eq!(tokens, ["Bearer canary"]);
        assert!(tokens[0].is_sensitive());
    }

    #[test]
    fn the_way_is_told() {
        let sent = sent(Request::get("/").header("Via", "1.1 other"));
        let via: Vec<_> = sent.headers().get_all(VIA).iter().collect();
        assert_eq!(via, ["1.1 other", "1.1 webwork-sidecar"]);
    }

    #[test]
    fn trailers_are_asked_for_when_the_caller_takes_them() {
        let asks = |value: &'static str| {
            sent(Request::get("/").header("TE", value)).headers().get(TE).cloned()
        };
        assert_eq!(asks("gzip;q=0.5, Trailers").unwrap(), "trailers");
        assert_eq!(asks("gzip"), None);
    }

    #[test]
    fn other_expectations_fail() {
        let outcome = |value: &'static str| {
            let request = Request::get("/").header("Expect", value).body(()).unwrap();
            Outbound::of(request.into_parts().0).map(drop).map_err(|answer| answer.code())
        };
        assert_eq!(outcome("100-Continue"), Ok(()));
        assert_eq!(outcome("200-ok"), Err(Code::ExpectationFailed));
    }
}
