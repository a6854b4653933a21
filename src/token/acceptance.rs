//! The newest token that the upstream has accepted: the evidence that requests work.
//!
//! Every response may be evidence, so noting it costs a request one load of a cache line that nobody
//! writes meanwhile. Only the first accepted request of each token stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

use super::current::Generation;

/// The newest accepted generation. Cheap to clone; every clone sees the same.
#[derive(Clone, Debug, Default)]
pub struct Acceptance(Arc<Newest>);

/// Alone on its cache line: a neighbour that is written often would slow every request down.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Newest(AtomicU64);

impl Acceptance {
    /// Notes that a request with this token was answered with `status`.
    ///
    /// Only success proves that a token was accepted: a firewall may answer 403 and 429 without a look
    /// at it, and 404 and 5xx are said of paths and servers.
    pub fn answered(&self, status: StatusCode, generation: Generation) {
        let proves = status.is_success() || status == StatusCode::NOT_MODIFIED;
        if proves && self.newest() < generation {
            self.accepted(generation);
        }
    }

    /// The token was accepted, and this is news.
    #[cold]
    pub(super) fn accepted(&self, generation: Generation) {
        let before = self.0.0.fetch_max(generation.0, Ordering::Relaxed);
        if before == 0 {
            tracing::info!(%generation, "token verified: the API accepted it");
        } else if before < generation.0 {
            tracing::debug!(%generation, "token verified: the API accepted it");
        }
    }

    /// Forgets everything: the next token is another person's.
    pub(super) fn forget(&self) {
        self.0.0.store(0, Ordering::Relaxed);
    }

    /// The newest accepted generation; 0 if none was accepted.
    pub fn newest(&self) -> Generation {
        Generation(self.0.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    #[test]
    fn only_success_proves_anything() {
        let acceptance = Acceptance::default();
        for code in [301, 302, 400, 401, 403, 404, 422, 429, 500, 502, 503] {
            acceptance.answered(status(code), Generation(1));
            assert_eq!(acceptance.newest(), Generation(0), "{code}");
        }
        for (code, generation) in [(200, 1), (201, 2), (204, 3), (206, 4), (304, 5)] {
            acceptance.answered(status(code), Generation(generation));
            assert_eq!(acceptance.newest(), Generation(generation), "{code}");
        }
    }

    #[test]
    fn a_late_answer_over_an_old_token_takes_nothing_back() {
        let acceptance = Acceptance::default();
        acceptance.answered(status(200), Generation(2));
        acceptance.answered(status(200), Generation(1));
        acceptance.answered(status(401), Generation(2));
        assert_eq!(acceptance.newest(), Generation(2));
    }
}
