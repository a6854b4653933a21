//! A sidecar that is about to start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use webwork_sidecar::app::App;
use webwork_sidecar::config::{Environment, Source, env};
use webwork_sidecar::net::listen::Address;
use webwork_sidecar::simulator::{
    Client, Config, Fault, MachineTokens, Personality, Refusals, Security,
};
use webwork_sidecar::token::status::Status;

use super::home::Home;
use super::{Log, Service, Sidecar};

/// What the operator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    AuthorizationCode,
    /// The app of an authorization code, and no seed yet.
    SignInToCome,
    ClientCredentials,
    PersonalAccessToken,
}

impl Credential {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode | Self::SignInToCome => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::PersonalAccessToken => "personal_access_token",
        }
    }
}

/// A sidecar that is about to start, and the service before which it will stand.
#[derive(Clone)]
pub(crate) struct Setup {
    credential: Credential,
    simulator: Config,
    security: Security,
    faults: Vec<Fault>,
    settings: Vec<(String, String)>,
    place: Option<(Arc<Service>, Arc<Home>)>,
}

impl Setup {
    pub(super) fn of(credential: Credential) -> Self {
        let simulator = Config { rate_limit: None, token_rate_limit: None, ..Config::default() };
        let setup = Self {
            credential,
            simulator,
            security: Security::Tls,
            faults: Vec::new(),
            settings: Vec::new(),
            place: None,
        };
        // Orders one after the other are obeyed soon.
        setup.set(INTERVAL, "1s")
    }

    pub(crate) fn personality(mut self, personality: Personality) -> Self {
        self.simulator.personality = personality;
        self
    }

    pub(crate) fn access_life(mut self, life: Duration) -> Self {
        self.simulator.access_life = life;
        self
    }

    pub(crate) fn personal_life(mut self, life: Duration) -> Self {
        self.simulator.personal_life = life;
        self
    }

    /// How long the service answers a spent refresh token with its successor.
    pub(crate) fn grace(mut self, grace: Duration) -> Self {
        self.simulator.grace = grace;
        self
    }

    /// How long the service takes a code for good.
    pub(crate) fn code_life(mut self, life: Duration) -> Self {
        self.simulator.code_life = life;
        self
    }

    /// The service knows one app more.
    pub(crate) fn client(mut self, client: Client) -> Self {
        self.simulator.clients.push(client);
        self
    }

    pub(crate) fn machine_tokens(mut self, machine_tokens: MachineTokens) -> Self {
        self.simulator.machine_tokens = machine_tokens;
        self
    }

    pub(crate) fn refusals(mut self, refusals: Refusals) -> Self {
        self.simulator.refusals = refusals;
        self
    }

    /// The API allows so many requests in a minute, and says so.
    pub(crate) fn rate_limit(mut self, requests: u32) -> Self {
        self.simulator.rate_limit = Some(requests);
        self
    }

    /// The upstream speaks HTTP/1.1 without TLS instead of HTTP/2 with it.
    pub(crate) fn plain(mut self) -> Self {
        self.security = Security::Plain;
        self
    }

    /// This goes wrong before anything else does.
    pub(crate) fn suffering(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Sets a key of the configuration, such as `refresh.at`.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((env::variable_of(key), value.to_owned()));
        self
    }

    /// Starts it and waits until it is decided whether there is a token.
    pub(crate) async fn start(self) -> Sidecar {
        let sidecar = self.start_undecided().await;
        sidecar.until(Status::is_decided).await;
        sidecar
    }

    /// The service before which it will stand.
    pub(crate) async fn service(&mut self) -> Arc<Service> {
        self.furnish().await.0
    }

    /// Starts it with this in the file of this name.
    pub(crate) async fn start_with(mut self, name: &str, content: &str) -> Sidecar {
        let (_, home) = self.furnish().await;
        home.put(name, content);
        self.start().await
    }

    /// Starts it and does not wait for anything.
    pub(crate) async fn start_undecided(mut self) -> Sidecar {
        let (service, home) = self.furnish().await;
        // From here on everything that this process logs is examined.
        Log::of_process();
        let source = self.source(&home);
        let config = source.load().unwrap_or_else(|errors| panic!("{errors}"));
        let app = App::build(config, source).unwrap();
        let tcp = |address: &Address| match address {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        };
        let proxy = app.proxy_addresses().find_map(tcp).unwrap_or(NOWHERE);
        let admin = app.admin_addresses().find_map(tcp).unwrap_or(NOWHERE);
        let health = app.health_addresses().find_map(tcp);
        let metrics = app.metrics_addresses().find_map(tcp);
        let running = app.start().unwrap();
        let sources = running.sources().clone();
        Sidecar {
            setup: self,
            service,
            home,
            proxy,
            admin,
            health,
            metrics,
            sources,
            running: Some(running),
        }
    }

    pub(super) fn source(&self, home: &Home) -> Source {
        let environment: Environment = self.settings.iter().cloned().collect();
        Source { file: Some(home.config()), environment }
    }

    async fn furnish(&mut self) -> (Arc<Service>, Arc<Home>) {
        if self.place.is_none() {
            let service = Service::start(self.simulator.clone(), self.security).await;
            self.faults.drain(..).for_each(|fault| service.suffers(fault));
            let home = Home::furnish(self.credential, &service);
            self.place = Some((Arc::new(service), Arc::new(home)));
        }
        self.place.clone().unwrap()
    }
}

/// The address of a sidecar that listens on Unix sockets alone.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Least time between two exchanges that were ordered, or that a 401 caused.
pub(crate) const INTERVAL: &str = "refresh.unauthorized_interval";
