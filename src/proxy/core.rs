//! One core: a thread with its own runtime, listeners, upstream connections and counters.
//!
//! Cores share the current token, the limit of connections and the drain, and nothing else: a request
//! never leaves the core that accepted its connection.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::{JoinSet, LocalSet, spawn_local};

use super::Config;
use super::service::{Admission, Proxy};
use crate::net::listen::Socket;
use crate::net::serve::{Terms, serve};
use crate::net::tls::Trust;
use crate::net::upstream::{self, Pool};
use crate::telemetry::panics::Defect;
use crate::telemetry::pulse::Pulse;
use crate::token::current::CurrentToken;

/// What one core works with. Made on one thread and run on another.
pub struct Core {
    /// One socket of each address, with its guard.
    pub gates: Vec<Gate>,
    /// Limits for callers, the drain, and this core's counters.
    pub terms: Terms,
    /// How requests are forwarded.
    pub proxy: Config,
    /// Where they go.
    pub upstream: upstream::Config,
    /// Whom to believe there.
    pub trust: Trust,
    /// The token that they carry.
    pub current: CurrentToken,
    /// Its signs of life.
    pub pulse: Pulse,
}

/// Sockets, and who may come in through them.
pub struct Gate {
    /// One socket of each address.
    pub sockets: Vec<Socket>,
    /// Who may come in.
    pub admission: Admission,
}

impl Core {
    /// Serves on the current thread until the drain is over. What still runs then is dropped.
    ///
    /// # Errors
    ///
    /// The runtime cannot be built, or does not take a socket.
    pub fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        let counters = self.terms.counters.clone();
        let pool = Pool::new(self.upstream, self.trust, Arc::clone(&counters));
        let served = local.block_on(&runtime, async {
            spawn_local(self.pulse.keep_beating());
            let mut serving = JoinSet::new();
            for Gate { sockets, admission } in self.gates {
                let (config, current) = (self.proxy.clone(), self.current.clone());
                let proxy =
                    Proxy::new(config, Rc::clone(&pool), current, Arc::clone(&counters), admission);
                let proxy = Rc::new(proxy);
                let forward = move |request, account| Rc::clone(&proxy).forward(request, account);
                serving.spawn_local(serve(sockets, self.terms.clone(), forward));
            }
            while let Some(served) = serving.join_next().await {
                served.map_err(Defect::from)??;
            }
            Ok(())
        });
        drop(local);
        // A name that is being resolved sits in a thread that cannot be cancelled; it is not waited for.
        runtime.shutdown_background();
        served
    }
}
