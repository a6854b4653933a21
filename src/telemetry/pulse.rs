//! Signs of life: every loop gives one each second, and a probe looks how old the last one is. The clock
//! stands still while the host sleeps: so do the loops.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often a loop gives a sign.
pub const BEAT: Duration = Duration::from_secs(1);

/// How old the last sign may be. Longer than any step that a loop takes on a busy host, shorter than a
/// person would wait.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The signs of all loops. Cheap to clone; every clone sees the same.
#[derive(Clone, Debug)]
pub struct Pulses {
    since: Instant,
    all: Arc<Mutex<Vec<Named>>>,
}

impl Default for Pulses {
    fn default() -> Self {
        Self { since: Instant::now(), all: Arc::default() }
    }
}

/// The name of a loop and the time of its last sign, in milliseconds.
type Named = (String, Arc<AtomicU64>);

/// The signs of one loop.
#[derive(Debug)]
pub struct Pulse {
    since: Instant,
    last: Arc<AtomicU64>,
}

impl Pulses {
    /// One more loop, which is alive now.
    pub fn of(&self, name: impl Into<String>) -> Pulse {
        let pulse = Pulse { since: self.since, last: Arc::default() };
        pulse.beat();
        self.all().push((name.into(), Arc::clone(&pulse.last)));
        pulse
    }

    /// A loop that has given no sign for longer than `patience`.
    pub fn silent(&self, patience: Duration) -> Option<String> {
        let now = self.since.elapsed();
        let is_silent = |last: u64| now.saturating_sub(Duration::from_millis(last)) > patience;
        let pulses = self.all();
        let silent = pulses.iter().find(|(_, last)| is_silent(last.load(Ordering::Relaxed)));
        silent.map(|(name, _)| name.clone())
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Named>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// Gives a sign.
    pub fn beat(&self) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    /// Gives signs as long as the task that runs this is given its turns.
    pub async fn keep_beating(self) {
        loop {
            self.beat();
            tokio::time::sleep(BEAT).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_no_sign_is_named() {
        let pulses = Pulses::default();
        let pulse = pulses.of("core-0");
        assert_eq!(pulses.silent(PATIENCE), None);
        let watch = Instant::now();
        while watch.elapsed() < Duration::from_millis(2) {
            std::thread::yield_now();
        }
        assert_eq!(pulses.silent(Duration::ZERO).as_deref(), Some("core-0"));
        pulse.beat();
        assert_eq!(pulses.silent(PATIENCE), None);
    }
}
