//! The address at which the browser ended, from the terminal or from standard input.

use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::token::sign_in::{Pending, Proof, SignInError};

use super::super::proof::Failure;
use super::super::style::complain;

/// A pasted text comes line by line, all at once: after this pause it is whole.
const PAUSE: Duration = Duration::from_millis(300);

/// Reads until there is an answer. A person may try again, and so may one behind a pipe, such as that of
/// `docker exec -i`: it stays open after the address.
pub(super) async fn answer(pending: &Pending) -> Result<Proof, Failure> {
    let mut lines = lines()?;
    let mut last = None;
    loop {
        let text = text(&mut lines).await;
        match (text, last.take()) {
            (None, Some(error)) => return Err(error),
            (None, None) => return Err(SignInError::NoCode.into()),
            (Some(text), _) => match pending.pasted(&text) {
                Ok(proof) => return Ok(proof),
                Err(error) if error.is_final() => return Err(error.into()),
                Err(error) => {
                    if std::io::stdin().is_terminal() {
                        complain(format_args!("{error}"));
                    }
                    last = Some(error.into());
                }
            },
        }
    }
}

/// The next text, without the blank lines around it; none at the end.
async fn text(lines: &mut mpsc::Receiver<String>) -> Option<String> {
    let mut text = String::new();
    while text.is_empty() {
        text = lines.recv().await?.trim().to_owned();
    }
    loop {
        let next = tokio::time::timeout(PAUSE, lines.recv()).await.ok().flatten();
        match next {
            Some(line) if !line.trim().is_empty() => text.push_str(line.trim()),
            _ => return Some(text),
        }
    }
}

/// Lines of standard input, from a thread that waits for them in our place.
fn lines() -> std::io::Result<mpsc::Receiver<String>> {
    let (tell, told) = mpsc::channel(64);
    std::thread::Builder::new().name("input".into()).spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if tell.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(told)
}
