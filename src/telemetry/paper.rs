//! What a test gives a log to write on.

use std::io;
use std::sync::{Arc, Mutex};

/// Keeps everything that was written. Every clone has the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    /// Gives the log what it writes on.
    pub(crate) fn open(&self) -> impl Fn() -> Self + Send + Sync + use<> {
        let paper = self.clone();
        move || paper.clone()
    }

    /// What stands there.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
