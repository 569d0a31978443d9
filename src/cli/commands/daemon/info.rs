//! What the daemon verbs tell programs about the Emacs behind a board; PROTOCOL.md lists it.

use crate::{
    adapters::{
        clock,
        owner::{OwnerInfo, OwnerKind},
    },
    cli::ui::Outcome,
};
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;

/// What was found, or became of the Emacs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// `start` made it.
    Started,
    /// `start` found one that answers.
    AlreadyRunning,
    /// `status` found an owner.
    Running,
    /// `stop` asked it to end.
    Stopped,
    /// `stop` had to send SIGTERM.
    Terminated,
    /// `stop` found none.
    NotRunning,
}

impl What {
    fn words(self) -> &'static str {
        match self {
            What::Started => "started",
            What::AlreadyRunning => "already running",
            What::Running => "running",
            What::Stopped => "stopped",
            What::Terminated => "stopped by SIGTERM",
            What::NotRunning => "not running",
        }
    }
}

/// The owner of a board as the daemon verbs tell it.
#[derive(Debug, Serialize)]
pub struct DaemonInfo {
    /// What was found or done.
    what: What,
    /// Which kind of process it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<OwnerKind>,
    /// Its process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// Where it listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<PathBuf>,
    /// For how long it has held the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    up_secs: Option<u64>,
    /// Whether it answers now.
    answers: bool,
}

impl DaemonInfo {
    /// The board has no owner.
    pub fn nobody() -> Self {
        Self { what: What::NotRunning, kind: None, pid: None, socket: None, up_secs: None, answers: false }
    }

    /// The owner answers.
    pub fn answering(what: What, owner: &OwnerInfo) -> Self {
        Self { socket: owner.socket.clone(), answers: true, ..Self::silent(what, owner) }
    }

    /// The owner has ended, or does not answer.
    pub fn silent(what: What, owner: &OwnerInfo) -> Self {
        let up_secs = owner.held_for(clock::now().wall.unix_ms()).map(|time| time.as_secs());
        Self { what, kind: Some(owner.kind), pid: Some(owner.pid), socket: None, up_secs, answers: false }
    }

    /// The outcome of a verb that did what it was told.
    pub fn outcome(&self) -> Outcome {
        let words = self.what.words();
        let text = self.pid.map_or_else(|| words.to_owned(), |pid| format!("{words}: Emacs, process {pid}"));
        Outcome::value(json!({ "v": 1, "ok": true, "daemon": self }), text)
    }
}
