//! Where a rotating grant is kept.

mod directory;
mod error;
mod file;
mod pair;

pub use directory::Lock;
pub use error::StoreError;
pub use file::{FileStore, Stamp};
pub use pair::{NotStored, Store};
