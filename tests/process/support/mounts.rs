//! File systems that a test breaks.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A mount that ends with its test.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Runs `mount` with these arguments on a place; `None` if this host does not permit it.
    pub(crate) fn new(arguments: &[&str], place: &Path) -> Option<Self> {
        done("mount", arguments, place).then(|| Self(place.to_owned()))
    }

    /// Whether it could be mounted again with these options.
    pub(crate) fn again(&self, options: &str) -> bool {
        done("mount", &["-o", &format!("remount,{options}")], &self.0)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A process that still has it open must not keep it in the host's table.
        done("umount", &["-l"], &self.0);
    }
}

fn done(command: &str, arguments: &[&str], place: &Path) -> bool {
    let mut command = Command::new(command);
    command.args(arguments).arg(place).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
