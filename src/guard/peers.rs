//! Which program is at the other end? The defence against other users, where the kernel can tell.
//!
//! Over a Unix socket the kernel knows the account of the other end. Over TCP it does not, and what
//! `/proc/net/tcp` says can have changed before it is read; so there nobody is let in by account.

use crate::account::{Account, Gid, Uid};

use super::Refusal;

/// The accounts that may call.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    uids: Vec<Uid>,
    gids: Vec<Gid>,
}

impl Peers {
    /// These users and groups; none of either means that accounts are not asked for.
    pub(super) fn new(uids: &[Uid], gids: &[Gid]) -> Option<Self> {
        if uids.is_empty() && gids.is_empty() {
            return None;
        }
        Some(Self { uids: uids.to_vec(), gids: gids.to_vec() })
    }

    /// One of the users, or a member of one of the groups.
    pub(super) fn admit(&self, peer: Option<Account>) -> Result<(), Refusal> {
        match peer {
            Some(Account { uid, gid }) if self.uids.contains(&uid) || self.gids.contains(&gid) => {
                Ok(())
            }
            _ => Err(Refusal::Account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(uid: u32, gid: u32) -> Option<Account> {
        Some(Account { uid: Uid(uid), gid: Gid(gid) })
    }

    #[test]
    fn a_listed_user_or_group_is_enough() {
        let peers = Peers::new(&[Uid(1000)], &[Gid(50), Gid(51)]).unwrap();
        for admitted in [account(1000, 1), account(7, 50), account(7, 51), account(1000, 50)] {
            assert_eq!(peers.admit(admitted), Ok(()), "{admitted:?}");
        }
        for refused in [account(7, 7), account(50, 1000), account(0, 0), None] {
            assert_eq!(peers.admit(refused), Err(Refusal::Account), "{refused:?}");
        }
    }

    #[test]
    fn without_a_list_nobody_is_asked() {
        assert!(Peers::new(&[], &[]).is_none());
    }
}
