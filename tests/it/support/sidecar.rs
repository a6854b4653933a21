//! The whole sidecar as it is shipped, from its configuration file on, before a simulated service.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use webwork_sidecar::admin::configuration::Configuration;
use webwork_sidecar::admin::{Report, Sources};
use webwork_sidecar::app::Running;
use webwork_sidecar::config::{Config, Errors};
use webwork_sidecar::token::current::Generation;
use webwork_sidecar::token::order::{Asked, Order};
use webwork_sidecar::token::state::Standing;
use webwork_sidecar::token::status::Status;

use super::home::Home;
use super::planted::nothing_was_logged;
use super::setup::Setup;
use super::{Caller, Credential, PATIENCE, Reply, Service, examine, examine_debug, soon};

/// A running sidecar. Dropping it drains it.
pub(crate) struct Sidecar {
    pub(crate) service: Arc<Service>,
    pub(crate) proxy: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) health: Option<SocketAddr>,
    pub(crate) metrics: Option<SocketAddr>,
    pub(super) setup: Setup,
    pub(super) home: Arc<Home>,
    pub(super) sources: Sources,
    pub(super) running: Option<Running>,
}

impl Sidecar {
    pub(crate) fn with(credential: Credential) -> Setup {
        Setup::of(credential)
    }

    /// Another one before the same service, with the same files.
    pub(crate) fn another(&self) -> Setup {
        self.setup.clone()
    }

    /// Ends it in good order.
    pub(crate) async fn stop(mut self) {
        let running = self.running.take().unwrap();
        running.drain();
        soon(tokio::task::spawn_blocking(move || running.join())).await.unwrap();
    }

    /// Ends it and starts it again.
    pub(crate) async fn restart(self) -> Self {
        let setup = self.another();
        self.stop().await;
        setup.start().await
    }

    pub(crate) fn drain(&self) {
        self.running.as_ref().unwrap().drain();
    }

    /// A connection to the proxy.
    pub(crate) async fn caller(&self) -> Caller<TcpStream> {
        Caller::new(TcpStream::connect(self.proxy).await.unwrap())
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        let mut caller = self.caller().await;
        caller.send(self.get_request(target)).await;
        caller.reply().await
    }

    pub(crate) async fn post(&self, target: &str, content: impl AsRef<[u8]>) -> Reply {
        let mut caller = self.caller().await;
        caller.send(self.post_request(target, content)).await;
        caller.reply().await
    }

    pub(crate) fn get_request(&self, target: &str) -> String {
        format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.proxy)
    }

    pub(crate) fn post_request(&self, target: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
        let content = content.as_ref();
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.proxy,
            content.len(),
        );
        [head.as_bytes(), content].concat()
    }

    /// A page of the admin listener.
    pub(crate) async fn page(&self, target: &str) -> Reply {
        self.page_for(target, &self.admin.to_string()).await
    }

    /// A page of the admin listener, asked for by this name of it.
    pub(crate) async fn page_for(&self, target: &str, host: &str) -> Reply {
        let mut caller = Caller::new(TcpStream::connect(self.admin).await.unwrap());
        caller.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        caller.reply().await
    }

    /// The fingerprint of the token that a request carries now.
    pub(crate) async fn carried(&self) -> String {
        let reply = self.get(ECHO).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let echo: serde_json::Value = serde_json::from_slice(&reply.content).unwrap();
        let fields = echo["headers"].as_array().unwrap();
        let authorization: Vec<_> = fields.iter().filter(|it| it[0] == "authorization").collect();
        assert_eq!(authorization.len(), 1);
        authorization[0][1].as_str().unwrap().to_owned()
    }

    /// What the files say now.
    pub(crate) fn config(&self) -> Result<Config, Errors> {
        self.setup.source(&self.home).load()
    }

    pub(crate) fn status(&self) -> Status {
        self.sources.token.borrow().clone()
    }

    pub(crate) fn report(&self) -> Report {
        self.sources.report()
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What is in use of what the files say.
    pub(crate) fn configuration(&self) -> Configuration {
        self.sources.configuration.borrow().clone()
    }

    /// Waits until the files were read again, with this result, and passed on.
    pub(crate) async fn until_configured(&self, said: impl Fn(&Configuration) -> bool) {
        let mut seen = self.sources.configuration.clone();
        soon(seen.wait_for(|it| said(it))).await.unwrap();
    }

    /// Waits until the refresher says so.
    pub(crate) async fn until(&self, said: impl Fn(&Status) -> bool) -> Status {
        let mut token = self.sources.token.clone();
        let waited = tokio::time::timeout(PATIENCE, token.wait_for(|it| said(it))).await;
        match waited {
            Ok(status) => status.unwrap().clone(),
            Err(_) => panic!("still waiting; {:#?}", self.status()),
        }
    }

    pub(crate) async fn until_state(&self, state: Standing) -> Status {
        self.until(|status| status.state == state).await
    }

    /// Waits until this generation, or a later one, is in use and nothing is being exchanged.
    pub(crate) async fn until_generation(&self, generation: u64) -> Status {
        let settled = |status: &Status| {
            status.state == Standing::Active && status.generation >= Generation(generation)
        };
        self.until(settled).await
    }

    /// Orders a new token, as the operator can at any time.
    pub(crate) async fn order_refresh(&self) -> Asked {
        let (reply, asked) = oneshot::channel();
        self.sources.orders.send(Order::Refresh(reply)).await.unwrap();
        soon(asked).await.unwrap()
    }

    /// Orders a new token and waits until it is in use.
    pub(crate) async fn refresh(&self) -> Status {
        let next = self.status().generation.0 + 1;
        self.order_refresh().await;
        self.until_generation(next).await
    }

    /// Puts this into the file of this name while the sidecar runs.
    pub(crate) fn put(&self, name: &str, content: &str) {
        self.home.put(name, content);
    }

    /// A file of the state directory.
    pub(crate) fn state_file(&self, name: &str) -> PathBuf {
        self.home.state().join(name)
    }

    /// Makes it impossible to write the file of this name in the state directory.
    pub(crate) fn obstruct(&self, name: &str) {
        self.home.obstruct(name);
    }

    /// Makes it possible again.
    pub(crate) fn clear(&self, name: &str) {
        self.home.clear(name);
    }
}

impl Sidecar {
    fn examine(&self) {
        for page in ["/livez", "/readyz", "/status", "/metrics", "/", "/else"] {
            examine(page, &shown(self.admin, page));
        }
        examine_debug(&self.sources);
        examine_debug(&self.status());
        examine_debug(&self.report());
        match self.config() {
            Ok(config) => examine_debug(&config),
            Err(errors) => {
                examine("the errors of a configuration", &errors.to_string());
                examine_debug(&errors);
            }
        }
    }
}

/// Everything that an admin listener says, or nothing if it says nothing any more.
fn shown(admin: SocketAddr, page: &str) -> String {
    let mut text = Vec::new();
    let asked = std::net::TcpStream::connect(admin).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {page} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut text)
    });
    drop(asked);
    String::from_utf8_lossy(&text).into_owned()
}

/// Answers with what arrived.
pub(crate) const ECHO: &str = "/api/v2/_simulator/echo";

impl Drop for Sidecar {
    /// Every test ends with a look at everything that shows the state of the moment.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            if !std::thread::panicking() {
                self.examine();
            }
            running.drain();
            running.join();
        }
        if !std::thread::panicking() {
            nothing_was_logged();
        }
    }
}
