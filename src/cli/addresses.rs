//! Whether `run` could listen where the configuration says, and who listens there now.

use std::fmt;
use std::net::SocketAddr;

use http::StatusCode;

use crate::admin::{Facts, Report};
use crate::config::{Chosen, Listen};
use crate::net::listen::{Address, BindError, Listeners};

use super::ask::{AskError, Target, error_code};

/// The sidecar that runs with a configuration.
#[derive(Debug)]
pub(super) enum Running {
    /// None.
    Nobody,
    /// One that says where it listens.
    Sidecar(Box<Facts>),
    /// One that does not answer, or one that cannot be asked.
    Unknown,
}

impl Running {
    /// Asks at the admin address.
    pub(super) fn at(target: &Target) -> Self {
        match target.get("/status") {
            Ok((StatusCode::OK, content)) => match serde_json::from_slice::<Report>(&content) {
                Ok(report) => Self::Sidecar(Box::new(report.facts)),
                Err(_) => Self::Unknown,
            },
            Err(AskError::Silent { .. } | AskError::Stranger(_)) => Self::Nobody,
            Ok(_) | Err(_) => Self::Unknown,
        }
    }

    /// Returns true if it listens at this address, which is in use.
    fn has(&self, key: &str, address: &Address, target: &Target) -> bool {
        match self {
            Self::Nobody => false,
            Self::Sidecar(_) if key == HEALTH => target.at(address).get("/livez").is_ok(),
            Self::Sidecar(facts) => {
                facts.proxy.iter().chain(&facts.admin).any(|told| is_covered(address, told))
            }
            Self::Unknown => is_sidecar(&target.at(address)),
        }
    }
}

/// Whether a listener at the address `told` is in the way of one at `address`.
fn is_covered(address: &Address, told: &str) -> bool {
    let told: Option<SocketAddr> = match address {
        Address::Unix(_) => return address.to_string() == told,
        Address::Tcp(_) => told.parse().ok(),
    };
    let (Address::Tcp(address), Some(told)) = (address, told) else { return false };
    let is_any = told.ip().is_unspecified() || address.ip().is_unspecified();
    address.port() == told.port() && (is_any || address.ip() == told.ip())
}

/// Whether it refuses a request for nothing as a sidecar does.
fn is_sidecar(target: &Target) -> bool {
    match target.get("/") {
        Ok((_, content)) => error_code(&content).is_some(),
        Err(AskError::Refused { words, .. }) => !words.trim().is_empty(),
        Err(_) => false,
    }
}

/// An address at which `run` could not listen.
#[derive(Debug)]
pub(super) struct Obstacle {
    key: &'static str,
    error: BindError,
}

impl Obstacle {
    /// What to do.
    pub(super) fn fix(&self) -> String {
        match &self.error {
            BindError::InUse(_) => {
                format!("stop the program that has it, or set another address in {}", self.key)
            }
            _ => format!("set another address in {}", self.key),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            BindError::InUse(address) => write!(f, "{address} is in use by another program"),
            error => error.fmt(f),
        }
    }
}

const HEALTH: &str = "health.listen";

/// The addresses at which `run` could not listen once the running sidecar has ended.
pub(super) fn obstacles(listen: &Listen, running: &Running, target: &Target) -> Vec<Obstacle> {
    let lists = [
        ("listen.proxy", &listen.proxy, listen.proxy_chosen),
        ("listen.admin", &listen.admin, listen.admin_chosen),
        (HEALTH, &listen.health, Chosen::Explicit),
    ];
    let mut obstacles = Vec::new();
    for (key, addresses, chosen) in lists {
        for address in addresses {
            match Listeners::check(address) {
                Ok(()) => {}
                Err(error) if chosen == Chosen::Default && error.is_missing_address() => {}
                Err(BindError::InUse(_)) if running.has(key, address, target) => {}
                Err(error) => obstacles.push(Obstacle { key, error }),
            }
        }
    }
    obstacles
}
