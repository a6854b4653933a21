//! Exit codes, for scripts and service managers.

use std::process::{ExitCode, Termination};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Done,
    /// It could not: the message says why.
    Failed,
    /// The configuration or the command line is wrong; nothing was started. clap's code, too.
    Misconfigured,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Misconfigured => 2,
        })
    }
}
