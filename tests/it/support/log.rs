//! Every line that this process logs.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How every token of the simulator begins. No log line, page or error has any of it.
pub(crate) const BEGINNINGS: [&str; 2] = ["eyJ0eXAi", "def50200"];

/// The log of this process, from whichever thread and sidecar, down to the least important line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let ours = |target: &str| target.starts_with("webwork_sidecar") || target == "access";
    let wanted =
        dynamic_filter_fn(move |meta, _| ours(meta.target()) || LIBRARIES.load(Ordering::Relaxed));
    let lines = fmt::layer().json().with_writer(log.clone());
    tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
    log
});

/// Whether the lines of libraries are written, too. They are many.
static LIBRARIES: AtomicBool = AtomicBool::new(false);

impl Log {
    pub(crate) fn of_process() -> Self {
        LOG.clone()
    }

    /// From now on every library's lines are written, at [`Level::TRACE`].
    pub(crate) fn with_libraries(self) -> Self {
        LIBRARIES.store(true, Ordering::Relaxed);
        assert!(tracing::enabled!(target: "h2", Level::TRACE));
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The events about requests for this path.
    pub(crate) fn about(&self, path: &str) -> Vec<serde_json::Value> {
        let text = self.text();
        let about = |event: &serde_json::Value| event["fields"]["path"] == path;
        // The text is cheaper to search than its events are to read.
        let lines = text.lines().filter(|line| line.contains(path));
        lines.map(|line| serde_json::from_str(line).unwrap()).filter(about).collect()
    }

    pub(crate) fn shows_no_token(&self) {
        let text = self.text();
        let shows = |line: &&str| BEGINNINGS.iter().any(|beginning| line.contains(beginning));
        assert_eq!(text.lines().find(shows), None);
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
