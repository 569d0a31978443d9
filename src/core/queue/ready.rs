//! Which tasks may be claimed, by whom, and which of them comes first.

use crate::core::{
    id::AgentName,
    org,
    queue::{
        board::Rank,
        ledger::Gone,
        limit,
        model::{Lookup, Model, Task},
        order,
        state::State,
    },
    time::{Now, Stamp},
};
use std::{cmp::Reverse, collections::BinaryHeap};

/// The largest heading, in bytes, that can be claimed: the journal keeps a copy of it (R12).
pub const HEADING_BYTES_MAX: usize = 8 << 20;

/// Why a task is not offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unready {
    /// It is not PENDING.
    State(State),
    /// A person is editing the heading (R11).
    BeingEdited,
    /// The heading is off the board at the moment (R17).
    Missing,
    /// Another heading is the home of its ID (R17).
    DuplicateId,
    /// Commented out or archived.
    Hidden,
    /// This task must be done first.
    Blocked(String),
    /// SCHEDULED lies ahead.
    Scheduled(Stamp),
    /// It failed lately and is tried again then.
    Backoff(Stamp),
    /// So many agents failed at it that nobody shall try again before it is requeued.
    Poison,
    /// Its tags assign it to others.
    NotAssigned(Vec<String>),
    /// The agent that asks holds as many tasks as it may.
    AtLimit {
        /// How many that is.
        limit: u32,
        /// Which ones.
        held: Vec<String>,
    },
    /// Its heading, of so many bytes, does not fit into the journal.
    TooLarge(usize),
}

impl Unready {
    /// The word in replies.
    pub fn name(&self) -> &'static str {
        match self {
            Unready::State(_) => "state",
            Unready::BeingEdited => "being-edited",
            Unready::Missing => "missing",
            Unready::DuplicateId => "duplicate-id",
            Unready::Hidden => "hidden",
            Unready::Blocked(_) => "blocked",
            Unready::Scheduled(_) => "scheduled",
            Unready::Backoff(_) => "backoff",
            Unready::Poison => "poison",
            Unready::NotAssigned(_) => "not-assigned",
            Unready::AtLimit { .. } => "at-limit",
            Unready::TooLarge(_) => "too-large",
        }
    }
}

/// Why nobody can claim `task` now; `None` if it is ready.
pub fn unready(model: &Model, task: &Task<'_>, now: &Now) -> Option<Unready> {
    let Some(at) = task.at else { return Some(Unready::Missing) };
    if task.is_copy {
        return Some(Unready::DuplicateId);
    }
    if task.state != State::Pending {
        return Some(Unready::State(task.state));
    }
    if task.is_held {
        return Some(Unready::BeingEdited);
    }
    if model.board.is_hidden(at) {
        return Some(Unready::Hidden);
    }
    if task.is_poison() {
        return Some(Unready::Poison);
    }
    if let Some(until) = task.record.and_then(|record| record.not_before).filter(|until| *until > now.wall) {
        return Some(Unready::Backoff(until));
    }
    if let Some(time) = task.scheduled().and_then(org::timestamp::parse)
        && now.wall.at_local(time.at) > now.wall
    {
        return Some(Unready::Scheduled(now.wall.at_local(time.at)));
    }
    let bytes = task.section.text.len();
    if bytes > HEADING_BYTES_MAX {
        return Some(Unready::TooLarge(bytes));
    }
    blocker(model, task).or_else(|| order::blocker(model, task)).map(Unready::Blocked)
}

/// Why `agent` cannot claim `task` now; `None` if it can.
pub fn unready_for(model: &Model, task: &Task<'_>, agent: &AgentName, now: &Now) -> Option<Unready> {
    unready(model, task, now).or_else(|| unassigned(model, task, agent)).or_else(|| limit::reached(model, agent))
}

/// The names in BLOCKED_BY, separated by blanks or commas.
pub fn blocked_by<'t>(task: &Task<'t>) -> impl Iterator<Item = &'t str> {
    let names = task.section.property("BLOCKED_BY").unwrap_or_default();
    names.split(|c: char| c.is_whitespace() || c == ',').filter(|name| !name.is_empty())
}

/// The tasks that are ready for `agent` (for anyone, if `None`) and carry all of `tags`, best first.
///
/// Whether a task is ready is the dear question, so it is asked in the order of the answer and only until the caller has
/// enough of them. Under HALT, and for an agent that is at its limit, there are none.
pub fn ready<'m>(
    model: &'m Model,
    agent: Option<&AgentName>,
    tags: &[String],
    now: &Now,
) -> impl Iterator<Item = Task<'m>> {
    let is_offering = model.halted.is_none() && agent.and_then(|agent| limit::reached(model, agent)).is_none();
    let mut ranked: BinaryHeap<Reverse<(Rank, usize)>> =
        model.board.ranks().filter(|_| is_offering).map(Reverse).collect();
    let best_first = std::iter::from_fn(move || ranked.pop());
    let pending = best_first.filter_map(|Reverse((_, at))| model.task_at(at)).filter(|t| t.state == State::Pending);
    pending.filter(move |task| is_offered(model, task, agent, tags, now))
}

/// The best task that is ready for `agent`.
pub fn next<'m>(model: &'m Model, agent: &AgentName, tags: &[String], now: &Now) -> Option<Task<'m>> {
    ready(model, Some(agent), tags, now).next()
}

/// The next moment at which time alone makes a task ready: a backoff ends, or SCHEDULED comes.
pub fn next_by_time(model: &Model, now: &Now) -> Option<Stamp> {
    let tasks = model.board.ranks().filter_map(|(_, at)| model.task_at(at)).filter(|t| t.state == State::Pending);
    let due = tasks.filter_map(|task| match unready(model, &task, now) {
        Some(Unready::Backoff(until) | Unready::Scheduled(until)) => Some(until),
        _ => None,
    });
    due.min()
}

fn is_offered(model: &Model, task: &Task<'_>, agent: Option<&AgentName>, tags: &[String], now: &Now) -> bool {
    // Most tasks are another agent's, and that is quickly seen.
    agent.is_none_or(|agent| unassigned(model, task, agent).is_none())
        && unready(model, task, now).is_none()
        && (tags.is_empty() || has_tags(model, task, tags))
}

/// Whether `task` carries all of `tags`, FILETAGS included.
pub fn has_tags(model: &Model, task: &Task<'_>, tags: &[String]) -> bool {
    let own = task.at.map(|at| model.board.tags(at)).unwrap_or_default();
    let of_file = &model.board.settings().filetags;
    tags.iter().all(|tag| own.contains(&tag.as_str()) || of_file.contains(tag))
}

/// The tasks that must be closed before `task`: the first that is not.
///
/// A name that no task carries blocks too: a typing mistake must not let work start early.
fn blocker(model: &Model, task: &Task<'_>) -> Option<String> {
    let is_open = |name: &&str| match model.find_named(name) {
        Ok(other) => !other.state.unblocks(),
        // In the archive a task is what it was: done, or failed.
        Err(Lookup::Gone(Gone::Archived)) => {
            model.ledger.record(name).is_some_and(|record| record.keyword == State::Failed.keyword())
        }
        Err(_) => true,
    };
    blocked_by(task).find(is_open).map(Into::into)
}

/// Assignment by tags. `#+FLEET_AGENTS:` names the tags that are agents; a task with none of those is anyone's. On a
/// board without that line a task with tags is for the agents among them, and one without tags is anyone's.
pub fn unassigned(model: &Model, task: &Task<'_>, agent: &AgentName) -> Option<Unready> {
    let tags = model.board.tags(task.at?);
    if tags.contains(&agent.as_str()) {
        return None;
    }
    let agents = model.board.agents();
    let assigned: Vec<String> = tags
        .into_iter()
        .filter(|tag| agents.is_empty() || agents.iter().any(|agent| agent == tag))
        .map(Into::into)
        .collect();
    (!assigned.is_empty()).then_some(Unready::NotAssigned(assigned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::queue::{board::Board, ledger::Ledger};

    #[test]
    fn what_is_ready_comes_by_priority_then_deadline_then_place() {
        let text = "* PENDING plain\n* PENDING [#C] low\n* PENDING [#A] late\nDEADLINE: <2026-05-02>\n\
            * PENDING [#A] undated\n* PENDING [#A] soon\nDEADLINE: <2026-04-30 09:00>\n* DONE [#A] closed\n\
            * PENDING plain, but due\nDEADLINE: <2030-01-01>\n* PENDING [#B] like plain\n* PENDING [#A] of another :bee:\n\
            * PENDING [#9] numbered\n";
        let model = Model::new(Board::read(text), Ledger::new(1));
        let now = Now { wall: Stamp::new(0, 0), boot_ms: 0, jitter: 0 };
        let [ant, bee] = ["ant", "bee"].map(|name| AgentName::new(name).expect("a name"));
        let titles = |agent| ready(&model, agent, &[], &now).map(|task| task.section.title()).collect::<Vec<_>>();
        let expected = ["numbered", "soon", "late", "undated", "plain, but due", "plain", "like plain", "low"];
        assert_eq!(titles(Some(&ant)), expected);
        assert_eq!(titles(Some(&bee)).len(), 9);
        assert_eq!(next(&model, &ant, &[], &now).map(|task| task.section.title()), Some("numbered"));
    }
}
