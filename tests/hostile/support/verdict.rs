//! What a case is expected to end with.
//!
//! ```text
//! 400 bad_request            an answer of the sidecar itself, and the end of the connection
//! 505 *                      the same, with any code
//! 200                        somebody else's answer
//! 200, 400 bad_request       one after the other
//! 200 cut                    a head whose content breaks off
//! none                       no answer, only the end
//! 408 caller_timeout or none either
//! ```

use super::Seen;
use super::answer::Extent;
use super::caller::{End, Heard, Until};

/// The alternatives, each a list of answers.
#[derive(Clone, Debug)]
pub(crate) struct Verdict(Vec<Vec<Expected>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    /// Of the upstream, or of a page.
    Passed(u16),
    /// Of the sidecar itself; `None` stands for any code.
    Own(u16, Option<String>),
    Cut(u16),
}

impl Verdict {
    pub(crate) fn read(text: &str) -> Self {
        let list = |text: &str| match text {
            "none" => Vec::new(),
            _ => text.split(", ").map(Expected::read).collect(),
        };
        Self(text.split(" or ").map(|text| list(text.trim())).collect())
    }

    /// When there is nothing more to wait for.
    pub(crate) fn until(&self) -> Until {
        let ends = |list: &Vec<Expected>| list.last().is_none_or(Expected::ends);
        let count = self.0.iter().map(Vec::len).max().unwrap_or_default();
        if self.0.iter().any(ends) { Until::End(count) } else { Until::Answers(count) }
    }

    /// Compares; the error says what is wrong.
    pub(crate) fn judge(&self, heard: &Heard) -> Result<(), String> {
        let Some(list) = self.0.iter().find(|list| is_met(list, &heard.answers)) else {
            let told: Vec<_> = heard.answers.iter().map(describe).collect();
            return Err(format!("expected {:?}, heard {told:?} and {:?}", self.0, heard.end));
        };
        if list.last().is_none_or(Expected::ends) && heard.end == End::StillOpen {
            return Err("the connection is still open".to_owned());
        }
        if !list.is_empty() && heard.end == End::Reset {
            return Err("the connection was reset, which can take the answer back".to_owned());
        }
        for (expected, answer) in list.iter().zip(&heard.answers) {
            let lacks = answer.shortcomings();
            if matches!(expected, Expected::Own(..)) && answer.code().is_some() && !lacks.is_empty()
            {
                return Err(format!("an answer of our own lacks {lacks:?}: {}", answer.head));
            }
        }
        Ok(())
    }
}

impl Expected {
    fn read(text: &str) -> Self {
        let (status, word) = text.split_once(' ').unwrap_or((text, ""));
        let status = status.parse().unwrap_or_else(|_| panic!("{text:?} is no verdict"));
        match word {
            "" => Self::Passed(status),
            "cut" => Self::Cut(status),
            "*" => Self::Own(status, None),
            code => Self::Own(status, Some(code.to_owned())),
        }
    }

    /// Whether the caller's connection ends with it.
    fn ends(&self) -> bool {
        match self {
            Self::Passed(_) => false,
            Self::Cut(_) => true,
            Self::Own(status, code) => is_refusal(*status) && code.as_deref() != Some("not_found"),
        }
    }
}

/// A refused request is left unread, so its connection ends; other answers of ours are in nobody's way.
pub(super) fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) || status == 505
}

fn is_met(expected: &[Expected], answers: &[Seen]) -> bool {
    let fits = |(expected, seen): (&Expected, &Seen)| match expected {
        Expected::Passed(status) => {
            seen.status == *status && seen.is_whole() && seen.code().is_none()
        }
        Expected::Cut(status) => seen.status == *status && !seen.is_whole(),
        Expected::Own(status, None) => seen.status == *status,
        Expected::Own(status, code) => seen.status == *status && seen.code() == *code,
    };
    expected.len() == answers.len() && expected.iter().zip(answers).all(fits)
}

fn describe(answer: &Seen) -> String {
    let code = answer.code().unwrap_or_default();
    let extent = if answer.is_whole() { "" } else { " cut" };
    format!("{} {code}{extent}", answer.status)
}

impl Seen {
    /// Whether all of its content is there, as far as one can tell.
    pub(crate) fn is_whole(&self) -> bool {
        self.extent != Extent::Cut
    }
}
