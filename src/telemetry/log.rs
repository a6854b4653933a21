//! The log: text for a terminal, JSON for machines, on standard error.

use std::io::IsTerminal;
use std::panic;

use tracing::Level;
use tracing_subscriber::fmt;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Text or JSON. Default [`Format::Auto`].
    pub format: Format,
    /// The least important level that is written. Default info.
    pub level: Level,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: Format::Auto, level: Level::INFO }
    }
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Text,
    /// For machines: one object per line, control characters escaped.
    Json,
}

/// Starts the log of this process; a second call changes nothing. From here on a panic is one line
/// that names its place: what a panic says could quote a secret.
pub fn start(config: &Config) {
    let stderr = std::io::stderr;
    let terminal = stderr().is_terminal();
    let lines = fmt().with_max_level(config.level).with_writer(stderr);
    let started = match config.format {
        Format::Text => lines.with_ansi(terminal).try_init(),
        Format::Auto if terminal => lines.with_ansi(true).try_init(),
        Format::Json | Format::Auto => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
    };
    if started.is_ok() {
        panic::set_hook(Box::new(|panicked| {
            let place = panicked.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "a defect ended a task; please report it");
        }));
    }
}
