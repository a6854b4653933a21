//! What one core has reserved for its requests.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Budget, Reservation};

/// Reservations of requests that have ended, kept for the next ones: the shared budget is asked only
/// when a core gets busier, or when somebody waits.
#[derive(Debug)]
pub(in crate::net) struct Purse {
    budget: Budget,
    spare: RefCell<Vec<Reservation>>,
}

/// Memory that one request may use.
#[derive(Debug, Default)]
pub(in crate::net) struct Held(Option<(Rc<Purse>, Reservation)>);

/// Reservations that a core keeps at most.
const MOST_SPARE: usize = 32;

impl Purse {
    pub(in crate::net) fn new(budget: Budget) -> Rc<Self> {
        Rc::new(Self { budget, spare: RefCell::default() })
    }

    /// Memory for a request, once there is some. Its content may have no known end.
    pub(in crate::net) async fn request(self: &Rc<Self>, content: Option<u64>) -> Held {
        let Some(bytes) = self.budget.request(content.unwrap_or(u64::MAX)) else {
            return Held::default();
        };
        let reservation = match self.spared(bytes) {
            Some(spare) => spare,
            None => {
                self.spare.borrow_mut().clear();
                self.budget.reserve(bytes).await
            }
        };
        Held(Some((Rc::clone(self), reservation)))
    }

    /// The newest spare reservation, if it is large enough.
    fn spared(&self, bytes: usize) -> Option<Reservation> {
        self.spare.borrow_mut().pop_if(|reservation| reservation.bytes >= bytes)
    }

    /// An eighth of the budget may be spare on a core, so that another one finds something.
    fn keeps(&self, reservation: &Reservation, spare: usize) -> bool {
        let eighth = self.budget.limit().unwrap_or_default() / 8;
        spare < MOST_SPARE && (spare + 1) * reservation.bytes <= eighth && !self.budget.is_short()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some((purse, reservation)) = self.0.take() else { return };
        let mut spare = purse.spare.borrow_mut();
        if purse.keeps(&reservation, spare.len()) {
            spare.push(reservation);
        } else if purse.budget.is_short() {
            spare.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test]
    async fn requests_one_after_the_other_ask_the_budget_once() {
        let budget = Budget::new(16 * MIB, false, 0);
        let purse = Purse::new(budget.clone());
        drop(purse.request(Some(0)).await);
        let kept = budget.reserved();
        assert!(kept > 0);
        for _ in 0..1_000 {
            drop(purse.request(Some(0)).await);
        }
        assert_eq!(budget.reserved(), kept);
    }

    #[tokio::test]
    async fn an_upload_reserves_what_it_can_hold() {
        let budget = Budget::new(16 * MIB, false, 64 << 10);
        let purse = Purse::new(budget.clone());
        let reserved = async |content| {
            let before = budget.reserved();
            let held = purse.request(content).await;
            let bytes = budget.reserved() - before;
            std::mem::forget(held);
            bytes
        };
        let little = reserved(Some(200)).await;
        assert_eq!(reserved(Some(0)).await, little);
        assert_eq!(reserved(Some(20 << 10)).await, little + (60 << 10));
        assert_eq!(reserved(None).await, little + (256 << 10));
    }

    #[tokio::test]
    async fn what_is_spare_is_given_back_to_those_who_wait() {
        let budget = Budget::new(16 * MIB, false, 0);
        let purse = Purse::new(budget.clone());
        let held = [purse.request(Some(0)).await, purse.request(Some(0)).await];
        let rest = budget.try_reserve(16 * MIB - budget.reserved()).unwrap();
        let waiting = budget.clone();
        let other = tokio::spawn(async move { waiting.reserve(1).await });
        while !budget.is_short() {
            tokio::task::yield_now().await;
        }
        drop(held);
        drop(other.await.unwrap());
        assert!(purse.spare.borrow().is_empty());
        drop(rest);
    }

    #[tokio::test]
    async fn without_a_limit_nothing_is_kept() {
        let purse = Purse::new(Budget::default());
        drop(purse.request(Some(0)).await);
        assert!(purse.spare.borrow().is_empty());
    }
}
