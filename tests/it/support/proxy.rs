//! The proxy by itself: no configuration, and the test publishes the tokens.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use url::Url;
use webwork_sidecar::answer::Answer;
use webwork_sidecar::guard::Admitted;
use webwork_sidecar::net::drain::{self, Drainer};
use webwork_sidecar::net::listen::{Address, Listeners, Permissions};
use webwork_sidecar::net::memory::Budget;
use webwork_sidecar::net::origin::Origin;
use webwork_sidecar::net::serve::{self, Limit, Terms};
use webwork_sidecar::net::tls::Trust;
use webwork_sidecar::net::upstream;
use webwork_sidecar::proxy;
use webwork_sidecar::proxy::core::{Core, Gate};
use webwork_sidecar::proxy::service::Admission;
use webwork_sidecar::telemetry::pulse::Pulses;
use webwork_sidecar::telemetry::{Meter, Totals};
use webwork_sidecar::token::bearer::AccessToken;
use webwork_sidecar::token::current::{Access, Bearer, Generation, Publisher, Rejection, channel};

use super::planted::nothing_was_logged;
use super::{Caller, Log, Reply, Upstream, soon};

pub(crate) fn bearer(generation: u64) -> Bearer {
    let token = AccessToken::new(format!("token-{generation}")).unwrap();
    Bearer::new(Generation(generation), &token)
}

/// A proxy that is about to start.
pub(crate) struct Start {
    pub(crate) upstream: upstream::Config,
    pub(crate) serve: serve::Config,
    pub(crate) proxy: proxy::Config,
    pub(crate) admission: Admission,
    pub(crate) listen: Address,
    pub(crate) cores: usize,
    pub(crate) memory: Budget,
}

/// A running proxy. Its token is generation 1 until a test publishes another.
pub(crate) struct Proxy {
    pub(crate) address: Address,
    pub(crate) publisher: Publisher,
    pub(crate) rejections: tokio::sync::mpsc::UnboundedReceiver<Rejection>,
    meter: Meter,
    drainer: Option<Drainer>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Start {
    pub(crate) fn with(upstream: &Upstream) -> Self {
        let url = Url::parse(&upstream.url).unwrap();
        let mut config = upstream::Config::new(Origin::of(&url).unwrap());
        config.ca_file = upstream.ca_file.as_ref().map(|file| file.path().to_owned());
        Self {
            upstream: config,
            serve: serve::Config::default(),
            proxy: proxy::Config::default(),
            admission: Arc::new(|_, _| Ok(Admitted::Request)),
            listen: "127.0.0.1:0".parse().unwrap(),
            cores: 1,
            memory: Budget::default(),
        }
    }

    pub(crate) fn go(self) -> Proxy {
        // From here on everything that this process logs is examined.
        Log::of_process();
        let trust = Trust::load(self.upstream.ca_file.as_deref()).unwrap();
        let listeners = Listeners::bind(&self.listen, self.cores, &Permissions::default()).unwrap();
        let (publisher, current, rejections) = channel();
        publisher.publish(Access::Ready(bearer(1)));
        let (drainer, drain) = drain::channel();
        let (meter, limit) =
            (Meter::default(), Limit::new(&self.serve).within(self.memory.clone()));
        let threads = listeners.sockets.into_iter().map(|socket| {
            let core = Core {
                terms: Terms {
                    config: self.serve.clone(),
                    limit: limit.clone(),
                    drain: drain.clone(),
                    counters: meter.core(),
                },
                proxy: self.proxy.clone(),
                upstream: upstream::Config { memory: self.memory.clone(), ..self.upstream.clone() },
                trust: trust.clone(),
                current: current.clone(),
                pulse: Pulses::default().of("core"),
                gates: vec![Gate { sockets: vec![socket], admission: Arc::clone(&self.admission) }],
            };
            std::thread::spawn(move || core.run())
        });
        Proxy {
            address: listeners.address,
            publisher,
            rejections,
            threads: threads.collect(),
            meter,
            drainer: Some(drainer),
        }
    }
}

impl Proxy {
    pub(crate) fn with(upstream: &Upstream) -> Self {
        Start::with(upstream).go()
    }

    pub(crate) async fn caller(&self) -> Caller<TcpStream> {
        let Address::Tcp(address) = self.address else { panic!("not TCP") };
        Caller::new(TcpStream::connect(address).await.unwrap())
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Reply {
        let mut caller = self.caller().await;
        caller.send(request).await;
        caller.reply().await
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
    }

    pub(crate) fn totals(&self) -> Totals {
        self.meter.totals()
    }

    /// Waits until the counters say so.
    pub(crate) async fn until(&self, told: impl Fn(Totals) -> bool) {
        soon(async {
            while !told(self.totals()) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub(crate) fn drain(&self, within: Duration) {
        self.drainer.as_ref().unwrap().drain(within);
    }

    /// Waits for all cores to end.
    pub(crate) async fn ended(&mut self) {
        let threads = std::mem::take(&mut self.threads);
        let all = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
        soon(all).await.unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.drainer.take();
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(std::thread::panicking() || matches!(ended, Ok(Ok(()))), "{ended:?}");
        }
        if !std::thread::panicking() {
            nothing_was_logged();
        }
    }
}

/// Refuses everything, as a guard may.
pub(crate) fn refusing(code: webwork_sidecar::answer::Code) -> Admission {
    Arc::new(move |_, _| Err(Answer::new(code).closing()))
}
