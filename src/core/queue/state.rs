//! The states of a task and the keywords that stand for them.

use crate::core::org::{KeywordKind, Keywords};
use serde::{Deserialize, Serialize};

/// The state of a task in Fleet's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// PENDING: may be claimed.
    Pending,
    /// IN_PROGRESS: an agent holds it, or a person set it so.
    InProgress,
    /// DONE.
    Done,
    /// FAILED: its attempts are used up.
    Failed,
    /// SKIPPED: nobody shall do it.
    Skipped,
    /// Another keyword of the board that counts as open; Fleet leaves it alone.
    Other,
    /// Another keyword of the board that counts as done.
    OtherClosed,
}

/// The keyword of every state that Fleet itself writes.
pub const WRITTEN: [(State, &str); 5] = [
    (State::Pending, "PENDING"),
    (State::InProgress, "IN_PROGRESS"),
    (State::Done, "DONE"),
    (State::Failed, "FAILED"),
    (State::Skipped, "SKIPPED"),
];

impl State {
    /// The state that `keyword` stands for on a board with these `keywords`.
    pub fn of(keyword: &str, keywords: &Keywords) -> Self {
        match WRITTEN.iter().find(|(_, word)| *word == keyword) {
            Some((state, _)) => *state,
            None if keywords.kind(keyword) == Some(KeywordKind::Done) => State::OtherClosed,
            None => State::Other,
        }
    }

    /// The keyword that Fleet writes for this state.
    ///
    /// Panics for the two states that Fleet never writes.
    pub fn keyword(self) -> &'static str {
        WRITTEN
            .iter()
            .find(|(state, _)| *state == self)
            .map(|(_, word)| *word)
            .expect("Fleet writes only its own states")
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::InProgress => "in-progress",
            State::Done => "done",
            State::Failed => "failed",
            State::Skipped => "skipped",
            State::Other => "other",
            State::OtherClosed => "other-closed",
        }
    }

    /// Whether nothing more is to be done.
    pub fn is_closed(self) -> bool {
        matches!(self, State::Done | State::Failed | State::Skipped | State::OtherClosed)
    }

    /// Whether a task that waits for this one may go on: closed, and not by failure.
    pub fn unblocks(self) -> bool {
        self.is_closed() && self != State::Failed
    }
}
