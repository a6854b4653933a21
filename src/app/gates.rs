//! Which guard stands at which socket.

use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;

use crate::answer::Answer;
use crate::guard::{Admitted, Config, Door, Guard, InvalidConfig, Pages};
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

/// Takes every socket without a guard: for the listener that has nothing to guard. A kubelet asks by the
/// address of the pod, which nobody knows beforehand.
pub(super) fn open_gate(listeners: &mut [Listeners]) -> Option<Gate> {
    let sockets: Vec<_> =
        listeners.iter_mut().filter_map(|listeners| listeners.sockets.pop()).collect();
    let admission = Arc::new(|_: &Parts, _| Ok(Admitted::Request));
    (!sockets.is_empty()).then_some(Gate { sockets, admission })
}
