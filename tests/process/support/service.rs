//! The simulated service, in a thread of the test.

use std::net::TcpListener;
use std::ops::Deref;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use webwork_sidecar::secret::Fingerprint;
use webwork_sidecar::simulator::{
    Config, Exchange, Fault, Outcome, Security, Simulator, Target, What, When,
};

use super::until;

/// A simulator that serves until it is dropped.
pub(crate) struct Service {
    simulator: Arc<Simulator>,
    _stop: oneshot::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

/// No limits, and access tokens that live long enough not to matter.
pub(crate) fn quiet() -> Config {
    Config { rate_limit: None, token_rate_limit: None, ..Config::default() }
}

impl Service {
    pub(crate) fn start(config: Config, security: Security) -> Self {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let simulator = Simulator::start(config, listener, security).await.unwrap();
                tell.send(Arc::new(simulator)).unwrap();
                // It ends when the other side is dropped.
                stopped.await.ok();
            });
        });
        Self { simulator: told.recv().unwrap(), _stop: stop, thread: Some(thread) }
    }

    pub(crate) fn quiet() -> Self {
        Self::start(quiet(), Security::Tls)
    }

    /// Every answer of the next exchange comes this much later.
    pub(crate) fn delay_exchange(&self, when: When, span: Duration) {
        let ms = span.as_millis().try_into().unwrap();
        self.spoil_exchange(when, What::Delay { ms });
    }

    pub(crate) fn spoil_exchange(&self, when: When, what: What) {
        self.faults().add(Fault { target: Target::TokenEndpoint, when, what, count: 1 });
    }

    /// Waits until every fault has met its request.
    pub(crate) fn until_struck(&self) {
        until("a fault strikes", || self.faults().list().is_empty());
    }

    /// How many exchanges made tokens.
    pub(crate) fn grants(&self) -> u64 {
        self.journal().grants()
    }

    /// The refresh token that the server made last.
    pub(crate) fn newest_refresh_token(&self) -> Option<Fingerprint> {
        self.journal().exchanges().iter().rev().find_map(made)
    }
}

/// The refresh token that an exchange made.
pub(super) fn made(exchange: &Exchange) -> Option<Fingerprint> {
    match &exchange.outcome {
        Outcome::Granted(granted) | Outcome::Faulted(Some(granted)) => granted.refresh,
        _ => None,
    }
}

impl Deref for Service {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.simulator
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let (stop, _) = oneshot::channel();
        drop(std::mem::replace(&mut self._stop, stop));
        if let Some(thread) = self.thread.take() {
            // A panic has been told already.
            thread.join().ok();
        }
    }
}
