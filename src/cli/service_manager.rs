//! What the service manager is told, where there is one: systemd's `sd_notify`.
//!
//! Ready means that the sidecar listens and knows how it stands with its credential, not that there is a
//! token: nobody could sign in at a service that is killed because nobody has signed in. The watchdog is
//! fed only while every loop turns.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::admin::Sources;
use crate::telemetry::pulse::PATIENCE;

/// Tells the service manager what changes. Without one, nothing is told to anybody.
#[derive(Debug)]
pub(super) struct ServiceManager {
    watchdog: Option<Duration>,
    standing: Standing,
    headline: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Starting,
    Ready,
}

impl ServiceManager {
    /// The one that started this process.
    pub(super) fn of_process() -> Self {
        Self {
            watchdog: sd_notify::watchdog_enabled(),
            standing: Standing::Starting,
            headline: None,
        }
    }

    /// How often [`tell`](Self::tell) must be called: twice in the time after which the service manager
    /// loses its patience, and each second in any case.
    pub(super) fn interval(&self) -> Duration {
        let half = self.watchdog.map(|patience| patience / 2);
        half.map_or(LOOK, |half| half.min(LOOK)).max(SHORTEST)
    }

    /// Tells what is new.
    pub(super) fn tell(&mut self, sources: &Sources) {
        if self.standing == Standing::Starting && sources.token.borrow().is_decided() {
            self.standing = Standing::Ready;
            told(&[NotifyState::Ready]);
        }
        let headline = sources.verdict().headline;
        if self.headline.as_ref() != Some(&headline) {
            told(&[NotifyState::Status(&headline)]);
            self.headline = Some(headline);
        }
        if self.watchdog.is_some() && sources.pulses.silent(PATIENCE).is_none() {
            told(&[NotifyState::Watchdog]);
        }
    }

    /// The configuration is about to be read again.
    pub(super) fn reloading(&self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            told(&[NotifyState::Reloading, now]);
        }
    }

    /// It has been read.
    pub(super) fn reloaded(&self) {
        if self.standing == Standing::Ready {
            told(&[NotifyState::Ready]);
        }
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        told(&[NotifyState::Stopping]);
    }
}

/// Every second something may be new.
const LOOK: Duration = Duration::from_secs(1);

/// A watchdog with less patience than this could not be fed on a busy host.
const SHORTEST: Duration = Duration::from_millis(10);

/// A service manager that does not listen is no reason to stop serving.
fn told(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
