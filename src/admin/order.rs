//! Orders to the process, which whoever runs it hears.

use std::sync::Arc;

use tokio::sync::Notify;

/// An order that anybody with a clone can give. Given twice before it is heard, it is heard once.
#[derive(Clone, Debug, Default)]
pub struct Order(Arc<Notify>);

impl Order {
    /// Gives it.
    pub fn order(&self) {
        self.0.notify_one();
    }

    /// Waits until it is given. One waits at a time.
    pub async fn ordered(&self) {
        self.0.notified().await;
    }
}
