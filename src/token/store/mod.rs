//! Where a rotating grant is kept.

mod directory;
mod file;
mod pair;

pub use directory::{Lock, StoreError};
pub use file::{FileStore, Stamp};
pub use pair::{NotStored, Store};
