//! The vocabulary of these tests: a [`Sidecar`] as it is shipped, before a [`Service`] that is
//! simulated; the [`Proxy`] by itself, before an [`Upstream`] that may be ill-behaved; and callers that
//! are real sockets.

mod browser;
mod caller;
mod certificate;
pub(crate) mod frames;
mod home;
mod ill;
mod load;
mod log;
mod outbound;
mod planted;
mod proxy;
mod service;
mod setup;
mod sidecar;
mod upstream;
mod wire;

use std::fs::OpenOptions;
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

pub(crate) use browser::{Browser, HOME};
pub(crate) use caller::{Caller, Reply};
pub(crate) use certificate::{Certificate, file};
pub(crate) use home::{CLIENT_SECRET, PERSONAL_ACCESS_TOKEN, REFRESH_TOKEN};
pub(crate) use ill::{Ill, is_no_request};
pub(crate) use load::{Answers, Load};
pub(crate) use log::Log;
pub(crate) use outbound::{Lapse, Outbound};
pub(crate) use planted::{Planted, examine, examine_debug, examine_reply};
pub(crate) use proxy::{Proxy, Start, bearer, refusing};
pub(crate) use service::{Service, fault};
pub(crate) use setup::{Credential, INTERVAL, Setup};
pub(crate) use sidecar::{ECHO, Sidecar};
pub(crate) use upstream::{Content, Upstream, full};
pub(crate) use wire::Wire;

/// No awaited event takes longer, or the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn soon<F: Future>(event: F) -> F::Output {
    tokio::time::timeout(PATIENCE, event).await.expect("it should have happened by now")
}

/// Writes a file that nobody else may read.
fn write(path: &Path, text: &str) {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
