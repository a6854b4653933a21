//! The signals by which somebody wants the process to end, in order and never in the middle of an
//! exchange.

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

    /// Waits for one that means the end: SIGTERM, SIGINT or SIGQUIT. SIGHUP asks for the configuration
    /// to be read again, which happens by itself.
    pub(super) async fn received(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.quit.recv() => return,
                _ = self.hangup.recv() => tracing::info!(
                    "SIGHUP: changed files are read again by themselves, within a second"
                ),
            }
        }
    }
}

/// Signals, for a thread that has nothing to do but wait for them.
#[derive(Debug)]
pub(super) struct Waiting {
    runtime: Runtime,
    signals: Signals,
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

    /// Waits for a signal, or for the time to pass.
    pub(super) fn wait(self, limit: Option<Duration>) {
        self.wait_ticking(limit, || {});
    }

    /// Waits for a signal, or for the time to pass, and calls `tick` every second.
    pub(super) fn wait_ticking(mut self, limit: Option<Duration>, mut tick: impl FnMut()) {
        self.runtime.block_on(async {
            let over = async {
                match limit {
                    Some(limit) => tokio::time::sleep(limit).await,
                    None => std::future::pending().await,
                }
            };
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
