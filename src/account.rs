//! Accounts of the operating system: who runs a program, and whose a file is.
//!
//! Only numbers: what a name means is asked once, when the configuration is read.

use rustix::process::{getegid, getgroups};

/// The number of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Uid(pub u32);

/// The number of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gid(pub u32);

impl Gid {
    /// Whether this process is in the group.
    pub fn is_ours(self) -> bool {
        let is_this = |group: rustix::process::Gid| group.as_raw() == self.0;
        is_this(getegid()) || getgroups().is_ok_and(|groups| groups.into_iter().any(is_this))
    }
}

/// What the kernel says of the program at the other end of a Unix socket. It is the truth of the
/// moment in which the program connected, and a program cannot lie about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// The effective user.
    pub uid: Uid,
    /// The effective group; further groups of the program are not told.
    pub gid: Gid,
}
