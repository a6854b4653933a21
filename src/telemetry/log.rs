//! The log: text for a terminal, JSON for machines, on standard error.
//!
//! Standard error may be a full disk, or a pipe whose reader has died or sleeps. None of that may stop a
//! request, let alone an exchange between its answer and its write. So lines are written by a thread of
//! their own; where it cannot keep up they are dropped, and a write that fails is nobody's error.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{fmt, registry, reload};

use super::printable;

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

/// Writes what is left of the log when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Log(#[expect(dead_code, reason = "it works by being dropped")] WorkerGuard);

/// Lines that wait to be written; more are dropped. Some 2 MiB.
const WAITING: usize = 8192;

/// Starts the log of this process; a second call changes nothing.
pub fn start(config: &Config) -> Log {
    let screen = if io::stderr().is_terminal() { Screen::Terminal } else { Screen::Elsewhere };
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING)
        .lossy(true)
        .thread_name("log")
        .finish(Counting(io::stderr()));
    let dropped = writer.error_counter();
    let (lines, turn) = lines(config, screen, move || writer.clone());
    if tracing::dispatcher::set_global_default(lines).is_ok() {
        TURN.set(turn).ok();
        DROPPED.set(dropped).ok();
    }
    Log(guard)
}

/// Sets the least important level that is written from now on.
pub fn set_level(level: Level) {
    if let Some(turn) = TURN.get() {
        turn(level);
    }
}

/// How many lines of this process's log were lost: dropped because too many waited, or because they
/// could not be written.
pub fn dropped_lines() -> u64 {
    let dropped = DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64);
    dropped + UNWRITTEN.load(Ordering::Relaxed)
}

/// Lines that found no place among those that wait.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Lines that the system did not take.
static UNWRITTEN: AtomicU64 = AtomicU64::new(0);

/// Writes lines, and counts those that cannot be written.
struct Counting<W>(W);

impl<W: io::Write> io::Write for Counting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.0.write_all(line);
        if written.is_err() {
            UNWRITTEN.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Turns the level of this process's log up and down.
static TURN: OnceLock<Turn> = OnceLock::new();

type Turn = Box<dyn Fn(Level) + Send + Sync>;

/// Where the lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Screen {
    Terminal,
    Elsewhere,
}

/// What turns events into lines.
fn lines<W, M>(config: &Config, screen: Screen, open: M) -> (Dispatch, Turn)
where
    W: io::Write + 'static,
    M: Fn() -> W + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(LevelFilter::from_level(config.level));
    // It fails when there is no log any more, and then nobody misses a line.
    let turn = move |level| drop(handle.reload(LevelFilter::from_level(level)));
    let registry = registry().with(filter);
    // Internal errors would be told on standard error, with a panic if that fails, too.
    let dispatch = match (config.format, screen) {
        (Format::Text, _) | (Format::Auto, Screen::Terminal) => {
            let lines = fmt::layer()
                .log_internal_errors(false)
                .with_ansi(screen == Screen::Terminal)
                .fmt_fields(debug_fn(printable::field).delimited(" "))
                .with_writer(open);
            registry.with(lines).into()
        }
        (Format::Json, _) | (Format::Auto, Screen::Elsewhere) => {
            let lines = fmt::layer()
                .log_internal_errors(false)
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .with_writer(move || printable::Json(open()));
            registry.with(lines).into()
        }
    };
    (dispatch, Box::new(turn))
}

#[cfg(test)]
mod tests {
    use super::super::paper::Paper;
    use super::*;

    /// The lines of what `say` logs.
    fn logged(format: Format, screen: Screen, say: impl FnOnce()) -> String {
        let paper = Paper::default();
        let config = Config { format, level: Level::TRACE };
        let (dispatch, _) = lines(&config, screen, paper.open());
        tracing::dispatcher::with_default(&dispatch, say);
        paper.text()
    }

    /// Every control character, those of ASCII and the others.
    fn controls() -> String {
        ('\0'..='\u{9f}').filter(|character| character.is_control()).collect()
    }

    fn say_controls() {
        let controls = controls();
        let shown = format_args!("a{controls}z");
        tracing::info!(text = controls, %controls, ?shown, "b{controls}y");
    }

    #[test]
    fn an_event_is_one_line_without_control_characters_in_either_format() {
        for format in [Format::Text, Format::Json] {
            let text = logged(format, Screen::Elsewhere, say_controls);
            let line = text.strip_suffix('\n').unwrap();
            assert!(!line.contains(char::is_control), "{format:?}: {line:?}");
        }
    }

    #[test]
    fn a_terminal_gets_no_control_characters_but_our_colours() {
        let text = logged(Format::Auto, Screen::Terminal, say_controls);
        let quiet = logged(Format::Auto, Screen::Terminal, || tracing::info!("b"));
        let controls = |text: &str| text.chars().filter(|it| it.is_control()).collect::<String>();
        assert_eq!(controls(&text), controls(&quiet));
        assert!(controls(&quiet).ends_with("\u{1b}\n"), "{quiet:?}");
    }

    #[test]
    fn the_level_can_be_changed_while_it_runs() {
        let paper = Paper::default();
        let config = Config { format: Format::Json, level: Level::INFO };
        let (dispatch, turn) = lines(&config, Screen::Elsewhere, paper.open());
        tracing::dispatcher::with_default(&dispatch, || {
            for (level, words) in [(Level::INFO, "no"), (Level::DEBUG, "yes"), (Level::ERROR, "no")]
            {
                turn(level);
                tracing::debug!(words, "detail");
            }
        });
        let text = paper.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("yes"), "{text}");
    }

    #[test]
    fn json_means_what_was_logged() {
        let line = logged(Format::Json, Screen::Elsewhere, say_controls);
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let controls = controls();
        assert_eq!(event["text"], controls);
        assert_eq!(event["shown"], format!("a{controls}z"));
        assert_eq!(event["message"], format!("b{controls}y"));
    }

    #[test]
    fn text_is_read_by_people() {
        let line = logged(Format::Text, Screen::Elsewhere, || {
            tracing::warn!(path = "/api/caf\u{e9}\u{9b}31m", count = 2, "one\ntwo");
        });
        let told = r#" WARN webwork_sidecar::telemetry::log::tests: one\ntwo path="/api/café\u{9b}31m" count=2"#;
        assert!(line.trim_end().ends_with(told), "{line}");
    }
}
