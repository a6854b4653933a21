//! Sockets: listening, serving, reaching the upstream, TLS, and ending all of it in order.

pub mod listen;
pub mod origin;
pub mod serve;
pub mod upstream;
