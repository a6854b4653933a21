//! One core: a thread with its own runtime, listeners, upstream connections and counters.
//!
//! Cores share the current token, the limit of connections and the drain, and nothing else: a request
//! never leaves the core that accepted its connection.

use std::io;
use std::rc::Rc;

use tokio::task::LocalSet;

use super::Config;
use super::service::{Admission, Proxy};
use crate::net::listen::Socket;
use crate::net::serve::{Terms, serve};
use crate::net::tls::Trust;
use crate::net::upstream::{self, Pool};
use crate::token::current::CurrentToken;

/// What one core works with. Made on one thread and run on another.
pub struct Core {
    /// One socket of each address.
    pub sockets: Vec<Socket>,
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
    /// Who may send them.
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
        let pool = Pool::new(self.upstream, self.trust);
        let counters = self.terms.counters.clone();
        let proxy = Rc::new(Proxy::new(self.proxy, pool, self.current, counters, self.admission));
        let serving =
            serve(self.sockets, self.terms, move |request| Rc::clone(&proxy).forward(request));
        let served = local.block_on(&runtime, serving);
        drop(local);
        // A name that is being resolved sits in a thread that cannot be cancelled; it is not waited for.
        runtime.shutdown_background();
        served
    }
}
