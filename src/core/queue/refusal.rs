//! Why a request was refused: in words, as a code, and with the way out.

use crate::core::{
    code::Code,
    id::{AgentName, Token},
    queue::{
        archive::BadLocation,
        lease::{LEASE_SECS_MAX, LEASE_SECS_MIN},
        ready::Unready,
    },
};

/// Why a request was refused. It changed nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No task is called that.
    #[error("no task is called `{0}`")]
    UnknownTask(String),
    /// Several tasks are called that.
    #[error("`{name}` names {} tasks: {}", .lines.len(), listed(.lines))]
    AmbiguousTask {
        /// The name.
        name: String,
        /// Line numbers and headlines.
        lines: Vec<(u64, String)>,
    },
    /// The heading was deleted by hand; what the agent reports is kept in the journal.
    #[error("task `{task}` was removed from the board by hand")]
    RemovedByHand {
        /// The task.
        task: String,
        /// What the agent wanted to report.
        kept: Option<String>,
    },
    /// The heading was archived.
    #[error("task `{task}` was archived{}", .file.as_ref().map(|file| format!(" in `{file}`")).unwrap_or_default())]
    Archived {
        /// The task.
        task: String,
        /// The archive beside the board, if Fleet wrote it.
        file: Option<String>,
    },
    /// A task below it is still open.
    #[error("cannot archive task `{task}`: `{below}` below it is open")]
    OpenBelow {
        /// The task.
        task: String,
        /// The open one.
        below: String,
    },
    /// Something that was decided about it does not stand on the board yet.
    #[error("cannot archive task `{0}`: what was decided about it is not on the board yet")]
    Unapplied(String),
    /// The board's archive is none that can be written.
    #[error("cannot archive task `{task}`: {why}")]
    BadArchive {
        /// The task.
        task: String,
        /// Why not.
        why: BadLocation,
    },
    /// The person took the task away from its holder.
    #[error("the claim on `{0}` was cancelled by hand")]
    CancelledByHand(String),
    /// Nothing is ready for this agent.
    #[error("nothing is ready for `{0}`")]
    NothingReady(AgentName),
    /// A veto function of this Emacs does not allow the claim.
    #[error("task `{task}` was vetoed: {why}")]
    Vetoed {
        /// The task.
        task: String,
        /// What the function said.
        why: String,
    },
    /// What is ready was vetoed.
    #[error("nothing is ready for `{agent}` but what was vetoed: {count} asked about, the last one: {last}")]
    NothingAllowed {
        /// The caller.
        agent: AgentName,
        /// How many vetoes there were.
        count: usize,
        /// What the last function said.
        last: String,
    },
    /// Another agent holds the task.
    #[error("task `{task}` is held by `{holder}`")]
    Held {
        /// The task.
        task: String,
        /// Who holds it.
        holder: AgentName,
    },
    /// The caller holds the task already.
    #[error("`{holder}` already holds task `{task}`")]
    HeldByYou {
        /// The task.
        task: String,
        /// The caller.
        holder: AgentName,
    },
    /// The verb does not apply in this state.
    #[error("cannot {verb} task `{task}`: it is {}", .keyword)]
    WrongState {
        /// The verb.
        verb: &'static str,
        /// The task.
        task: String,
        /// Its keyword.
        keyword: String,
    },
    /// The task is not ready.
    #[error("task `{task}` is not ready: {}", explained(.why))]
    NotReady {
        /// The task.
        task: String,
        /// Why not.
        why: Unready,
    },
    /// The caller holds as many tasks as it may.
    #[error("`{agent}` holds {} of {limit} tasks that it may hold: {}", .held.len(), named(.held))]
    AtLimit {
        /// The caller.
        agent: AgentName,
        /// How many it may hold.
        limit: u32,
        /// What it holds.
        held: Vec<String>,
    },
    /// The token is from an older claim.
    #[error("token {given} of task `{task}` is stale")]
    StaleToken {
        /// The task.
        task: String,
        /// The token that was given.
        given: Token,
        /// Who holds the task now.
        holder: Option<AgentName>,
    },
    /// The caller's lease ran out, and the verb is not one that counts all the same.
    #[error("the lease on task `{0}` ran out")]
    LeaseExpired(String),
    /// A lease of so many seconds is not granted.
    #[error("a lease of {0} seconds is not granted")]
    BadLease(u64),
    /// The caller does not hold the task.
    #[error("`{agent}` does not hold task `{task}`")]
    NotHolder {
        /// The task.
        task: String,
        /// The caller.
        agent: AgentName,
        /// Who holds it.
        holder: Option<AgentName>,
    },
    /// The configuration forbids verbs without token.
    #[error("a token is required to change task `{0}`")]
    TokenRequired(String),
    /// The ID is taken.
    #[error("a task is already called `{0}`")]
    DuplicateId(String),
    /// An argument cannot be written into an org file.
    #[error("{what}: {why}")]
    BadText {
        /// Which argument.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// The board has no keyword for the state.
    #[error("this board has no keyword {0}")]
    NoKeyword(&'static str),
    /// The fleet is halted; the reason may be empty.
    #[error("the fleet is halted{}", told(.0))]
    Halted(String),
    /// The board is stopped.
    #[error("{0}")]
    Stopped(String),
}

/// `: REASON`, if there is one.
fn told(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

fn listed(lines: &[(u64, String)]) -> String {
    lines.iter().map(|(line, headline)| format!("line {line} `{headline}`")).collect::<Vec<_>>().join(", ")
}

/// How many of the tasks that an agent holds are named.
const HELD_NAMED_MAX: usize = 20;

fn named(tasks: &[String]) -> String {
    let more = if tasks.len() > HELD_NAMED_MAX { ", …" } else { "" };
    tasks.iter().take(HELD_NAMED_MAX).map(|task| format!("`{task}`")).collect::<Vec<_>>().join(", ") + more
}

/// Why a task is not ready, in words that follow `it` or a colon.
pub fn explained(unready: &Unready) -> String {
    match unready {
        Unready::State(state) => format!("its state is {}", state.name()),
        Unready::BeingEdited => "a person is editing it".into(),
        Unready::Missing => "its heading is off the board at the moment".into(),
        Unready::DuplicateId => "its ID belongs to another heading".into(),
        Unready::Hidden => "it is commented out or archived".into(),
        Unready::Blocked(by) => format!("it waits for `{by}`"),
        Unready::Scheduled(until) => format!("it is scheduled for {until}"),
        Unready::Backoff(until) => format!("it failed and is not tried again before {until}"),
        Unready::Poison => "too many agents failed at it".into(),
        Unready::AtLimit { limit, held } => {
            format!("you hold {} of {limit} tasks that you may hold: {}", held.len(), named(held))
        }
        Unready::TooLarge(bytes) => format!("its heading has {bytes} bytes, more than the journal takes"),
        Unready::NotAssigned(tags) => format!("its tags assign it to {}", tags.join(", ")),
    }
}

impl Refusal {
    /// The class of the refusal.
    pub fn code(&self) -> Code {
        match self {
            Refusal::UnknownTask(_) | Refusal::NothingReady(_) | Refusal::NothingAllowed { .. } => Code::NotFound,
            Refusal::BadText { .. } | Refusal::BadLease(_) => Code::Usage,
            Refusal::NoKeyword(_) | Refusal::BadArchive { .. } => Code::Config,
            Refusal::TokenRequired(_) => Code::Denied,
            Refusal::Halted(_) => Code::Halt,
            Refusal::AmbiguousTask { .. }
            | Refusal::RemovedByHand { .. }
            | Refusal::Archived { .. }
            | Refusal::OpenBelow { .. }
            | Refusal::Unapplied(_)
            | Refusal::CancelledByHand(_)
            | Refusal::Vetoed { .. }
            | Refusal::Held { .. }
            | Refusal::HeldByYou { .. }
            | Refusal::WrongState { .. }
            | Refusal::NotReady { .. }
            | Refusal::AtLimit { .. }
            | Refusal::StaleToken { .. }
            | Refusal::LeaseExpired(_)
            | Refusal::NotHolder { .. }
            | Refusal::DuplicateId(_)
            | Refusal::Stopped(_) => Code::Conflict,
        }
    }

    /// The word that PROTOCOL.md's error table lists.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::UnknownTask(_) => "unknown-task",
            Refusal::AmbiguousTask { .. } => "ambiguous-task",
            Refusal::RemovedByHand { .. } => "removed-by-hand",
            Refusal::Archived { .. } => "archived",
            Refusal::OpenBelow { .. } => "open-below",
            Refusal::Unapplied(_) => "unapplied",
            Refusal::BadArchive { .. } => "bad-archive",
            Refusal::CancelledByHand(_) => "cancelled-by-hand",
            Refusal::NothingReady(_) | Refusal::NothingAllowed { .. } => "nothing-ready",
            Refusal::Vetoed { .. } => "vetoed",
            Refusal::Held { .. } => "held",
            Refusal::HeldByYou { .. } => "held-by-you",
            Refusal::WrongState { .. } => "wrong-state",
            Refusal::NotReady { why, .. } => why.name(),
            Refusal::AtLimit { .. } => "at-limit",
            Refusal::StaleToken { .. } => "stale-token",
            Refusal::LeaseExpired(_) => "lease-expired",
            Refusal::BadLease(_) => "bad-lease",
            Refusal::NotHolder { .. } => "not-holder",
            Refusal::TokenRequired(_) => "token-required",
            Refusal::DuplicateId(_) => "duplicate-id",
            Refusal::BadText { .. } => "bad-text",
            Refusal::NoKeyword(_) => "no-keyword",
            Refusal::Halted(_) => "halted",
            Refusal::Stopped(_) => "board-stopped",
        }
    }

    /// The way out.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Refusal::UnknownTask(_) => "`fleet list` shows every task with its name".into(),
            Refusal::AmbiguousTask { .. } => "give one of them an ID of its own".into(),
            Refusal::RemovedByHand { .. } => "stop working on it; what you reported is kept in the journal".into(),
            Refusal::CancelledByHand(_) => "stop working on it, or claim it again if it is ready".into(),
            Refusal::Vetoed { .. } => "claim another one; who wrote the veto function knows more".into(),
            Refusal::NothingAllowed { .. } => "try again later; who wrote the veto functions knows more".into(),
            Refusal::NothingReady(_) => "try again later; `fleet list` shows what there is".into(),
            Refusal::Held { task, .. } => format!("claim another one, or see `fleet show {}`", shell_word(task)),
            Refusal::HeldByYou { task, .. } => {
                format!("`fleet claim {} --resume` returns the running claim", shell_word(task))
            }
            Refusal::WrongState { task, .. } => {
                format!("see `fleet show {}`; `requeue` opens a closed task again", shell_word(task))
            }
            Refusal::NotReady { why: Unready::BeingEdited, .. } => "try again in some seconds".into(),
            Refusal::NotReady { why: Unready::NotAssigned(_), .. } => {
                "if those tags are not agents, name the agents in a line `#+FLEET_AGENTS:` at the top of the board"
                    .into()
            }
            Refusal::AtLimit { .. } => "finish or release one of them; the limit is the board's or its owner's".into(),
            Refusal::StaleToken { .. } => "the task was claimed again since; stop working on it".into(),
            Refusal::LeaseExpired(_) => {
                "finish, and report done or fail while nobody else has claimed it; or claim it again".into()
            }
            Refusal::BadLease(_) => {
                format!("ask for {LEASE_SECS_MIN} to {LEASE_SECS_MAX} seconds, or 0 for one that never runs out")
            }
            Refusal::NotReady { why: Unready::Poison, task } => {
                format!("see `fleet show {}`; `requeue` lets agents try again", shell_word(task))
            }
            Refusal::NotHolder { .. } => "claim the task first".into(),
            Refusal::TokenRequired(_) => "pass the token that the claim returned".into(),
            Refusal::DuplicateId(_) => "choose another ID, or leave it out".into(),
            Refusal::NoKeyword(keyword) => format!(
                "add it to the board's keyword line, such as `#+TODO: PENDING IN_PROGRESS | DONE FAILED SKIPPED` (`{keyword}` is missing)"
            ),
            Refusal::NotReady { why: Unready::TooLarge(_), .. } => "move its text into a file, and link to it".into(),
            Refusal::Halted(_) => "finish what you hold, then wait; `fleet resume` ends it".into(),
            Refusal::Stopped(_) => "`fleet status` says what to do".into(),
            Refusal::Archived { file: Some(file), .. } => {
                format!("to have it back, move its heading from `{file}` to the board")
            }
            Refusal::OpenBelow { .. } => {
                "close what is below it first, or archive closed tasks below it by name".into()
            }
            Refusal::Unapplied(_) => "try again in a moment".into(),
            Refusal::BadArchive { .. } => {
                "let `#+ARCHIVE:` and ARCHIVE properties name a file beside the board, such as `%s_archive::`".into()
            }
            Refusal::NotReady { .. } | Refusal::Archived { file: None, .. } | Refusal::BadText { .. } => return None,
        };
        Some(hint)
    }

    /// Who holds the task now.
    pub fn holder(&self) -> Option<&AgentName> {
        match self {
            Refusal::Held { holder, .. } | Refusal::HeldByYou { holder, .. } => Some(holder),
            Refusal::StaleToken { holder, .. } | Refusal::NotHolder { holder, .. } => holder.as_ref(),
            _ => None,
        }
    }
}

fn shell_word(task: &str) -> String {
    let plain = task.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    if plain { task.into() } else { format!("'{}'", task.replace('\'', "'\\''")) }
}
