//! A target that the guard admits leads nowhere else, however carelessly the server reads it.
#![no_main]

use std::sync::LazyLock;

use http::{Request, Uri};
use libfuzzer_sys::fuzz_target;
use webwork_sidecar::guard::{Config, Door, Guard, Pages};
use webwork_sidecar_fuzz::lax;

const PREFIXES: [&str; 3] = ["/api/", "/api/v2/tasks/", "/deep/er/down/"];

static GUARDS: LazyLock<Vec<(&str, Guard)>> = LazyLock::new(|| {
    let guard = |prefix: &str| {
        let config = Config { paths: vec![prefix.to_owned()], ..Config::default() };
        Guard::new(&config, Door::Unix, Pages::None).unwrap()
    };
    PREFIXES.iter().map(|prefix| (*prefix, guard(prefix))).collect()
});

fuzz_target!(|target: &[u8]| {
    let Ok(uri) = Uri::try_from(target) else { return };
    let (mut head, ()) =
        Request::get("/").header("host", "localhost").body(()).unwrap().into_parts();
    head.uri = uri;
    for (prefix, guard) in &*GUARDS {
        if guard.admit(&head, None).is_ok() {
            assert!(
                head.uri.scheme().is_none() && head.uri.authority().is_none(),
                "{:?}",
                head.uri
            );
            assert!(lax::is_harmless(head.uri.path(), prefix), "{prefix}: {:?}", head.uri);
        }
    }
});
