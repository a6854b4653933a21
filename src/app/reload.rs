//! Reads the configuration again when a file that it names changes.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::{Source, Watched};
use crate::token::order::Order;

/// Watches the configuration file and the secret files, and passes a changed credential on.
#[derive(Debug)]
pub(super) struct Reload {
    pub(super) source: Source,
    pub(super) watched: Vec<Watched>,
    pub(super) orders: mpsc::Sender<Order>,
}

/// How often the files are looked at. Looking works everywhere, also where a mounted secret is swapped
/// by a symbolic link and no event tells of it.
const INTERVAL: Duration = Duration::from_secs(1);

impl Reload {
    /// Watches for ever.
    pub(super) async fn watch(mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if self.watched.iter().any(Watched::has_changed) {
                self.load().await;
            }
        }
    }

    async fn load(&mut self) {
        match self.source.load() {
            Ok(config) => {
                // Other files may be named now.
                self.watched = config.watched;
                let order = Order::Change(Box::new(config.token.credential));
                if self.orders.send(order).await.is_err() {
                    tracing::debug!("the refresher has ended; the change is for the next start");
                }
            }
            Err(errors) => {
                let watched = std::mem::take(&mut self.watched);
                self.watched = watched.into_iter().map(Watched::looked_at).collect();
                tracing::error!(
                    %errors,
                    "a file changed, but the configuration is invalid now: the old one stays in use"
                );
            }
        }
    }
}
