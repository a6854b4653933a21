//! Where a rotating grant is kept.

mod directory;
mod file;

pub use directory::{Lock, StoreError};
pub use file::{FileStore, Stamp};
