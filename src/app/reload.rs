//! Reads the configuration again when a file that it names changes.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::Source;
use crate::token::order::Order;

/// Watches the configuration file and the secret files, and passes a changed credential on.
#[derive(Debug)]
pub(super) struct Reload {
    pub(super) source: Source,
    pub(super) watched: Vec<PathBuf>,
    pub(super) orders: mpsc::Sender<Order>,
}

/// How often the files are looked at. Looking works everywhere, also where a mounted secret is swapped
/// by a symbolic link and no event tells of it.
const INTERVAL: Duration = Duration::from_secs(1);

impl Reload {
    /// Watches for ever.
    pub(super) async fn watch(self) {
        let mut seen = stamps(&self.watched);
        loop {
            tokio::time::sleep(INTERVAL).await;
            let now = stamps(&self.watched);
            if now != seen {
                seen = now;
                self.load().await;
            }
        }
    }

    async fn load(&self) {
        match self.source.load() {
            Ok(config) => {
                let order = Order::Change(Box::new(config.token.credential));
                if self.orders.send(order).await.is_err() {
                    tracing::debug!("the refresher has ended; the change is for the next start");
                }
            }
            Err(errors) => tracing::error!(
                %errors,
                "a file changed, but the configuration is invalid now: the old one stays in use"
            ),
        }
    }
}

/// Tells whether a file is still the one that it was; links are followed on purpose.
fn stamps(files: &[PathBuf]) -> Vec<Option<(u64, i64, i64, u64)>> {
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
    };
    files.iter().map(stamp).collect()
}
