//! The simulated WebWork in a thread of its own, so that no test can starve it.

use std::fmt;
use std::net::TcpListener;
use std::ops::Deref;
use std::thread::JoinHandle;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::sync::oneshot;
use webwork_sidecar::secret::Fingerprint;
use webwork_sidecar::simulator::{
    Config, Fault, Journal, Outcome, Security, Simulator, Target, What, When,
};

use super::Planted;

/// A simulator that serves until it is dropped.
pub(crate) struct Service {
    simulator: Simulator,
    _planted: [Planted; 2],
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    pub(super) async fn start(config: Config, security: Security) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tell.send(Simulator::start(config, listener, security).await.unwrap()).ok();
                stopped.await.ok();
            });
        });
        let simulator = told.await.unwrap();
        let (id, secret) = (simulator.client_id(), simulator.client_secret());
        let basic = BASE64_STANDARD.encode(format!("{id}:{secret}"));
        let planted = [Planted::new(secret), Planted::new(basic)];
        Self { simulator, _planted: planted, stop: Some(stop), thread: Some(thread) }
    }

    /// From now on something goes wrong.
    pub(crate) fn suffers(&self, fault: Fault) {
        self.simulator.faults().add(fault);
    }

    /// How many requests the token endpoint got, in whatever way they ended.
    pub(crate) fn exchanges(&self) -> usize {
        self.simulator.journal().exchanges().len()
    }

    /// The refresh token of the last exchange.
    pub(crate) fn presented_last(&self) -> Option<Fingerprint> {
        self.simulator.journal().exchanges().last().unwrap().presented
    }

    /// How the last exchange ended.
    pub(crate) fn last_outcome(&self) -> Outcome {
        self.simulator.journal().exchanges().last().unwrap().outcome.clone()
    }

    /// A new refresh token, as a person gets one by signing in once more.
    pub(crate) fn new_refresh_token(&self) -> String {
        self.simulator.issue_refresh_token(&"read write admin".parse().unwrap())
    }

    /// A new personal access token, as a person makes one on the settings page.
    pub(crate) fn new_personal_access_token(&self) -> String {
        self.simulator.issue_personal_access_token(&"read write admin".parse().unwrap())
    }

    /// Nothing that a well-behaved client never does was seen, no token was sent after it was spent,
    /// and nothing was repeated.
    pub(crate) fn found_nothing_wrong(&self) -> Journal {
        let journal = self.simulator.journal();
        assert!(journal.violations().is_empty(), "{:?}", journal.violations());
        assert_eq!(journal.reuses(), 0);
        journal
    }
}

impl Deref for Service {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.simulator
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("url", &self.simulator.url()).finish_non_exhaustive()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.take();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the simulator failed");
    }
}

/// A fault that strikes once.
pub(crate) fn fault(target: Target, when: When, what: What) -> Fault {
    Fault { target, when, what, count: 1 }
}
