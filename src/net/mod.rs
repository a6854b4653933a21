//! Sockets: listening, serving, reaching the upstream, TLS, and ending all of it in order.

pub mod connect;
pub mod descriptors;
pub mod drain;
pub mod framing;
pub mod listen;
pub mod login_redirect;
pub mod memory;
pub mod origin;
pub mod reach;
mod screen;
pub mod serve;
pub mod tls;
pub mod tunnel;
pub mod upstream;
