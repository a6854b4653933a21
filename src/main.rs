//! The binary: arguments in, exit code out. Everything else is [`webwork_sidecar::cli`].

use clap::Parser;
use webwork_sidecar::cli::{Arguments, Exit, perform};

fn main() -> Exit {
    perform(Arguments::parse())
}
