//! What somebody wants of the process by a signal: that it ends, in order and never in the middle of an
//! exchange, or that it reads its configuration again.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for signals.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
}

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// SIGTERM, SIGINT or SIGQUIT: the end.
    End,
    /// SIGHUP: the configuration is to be read again.
    Reload,
}

impl Signals {
    /// From now on none of them ends the process by itself. To be called within a runtime, before
    /// anything starts that must be stopped in order.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. A signal that comes while nobody waits is not lost.
    pub(super) async fn next(&mut self) -> Meaning {
        tokio::select! {
            _ = self.terminate.recv() => Meaning::End,
            _ = self.interrupt.recv() => Meaning::End,
            _ = self.quit.recv() => Meaning::End,
            _ = self.hangup.recv() => Meaning::Reload,
        }
    }

    /// Waits for one that means the end, where there is nothing to read again.
    pub(super) async fn received(&mut self) {
        while self.next().await != Meaning::End {}
    }
}

/// Signals, for a thread that has nothing to do but wait for them.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) runtime: Runtime,
    pub(super) signals: Signals,
}

impl Waiting {
    /// As [`Signals::listen`].
    pub(super) fn listen() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let signals = Signals::listen()?;
        drop(entered);
        Ok(Self { runtime, signals })
    }

    /// Waits for the end to be wanted.
    pub(super) fn wait(self) {
        self.wait_ticking(std::future::pending(), || {});
    }

    /// Waits for the end to be wanted, by a signal or otherwise, and calls `tick` every second.
    pub(super) fn wait_ticking(mut self, over: impl Future<Output = ()>, mut tick: impl FnMut()) {
        self.runtime.block_on(async {
            let mut over = std::pin::pin!(over);
            let mut received = std::pin::pin!(self.signals.received());
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            loop {
                tokio::select! {
                    () = &mut received => return,
                    () = &mut over => return,
                    _ = ticks.tick() => tick(),
                }
            }
        });
    }
}
