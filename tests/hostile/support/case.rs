//! Cases as the files in `cases/` have them, a line for each:
//!
//! ```text
//! name | threat | bytes of the caller | verdict; flags | checks of what the upstream received
//! name | threat | GET | bytes of the upstream | verdict; flags | checks of what the caller received
//! ```
//!
//! A check is `+text` (its head has that), `-text` (neither head nor content has it), `=text` (its
//! content is that) or `^text` (its first line is that).

use super::verdict::Verdict;
use super::{Words, spell};

/// A hostile message and what has to become of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// A line of `threats.txt`.
    pub(crate) threat: &'static str,
    /// The method of the request to which this is the answer, if the upstream is the hostile one.
    pub(crate) method: &'static str,
    /// As [`spell`](super::spell()) reads it.
    pub(crate) script: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) flags: Vec<&'static str>,
    pub(crate) checks: Vec<Check>,
}

/// Something to look for.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    Has(&'static str),
    Lacks(&'static str),
    Content(&'static str),
    FirstLine(&'static str),
}

/// Whose bytes a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// A caller's, for these listeners.
    Requests(&'static [super::Door]),
    /// An upstream's.
    Answers,
}

/// The flaw is in the content: if that comes later than the head, the upstream may have seen the head,
/// but never a whole request.
const LATE: &str = "late";

/// It never ends: the upstream may have seen its beginning, but never a whole request.
const OPEN: &str = "open";

/// The connection to the upstream ends with this answer.
const DROPPED: &str = "dropped";

/// The case is a bomb: it is sent at once, and its cost is told.
const BOMB: &str = "bomb";

/// The case lasts until a limit ends it: once is enough.
const SLOW: &str = "slow";

impl Case {
    /// All cases of a file.
    pub(crate) fn all(text: &'static str, group: Group) -> Vec<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| Self::read(line, group)).collect()
    }

    fn read(line: &'static str, group: Group) -> Self {
        let mut columns = line.split(" | ").map(str::trim);
        let mut next = || columns.next().unwrap_or_else(|| panic!("a column is missing: {line}"));
        let (name, threat) = (next(), next());
        let method = if group == Group::Answers { next() } else { "" };
        let script = next();
        let mut words = next().split("; ");
        let verdict = Verdict::read(words.next().unwrap_or_default());
        let flags: Vec<_> = words.collect();
        assert!(
            flags.iter().all(|flag| [LATE, OPEN, DROPPED, BOMB, SLOW].contains(flag)),
            "{line}"
        );
        let checks = columns.map(Check::read).collect();
        Self { name, threat, method, script, verdict, flags, checks }
    }

    pub(crate) fn is_late(&self) -> bool {
        self.flags.contains(&LATE)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.flags.contains(&OPEN)
    }

    pub(crate) fn drops_upstream(&self) -> bool {
        self.flags.contains(&DROPPED)
    }

    /// Whether there is a point in sending it byte by byte, too.
    pub(crate) fn can_dribble(&self) -> bool {
        !self.flags.contains(&BOMB) && !self.flags.contains(&SLOW)
    }

    pub(crate) fn is_bomb(&self) -> bool {
        self.flags.contains(&BOMB)
    }

    /// What is wrong with a message.
    pub(crate) fn check(&self, head: &str, content: &[u8], words: &Words) -> Vec<String> {
        let wrong = self.checks.iter().filter(|check| !check.holds(head, content, words));
        wrong.map(|check| format!("{check:?} does not hold for {head:?}")).collect()
    }
}

impl Check {
    fn read(text: &'static str) -> Self {
        let (sign, rest) = text.split_at(1);
        match sign {
            "+" => Self::Has(rest),
            "-" => Self::Lacks(rest),
            "=" => Self::Content(rest),
            "^" => Self::FirstLine(rest),
            _ => panic!("{text:?} is no check"),
        }
    }

    /// Names of fields know no case, so heads are compared without.
    fn holds(&self, head: &str, content: &[u8], words: &Words) -> bool {
        let plain = head.to_ascii_lowercase();
        let has = |text: &str| {
            let text = spell(text, words).bytes.to_ascii_lowercase();
            let text = String::from_utf8_lossy(&text).into_owned();
            plain.contains(&text) || String::from_utf8_lossy(content).contains(&text)
        };
        match self {
            Self::Has(text) => has(text),
            Self::Lacks(text) => !has(text),
            Self::Content(text) => content == spell(text, words).bytes,
            Self::FirstLine(text) => {
                head.as_bytes().starts_with(&[&spell(text, words).bytes[..], b"\r\n"].concat())
            }
        }
    }
}
