//! What goes over the wire: requests, replies, and the frame around them. PROTOCOL.md documents every field.

use crate::core::{
    code::Code,
    id::{AgentName, RequestId, Token},
    time::Stamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the request and reply format.
pub const WIRE_VERSION: u32 = 1;
/// The largest request, in bytes of JSON; a larger one is refused before it is read.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;
/// The largest reply, in bytes of JSON.
pub const REPLY_BYTES_MAX: usize = 256 << 20;
/// The longest that a request may wait until something is ready, in milliseconds: a day.
pub const WAIT_MS_MAX: u64 = 86_400_000;

/// One request: who asks for what, under which id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`WIRE_VERSION`].
    pub v: u32,
    /// Chosen by the caller, the same in every retry of the same request.
    pub id: RequestId,
    /// The agent that asks; reading verbs may go without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// The board that is meant, an absolute path on the owner's host; absent if whichever it has will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board: Option<String>,
    /// What is asked.
    pub call: Call,
}

/// The verbs and their arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Call {
    /// Lists what is ready for the agent (or for anyone), best first.
    Poll {
        /// Only tasks with all of these tags.
        #[serde(default)]
        tags: Vec<String>,
        /// At most this many tasks.
        #[serde(default)]
        limit: Option<u32>,
        /// Every open task, with why it is not ready.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        explain: bool,
    },
    /// Makes the agent the holder of `task`, or of the best ready task if `task` is absent.
    Claim {
        /// The task's name; absent means the next one.
        #[serde(default)]
        task: Option<String>,
        /// With no `task`: only tasks with all of these tags.
        #[serde(default)]
        tags: Vec<String>,
        /// Return the agent's running claim of `task` instead of refusing.
        #[serde(default)]
        resume: bool,
        /// How long the claim lasts without a sign of life, 0 for ever; the owner's `policy.lease-secs` if absent.
        // Absent means absent in the digest of the request too, so that it is the same as before there were leases.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease_secs: Option<u64>,
        /// With no `task`: milliseconds to wait for a task to become ready, if none is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    },
    /// Tells that the holder lives: the lease begins anew. Changes nothing else and is not journaled.
    Renew {
        /// The task's name.
        task: String,
        /// The token of the claim.
        #[serde(default)]
        token: Option<Token>,
        /// How long the lease is from now on, 0 for ever; as before if absent.
        #[serde(default)]
        lease_secs: Option<u64>,
    },
    /// Lists what is ready as `poll` does, but waits until there is something.
    Wait {
        /// Only tasks with all of these tags.
        #[serde(default)]
        tags: Vec<String>,
        /// Milliseconds to wait if nothing is ready.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    },
    /// Closes a task as done.
    Done {
        /// The task's name.
        task: String,
        /// The token of the claim.
        #[serde(default)]
        token: Option<Token>,
        /// What came out; kept as property RESULT.
        #[serde(default)]
        result: Option<String>,
    },
    /// Gives a task back after a failure: PENDING with one more attempt, or FAILED when they are used up.
    Fail {
        /// The task's name.
        task: String,
        /// The token of the claim.
        #[serde(default)]
        token: Option<Token>,
        /// Why it failed.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Gives a task back, not counted as an attempt.
    Release {
        /// The task's name.
        task: String,
        /// The token of the claim.
        #[serde(default)]
        token: Option<Token>,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Closes a task that nobody shall do.
    Skip {
        /// The task's name.
        task: String,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Opens a closed task again.
    Requeue {
        /// The task's name.
        task: String,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Adds a task at the end of the board.
    Add {
        /// Its title, one line.
        title: String,
        /// Its tags; those that name agents assign it.
        #[serde(default)]
        tags: Vec<String>,
        /// `A` to `Z`.
        #[serde(default)]
        priority: Option<char>,
        /// An org date, `2026-04-15` or `2026-04-15 10:00`.
        #[serde(default)]
        deadline: Option<String>,
        /// An org date; the task is not ready before it.
        #[serde(default)]
        scheduled: Option<String>,
        /// Text under the heading.
        #[serde(default)]
        body: Option<String>,
        /// Its ID; one is made up if absent.
        #[serde(default)]
        task: Option<String>,
        /// Names of tasks that must be done before.
        #[serde(default)]
        blocked_by: Vec<String>,
    },
    /// Adds a progress line to a task's log.
    Note {
        /// The task's name.
        task: String,
        /// The token of the claim.
        #[serde(default)]
        token: Option<Token>,
        /// The line.
        text: String,
    },
    /// Appends a status message to the board's message list.
    Append {
        /// The message.
        text: String,
    },
    /// Moves closed tasks to the board's archive.
    Archive {
        /// These tasks; none means all that were closed long enough ago.
        #[serde(default)]
        tasks: Vec<String>,
        /// Only tasks that were closed so many seconds ago; 30 days if absent and no tasks are named.
        #[serde(default)]
        older_than_secs: Option<u64>,
        /// Only say which.
        #[serde(default)]
        dry_run: bool,
    },
    /// Shows one task whole.
    Show {
        /// The task's name.
        task: String,
    },
    /// Lists tasks in board order.
    List {
        /// Only tasks in this state or with this keyword.
        #[serde(default)]
        state: Option<String>,
        /// Only tasks with all of these tags.
        #[serde(default)]
        tags: Vec<String>,
        /// Only tasks held by this agent.
        #[serde(default)]
        holder: Option<AgentName>,
        /// At most this many tasks.
        #[serde(default)]
        limit: Option<u32>,
    },
    /// Stops the fleet: no claims until it is resumed.
    Halt {
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Lets the fleet go on.
    Resume,
    /// Reports on board, journal and daemon.
    Status,
    /// Reports what concerns one agent: status, what it holds, what is ready for it, what happened last.
    Report {
        /// At most this many ready tasks.
        #[serde(default)]
        limit: Option<u32>,
        /// The newest this many events.
        #[serde(default)]
        events: Option<u32>,
    },
    /// Reads the journal, oldest first.
    Log {
        /// Only events after this number.
        #[serde(default)]
        after: Option<u64>,
        /// Only events of this task.
        #[serde(default)]
        task: Option<String>,
        /// Only events of this agent.
        #[serde(default)]
        agent: Option<String>,
        /// Only events of one of these kinds; none means all.
        #[serde(default)]
        kinds: Vec<String>,
        /// Only events at this time or later.
        #[serde(default)]
        since: Option<Stamp>,
        /// Only events before this time.
        #[serde(default)]
        until: Option<Stamp>,
        /// The newest this many.
        #[serde(default)]
        limit: Option<u32>,
    },
}

/// The answer to one request. `ok` false comes with `error` and changed nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// [`WIRE_VERSION`].
    pub v: u32,
    /// The request's id; absent only if the request could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Whether it was done.
    pub ok: bool,
    /// The journal number of the event that did it; for reads, the last number that the answer has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// For mutating verbs: whether the edit already stands in the buffer (or file). It is durable either way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<bool>,
    /// This is the stored reply of an earlier request with the same id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// With `replayed`: whether the task is still as the reply says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<bool>,
    /// The token of a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// For `done` and the like: false if no token was given, so that a late writer could not have been fenced off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced: Option<bool>,
    /// The task had gone on without the caller (its lease had run out), but the outcome was accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// For `done`: the task repeats, and is PENDING again with its next date.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeats: bool,
    /// `missing` when the task's heading is not on the board at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board: Option<String>,
    /// The one task concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskInfo>,
    /// The tasks of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Vec<TaskInfo>>,
    /// Events of the journal, as they stand in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<serde_json::Value>>,
    /// The answer to `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusInfo>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Why the fleet is halted, perhaps with an empty reason; absent if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<String>,
    /// Things that the caller should know although the request succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The class: exit code and Lisp symbol.
    pub code: Code,
    /// The exact cause, one kebab-case word from PROTOCOL.md's table.
    pub reason: String,
    /// What was done to what, lower case, no period.
    pub message: String,
    /// The way out; never destructive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Who holds the task now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<AgentName>,
}

/// One task as callers see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// What to call it in later requests: ID, CUSTOM_ID, leading token or exact title.
    pub name: String,
    /// The headline without keyword, priority and tags.
    pub title: String,
    /// The state in Fleet's words: `pending`, `in-progress`, `done`, `failed`, `skipped`, `other`, `other-closed`.
    pub state: String,
    /// The keyword as it stands on the board.
    pub keyword: String,
    /// The priority letter or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// Own and inherited tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The DEADLINE time stamp as it stands on the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// The SCHEDULED time stamp as it stands on the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<String>,
    /// Who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<AgentName>,
    /// The token of the running claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// The milliseconds that are left of the running claim; absent if it never runs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// How often it was tried before and failed.
    #[serde(default)]
    pub attempts: u32,
    /// How its last attempt ended, of a FAILED task: `failed` or `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Whether so many different agents failed at it that it is not offered before it is requeued.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub poison: bool,
    /// The failed attempts since it was last requeued, oldest first; only from `show` and `claim`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureInfo>,
    /// Not offered before this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// What came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why nobody can claim it just now: `being-edited`, `missing`, `duplicate-id`, `hidden`, `blocked`,
    /// `scheduled`, `backoff`, `poison`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unready: Option<String>,
    /// What is behind `unready`; only from `poll` with `explain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Through which door the running claim came, and what the holder's name rests on, such as `socket/uid` (R21); only
    /// from `show` and `claim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// The line of the headline in the file, from 1; only from `show` and `claim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The text under the heading without planning and drawers; only from `show` and `claim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The property drawer; only from `show` and `claim`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

/// One failed attempt at a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureInfo {
    /// Who tried.
    pub agent: AgentName,
    /// When it ended (RFC 3339).
    pub at: String,
    /// How it ended: `failed` or `expired`.
    pub cause: String,
    /// What the agent said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why one agent does not get one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// One clause for people.
    pub message: String,
    /// The task that comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// When that is over (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Who may have the task, or has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// What the agent holds itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<String>,
}

/// The health of a board's owner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusInfo {
    /// The program's version.
    pub version: String,
    /// `emacs` or `offline`.
    pub owner: String,
    /// The owner's process id.
    pub pid: u32,
    /// The board's path.
    pub path: String,
    /// `ok`, `conflict`, `save-paused`, `stopped`.
    pub state: String,
    /// Explains any state but `ok`, with the way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The last journal number.
    pub number: u64,
    /// Events that the buffer does not hold yet.
    pub unapplied: u64,
    /// Events that the file does not hold yet.
    pub unsaved: u64,
    /// Requests that wait until something is ready for them.
    #[serde(default)]
    pub waiting: u64,
    /// Tasks per state.
    pub counts: BTreeMap<String, u64>,
    /// Things an operator should look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

impl Call {
    /// The verb as it is written on the wire and on the command line.
    pub fn verb(&self) -> &'static str {
        match self {
            Call::Poll { .. } => "poll",
            Call::Claim { .. } => "claim",
            Call::Renew { .. } => "renew",
            Call::Wait { .. } => "wait",
            Call::Done { .. } => "done",
            Call::Fail { .. } => "fail",
            Call::Release { .. } => "release",
            Call::Skip { .. } => "skip",
            Call::Requeue { .. } => "requeue",
            Call::Add { .. } => "add",
            Call::Note { .. } => "note",
            Call::Append { .. } => "append",
            Call::Archive { .. } => "archive",
            Call::Show { .. } => "show",
            Call::List { .. } => "list",
            Call::Status => "status",
            Call::Halt { .. } => "halt",
            Call::Resume => "resume",
            Call::Report { .. } => "report",
            Call::Log { .. } => "log",
        }
    }

    /// For how many milliseconds the answer may wait until something is ready; absent where it never does.
    pub fn wait_ms(&self) -> Option<u64> {
        match self {
            Call::Claim { wait_ms, .. } | Call::Wait { wait_ms, .. } => *wait_ms,
            _ => None,
        }
    }

    /// The same call with another time to wait; calls that never wait stay as they are.
    pub fn waiting(mut self, ms: Option<u64>) -> Self {
        if let Call::Claim { wait_ms, .. } | Call::Wait { wait_ms, .. } = &mut self {
            *wait_ms = ms;
        }
        self
    }

    /// Whether the verb only reads.
    pub fn is_read(&self) -> bool {
        matches!(
            self,
            Call::Poll { .. }
                | Call::Wait { .. }
                | Call::Show { .. }
                | Call::List { .. }
                | Call::Status
                | Call::Report { .. }
                | Call::Log { .. }
                | Call::Archive { dry_run: true, .. }
        )
    }
}

impl Failure {
    /// A failure without hint and holder.
    pub fn new(code: Code, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), message: message.into(), hint: None, holder: None }
    }

    /// The same failure with a way out.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Reply {
    /// A positive reply to `id`.
    pub fn ok(id: &RequestId) -> Self {
        Self { v: WIRE_VERSION, id: Some(id.clone()), ok: true, ..Self::default() }
    }

    /// A refusal.
    pub fn refused(id: Option<&RequestId>, failure: Failure) -> Self {
        Self { v: WIRE_VERSION, id: id.cloned(), ok: false, error: Some(failure), ..Self::default() }
    }
}
