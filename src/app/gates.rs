//! Which guard stands at which socket.

use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;

use crate::answer::Answer;
use crate::guard::{Config, Door, Guard, InvalidConfig, Pages};
use crate::net::listen::{Address, Listeners, Socket};
use crate::proxy::core::Gate;

/// Takes core `number`'s socket of every address: one gate for those of TCP and one for the Unix
/// sockets, because callers name them differently in `Host`.
pub(super) fn gates(
    rules: &Config,
    listeners: &mut [Listeners],
    pages: Pages,
) -> Result<Vec<Gate>, InvalidConfig> {
    let bound: Vec<SocketAddr> = listeners
        .iter()
        .filter_map(|listeners| match listeners.address {
            Address::Tcp(address) => Some(address),
            Address::Unix(_) => None,
        })
        .collect();
    let own = listeners.iter_mut().filter_map(|listeners| listeners.sockets.pop());
    let (tcp, unix): (Vec<_>, Vec<_>) = own.partition(|socket| matches!(socket, Socket::Tcp(_)));
    let mut gates = Vec::new();
    for (sockets, door) in [(tcp, Door::Tcp(&bound)), (unix, Door::Unix)] {
        if !sockets.is_empty() {
            let guard = Guard::new(rules, door, pages)?;
            let admission =
                move |head: &Parts, account| guard.admit(head, account).map_err(Answer::from);
            gates.push(Gate { sockets, admission: Arc::new(admission) });
        }
    }
    Ok(gates)
}
