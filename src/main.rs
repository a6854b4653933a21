//! The binary: arguments in, exit code out. Everything else is [`webwork_sidecar::cli`].

fn main() {}
