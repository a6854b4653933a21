//! From an upstream's bytes to the fields that a caller gets: none of them of one hop, or for a browser
//! about an origin that is not ours, and one length at most.
#![no_main]

use http::header::{
    CONNECTION, CONTENT_LENGTH, SET_COOKIE, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING, UPGRADE,
};
use libfuzzer_sys::fuzz_target;
use webwork_sidecar::proxy::fields::clean_response;
use webwork_sidecar_fuzz::wire;

fuzz_target!(|bytes: &[u8]| {
    let Some((mut head, _)) = wire::response(bytes) else { return };
    let nominated: Vec<String> = head
        .headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase())
        .collect();
    assert!(head.headers.get_all(CONTENT_LENGTH).iter().count() <= 1, "{head:?}");
    clean_response(&mut head.headers);
    for name in [CONNECTION, SET_COOKIE, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING, UPGRADE] {
        assert!(!head.headers.contains_key(&name), "{name}: {head:?}");
    }
    for name in head.headers.keys() {
        assert!(!name.as_str().starts_with("access-control-"), "{head:?}");
        let stays = ["authorization", "content-length", "host"].contains(&name.as_str());
        assert!(stays || !nominated.contains(&name.as_str().to_owned()), "{head:?}");
    }
});
