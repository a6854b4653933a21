//! What a panic may say: its place in the source, and nothing else.
//!
//! A panic is a defect, and its message can quote whatever was at hand, a secret included: an index
//! out of range in a token, a text that was no UTF-8. The place is enough to mend it.

use std::io::{self, Write};
use std::panic;

use tokio::task::JoinError;

/// From here on a panic is one line that names its place: an event if there is a log by then and the
/// process goes on, else a line on standard error. To be called before anything else.
pub fn mute() {
    panic::set_hook(Box::new(|panicked| {
        let place = panicked.location().map(ToString::to_string).unwrap_or_default();
        // The thread that writes the log does not come to it in a process that ends right here.
        if tracing::dispatcher::has_been_set() && !cfg!(panic = "abort") {
            tracing::error!(place, "{DEFECT}");
        } else {
            // Standard error may be gone; a panic while panicking would end the process.
            writeln!(io::stderr(), "{DEFECT}: {place}").ok();
        }
    }));
}

#[cfg(not(panic = "abort"))]
const DEFECT: &str = "a defect ended a task; please report it";
#[cfg(panic = "abort")]
const DEFECT: &str = "a defect ended the sidecar; please report it";

/// The end of a task that panicked, or that its runtime left behind. Stands for [`JoinError`], which
/// repeats what the panic said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a defect ended a task")]
pub struct Defect;

impl From<JoinError> for Defect {
    fn from(_: JoinError) -> Self {
        Self
    }
}

impl From<Defect> for io::Error {
    fn from(defect: Defect) -> Self {
        Self::other(defect)
    }
}
