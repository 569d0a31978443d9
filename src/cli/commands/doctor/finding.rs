//! What a check found, and what may be done about it without asking.

use crate::{
    adapters::owner,
    core::{code::Code, wire::Failure},
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Fine,
    /// Works, but somebody should look.
    Warning,
    /// Does not work; verbs would end with this code.
    Broken(Code),
}

/// What `--fix` does. Nothing here loses anything.
#[derive(Debug)]
pub(super) enum Cure {
    /// Take a file or directory of Fleet's own back from others.
    Protect {
        /// Which.
        path: PathBuf,
        /// The mode it should have.
        mode: u32,
    },
    /// Remove the note of an owner that has ended; done under the board's lock.
    Forget {
        /// The board.
        board: PathBuf,
    },
}

/// What one check found.
#[derive(Debug)]
pub(super) struct Finding {
    /// The check, as README lists it.
    pub(super) check: &'static str,
    /// How bad it is.
    pub(super) verdict: Verdict,
    message: String,
    hint: Option<String>,
    cure: Option<Cure>,
    is_fixed: bool,
}

impl Finding {
    fn new(check: &'static str, verdict: Verdict, message: impl Into<String>) -> Self {
        Self { check, verdict, message: message.into(), hint: None, cure: None, is_fixed: false }
    }

    pub(super) fn fine(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fine, message)
    }

    pub(super) fn warning(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warning, message)
    }

    pub(super) fn broken(check: &'static str, code: Code, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Broken(code), message)
    }

    /// What a verb would have answered.
    pub(super) fn of_failure(check: &'static str, failure: &Failure) -> Self {
        let finding = Self::broken(check, failure.code, &failure.message);
        match &failure.hint {
            Some(hint) => finding.hint(hint),
            None => finding,
        }
    }

    /// The same finding with its way out.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same finding with what `--fix` does about it.
    pub(super) fn cure(self, cure: Cure) -> Self {
        Self { cure: Some(cure), ..self }
    }

    /// The finding after its cure, where it has one that works.
    pub(super) fn mended(mut self) -> Self {
        let Some(cure) = self.cure.take() else { return self };
        match cure.apply() {
            Ok(done) => Self { verdict: Verdict::Fine, hint: None, is_fixed: true, message: done, ..self },
            Err(why) => Self { message: format!("{}; --fix failed: {why}", self.message), ..self },
        }
    }

    /// The exit code, if something is broken.
    pub(super) fn code(&self) -> Option<Code> {
        match self.verdict {
            Verdict::Broken(code) => Some(code),
            Verdict::Fine | Verdict::Warning => None,
        }
    }

    /// One line, and one for the way out.
    pub(super) fn text(&self) -> String {
        let word = match (self.is_fixed, self.verdict) {
            (true, _) => "fixed",
            (false, Verdict::Fine) => "ok",
            (false, Verdict::Warning) => "look",
            (false, Verdict::Broken(_)) => "BROKEN",
        };
        let mut text = format!("{word:<7} {:<8} {}\n", self.check, self.message.replace('\n', " "));
        if let Some(hint) = &self.hint {
            text.push_str(&format!("{:16} hint: {hint}\n", ""));
        }
        if self.cure.is_some() {
            text.push_str(&format!("{:16} hint: `fleet doctor --fix` mends it\n", ""));
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let verdict = match self.verdict {
            Verdict::Fine => "fine",
            Verdict::Warning => "warning",
            Verdict::Broken(_) => "broken",
        };
        json!({
            "check": self.check,
            "verdict": verdict,
            "code": self.code(),
            "message": self.message,
            "hint": self.hint,
            "can_fix": self.cure.is_some(),
            "fixed": self.is_fixed,
        })
    }
}

impl Cure {
    /// Does it; what was done, or why it could not be.
    fn apply(self) -> Result<String, String> {
        match self {
            Cure::Protect { path, mode } => {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(|e| e.to_string())?;
                Ok(format!("{} has mode {mode:o} now", path.display()))
            }
            Cure::Forget { board } => {
                owner::forget_dead(&board).map_err(|e| e.to_string())?;
                Ok("the note of an owner that has ended is gone".into())
            }
        }
    }
}
