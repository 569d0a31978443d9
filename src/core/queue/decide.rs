//! The verbs as pure functions: a model and a wish in, a change or a refusal out.
//!
//! Each is one row of the transition table in PROTOCOL.md. Nothing here is durable yet and nothing is written.

use crate::core::{
    code::Code,
    id::{AgentName, Token},
    org::{self, safe},
    queue::{
        event::Change,
        ledger::{Ended, Gone, Record},
        model::{BACKOFF_MS_BASE, BACKOFF_MS_MAX, Lookup, Model, Task},
        ready::{self, Unready},
        state::State,
    },
    time::Now,
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
    #[error("task `{0}` was archived")]
    Archived(String),
    /// The person took the task away from its holder.
    #[error("the claim on `{0}` was cancelled by hand")]
    CancelledByHand(String),
    /// Nothing is ready for this agent.
    #[error("nothing is ready for `{0}`")]
    NothingReady(AgentName),
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
    /// The board is stopped.
    #[error("{0}")]
    Stopped(String),
}

fn listed(lines: &[(u64, String)]) -> String {
    lines.iter().map(|(line, headline)| format!("line {line} `{headline}`")).collect::<Vec<_>>().join(", ")
}

fn explained(unready: &Unready) -> String {
    match unready {
        Unready::State(state) => format!("its state is {}", state.name()),
        Unready::BeingEdited => "a person is editing it".into(),
        Unready::Missing => "its heading is off the board at the moment".into(),
        Unready::DuplicateId => "its ID belongs to another heading".into(),
        Unready::Hidden => "it is commented out or archived".into(),
        Unready::Blocked(by) => format!("it waits for `{by}`"),
        Unready::Scheduled(until) => format!("it is scheduled for {until}"),
        Unready::Backoff(until) => format!("it failed and is not tried again before {until}"),
        Unready::NotAssigned(tags) => format!("its tags assign it to {}", tags.join(", ")),
    }
}

impl Refusal {
    /// The class of the refusal.
    pub fn code(&self) -> Code {
        match self {
            Refusal::UnknownTask(_) | Refusal::NothingReady(_) => Code::NotFound,
            Refusal::BadText { .. } => Code::Usage,
            Refusal::NoKeyword(_) => Code::Config,
            Refusal::TokenRequired(_) => Code::Denied,
            Refusal::AmbiguousTask { .. }
            | Refusal::RemovedByHand { .. }
            | Refusal::Archived(_)
            | Refusal::CancelledByHand(_)
            | Refusal::Held { .. }
            | Refusal::HeldByYou { .. }
            | Refusal::WrongState { .. }
            | Refusal::NotReady { .. }
            | Refusal::StaleToken { .. }
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
            Refusal::Archived(_) => "archived",
            Refusal::CancelledByHand(_) => "cancelled-by-hand",
            Refusal::NothingReady(_) => "nothing-ready",
            Refusal::Held { .. } => "held",
            Refusal::HeldByYou { .. } => "held-by-you",
            Refusal::WrongState { .. } => "wrong-state",
            Refusal::NotReady { why, .. } => why.name(),
            Refusal::StaleToken { .. } => "stale-token",
            Refusal::NotHolder { .. } => "not-holder",
            Refusal::TokenRequired(_) => "token-required",
            Refusal::DuplicateId(_) => "duplicate-id",
            Refusal::BadText { .. } => "bad-text",
            Refusal::NoKeyword(_) => "no-keyword",
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
            Refusal::StaleToken { .. } => "the task was claimed again since; stop working on it".into(),
            Refusal::NotHolder { .. } => "claim the task first".into(),
            Refusal::TokenRequired(_) => "pass the token that the claim returned".into(),
            Refusal::DuplicateId(_) => "choose another ID, or leave it out".into(),
            Refusal::NoKeyword(keyword) => format!(
                "add it to the board's keyword line, such as `#+TODO: PENDING IN_PROGRESS | DONE FAILED SKIPPED` (`{keyword}` is missing)"
            ),
            Refusal::Stopped(_) => "`fleet status` says what to do".into(),
            Refusal::NotReady { .. } | Refusal::Archived(_) | Refusal::BadText { .. } => return None,
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

/// A change, and the section that it concerns where a heading without ID is to be stamped with one.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// What happens.
    pub change: Change,
    /// The section's uid.
    pub uid: Option<u64>,
}

impl Decided {
    fn of(task: &Task<'_>, change: Change) -> Self {
        Self { change, uid: Some(task.section.uid) }
    }

    fn nowhere(change: Change) -> Self {
        Self { change, uid: None }
    }
}

/// Finds a task for a verb.
fn find<'m>(model: &'m Model, name: &str) -> Result<Task<'m>, Refusal> {
    model.find(name).map_err(|lookup| match lookup {
        Lookup::Unknown => Refusal::UnknownTask(name.into()),
        Lookup::Ambiguous(lines) => Refusal::AmbiguousTask { name: name.into(), lines },
        Lookup::Gone(Gone::Removed) => Refusal::RemovedByHand { task: name.into(), kept: None },
        Lookup::Gone(Gone::Archived) => Refusal::Archived(name.into()),
    })
}

/// Looks a task up for showing it.
pub fn show<'m>(model: &'m Model, name: &str) -> Result<Task<'m>, Refusal> {
    find(model, name)
}

/// PENDING → IN_PROGRESS. `fresh` names a heading that has no name of its own.
pub fn claim(model: &Model, agent: &AgentName, name: &str, fresh: &str, now: &Now) -> Result<Decided, Refusal> {
    running(model)?;
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
        None => claimed(model, &task, fresh),
        Some(Unready::State(_)) => Err(wrong_state("claim", name, &task)),
        Some(why) => Err(Refusal::NotReady { task: name.into(), why }),
    }
}

/// Claims the best task that is ready for `agent`.
pub fn claim_next(
    model: &Model,
    agent: &AgentName,
    tags: &[String],
    fresh: &str,
    now: &Now,
) -> Result<Decided, Refusal> {
    running(model)?;
    let task = ready::next(model, agent, tags, now).ok_or_else(|| Refusal::NothingReady(agent.clone()))?;
    claimed(model, &task, fresh)
}

fn claimed(model: &Model, task: &Task<'_>, fresh: &str) -> Result<Decided, Refusal> {
    let to = keyword(model, State::InProgress)?;
    let (task_id, stamp) = identity(model, task, fresh);
    let title = task.section.title().into();
    let heading = task.section.text.clone();
    let from = task.keyword.into();
    Ok(Decided::of(task, Change::Claimed { task: task_id, from, to, title, stamp, heading }))
}

/// The ID of a task, and whether it must be written: a heading without one gets its CUSTOM_ID or leading token, else
/// `fresh`.
fn identity(model: &Model, task: &Task<'_>, fresh: &str) -> (String, bool) {
    if let Some(id) = task.id {
        return (id.into(), false);
    }
    let handle = task.section.handle().filter(|handle| model.ledger.record(handle).is_none());
    let id = handle.map_or_else(|| unused(model, fresh), str::to_owned);
    (id, true)
}

/// `fresh`, made longer until nothing is called that.
fn unused(model: &Model, fresh: &str) -> String {
    let is_free = |id: &String| model.board.named(id).is_empty() && model.ledger.record(id).is_none();
    let more = (2..).map(|n| format!("{fresh}-{n}"));
    std::iter::once(fresh.to_owned()).chain(more).find(is_free).expect("the numbers do not end")
}

/// IN_PROGRESS → DONE.
pub fn done(
    model: &Model,
    agent: &AgentName,
    name: &str,
    token: Option<Token>,
    result: Option<&str>,
) -> Result<Decided, Refusal> {
    let task = held_by(model, agent, "done", name, token, result)?;
    let to = keyword(model, State::Done)?;
    let result = result.map(safe::line).filter(|result| !result.is_empty());
    let from = task.keyword.into();
    Ok(Decided::of(&task, Change::Done { task: tracked(&task), from, to, result, late: false }))
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
    let task = held_by(model, agent, "fail", name, token, reason)?;
    let attempts = task.attempts() + 1;
    let is_last = attempts >= task.max_attempts();
    let to = keyword(model, if is_last { State::Failed } else { State::Pending })?;
    let not_before = (!is_last).then(|| now.wall.plus_ms(backoff_ms(attempts, now.jitter)));
    let from = task.keyword.into();
    let reason = clean(reason);
    Ok(Decided::of(&task, Change::Failed { task: tracked(&task), from, to, attempts, not_before, reason }))
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
    if !task.state.is_closed() {
        return Err(wrong_state("requeue", name, &task));
    }
    not_in_flux(name, &task)?;
    let (task_id, stamp) = identity(model, &task, fresh);
    let (from, title) = (task.keyword.into(), task.section.title().into());
    let (to, reason) = (keyword(model, State::Pending)?, clean(reason));
    Ok(Decided::of(&task, Change::Requeued { task: task_id, from, to, title, stamp, reason }))
}

/// What `add` is told.
#[derive(Clone, Debug, Default)]
pub struct NewTask<'a> {
    /// The title.
    pub title: &'a str,
    /// Tags.
    pub tags: &'a [String],
    /// `A` to `Z`.
    pub priority: Option<char>,
    /// `2026-04-15` or `2026-04-15 10:00`.
    pub deadline: Option<&'a str>,
    /// The same.
    pub scheduled: Option<&'a str>,
    /// Text under the heading.
    pub body: Option<&'a str>,
    /// The ID.
    pub id: Option<&'a str>,
    /// Names of tasks that come first.
    pub blocked_by: &'a [String],
}

/// Nothing → PENDING.
pub fn add(model: &Model, new: &NewTask<'_>, fresh: &str) -> Result<Decided, Refusal> {
    running(model)?;
    let pending = keyword(model, State::Pending)?;
    let task = match new.id {
        Some(id) => checked_id(model, id)?,
        None => unused(model, fresh),
    };
    let title = safe::title(new.title).map_err(|error| bad("title", error))?;
    let tags = new.tags.iter().map(|tag| safe::tag(tag)).collect::<Result<Vec<_>, _>>().map_err(|e| bad("tag", e))?;
    let mut heading = format!("* {pending} ");
    if let Some(priority) = new.priority {
        if !priority.is_ascii_uppercase() {
            return Err(bad("priority", "use one letter from A to Z"));
        }
        heading.push_str(&format!("[#{priority}] "));
    }
    heading.push_str(&title);
    if !tags.is_empty() {
        heading.push_str(&format!(" :{}:", tags.join(":")));
    }
    heading.push('\n');
    let planned = [("DEADLINE", new.deadline), ("SCHEDULED", new.scheduled)];
    let planned = planned.into_iter().filter_map(|(key, date)| date.map(|date| (key, date)));
    let planned =
        planned.map(|(key, date)| Ok(format!("{key}: {}", active(date)?))).collect::<Result<Vec<_>, Refusal>>()?;
    if !planned.is_empty() {
        heading.push_str(&planned.join(" "));
        heading.push('\n');
    }
    heading.push_str(&format!(":PROPERTIES:\n:ID:       {task}\n"));
    if !new.blocked_by.is_empty() {
        heading.push_str(&format!(":BLOCKED_BY: {}\n", safe::line(&new.blocked_by.join(" "))));
    }
    heading.push_str(":END:\n");
    let body = safe::text(new.body.unwrap_or_default());
    if !body.trim().is_empty() {
        heading.push_str(body.trim_end());
        heading.push('\n');
    }
    Ok(Decided::nowhere(Change::Added { task, heading }))
}

/// A status message.
pub fn append(model: &Model, text: &str) -> Result<Decided, Refusal> {
    running(model)?;
    let text = clean(Some(text)).ok_or_else(|| bad("message", "it is empty"))?;
    Ok(Decided::nowhere(Change::Appended { text }))
}

/// The longest ID, in bytes.
pub const ID_BYTES_MAX: usize = 64;

fn checked_id(model: &Model, id: &str) -> Result<String, Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(plain) {
        return Err(bad("id", format!("use 1 to {ID_BYTES_MAX} letters, digits and `-_.:`")));
    }
    if model.board.named(id).is_empty() && model.ledger.record(id).is_none() {
        Ok(id.into())
    } else {
        Err(Refusal::DuplicateId(id.into()))
    }
}

/// A date as an active time stamp.
fn active(date: &str) -> Result<String, Refusal> {
    let wrapped = format!("<{}>", date.trim().trim_start_matches('<').trim_end_matches('>'));
    let time = org::timestamp::parse(&wrapped)
        .ok_or_else(|| bad("date", format!("`{date}` is not like 2026-04-15 or 2026-04-15 10:00")))?;
    let format = if time.has_time { "<%Y-%m-%d %a %H:%M>" } else { "<%Y-%m-%d %a>" };
    Ok(time.at.strftime(format).to_string())
}

/// The checks that `done`, `fail`, `release` and `note` share: the caller is the holder, by token or by name.
fn held_by<'m>(
    model: &'m Model,
    agent: &AgentName,
    verb: &'static str,
    name: &str,
    token: Option<Token>,
    told: Option<&str>,
) -> Result<Task<'m>, Refusal> {
    let task = find(model, name).map_err(|refusal| match refusal {
        Refusal::RemovedByHand { task, .. } => Refusal::RemovedByHand { task, kept: told.map(safe::line) },
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
        return Ok(task);
    }
    if was_cancelled(record, agent) {
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

fn was_cancelled(record: &Record, agent: &AgentName) -> bool {
    record.holder.is_none() && record.ended == Some(Ended::ByHand) && record.claimant.as_ref() == Some(agent)
}

fn tracked(task: &Task<'_>) -> String {
    task.id.expect("a task with a record has an ID").into()
}

fn not_in_flux(name: &str, task: &Task<'_>) -> Result<(), Refusal> {
    let why = match task {
        Task { at: None, .. } => Unready::Missing,
        Task { is_copy: true, .. } => Unready::DuplicateId,
        Task { is_held: true, .. } => Unready::BeingEdited,
        _ => return Ok(()),
    };
    Err(Refusal::NotReady { task: name.into(), why })
}

fn running(model: &Model) -> Result<(), Refusal> {
    model.stopped.as_ref().map_or(Ok(()), |why| Err(Refusal::Stopped(why.clone())))
}

fn keyword(model: &Model, state: State) -> Result<String, Refusal> {
    let word = state.keyword();
    let known = model.board.settings().keywords.kind(word).is_some();
    known.then(|| word.to_owned()).ok_or(Refusal::NoKeyword(word))
}

fn wrong_state(verb: &'static str, name: &str, task: &Task<'_>) -> Refusal {
    Refusal::WrongState { verb, task: name.into(), keyword: task.keyword.into() }
}

fn clean(text: Option<&str>) -> Option<String> {
    text.map(safe::line).filter(|text| !text.is_empty())
}

fn bad(what: &'static str, why: impl std::fmt::Display) -> Refusal {
    Refusal::BadText { what, why: why.to_string() }
}
