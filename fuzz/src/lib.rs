//! What several targets need.

pub mod lax;
pub mod wire;
