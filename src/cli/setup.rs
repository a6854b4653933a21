//! A simulator in a thread of its own, and configurations that point a sidecar at it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::Notify;

use crate::scope::ScopeSet;
use crate::simulator::{Config, Security, Simulator};

/// What a configuration for the simulator needs to say.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) url: String,
    ca_pem: String,
    client_id: String,
    client_secret: String,
    refresh_token: String,
    personal_access_token: String,
}

/// A simulator that serves until it is dropped.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) access: Access,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Starts it; its grants have `scope`.
    pub(super) fn start(
        config: Config,
        listener: TcpListener,
        security: Security,
        scope: ScopeSet,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(Notify::new());
        let (tell, told) = mpsc::channel();
        let until = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("simulator".into()).spawn(move || {
            runtime.block_on(async {
                let simulator = Simulator::start(config, listener, security).await;
                let access = simulator.as_ref().map(|simulator| Access::to(simulator, &scope));
                // The other side waits for exactly this.
                tell.send(access.map_err(|error| io::Error::new(error.kind(), error.to_string())))
                    .ok();
                if let Ok(simulator) = simulator {
                    until.notified().await;
                    simulator.stop().await;
                }
            });
        })?;
        let access = told.recv().map_err(io::Error::other)??;
        Ok(Self { access, stop, thread: Some(thread) })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic has been told by the hook.
            thread.join().ok();
        }
    }
}

/// Where the sidecar of a written configuration listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// As always.
    Default,
    /// Wherever there is room.
    Free,
}

impl Access {
    fn to(simulator: &Simulator, scope: &ScopeSet) -> Self {
        Self {
            url: simulator.url().to_owned(),
            ca_pem: simulator.ca_pem().to_owned(),
            client_id: simulator.client_id().to_owned(),
            client_secret: simulator.client_secret().to_owned(),
            refresh_token: simulator.issue_refresh_token(scope),
            personal_access_token: simulator.issue_personal_access_token(scope),
        }
    }

    /// Writes one configuration for each kind of credential, with the files that they name, and
    /// returns their paths; that of the authorization code comes first.
    pub(super) fn write(&self, directory: &Path, ports: Ports) -> io::Result<Vec<PathBuf>> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let files = [
            ("ca.pem", &self.ca_pem),
            ("client_secret", &self.client_secret),
            ("refresh_token", &self.refresh_token),
            ("personal_access_token", &self.personal_access_token),
        ];
        for (name, content) in files {
            write(&directory.join(name), content)?;
        }
        let app =
            format!("client_id = {:?}\nclient_secret_file = \"client_secret\"\n", self.client_id);
        let credentials = [
            (
                "authorization-code.toml",
                format!(
                    "[credential.authorization_code]\n{app}refresh_token_file = \"refresh_token\"\n\
                     redirect_uri = \"http://127.0.0.1:9181/callback\"\n\
                     authorize_url = \"{}/oauth/authorize\"\n",
                    self.url
                ),
            ),
            ("client-credentials.toml", format!("[credential.client_credentials]\n{app}")),
            (
                "personal-access-token.toml",
                "[credential.personal_access_token]\ntoken_file = \"personal_access_token\"\n"
                    .into(),
            ),
        ];
        let mut written = Vec::new();
        for (name, credential) in credentials {
            let path = directory.join(name);
            write(&path, &format!("{}\n{credential}", self.common(ports)))?;
            written.push(path);
        }
        Ok(written)
    }

    fn common(&self, ports: Ports) -> String {
        // It is on this host, where no proxy of the environment should look for it.
        let mut text = format!("[upstream]\nurl = {:?}\nproxy = \"none\"\n", self.url);
        if !self.ca_pem.is_empty() {
            text.push_str("ca_file = \"ca.pem\"\n");
        }
        if ports == Ports::Free {
            text.push_str("\n[listen]\nproxy = [\"127.0.0.1:0\"]\nadmin = [\"127.0.0.1:0\"]\n");
        }
        text.push_str("\n[state]\ndirectory = \"state\"\n");
        text
    }
}

fn write(path: &Path, content: &str) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content.as_bytes())
}
