//! From a caller's bytes to the guard's verdict: whatever is admitted came to one of our names, from no
//! foreign page, with a method and a path that are forwarded, and without two ways to frame it.
#![no_main]

use std::sync::LazyLock;

use http::header::{AUTHORIZATION, CONNECTION, HOST, ORIGIN};
use http::request::Parts;
use libfuzzer_sys::fuzz_target;
use webwork_sidecar::guard::{Config, Door, Guard, Pages};
use webwork_sidecar::proxy::fields::clean_request;
use webwork_sidecar_fuzz::{lax, wire};

static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    let bound = ["127.0.0.1:9180".parse().unwrap()];
    Guard::new(&Config::default(), Door::Tcp(&bound), Pages::None).unwrap()
});

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

fuzz_target!(|bytes: &[u8]| {
    for head in wire::requests(bytes) {
        if GUARD.admit(&head, None).is_ok() {
            is_sound(&head);
            is_clean(head);
        }
    }
});

fn is_sound(head: &Parts) {
    assert!(METHODS.contains(&head.method.as_str()), "{head:?}");
    assert!(lax::is_harmless(head.uri.path(), "/api/"), "{head:?}");
    assert!(head.uri.authority().is_none(), "{head:?}");
    let hosts: Vec<_> = head.headers.get_all(HOST).iter().collect();
    assert_eq!(hosts.len(), 1, "{head:?}");
    let host = hosts[0].to_str().unwrap().to_ascii_lowercase();
    assert!(
        ["localhost:9180", "127.0.0.1:9180", "[::1]:9180"].contains(&host.as_str()),
        "{head:?}"
    );
    assert!(!head.headers.contains_key(ORIGIN), "{head:?}");
    for (_, value) in &head.headers {
        assert!(
            !value.as_bytes().contains(&b'\n') && !value.as_bytes().contains(&b'\r'),
            "{head:?}"
        );
        assert!(!value.as_bytes().contains(&0), "{head:?}");
    }
}

/// What goes on to the upstream speaks for nobody, and of one hop alone.
fn is_clean(mut head: Parts) {
    clean_request(&mut head.headers);
    for name in [AUTHORIZATION, CONNECTION, HOST] {
        assert!(!head.headers.contains_key(&name), "{name}: {head:?}");
    }
    for name in head.headers.keys() {
        let name = name.as_str().replace('_', "-");
        let ours = [
            "cookie",
            "proxy-authorization",
            "te",
            "transfer-encoding",
            "upgrade",
            "x-http-method-override",
            "x-method-override",
        ];
        assert!(!ours.contains(&name.as_str()) && !name.starts_with("x-forwarded"), "{head:?}");
    }
}
