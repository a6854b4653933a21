//! The simulator over real sockets: one file per part of API.md.

mod api;
mod authorization;
mod echo;
mod faults;
mod journal;
mod peer;
mod rate_limit;
mod rotation;
mod token_errors;
mod transport;
