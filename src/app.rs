//! The whole sidecar: built from a configuration, run until it is told to drain.
//!
//! ```text
//! control thread   refresher · admin · health · metrics · reload · the last hour
//! core threads     one per CPU: listeners · proxy · upstream connections
//! ```
//!
//! Nothing is shared between them but the current token, counters and the drain, so neither side can
//! starve the other. Order of the start: everything that can fail (configuration, certificates, state
//! directory, addresses) before anything is sent or served. Order of the end: not ready, cores drain
//! while the refresher finishes what is on the wire, and the admin listener goes last.

mod capacity;
mod control;
mod doors;
mod gates;
mod haste;
mod reload;
mod sockets;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use crate::admin::configuration::Configuration;
use crate::admin::order::Order;
use crate::admin::sign_in::{Page, SignIns};
use crate::admin::{Facts, Sources};
use crate::clock;
use crate::config::{Config, Source};
use crate::guard::{self, Pages};
use crate::net::descriptors::TooFew;
use crate::net::drain::{self, Drain, Drainer};
use crate::net::listen::{Address, BindError, Listeners, Passed};
use crate::net::serve::Terms;
use crate::net::tls::{Trust, TrustError};
use crate::proxy::core::Core;
use crate::telemetry::Meter;
use crate::telemetry::history::History;
use crate::telemetry::pulse::Pulses;
use crate::token::handle::Handle;
use crate::token::refresher::Refresher;
use crate::token::setup::SetupError;
use crate::token::sign_in::Desk;

use capacity::Capacity;
use control::{Admin, Control};
use doors::{Doors, Exposed};
use gates::{gates, status_page};
pub use haste::Haste;
use reload::{Fixed, Reload};
use sockets::SocketFiles;

/// Why the sidecar cannot start. Nothing has been changed or sent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The limit of open files is too low.
    #[error(transparent)]
    TooFew(#[from] TooFew),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A socket that the service manager has opened is open to others.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// Certificates cannot be loaded.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The credential or its store cannot be used.
    #[error(transparent)]
    Token(#[from] SetupError),
    /// The guard cannot be set up as configured.
    #[error(transparent)]
    Guard(#[from] guard::InvalidConfig),
    /// The system gives no threads.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// A sidecar that is ready to start: its addresses are bound and its store is read.
#[derive(Debug)]
pub struct App {
    config: Config,
    source: Source,
    trust: Trust,
    doors: Doors,
    refresher: Refresher,
    handle: Handle,
    meter: Meter,
    capacity: Capacity,
}

/// A sidecar at work.
#[derive(Debug)]
pub struct Running {
    drainer: Arc<Drainer>,
    drain: drain::Config,
    threads: Vec<JoinHandle<()>>,
    control: JoinHandle<()>,
    control_end: Drainer,
    sources: Sources,
    files: SocketFiles,
}

impl App {
    /// Loads certificates, reads the store and binds the addresses. `source` is where the
    /// configuration came from; it is read again when a file that it names changes.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what to mend.
    pub fn build(config: Config, source: Source) -> Result<Self, StartError> {
        Self::adopt(config, source, Passed::default())
    }

    /// The same with sockets that the service manager has opened: they go before those of the
    /// configuration.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what to mend.
    pub fn adopt(config: Config, source: Source, passed: Passed) -> Result<Self, StartError> {
        let capacity = Capacity::claim(&config, &passed)?;
        let trust = Trust::load(config.upstream.ca_file.as_deref())?;
        let upstream = config.upstream.dial(trust.clone());
        let (refresher, handle) = Refresher::new(config.token.clone(), trust.clone(), upstream)?;
        let doors = Doors::open(&config, passed)?;
        let page = doors.admin.iter().find_map(|listeners| listeners.address.url());
        let refresher = refresher.with_page(page.filter(|_| opens_in_browser(&config.guard)));
        let meter = Meter::default();
        Ok(Self { config, source, trust, doors, refresher, handle, meter, capacity })
    }

    /// The addresses that callers use, with the ports that the system chose.
    pub fn proxy_addresses(&self) -> impl Iterator<Item = &Address> {
        self.doors.proxy.iter().map(|listeners| &listeners.address)
    }

    /// The addresses of the admin listener.
    pub fn admin_addresses(&self) -> impl Iterator<Item = &Address> {
        self.doors.admin.iter().map(|listeners| &listeners.address)
    }

    /// The addresses of the health listener.
    pub fn health_addresses(&self) -> impl Iterator<Item = &Address> {
        self.doors.health.iter().map(|listeners| &listeners.address)
    }

    /// The addresses of the metrics listener.
    pub fn metrics_addresses(&self) -> impl Iterator<Item = &Address> {
        self.doors.metrics.iter().map(|listeners| &listeners.address)
    }

    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// [`StartError::Guard`] and [`StartError::Thread`]; what had started is drained again.
    pub fn start(mut self) -> Result<Running, StartError> {
        let (drainer, drain) = drain::channel();
        let (control_end, end) = drain::channel();
        let (last, admin_end) = drain::channel();
        let (configuration, seen) =
            watch::channel(Configuration::read(clock::wall(), self.config.settings.clone()));
        let sources = self.sources(&drain, seen);
        let files = SocketFiles::of(&self.doors.files);
        let pulses = sources.pulses.clone();
        let cores = self.cores(&drain, &pulses)?;
        let fixed = Fixed::of(&self.config);
        let control = Control {
            admin: Admin::new(
                &self.config,
                &mut self.doors,
                &sources,
                self.capacity.side_door(),
                admin_end,
            )?,
            last,
            history: sources.history.clone(),
            meter: self.meter,
            pulse: pulses.of("refresher"),
            reload: Reload {
                source: self.source,
                watched: self.config.watched,
                orders: sources.orders.clone(),
                fixed,
                level: self.config.log.level,
                configuration,
                order: sources.reload.clone(),
            },
            refresher: self.refresher,
            drain,
            end,
        };
        let mut threads = Vec::new();
        for (number, core) in cores.into_iter().enumerate() {
            threads.push(spawn(format!("core-{number}"), move || core.run())?);
        }
        let control = spawn("control".into(), move || control.run())?;
        Ok(Running {
            drainer: Arc::new(drainer),
            drain: self.config.drain,
            threads,
            control,
            control_end,
            sources,
            files,
        })
    }

    fn sources(&self, drain: &Drain, configuration: watch::Receiver<Configuration>) -> Sources {
        let written = |listeners: &[Listeners]| {
            listeners.iter().map(|listeners| listeners.address.to_string()).collect()
        };
        let registration = self.config.token.credential.registration();
        let facts = Facts {
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: clock::now().wall(),
            credential: self.config.token.credential.kind().into(),
            upstream: self.config.upstream.origin.to_string(),
            token_url: registration.map(|app| app.token_url.to_string()),
            proxy: written(&self.doors.proxy),
            admin: written(&self.doors.admin),
        };
        Sources {
            facts,
            token: self.handle.status.clone(),
            acceptance: self.handle.current.acceptance().clone(),
            meter: self.meter.clone(),
            drain: drain.clone(),
            stop: Order::default(),
            reload: Order::default(),
            configuration,
            history: History::begin(clock::wall()),
            pulses: Pulses::default(),
            capacity: self.capacity.shown().clone(),
            durations: Arc::clone(&self.handle.durations),
            orders: self.handle.orders.clone(),
            sign_ins: Arc::new(self.sign_ins()),
        }
    }

    fn sign_ins(&self) -> SignIns {
        let (token, credential) = (self.config.token.clone(), self.handle.credential.clone());
        let desk = Desk::new(token, credential, self.trust.clone());
        let opens = opens_in_browser(&self.config.guard);
        SignIns::new(desk, if opens { Page::Open } else { Page::Keyed })
    }

    /// One core for each CPU, each with a socket of every address.
    fn cores(&mut self, drain: &Drain, pulses: &Pulses) -> Result<Vec<Core>, StartError> {
        let status_page = status_page(&self.doors.admin);
        let mut cores = Vec::new();
        for number in 0..self.doors.proxy.first().map_or(0, |listeners| listeners.sockets.len()) {
            let terms = Terms {
                config: self.config.caller.clone(),
                limit: self.capacity.limit(number),
                drain: drain.clone(),
                counters: self.meter.core(),
            };
            cores.push(Core {
                gates: gates(
                    &self.config.guard,
                    &mut self.doors.proxy,
                    Pages::None,
                    status_page.as_deref(),
                )?,
                terms,
                proxy: self.config.proxy.clone(),
                upstream: self.capacity.upstream(&self.config.upstream, number),
                trust: self.trust.clone(),
                current: self.handle.current.clone(),
                pulse: pulses.of(format!("core-{number}")),
            });
        }
        Ok(cores)
    }
}

impl Running {
    /// What can be asked and ordered while it runs.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Begins the drain; returns at once. A second call changes nothing.
    pub fn drain(&self) {
        self.drainer.drain(self.drain.timeout);
    }

    /// How long requests are still to be taken after a signal, before [`Running::drain`].
    pub fn delay(&self) -> Duration {
        self.drain.delay
    }

    /// What leaves no time to the drain, from another thread than the one that [joins](Self::join).
    pub fn haste(&self) -> Haste {
        Haste(Arc::clone(&self.drainer))
    }

    /// Waits until the drain is over and everything that must be written is written. Blocks the thread.
    pub fn join(self) {
        for thread in self.threads {
            // A panic has been logged by the hook, and the other threads still deserve their end.
            thread.join().ok();
        }
        self.control_end.drain(Duration::ZERO);
        self.control.join().ok();
        self.files.remove();
    }
}

/// Whether a browser gets to the status page: it can send neither a caller key nor another field.
fn opens_in_browser(guard: &guard::Config) -> bool {
    guard.caller_key.is_none() && guard.required_field.is_none()
}

fn spawn(
    name: String,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.clone()).spawn(move || {
        if let Err(error) = work() {
            tracing::error!(thread = name, %error, "a thread could not do its work");
        }
    })
}
