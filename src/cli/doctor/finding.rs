//! What a check has found, and the report of all of them. It is made to be pasted in public: no secret, no
//! token and no client ID appears in it but as a fingerprint.

use std::fmt::Write;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but somebody should look.
    Warn,
    /// It does not work.
    Fail,
    /// It was not looked at.
    Skip,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) check: &'static str,
    /// How it is.
    pub(super) verdict: Verdict,
    /// What was found.
    pub(super) detail: String,
    /// What to do about it.
    pub(super) fix: Option<String>,
}

/// All checks, in the order in which a request needs them.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Verdict::Ok, detail.into(), None);
    }

    pub(super) fn skip(&mut self, check: &'static str, why: impl Into<String>) {
        self.add(check, Verdict::Skip, why.into(), None);
    }

    pub(super) fn warn(
        &mut self,
        check: &'static str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(check, Verdict::Warn, detail.into(), Some(fix.into()));
    }

    pub(super) fn fail(
        &mut self,
        check: &'static str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(check, Verdict::Fail, detail.into(), Some(fix.into()));
    }

    /// A message that has both parts, as those of this program do: `what is wrong: what to do`.
    pub(super) fn failed(&mut self, check: &'static str, message: &str) {
        let (detail, fix) = message
            .split_once("; ")
            .or(message.rsplit_once(": "))
            .unwrap_or((message, "see the message"));
        self.fail(check, detail, fix);
    }

    fn add(&mut self, check: &'static str, verdict: Verdict, detail: String, fix: Option<String>) {
        self.0.push(Finding { check, verdict, detail, fix });
    }

    /// Whether nothing is broken.
    pub(super) fn is_well(&self) -> bool {
        self.0.iter().all(|finding| finding.verdict != Verdict::Fail)
    }

    /// For programs.
    pub(super) fn to_json(&self) -> String {
        // Texts and words: nothing that JSON could refuse.
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for Finding { check, verdict, detail, fix } in &self.0 {
            let mark = match verdict {
                Verdict::Ok => "ok  ",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
                Verdict::Skip => "-   ",
            };
            let mut lines = detail.trim_end().lines();
            // Writing to a string cannot fail.
            writeln!(text, "{mark} {check:<16} {}", lines.next().unwrap_or_default()).ok();
            for line in lines {
                writeln!(text, "{:21} {line}", "").ok();
            }
            if let Some(fix) = fix {
                writeln!(text, "{:21} -> {fix}", "").ok();
            }
        }
        let count = |verdict| self.0.iter().filter(|finding| finding.verdict == verdict).count();
        let (broken, odd) = (count(Verdict::Fail), count(Verdict::Warn));
        let end = match (broken, odd) {
            (0, 0) => {
                "Nothing is wrong here; `check --online` also tries the credential.".to_owned()
            }
            (0, odd) => format!(
                "Nothing is broken; worth a look: {odd}. `check --online` also tries the credential."
            ),
            (broken, odd) => format!("Broken: {broken}; worth a look: {odd}."),
        };
        writeln!(text, "\n{end}").ok();
        text
    }
}
