//! Which guard stands at which socket.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::ACCEPT;
use http::request::Parts;

use crate::answer::Answer;
use crate::clock;
use crate::guard::{Admitted, Config, Door, Guard, InvalidConfig, Pages, Refusal};
use crate::net::listen::{Address, Listeners, Socket};
use crate::proxy::core::Gate;
use crate::telemetry::refusals;

/// Takes core `number`'s socket of every address: one gate for those of TCP and one for the Unix
/// sockets, because callers name them differently in `Host`. A person who opens the proxy in a browser is sent to
/// the status page.
pub(super) fn gates(
    rules: &Config,
    listeners: &mut [Listeners],
    pages: Pages,
    status_page: Option<&str>,
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
            let status_page = status_page.map(str::to_owned);
            let admission = move |head: &Parts, account| {
                guard
                    .admit(head, account)
                    .map_err(|refusal| refused(refusal, head, status_page.as_deref()))
            };
            gates.push(Gate { sockets, admission: Arc::new(admission) });
        }
    }
    Ok(gates)
}

fn refused(refusal: Refusal, head: &Parts, status_page: Option<&str>) -> Answer {
    let (code, reason) = (refusal.code().as_str(), refusal.to_string());
    refusals::log(code, &reason, Some(&head.headers), clock::now().boot());
    let is_elsewhere = refusal == Refusal::Path;
    let answer = Answer::from(refusal);
    match status_page.filter(|_| is_elsewhere) {
        Some(url) if is_for_a_person(head) => answer.page(url),
        Some(url) => answer.more(format!("The status page is {url}")),
        None => answer,
    }
}

/// Whether a browser shows the answer as a page.
fn is_for_a_person(head: &Parts) -> bool {
    let mut accepted = head.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    head.method.is_safe() && accepted.any(|value| value.contains("text/html"))
}

/// Where the status page is for a browser on this host.
pub(super) fn status_page(admin: &[Listeners]) -> Option<String> {
    let bound = admin.iter().find_map(|listeners| match listeners.address {
        Address::Tcp(address) => Some(address),
        Address::Unix(_) => None,
    })?;
    let ip = bound.ip().to_canonical();
    Some(match ip.is_loopback() || ip.is_unspecified() {
        true => format!("http://localhost:{}/", bound.port()),
        false => format!("http://{bound}/"),
    })
}

/// Takes every socket without a guard: for the listener that has nothing to guard. A kubelet asks by the
/// address of the pod, which nobody knows beforehand.
pub(super) fn open_gate(listeners: &mut [Listeners]) -> Option<Gate> {
    let sockets: Vec<_> =
        listeners.iter_mut().filter_map(|listeners| listeners.sockets.pop()).collect();
    let admission = Arc::new(|_: &Parts, _| Ok(Admitted::Request));
    (!sockets.is_empty()).then_some(Gate { sockets, admission })
}
