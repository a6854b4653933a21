//! The requests that met a 401 and wait for the refresher's word.

use super::current::{Access, Rejection, Verdict};

/// Those that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<Rejection>);

impl Waiting {
    pub(super) fn push(&mut self, report: Rejection) {
        self.0.push(report);
    }

    /// Tells all of them what to do, now that this is shown to requests.
    pub(super) fn settle(&mut self, access: &Access) {
        for report in self.0.drain(..) {
            let verdict = match access {
                Access::Ready(bearer) if bearer.generation() > report.generation => {
                    Verdict::Replay(bearer.clone())
                }
                Access::Unavailable(why) => Verdict::Unavailable(*why),
                Access::Ready(_) | Access::Hold => Verdict::Pass,
            };
            // The request may have gone away meanwhile.
            report.reply.send(verdict).ok();
        }
    }
}
