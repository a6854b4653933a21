//! An answer of the token endpoint: a status and a content that mean one thing, and never a token that
//! could not travel.
#![no_main]

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use webwork_sidecar::token::bearer::MAX_LENGTH;
use webwork_sidecar::token::endpoint::classify;
use webwork_sidecar::token::state::Outcome;

const STATUSES: [u16; 8] = [200, 201, 302, 400, 401, 429, 500, 503];

fuzz_target!(|input: (u8, &[u8], &[u8])| {
    let (number, retry_after, content) = input;
    let status = StatusCode::from_u16(STATUSES[usize::from(number) % STATUSES.len()]).unwrap();
    let mut fields = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(retry_after) {
        fields.insert(RETRY_AFTER, value);
    }
    match classify(status, &fields, content, Timestamp::UNIX_EPOCH) {
        Outcome::Granted(issue) => {
            assert!(status.is_success());
            let access = issue.access.expose();
            assert!(!access.is_empty() && access.len() <= MAX_LENGTH);
            assert!(access.bytes().all(|byte| byte.is_ascii_graphic()), "{access:?}");
            let refresh = issue.refresh.as_ref().map(|token| token.expose());
            assert!(refresh.is_none_or(|text| !text.contains(|c: char| c.is_control())));
            assert!(issue.life.is_none_or(|life| !life.is_zero()));
        }
        // Only an error that is told ends a grant.
        Outcome::Refused(_) => assert!(content.len() >= b"error=x".len()),
        Outcome::InDoubt { why, .. } => assert!(why.len() < 200, "{why}"),
        Outcome::Throttled { detail, .. } => assert!(detail.len() < 200, "{detail}"),
        Outcome::NotSent(why) => panic!("it was sent: {why}"),
    }
});
