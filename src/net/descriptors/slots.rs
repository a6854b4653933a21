//! Places for upstream connections.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many descriptors upstream connections may have, shared by all cores. The default is no limit,
/// which is for what must never wait for callers: token exchanges.
#[derive(Clone, Debug, Default)]
pub struct Slots(Option<Arc<Semaphore>>);

/// A descriptor that may be opened; it is free again when this is dropped.
#[derive(Debug)]
pub struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    /// Room for this many.
    pub fn new(count: usize) -> Self {
        Self(Some(Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)))))
    }

    /// A slot, once there is one.
    pub(crate) async fn take(&self) -> Slot {
        let permit = match &self.0 {
            // It is never closed.
            Some(slots) => Arc::clone(slots).acquire_owned().await.ok(),
            None => None,
        };
        Slot { _permit: permit }
    }

    /// A slot, if there is one now.
    pub(crate) fn try_take(&self) -> Option<Slot> {
        match &self.0 {
            Some(slots) => {
                let permit = Arc::clone(slots).try_acquire_owned().ok()?;
                Some(Slot { _permit: Some(permit) })
            }
            None => Some(Slot { _permit: None }),
        }
    }
}
