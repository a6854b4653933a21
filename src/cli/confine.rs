//! What is in memory stays there: no core dump, no debugger, no look through `/proc`.
//!
//! The memory of this process holds tokens and secrets. A crash would write them to a disk, and any
//! program of the same user could attach or read `/proc/PID/mem`. Linux refuses all of it for a process
//! that is not dumpable, and gives most of `/proc/PID` to root; the limit keeps a core file from being
//! written elsewhere, too. Root is not kept out, and neither is swap.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// A protection that this system does not give. The sidecar works all the same.
#[derive(Debug, thiserror::Error)]
pub(super) enum Exposure {
    /// The limit of core files could not be set.
    #[error("a crash could write secrets to a core file ({0}); start with `ulimit -c 0`")]
    Core(io::Error),
    /// The process is still dumpable.
    #[cfg(target_os = "linux")]
    #[error(
        "other programs of this user could read secrets from memory ({0}); give the sidecar a user of its own"
    )]
    Dumpable(io::Error),
}

/// Confines this process, for good: neither limit can be lifted again without privileges. To be called
/// before any secret is read. What fails is returned, to be told.
pub(super) fn confine() -> Vec<Exposure> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let core = setrlimit(Resource::Core, none).map_err(|error| Exposure::Core(error.into()));
    [core, undumpable()].into_iter().filter_map(Result::err).collect()
}

#[cfg(target_os = "linux")]
fn undumpable() -> Result<(), Exposure> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| Exposure::Dumpable(error.into()))
}

/// Other systems ask for privileges to read another process's memory.
#[cfg(not(target_os = "linux"))]
fn undumpable() -> Result<(), Exposure> {
    Ok(())
}
