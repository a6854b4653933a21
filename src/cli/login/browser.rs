//! The person's browser, if this machine has one.

use std::process::{Command, Stdio};

use crate::config::Environment;

#[cfg(target_os = "macos")]
const OPENER: &str = "open";
#[cfg(not(target_os = "macos"))]
const OPENER: &str = "xdg-open";

/// Whether there is a screen.
pub(super) fn is_there(environment: &Environment) -> bool {
    let has_screen = environment.is_set("DISPLAY") || environment.is_set("WAYLAND_DISPLAY");
    cfg!(target_os = "macos") || has_screen
}

/// Opens the address. If that fails, the printed address is there all the same.
pub(super) fn open(url: &str) {
    let mut command = Command::new(OPENER);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It hands the address over and ends; nobody waits for it.
    command.spawn().ok();
}
