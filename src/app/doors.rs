//! The listening sockets of every kind: those that the service manager has opened, else those that the
//! configuration names.

use std::num::NonZero;

use crate::config::{Chosen, Config, Listen};
use crate::net::listen::{Address, BindError, Listeners, Passed, Permissions};

use super::StartError;
use super::capacity::cores;

/// All listening sockets.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) proxy: Vec<Listeners>,
    pub(super) admin: Vec<Listeners>,
    pub(super) health: Vec<Listeners>,
    pub(super) metrics: Vec<Listeners>,
    /// Where this process has made the files of Unix sockets.
    pub(super) files: Vec<Address>,
}

/// A socket was passed on that programs of other hosts reach, and nothing keeps them out.
#[derive(Debug, thiserror::Error)]
#[error(
    "the socket at {0} that the service manager has opened can be reached from outside this host, and \
     whoever reaches it could use the token: let it listen on a loopback address, or set \
     guard.caller_key_file"
)]
pub struct Exposed(Address);

impl Doors {
    /// Binds or takes over.
    pub(super) fn open(config: &Config, passed: Passed) -> Result<Self, StartError> {
        let Listen { proxy, proxy_chosen, admin, admin_chosen, health, metrics, permissions } =
            &config.listen;
        let guarded = passed.proxy.iter().chain(&passed.admin);
        let mut exposed = guarded.map(|given| &given.address).filter(|it| !it.is_local());
        if let Some(address) = exposed.next().filter(|_| config.guard.caller_key.is_none()) {
            return Err(Exposed(address.clone()).into());
        }
        let (one, mut files) = (NonZero::<usize>::MIN, Vec::new());
        let mut door = |given: Vec<Listeners>, addresses, chosen, cores: NonZero<usize>| {
            if given.is_empty() {
                let bound = bind(addresses, chosen, cores, permissions)?;
                files.extend(bound.iter().map(|listeners| listeners.address.clone()));
                return Ok::<_, StartError>(bound);
            }
            let shared = given.into_iter().map(|listeners| listeners.shared(cores.get()));
            Ok(shared.collect::<Result<_, _>>()?)
        };
        Ok(Self {
            proxy: door(passed.proxy, proxy, *proxy_chosen, cores())?,
            admin: door(passed.admin, admin, *admin_chosen, one)?,
            health: door(passed.health, health, Chosen::Explicit, one)?,
            metrics: door(passed.metrics, metrics, Chosen::Explicit, one)?,
            files,
        })
    }
}

/// Binds every address for `cores`. A default address that this host does not have is left out: many
/// containers have no `::1`.
fn bind(
    addresses: &[Address],
    chosen: Chosen,
    cores: NonZero<usize>,
    permissions: &Permissions,
) -> Result<Vec<Listeners>, BindError> {
    let mut bound = Vec::new();
    for address in addresses {
        match Listeners::bind(address, cores.get(), permissions) {
            Ok(listeners) => bound.push(listeners),
            Err(error) if chosen == Chosen::Default && error.is_missing_address() => {
                tracing::warn!(%address, "this host does not have the address; going on without it");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bound)
}
