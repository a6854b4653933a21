//! The end in order: stop accepting, finish what runs, close the rest, within a deadline.
//!
//! A [`Drainer`] gives the word once; every [`Drain`] hears it, on whichever thread it lives.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How the end is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long requests are still taken after a signal, before the drain begins, 0 to 10 min. Default 0.
    pub delay: Duration,
    /// How long the drain may take, 100 ms to 10 min. Default 9 s: container engines kill at 10.
    pub timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { delay: Duration::ZERO, timeout: Duration::from_secs(9) }
    }
}

/// Orders the drain. There is one; dropping it means a drain that leaves no time at all.
#[derive(Debug)]
pub struct Drainer(watch::Sender<Option<Instant>>);

/// Hears about the drain. Cheap to clone; every clone hears the same.
#[derive(Clone, Debug)]
pub struct Drain(watch::Receiver<Option<Instant>>);

/// The two ends.
pub fn channel() -> (Drainer, Drain) {
    let (order, heard) = watch::channel(None);
    (Drainer(order), Drain(heard))
}

impl Drainer {
    /// Begins the drain; what still runs after `within` is cut off. A second order changes nothing.
    pub fn drain(&self, within: Duration) {
        self.0.send_if_modified(|deadline| {
            let first = deadline.is_none();
            deadline.get_or_insert_with(|| Instant::now() + within);
            first
        });
    }

    /// Leaves no more time to a drain that has begun, or begins one that has none.
    pub fn hurry(&self) {
        self.0.send_modify(|deadline| {
            let now = Instant::now();
            *deadline = Some(deadline.map_or(now, |deadline| deadline.min(now)));
        });
    }
}

impl Drain {
    /// Whether the drain has begun.
    pub fn has_begun(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits for the drain to begin and returns when it must be over.
    pub async fn began(&self) -> Instant {
        let mut heard = self.0.clone();
        match heard.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(deadline)) => *deadline,
            Ok(None) | Err(_) => Instant::now(),
        }
    }

    /// Waits for the drain to be over, also if its end is moved nearer meanwhile.
    pub async fn over(&self) {
        let mut heard = self.0.clone();
        loop {
            let known = *heard.borrow_and_update();
            let deadline = match known {
                Some(deadline) => deadline,
                None => self.began().await,
            };
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return,
                changed = heard.changed() => if changed.is_err() {
                    return tokio::time::sleep_until(deadline).await;
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_order_stands() {
        let (drainer, drain) = channel();
        let before = Instant::now();
        drainer.drain(Duration::from_secs(9));
        drainer.drain(Duration::from_secs(90));
        assert_eq!(drain.began().await, before + Duration::from_secs(9));
    }

    #[tokio::test(start_paused = true)]
    async fn haste_ends_a_drain_that_has_time_left() {
        let (drainer, drain) = channel();
        let before = Instant::now();
        drainer.drain(Duration::from_secs(9));
        let over = tokio::spawn(async move { drain.over().await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        drainer.hurry();
        over.await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_is_over_at_its_end() {
        let (drainer, drain) = channel();
        let before = Instant::now();
        drainer.drain(Duration::from_secs(9));
        drop(drainer);
        drain.over().await;
        assert_eq!(before.elapsed(), Duration::from_secs(9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_drainer_leaves_no_time() {
        let (drainer, drain) = channel();
        drop(drainer);
        assert_eq!(drain.began().await, Instant::now());
    }
}
