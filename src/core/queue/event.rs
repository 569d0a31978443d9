//! What happened, as the journal keeps it. PROTOCOL.md documents the format; old records stay readable.

use crate::core::{
    id::{AgentName, RequestId, Token},
    time::Stamp,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One event: who did what when, and through which door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Wall-clock time with the local offset.
    pub at: Stamp,
    /// Who did it.
    pub by: Actor,
    /// The door the request came through.
    pub via: Via,
    /// What the name in `by` rests on (R21).
    pub auth: Auth,
    /// The request that asked for it; absent for a person's edits and for the system's own events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Asked>,
    /// What changed.
    pub change: Change,
}

/// Who did something. On the wire: the agent's name, `human` or `system`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    /// An agent.
    Agent(AgentName),
    /// The person at the board.
    Human,
    /// Fleet itself.
    System,
}

/// The door a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// Lisp inside the daemon: a command, a notebook, `emacsclient -e`.
    Emacs,
    /// The module's own socket.
    Socket,
    /// A program that owned the board itself for one command.
    Offline,
    /// Nobody asked: a person's edit, a start, a save.
    Inside,
}

/// What an agent's name rests on (R21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// On the caller's word: same user, full trust.
    Label,
    /// On the peer's user id.
    Uid,
    /// On an SSH key.
    Key,
}

/// The request behind an event, so that a repeat is recognised after a restart too (R5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The request's id.
    pub id: RequestId,
    /// A digest of verb and arguments, 16 hex digits.
    pub digest: String,
}

/// What changed. Text in here is already safe to write into an org file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Change {
    /// A task was added at the end of the board.
    Added {
        /// Its ID.
        task: String,
        /// The whole heading.
        heading: String,
    },
    /// An agent became the holder.
    Claimed {
        /// The task's ID.
        task: String,
        /// Keyword before.
        from: String,
        /// Keyword after.
        to: String,
        /// Its title, by which a heading that has no ID yet is found.
        title: String,
        /// The heading had no ID: write it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stamp: bool,
        /// The heading as it was, so that a claimed task that was never saved can come back (R12).
        heading: String,
        /// How long it lasts without a sign of life, 0 for ever; absent in records of the first version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease_secs: Option<u64>,
    },
    /// The holder gave a sign of life, the first since the board was taken over by another owner.
    Renewed {
        /// The task's ID.
        task: String,
    },
    /// The task was closed as done.
    Done {
        /// The task's ID.
        task: String,
        /// Keyword before.
        from: String,
        /// Keyword after.
        to: String,
        /// What came out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<String>,
        /// It came after the claim had ended (R6).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// It comes again: `to` is an open keyword.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repeat: Option<Repeat>,
    },
    /// An attempt failed.
    Failed {
        /// The task's ID.
        task: String,
        /// Keyword before.
        from: String,
        /// Keyword after: PENDING, or FAILED when the attempts are used up.
        to: String,
        /// Failed attempts so far, this one included.
        attempts: u32,
        /// Not offered before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Stamp>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// It came after the lease had run out, and the attempt was counted then (R6).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
        /// The agents that failed at it, if they are so many that the task is poison.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        poison: Vec<AgentName>,
    },
    /// The lease ran out: an attempt failed without a word of its holder (R7).
    Expired {
        /// The task's ID.
        task: String,
        /// Keyword before.
        from: String,
        /// Keyword after: PENDING, or FAILED when the attempts are used up.
        to: String,
        /// Whose claim it was.
        agent: AgentName,
        /// The token of that claim.
        token: Token,
        /// Failed attempts so far, this one included.
        attempts: u32,
        /// Not offered before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Stamp>,
        /// The agents that failed at it, if they are so many that the task is poison.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        poison: Vec<AgentName>,
    },
    /// The holder gave the task back.
    Released {
        /// The task's ID.
        task: String,
        /// Keyword before.
        from: String,
        /// Keyword after.
        to: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nobody shall do the task.
    Skipped {
        /// The task's ID.
        task: String,
        /// Keyword before.
        from: String,
        /// Keyword after.
        to: String,
        /// Its title, by which a heading that has no ID yet is found.
        title: String,
        /// The heading had no ID: write it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stamp: bool,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A closed task was opened again.
    Requeued {
        /// The task's ID.
        task: String,
        /// Keyword before.
        from: String,
        /// Keyword after.
        to: String,
        /// Its title, by which a heading that has no ID yet is found.
        title: String,
        /// The heading had no ID: write it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stamp: bool,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A progress line.
    Noted {
        /// The task's ID or name.
        task: String,
        /// The line.
        text: String,
    },
    /// A status message on the board.
    Appended {
        /// The message.
        text: String,
    },
    /// The person changed one field of a heading.
    Edited {
        /// The task's name.
        task: String,
        /// Which field.
        field: Field,
        /// Before; absent if there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// After; absent if there is none now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// The heading left the board by hand.
    Removed {
        /// The task's name.
        task: String,
        /// It was closed, so it was archived and still counts for those that wait for it.
        archived: bool,
    },
    /// The heading came back after it had been `removed`.
    Returned {
        /// The task's name.
        task: String,
        /// The keyword it came back with.
        keyword: String,
    },
    /// A closed task left the board for the archive, with everything below it.
    Archived {
        /// The heading's ID.
        task: String,
        /// Its title, by which a heading that has no ID yet is found.
        title: String,
        /// The heading had no ID: what stands in the archive has this one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stamp: bool,
        /// The archive's name in the board's directory.
        file: String,
        /// Every task that went, this one included, by every name that another may wait for.
        tasks: Vec<ArchivedTask>,
        /// Digest of the subtree as it stood on the board, 16 hex digits.
        digest: String,
        /// What stands in the archive.
        entry: String,
    },
    /// An owner took the board over.
    Opened {
        /// `emacs` or `offline`.
        owner: String,
        /// Its process id.
        pid: u32,
        /// The file holds everything up to this number. The person's edits after it were never saved and are void (R12).
        covers: u64,
        /// Events before that which the file does not hold.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        without: Vec<u64>,
        /// SHA-256 of the file's bytes, hex.
        #[serde(default)]
        hash: String,
        /// The epoch of the claims that follow; absent if it is the journal's own (R6).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u32>,
    },
    /// Somebody stopped the fleet; the HALT file is the state, this is the record of it (R24).
    Halted {
        /// Why, perhaps empty.
        reason: String,
    },
    /// Somebody let the fleet go on.
    Resumed,
    /// The board is about to be published: the file with this hash holds everything up to `covers` (R20).
    Saving {
        /// SHA-256 of the file's bytes, hex.
        hash: String,
        /// The last event that the text holds.
        covers: u64,
        /// Those before it that the text does not hold yet.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        without: Vec<u64>,
        /// The file that it replaces; absent in records of the first version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<KnownFile>,
    },
}

/// How a repeating task goes on after it was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// The closed keyword that it would have, and that its log tells of.
    pub keyword: String,
    /// What becomes of DEADLINE, if something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<MovedStamp>,
    /// What becomes of SCHEDULED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<MovedStamp>,
}

/// A time stamp before and after its task was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedStamp {
    /// Before.
    pub from: String,
    /// After; absent if it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A name under which a task went to the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedTask {
    /// ID, CUSTOM_ID or leading token.
    pub name: String,
    /// Its keyword.
    pub keyword: String,
}

/// A file that the board once was, by which a start knows what the text that it finds already shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFile {
    /// SHA-256 of the file's bytes, hex.
    pub hash: String,
    /// The last event that it holds.
    pub covers: u64,
    /// Those before it that it did not show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<u64>,
}

/// The fields whose change by hand is an event of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// The TODO keyword.
    State,
    /// The title.
    Title,
    /// The priority.
    Priority,
    /// The heading's own tags.
    Tags,
    /// DEADLINE.
    Deadline,
    /// SCHEDULED.
    Scheduled,
    /// The heading as a whole appeared.
    Heading,
}

impl Change {
    /// Every word of [`Change::kind`], in the order of the variants.
    pub const KINDS: [&str; 19] = [
        "added", "claimed", "renewed", "done", "failed", "expired", "released", "skipped", "requeued", "noted",
        "appended", "edited", "removed", "returned", "archived", "opened", "saving", "halted", "resumed",
    ];

    /// Whether the task with this ID is concerned.
    pub fn concerns(&self, task: &str) -> bool {
        match self {
            Change::Archived { tasks, .. } => tasks.iter().any(|archived| archived.name == task),
            _ => self.task() == Some(task),
        }
    }

    /// The task concerned.
    pub fn task(&self) -> Option<&str> {
        match self {
            Change::Added { task, .. }
            | Change::Claimed { task, .. }
            | Change::Done { task, .. }
            | Change::Failed { task, .. }
            | Change::Renewed { task }
            | Change::Expired { task, .. }
            | Change::Released { task, .. }
            | Change::Skipped { task, .. }
            | Change::Requeued { task, .. }
            | Change::Noted { task, .. }
            | Change::Edited { task, .. }
            | Change::Removed { task, .. }
            | Change::Returned { task, .. }
            | Change::Archived { task, .. } => Some(task),
            Change::Appended { .. }
            | Change::Opened { .. }
            | Change::Saving { .. }
            | Change::Halted { .. }
            | Change::Resumed => None,
        }
    }

    /// Keyword before and after, for the changes that are a transition by a verb.
    pub fn transition(&self) -> Option<(&str, &str)> {
        match self {
            Change::Claimed { from, to, .. }
            | Change::Done { from, to, .. }
            | Change::Failed { from, to, .. }
            | Change::Expired { from, to, .. }
            | Change::Released { from, to, .. }
            | Change::Skipped { from, to, .. }
            | Change::Requeued { from, to, .. } => Some((from, to)),
            Change::Added { .. }
            | Change::Renewed { .. }
            | Change::Noted { .. }
            | Change::Appended { .. }
            | Change::Edited { .. }
            | Change::Removed { .. }
            | Change::Returned { .. }
            | Change::Archived { .. }
            | Change::Opened { .. }
            | Change::Saving { .. }
            | Change::Halted { .. }
            | Change::Resumed => None,
        }
    }

    /// As [`Change::transition`], as Org tells it: a task that repeats was done, whatever its keyword is afterwards.
    pub fn told(&self) -> Option<(&str, &str)> {
        match self {
            Change::Done { from, repeat: Some(repeat), .. } => Some((from, &repeat.keyword)),
            _ => self.transition(),
        }
    }

    /// The title by which to find a heading that may not carry its ID yet.
    pub fn title(&self) -> Option<&str> {
        match self {
            Change::Claimed { title, stamp: true, .. }
            | Change::Skipped { title, stamp: true, .. }
            | Change::Requeued { title, stamp: true, .. }
            | Change::Archived { title, stamp: true, .. } => Some(title),
            _ => None,
        }
    }

    /// The ID that the heading must be given.
    pub fn stamps(&self) -> Option<&str> {
        self.title().and(self.task())
    }

    /// Whether the board's text shows this change (as opposed to bookkeeping and to what the text said first).
    pub fn is_on_board(&self) -> bool {
        self.transition().is_some()
            || matches!(
                self,
                Change::Added { .. } | Change::Noted { .. } | Change::Appended { .. } | Change::Archived { .. }
            )
    }

    /// The word for this change in the journal and in `fleet log`.
    pub fn kind(&self) -> &'static str {
        match self {
            Change::Added { .. } => "added",
            Change::Claimed { .. } => "claimed",
            Change::Done { .. } => "done",
            Change::Renewed { .. } => "renewed",
            Change::Failed { .. } => "failed",
            Change::Expired { .. } => "expired",
            Change::Released { .. } => "released",
            Change::Skipped { .. } => "skipped",
            Change::Requeued { .. } => "requeued",
            Change::Noted { .. } => "noted",
            Change::Appended { .. } => "appended",
            Change::Edited { .. } => "edited",
            Change::Removed { .. } => "removed",
            Change::Returned { .. } => "returned",
            Change::Archived { .. } => "archived",
            Change::Opened { .. } => "opened",
            Change::Saving { .. } => "saving",
            Change::Halted { .. } => "halted",
            Change::Resumed => "resumed",
        }
    }
}

impl Via {
    /// The word in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Via::Emacs => "emacs",
            Via::Socket => "socket",
            Via::Offline => "offline",
            Via::Inside => "inside",
        }
    }
}

impl Auth {
    /// The word in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Auth::Label => "label",
            Auth::Uid => "uid",
            Auth::Key => "key",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Agent(name) => name.fmt(f),
            Actor::Human => f.write_str("human"),
            Actor::System => f.write_str("system"),
        }
    }
}

impl TryFrom<String> for Actor {
    type Error = crate::core::id::NameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "human" => Ok(Actor::Human),
            "system" => Ok(Actor::System),
            _ => AgentName::new(&name).map(Actor::Agent),
        }
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> String {
        actor.to_string()
    }
}
