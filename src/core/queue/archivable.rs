//! Which closed tasks may leave the board: whole subtrees in which nothing is open, held or unsettled.

use crate::core::{
    org,
    queue::{
        archive,
        decide::{self, Decided},
        event::{ArchivedTask, Change},
        model::{Model, Task},
        ready::{HEADING_BYTES_MAX, Unready},
        refusal::Refusal,
    },
    time::{Now, Stamp},
};
use std::ops::Range;

/// For how long a task must be closed before it is archived, in seconds, where nothing else is said: 30 days.
pub const ARCHIVE_AGE_SECS_DEFAULT: u64 = 30 * 86_400;
/// Subtrees that one request archives.
pub const ARCHIVE_TASKS_MAX: usize = 500;
/// Bytes of subtrees that one request archives, about.
pub const ARCHIVE_BYTES_MAX: usize = 16 << 20;

/// What a request to archive asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'w> {
    /// These tasks, or all.
    pub tasks: &'w [String],
    /// Only those closed before.
    pub closed_before: Option<Stamp>,
}

/// Closed headings that can go, by section, and how many cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The topmost sections of the subtrees, in board order.
    pub roots: Vec<usize>,
    /// Old enough, but held, in somebody's hands, or above an open task.
    pub left: usize,
    /// There are more, for a next request.
    pub is_cut: bool,
}

/// Finds what a request is about. `is_pending` says whether an edit of a section is still to be made.
///
/// Of named tasks all must be fit; where none are named, the others are left out.
pub fn find(model: &Model, wish: &Wish<'_>, now: &Now, is_pending: &dyn Fn(usize) -> bool) -> Result<Found, Refusal> {
    decide::running(model)?;
    if wish.tasks.is_empty() { Ok(sweep(model, wish, now, is_pending)) } else { named(model, wish, now, is_pending) }
}

fn named(model: &Model, wish: &Wish<'_>, now: &Now, is_pending: &dyn Fn(usize) -> bool) -> Result<Found, Refusal> {
    let mut places = Vec::with_capacity(wish.tasks.len());
    for name in wish.tasks {
        let task = decide::find(model, name)?;
        fit(model, &task, name, is_pending)?;
        places.extend(task.at.filter(|_| is_old(&task, wish, now)));
    }
    places.sort_unstable();
    let mut found = Found { left: wish.tasks.len() - places.len(), ..Found::default() };
    let mut end = 0;
    for at in places {
        if at >= end {
            found.roots.push(at);
            end = model.board.subtree(at).end;
        }
    }
    Ok(found)
}

fn sweep(model: &Model, wish: &Wish<'_>, now: &Now, is_pending: &dyn Fn(usize) -> bool) -> Found {
    let (mut found, mut bytes, mut at) = (Found::default(), 0, 0);
    while at < model.board.sections().len() {
        let closed = model.task_at(at).filter(|task| task.state.is_closed() && is_old(task, wish, now));
        let Some(task) = closed else {
            at += 1;
            continue;
        };
        let range = model.board.subtree(at);
        let is_visited = range.clone().any(|at| model.visited.contains(&model.board.sections()[at].uid));
        if is_visited || fit(model, &task, task.section.name(), is_pending).is_err() {
            found.left += 1;
            at += 1;
            continue;
        }
        bytes += size(model, &range);
        if found.roots.len() == ARCHIVE_TASKS_MAX || bytes > ARCHIVE_BYTES_MAX {
            found.is_cut = true;
            return found;
        }
        found.roots.push(at);
        at = range.end;
    }
    found
}

/// Whether `task` was closed long enough ago. When it was, its `CLOSED` stamp says, else the journal.
fn is_old(task: &Task<'_>, wish: &Wish<'_>, now: &Now) -> bool {
    let Some(before) = wish.closed_before else { return true };
    let planning = task.section.heading.as_ref().and_then(|heading| heading.planning.as_ref()?.closed);
    let stamped = planning.and_then(|span| org::timestamp::parse(span.of(&task.section.text)));
    let closed = stamped.map(|time| now.wall.at_local(time.at)).or_else(|| task.record?.moved_at);
    closed.is_some_and(|closed| closed.unix_ms() <= before.unix_ms())
}

/// Whether `task`, which the caller calls `name`, can leave the board with all that is below it.
fn fit(model: &Model, task: &Task<'_>, name: &str, is_pending: &dyn Fn(usize) -> bool) -> Result<(), Refusal> {
    if !task.state.is_closed() {
        return Err(decide::wrong_state("archive", name, task));
    }
    decide::not_in_flux(name, task)?;
    let unready = |why| Refusal::NotReady { task: name.into(), why };
    let at = task.at.ok_or_else(|| unready(Unready::Missing))?;
    // Without an ID it will be called so in the archive, and must be the only one.
    if task.id.is_none() && task.section.handle().is_some_and(|handle| model.board.named(handle).len() > 1) {
        return Err(unready(Unready::DuplicateId));
    }
    let range = model.board.subtree(at);
    let bytes = size(model, &range);
    if bytes > HEADING_BYTES_MAX {
        return Err(unready(Unready::TooLarge(bytes)));
    }
    for below in range {
        let section = &model.board.sections()[below];
        if section.id().is_some_and(|id| model.board.with_id(id).nth(1).is_some()) {
            return Err(unready(Unready::DuplicateId));
        }
        if model.held.contains_key(&section.uid) {
            return Err(unready(Unready::BeingEdited));
        }
        let inner = model.task_at(below);
        if is_pending(below) || inner.is_some_and(|inner| section.keyword() != Some(inner.keyword)) {
            return Err(Refusal::Unapplied(name.into()));
        }
        if let Some(open) = inner.filter(|inner| !inner.state.is_closed()) {
            return Err(Refusal::OpenBelow { task: name.into(), below: open.section.name().into() });
        }
    }
    Ok(())
}

fn size(model: &Model, range: &Range<usize>) -> usize {
    model.board.sections()[range.clone()].iter().map(|section| section.text.len()).sum()
}

/// What happens to the task in section `at`, whose subtree is `subtree`. `name` is the board's file name and `path` its
/// path; `fresh` becomes the ID of a heading that has none.
pub fn archived(
    model: &Model,
    at: usize,
    subtree: &str,
    (name, path): (&str, &str),
    fresh: &str,
    now: &Now,
) -> Result<Decided, Refusal> {
    let task = model.task_at(at).expect("only tasks are found");
    let (id, stamp) = decide::identity(model, &task, fresh);
    let file = archive::file(&model.board, at, name)
        .map_err(|why| Refusal::BadArchive { task: task.section.name().into(), why })?;
    let change = Change::Archived {
        title: task.section.title().into(),
        stamp,
        file,
        tasks: names(model, at, &id),
        digest: archive::digest(subtree),
        entry: archive::entry(&model.board, at, subtree, &id, now.wall, path),
        task: id,
    };
    Ok(Decided::of(&task, change))
}

/// Every name of every task in the subtree of section `at`, which is known by `id`.
fn names(model: &Model, at: usize, id: &str) -> Vec<ArchivedTask> {
    let mut found: Vec<ArchivedTask> = Vec::new();
    let range = model.board.subtree(at);
    for below in range.clone() {
        let Some(task) = model.task_at(below) else { continue };
        let own = if below == at { Some(id) } else { task.id };
        let others = task.section.names().into_iter().filter(|name| is_its_alone(model, name, &range));
        for name in own.map(Into::into).into_iter().chain(others) {
            if !found.iter().any(|known| *known.name == *name) {
                found.push(ArchivedTask { name: name.into(), keyword: task.keyword.into() });
            }
        }
    }
    found
}

/// Whether `name`, which is no ID, means nothing but a heading in `range`.
fn is_its_alone(model: &Model, name: &str, range: &Range<usize>) -> bool {
    let is_known = model.ledger.record(name).is_some_and(|record| record.gone.is_none());
    let is_here = model.board.named(name).iter().all(|&at| range.contains(&(at as usize)));
    is_here && (!is_known || model.board.with_id(name).next().is_some()) && !model.missing.contains_key(name)
}
