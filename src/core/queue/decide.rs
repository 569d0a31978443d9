//! The verbs as pure functions: a model and a wish in, a change or a refusal out.
//!
//! Each is one row of the transition table in PROTOCOL.md. Nothing here is durable yet and nothing is written.

use crate::core::{
    id::{AgentName, Token},
    org::safe,
    queue::{
        event::Change,
        ledger::{Ended, Gone, Record},
        limit,
        model::{BACKOFF_MS_BASE, BACKOFF_MS_MAX, Lookup, Model, POISON_AGENTS, Task},
        ready::{self, Unready},
        refusal::Refusal,
        repeats,
        state::State,
    },
    time::{Now, Stamp},
};

/// A change, and the section that it concerns where a heading without ID is to be stamped with one.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// What happens.
    pub change: Change,
    /// The section's uid.
    pub uid: Option<u64>,
}

impl Decided {
    pub(super) fn of(task: &Task<'_>, change: Change) -> Self {
        Self { change, uid: Some(task.section.uid) }
    }

    pub(super) fn nowhere(change: Change) -> Self {
        Self { change, uid: None }
    }
}

/// Finds a task for a verb.
pub(super) fn find<'m>(model: &'m Model, name: &str) -> Result<Task<'m>, Refusal> {
    model.find(name).map_err(|lookup| match lookup {
        Lookup::Unknown => Refusal::UnknownTask(name.into()),
        Lookup::Ambiguous(lines) => Refusal::AmbiguousTask { name: name.into(), lines },
        Lookup::Gone(Gone::Removed) => Refusal::RemovedByHand { task: name.into(), kept: None },
        Lookup::Gone(Gone::Archived) => Refusal::Archived { task: name.into(), file: archive_of(model, name) },
    })
}

/// The archive that the task called `name` went to, if Fleet put it there.
fn archive_of(model: &Model, name: &str) -> Option<String> {
    let is_it = |(task, record): &(&str, &Record)| *task == name || record.title == name;
    let mut records =
        model.ledger.record(name).into_iter().chain(model.ledger.records().filter(is_it).map(|(_, record)| record));
    records.find_map(|record| record.archived_in.as_deref().map(Into::into))
}

/// Looks a task up for showing it.
pub fn show<'m>(model: &'m Model, name: &str) -> Result<Task<'m>, Refusal> {
    find(model, name)
}

/// PENDING → IN_PROGRESS for `lease_secs` without a sign of life. `fresh` names a heading that has no name of its own.
pub fn claim(
    model: &Model,
    agent: &AgentName,
    name: &str,
    lease_secs: Option<u64>,
    fresh: &str,
    now: &Now,
) -> Result<Decided, Refusal> {
    offering(model)?;
    let task = find(model, name)?;
    if let Some(holder) = task.holder() {
        let (task, holder) = (name.to_owned(), holder.clone());
        return Err(if holder == *agent {
            Refusal::HeldByYou { task, holder }
        } else {
            Refusal::Held { task, holder }
        });
    }
    match ready::unready_for(model, &task, agent, now) {
        None => claimed(model, &task, lease_secs, fresh),
        Some(Unready::State(_)) => Err(wrong_state("claim", name, &task)),
        Some(Unready::AtLimit { limit, held }) => Err(Refusal::AtLimit { agent: agent.clone(), limit, held }),
        Some(why) => Err(Refusal::NotReady { task: name.into(), why }),
    }
}

/// Claims the best task that is ready for `agent`.
pub fn claim_next(
    model: &Model,
    agent: &AgentName,
    tags: &[String],
    lease_secs: Option<u64>,
    fresh: &str,
    now: &Now,
) -> Result<Decided, Refusal> {
    offering(model)?;
    within_limit(model, agent)?;
    let task = ready::next(model, agent, tags, now).ok_or_else(|| Refusal::NothingReady(agent.clone()))?;
    claimed(model, &task, lease_secs, fresh)
}

/// Claims `task`, which is ready.
pub(crate) fn claimed(
    model: &Model,
    task: &Task<'_>,
    lease_secs: Option<u64>,
    fresh: &str,
) -> Result<Decided, Refusal> {
    let lease_secs = Some(model.leases.granted(lease_secs)?);
    let to = keyword(model, State::InProgress)?;
    let (task_id, stamp) = identity(model, task, fresh);
    let title = task.section.title().into();
    let heading = task.section.text.clone();
    let from = task.keyword.into();
    Ok(Decided::of(task, Change::Claimed { task: task_id, from, to, title, stamp, heading, lease_secs }))
}

/// The ID of a task, and whether it must be written: a heading without one gets its CUSTOM_ID or leading token, else
/// `fresh`.
pub(super) fn identity(model: &Model, task: &Task<'_>, fresh: &str) -> (String, bool) {
    if let Some(id) = task.id {
        return (id.into(), false);
    }
    let handle = task.section.handle().filter(|handle| is_nobodys_id(model, handle));
    let id = handle.map_or_else(|| unused(model, fresh), str::to_owned);
    (id, true)
}

/// Whether `id` can become the ID of a heading that is called so: no other heading has it, or will have it soon.
fn is_nobodys_id(model: &Model, id: &str) -> bool {
    let is_used = model.ledger.record(id).is_some_and(|record| record.gone.is_none());
    !is_used && model.board.with_id(id).next().is_none() && !model.missing.contains_key(id)
}

/// `fresh`, made longer until nothing is called that.
pub(super) fn unused(model: &Model, fresh: &str) -> String {
    let is_free = |id: &String| model.board.named(id).is_empty() && model.ledger.record(id).is_none();
    let more = (2..).map(|n| format!("{fresh}-{n}"));
    std::iter::once(fresh.to_owned()).chain(more).find(is_free).expect("the numbers do not end")
}

/// IN_PROGRESS → DONE; a task that repeats → PENDING with its next date; after the lease ran out from where that led,
/// unless somebody else has claimed the task since.
pub fn done(
    model: &Model,
    agent: &AgentName,
    name: &str,
    token: Option<Token>,
    result: Option<&str>,
    now: &Now,
) -> Result<Decided, Refusal> {
    let (task, late) = held_or_lapsed(model, agent, "done", name, token, result)?;
    let closed = keyword(model, State::Done)?;
    let repeat = repeats::repeat(model, &task, &closed, now);
    let to = if repeat.is_some() { repeats::keyword_after(model, &task)? } else { closed };
    let result = result.map(safe::line).filter(|result| !result.is_empty());
    let from = task.keyword.into();
    Ok(Decided::of(&task, Change::Done { task: tracked(&task), from, to, result, late, repeat }))
}

/// IN_PROGRESS → PENDING with one more attempt, or → FAILED when they are used up.
pub fn fail(
    model: &Model,
    agent: &AgentName,
    name: &str,
    token: Option<Token>,
    reason: Option<&str>,
    now: &Now,
) -> Result<Decided, Refusal> {
    let (task, late) = held_or_lapsed(model, agent, "fail", name, token, reason)?;
    let (from, reason) = (task.keyword.to_owned(), clean(reason));
    let (to, Aftermath { attempts, not_before, poison, .. }) = if late {
        (from.clone(), counted(&task))
    } else {
        let aftermath = aftermath(&task, agent, now);
        (keyword(model, if aftermath.is_over { State::Failed } else { State::Pending })?, aftermath)
    };
    let task_id = tracked(&task);
    Ok(Decided::of(&task, Change::Failed { task: task_id, from, to, attempts, not_before, reason, late, poison }))
}

/// What a failed attempt comes to.
pub(super) struct Aftermath {
    /// Nobody shall try again.
    pub(super) is_over: bool,
    /// Failed attempts so far, this one included.
    pub(super) attempts: u32,
    /// Not offered before.
    pub(super) not_before: Option<Stamp>,
    /// Who failed at it, if they are too many.
    pub(super) poison: Vec<AgentName>,
}

/// What it comes to that `agent` failed at `task`.
pub(super) fn aftermath(task: &Task<'_>, agent: &AgentName, now: &Now) -> Aftermath {
    let attempts = task.attempts().saturating_add(1);
    let mut failed: Vec<AgentName> = Vec::new();
    let before = task.record.into_iter().flat_map(|record| &record.failures).map(|failure| &failure.agent);
    for agent in before.chain([agent]) {
        if !failed.contains(agent) {
            failed.push(agent.clone());
        }
    }
    let poison = if failed.len() >= POISON_AGENTS { failed } else { Vec::new() };
    let is_over = attempts >= task.max_attempts() || !poison.is_empty();
    let not_before = (!is_over).then(|| now.wall.plus_ms(backoff_ms(attempts, now.jitter)));
    Aftermath { is_over, attempts, not_before, poison }
}

/// What the attempt came to that was counted when its lease ran out.
fn counted(task: &Task<'_>) -> Aftermath {
    let record = task.record.expect("an attempt was counted, so that there is a record");
    let (not_before, poison) = (record.not_before, record.poison.clone());
    Aftermath { is_over: false, attempts: record.attempts, not_before, poison }
}

/// The holder of a task gives a sign of life: its ID, and how long the lease is to be from now on, if that changes.
pub fn renew(
    model: &Model,
    agent: &AgentName,
    name: &str,
    token: Option<Token>,
    lease_secs: Option<u64>,
) -> Result<String, Refusal> {
    let task = held_by(model, agent, "renew", name, token, None)?;
    lease_secs.map(|secs| model.leases.granted(Some(secs))).transpose()?;
    Ok(tracked(&task))
}

/// The delay after the `attempts`th failure: doubled each time up to a ceiling, plus up to a quarter at random.
pub fn backoff_ms(attempts: u32, jitter: u16) -> i64 {
    let doublings = attempts.saturating_sub(1).min(20);
    let plain = (BACKOFF_MS_BASE << doublings).min(BACKOFF_MS_MAX);
    plain + plain / 4 * i64::from(jitter) / i64::from(u16::MAX)
}

/// IN_PROGRESS → PENDING, not counted.
pub fn release(
    model: &Model,
    agent: &AgentName,
    name: &str,
    token: Option<Token>,
    reason: Option<&str>,
) -> Result<Decided, Refusal> {
    let task = held_by(model, agent, "release", name, token, reason)?;
    let to = keyword(model, State::Pending)?;
    let (from, reason) = (task.keyword.into(), clean(reason));
    Ok(Decided::of(&task, Change::Released { task: tracked(&task), from, to, reason }))
}

/// A progress line from the holder.
pub fn note(
    model: &Model,
    agent: &AgentName,
    name: &str,
    token: Option<Token>,
    text: &str,
) -> Result<Decided, Refusal> {
    let task = held_by(model, agent, "note", name, token, Some(text))?;
    let text = clean(Some(text)).ok_or_else(|| bad("note", "it is empty"))?;
    Ok(Decided::of(&task, Change::Noted { task: tracked(&task), text }))
}

/// PENDING → SKIPPED; from IN_PROGRESS only by the holder.
pub fn skip(
    model: &Model,
    agent: &AgentName,
    name: &str,
    reason: Option<&str>,
    fresh: &str,
) -> Result<Decided, Refusal> {
    running(model)?;
    let task = find(model, name)?;
    if let Some(holder) = task.holder().filter(|holder| *holder != agent) {
        return Err(Refusal::Held { task: name.into(), holder: holder.clone() });
    }
    if task.state == State::InProgress && task.holder().is_none() {
        return Err(Refusal::NotHolder { task: name.into(), agent: agent.clone(), holder: None });
    }
    if task.state.is_closed() || task.state == State::Other {
        return Err(wrong_state("skip", name, &task));
    }
    not_in_flux(name, &task)?;
    let (task_id, stamp) = identity(model, &task, fresh);
    let (from, title) = (task.keyword.into(), task.section.title().into());
    let (to, reason) = (keyword(model, State::Skipped)?, clean(reason));
    Ok(Decided::of(&task, Change::Skipped { task: task_id, from, to, title, stamp, reason }))
}

/// Any closed state → PENDING, with a new count of attempts.
pub fn requeue(model: &Model, name: &str, reason: Option<&str>, fresh: &str) -> Result<Decided, Refusal> {
    running(model)?;
    let task = find(model, name)?;
    if !task.state.is_closed() && !task.is_poison() {
        return Err(wrong_state("requeue", name, &task));
    }
    not_in_flux(name, &task)?;
    let (task_id, stamp) = identity(model, &task, fresh);
    let (from, title) = (task.keyword.into(), task.section.title().into());
    let (to, reason) = (keyword(model, State::Pending)?, clean(reason));
    Ok(Decided::of(&task, Change::Requeued { task: task_id, from, to, title, stamp, reason }))
}

/// The checks that `renew`, `release` and `note` share: the caller is the holder, by token or by name.
fn held_by<'m>(
    model: &'m Model,
    agent: &AgentName,
    verb: &'static str,
    name: &str,
    token: Option<Token>,
    told: Option<&str>,
) -> Result<Task<'m>, Refusal> {
    match held_or_lapsed(model, agent, verb, name, token, told)? {
        (task, false) => Ok(task),
        (_, true) => Err(Refusal::LeaseExpired(name.into())),
    }
}

/// As [`held_by`], or the caller was the latest holder until the lease ran out: then true stands beside the task (R6).
fn held_or_lapsed<'m>(
    model: &'m Model,
    agent: &AgentName,
    verb: &'static str,
    name: &str,
    token: Option<Token>,
    told: Option<&str>,
) -> Result<(Task<'m>, bool), Refusal> {
    let task = find(model, name).map_err(|refusal| match refusal {
        Refusal::RemovedByHand { task, .. } => {
            let record = model.ledger.record(name).filter(|record| record.claimant.as_ref() == Some(agent));
            let news = clean(told).filter(|told| record.is_some_and(|r| r.result.as_ref() != Some(told)));
            Refusal::RemovedByHand { task, kept: news }
        }
        other => other,
    })?;
    if model.require_token && token.is_none() {
        return Err(Refusal::TokenRequired(name.into()));
    }
    let holder = task.holder().cloned();
    let Some(record) = task.record else {
        return Err(not_holder(verb, name, agent, &task));
    };
    if let Some(given) = token
        && record.token != Some(given)
    {
        return Err(Refusal::StaleToken { task: name.into(), given, holder });
    }
    if record.holder.as_ref() == Some(agent) {
        return Ok((task, false));
    }
    if ended_so(record, agent, Ended::Expired) {
        return Ok((task, true));
    }
    if ended_so(record, agent, Ended::ByHand) {
        return Err(Refusal::CancelledByHand(name.into()));
    }
    Err(not_holder(verb, name, agent, &task))
}

fn not_holder(verb: &'static str, name: &str, agent: &AgentName, task: &Task<'_>) -> Refusal {
    match task.holder() {
        None if task.state != State::InProgress => wrong_state(verb, name, task),
        holder => Refusal::NotHolder { task: name.into(), agent: agent.clone(), holder: holder.cloned() },
    }
}

fn ended_so(record: &Record, agent: &AgentName, how: Ended) -> bool {
    record.holder.is_none() && record.ended == Some(how) && record.claimant.as_ref() == Some(agent)
}

fn tracked(task: &Task<'_>) -> String {
    task.id.expect("a task with a record has an ID").into()
}

pub(super) fn not_in_flux(name: &str, task: &Task<'_>) -> Result<(), Refusal> {
    let why = match task {
        Task { at: None, .. } => Unready::Missing,
        Task { is_copy: true, .. } => Unready::DuplicateId,
        Task { is_held: true, .. } => Unready::BeingEdited,
        _ => return Ok(()),
    };
    Err(Refusal::NotReady { task: name.into(), why })
}

/// Refuses claims while the fleet is halted or the board is stopped.
pub(crate) fn offering(model: &Model) -> Result<(), Refusal> {
    match &model.halted {
        Some(reason) => Err(Refusal::Halted(reason.clone())),
        None => running(model),
    }
}

/// Refuses an agent that holds as many tasks as it may.
pub(crate) fn within_limit(model: &Model, agent: &AgentName) -> Result<(), Refusal> {
    match limit::reached(model, agent) {
        Some(Unready::AtLimit { limit, held }) => Err(Refusal::AtLimit { agent: agent.clone(), limit, held }),
        _ => Ok(()),
    }
}

/// Refuses everything while the board is stopped.
pub(super) fn running(model: &Model) -> Result<(), Refusal> {
    model.stopped.as_ref().map_or(Ok(()), |why| Err(Refusal::Stopped(why.clone())))
}

pub(super) fn keyword(model: &Model, state: State) -> Result<String, Refusal> {
    let word = state.keyword();
    let known = model.board.settings().keywords.kind(word).is_some();
    known.then(|| word.to_owned()).ok_or(Refusal::NoKeyword(word))
}

pub(super) fn wrong_state(verb: &'static str, name: &str, task: &Task<'_>) -> Refusal {
    Refusal::WrongState { verb, task: name.into(), keyword: task.keyword.into() }
}

pub(super) fn clean(text: Option<&str>) -> Option<String> {
    text.map(safe::line).filter(|text| !text.is_empty())
}

pub(super) fn bad(what: &'static str, why: impl std::fmt::Display) -> Refusal {
    Refusal::BadText { what, why: why.to_string() }
}
