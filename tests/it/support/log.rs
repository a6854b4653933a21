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

use super::planted::examine_line;
use super::soon;

/// The log of this process, from whichever thread and sidecar, down to the least important line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<String>>);

/// As long as it is there, the lines of libraries are examined, too. They are many.
pub(crate) struct Libraries(());

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let wanted =
        dynamic_filter_fn(|event, _| is_ours(event.target()) || LIBRARIES.load(Ordering::Relaxed));
    let lines = fmt::layer().json().with_writer(log.clone());
    tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
    log
});

static LIBRARIES: AtomicBool = AtomicBool::new(false);

fn is_ours(target: &str) -> bool {
    target.starts_with("webwork_sidecar") || target == "access"
}

impl Log {
    pub(crate) fn of_process() -> Self {
        LOG.clone()
    }

    /// Examines the lines of every library, at [`Level::TRACE`].
    pub(crate) fn with_libraries(&self) -> Libraries {
        LIBRARIES.store(true, Ordering::Relaxed);
        assert!(tracing::enabled!(target: "h2", Level::TRACE));
        Libraries(())
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// Waits for a line with these words.
    pub(crate) async fn tells(&self, words: &str) {
        soon(async {
            while !self.0.lock().unwrap().contains(words) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// The events about requests for this path.
    pub(crate) fn about(&self, path: &str) -> Vec<serde_json::Value> {
        let text = self.text();
        let about = |event: &serde_json::Value| event["fields"]["path"] == path;
        // The text is cheaper to search than its events are to read.
        let lines = text.lines().filter(|line| line.contains(path));
        lines.map(|line| serde_json::from_str(line).unwrap()).filter(about).collect()
    }
}

impl Drop for Libraries {
    fn drop(&mut self) {
        LIBRARIES.store(false, Ordering::Relaxed);
    }
}

impl io::Write for Log {
    /// Gets a whole line. Those of libraries are examined and not kept.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = std::str::from_utf8(bytes).unwrap();
        examine_line(line);
        let target = line.split("\"target\":\"").nth(1).unwrap_or_default();
        if is_ours(target) || target.starts_with("access\"") {
            self.0.lock().unwrap().push_str(line);
        }
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
