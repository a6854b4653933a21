//! A local proxy that puts a valid bearer token on every request to the WebWork Tracker API.
//!
//! The binary `webwork-sidecar` is the product; this library exists so that its tests drive the very
//! parts that the binary is made of. A module uses only modules on lower floors, and
//! `tests/architecture.rs` holds every module to it:
//!
//! ```text
//! floor 5  main → cli → app             assembly: the one chain that runs sideways
//! floor 4  config                       TOML, environment, secret files → the components' Configs
//! floor 3  proxy   admin   simulator    surfaces
//! floor 2  token                        state machine, refresher, current token, sources, stores
//! floor 1  guard   budget   net         mechanisms; guard is pure
//! floor 0  secret  clock  scope  account  answer  telemetry    vocabulary
//! ```

pub mod account;
pub mod answer;
pub mod clock;
pub mod scope;
pub mod secret;
pub mod telemetry;

pub mod guard;
pub mod net;

pub mod token;

pub mod admin;
pub mod proxy;
pub mod simulator;

pub mod config;

pub mod app;
pub mod cli;
