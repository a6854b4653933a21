//! How hyper serves the connections of callers.

use hyper::server::conn::http1;

use super::Config;

/// Limits and timers of hyper for these settings. Its own head timer is off: it cannot tell a caller that is idle from
/// one that is slow. A caller may shut its sending side down
/// and wait for its answer (RFC 9112 §9.6); the sweep looks after those who only seem to.
pub(super) fn builder(config: &Config) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.header_read_timeout(None)
        .half_close(true)
        .max_header_size(config.max_head)
        .max_buf_size(config.max_head.saturating_mul(2).max(MIN_BUFFER));
    // hyper keeps up to 100 fields on the stack, and more or fewer in an allocation per request.
    if config.max_fields != 100 {
        http.max_headers(config.max_fields);
    }
    http
}

/// Bytes that hyper may buffer for each connection and direction.
const MIN_BUFFER: usize = 64 << 10;
