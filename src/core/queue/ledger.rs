//! What only the journal knows: holders, tokens, attempts, answered requests. A fold over events, nothing else.

use crate::core::{
    id::{AgentName, RequestId, Token},
    queue::{
        event::{Actor, ArchivedTask, Auth, Change, Event, Field, MovedStamp, Repeat, Via},
        state::State,
    },
    time::Stamp,
};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

/// How many answered requests are remembered; a repeat of an older one is a new request.
pub const ANSWERED_MAX: usize = 100_000;
/// How many failed attempts are remembered of a task; older ones go first.
pub const FAILURES_MAX: usize = 20;

/// The journal's view of the whole board.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// After which number which epoch began, oldest first; never empty. It grows with a new journal, a restored backup,
    /// a change of engine (R6).
    epochs: Vec<(u64, u32)>,
    /// The number of the last event folded in.
    pub last: u64,
    records: HashMap<Box<str>, Record>,
    answered: HashMap<(Actor, RequestId), Answered>,
    order: VecDeque<(Actor, RequestId)>,
    unsaved: HashSet<Box<str>>,
    /// The tasks that somebody holds.
    held: BTreeSet<Box<str>>,
    /// How often an Emacs took the board over.
    openings: u64,
}

/// What the journal knows of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The keyword after the last event.
    pub keyword: String,
    /// The title that it had at the last event that named one.
    pub title: String,
    /// Who holds it.
    pub holder: Option<AgentName>,
    /// The token of the latest claim, also after that claim ended.
    pub token: Option<Token>,
    /// Who made the latest claim.
    pub claimant: Option<AgentName>,
    /// Through which door that claim came, and what the claimant's name rests on (R21).
    pub door: Option<(Via, Auth)>,
    /// The keyword that the latest claim found.
    pub claimed_from: String,
    /// When the latest claim was made.
    pub claimed_at: Option<Stamp>,
    /// The heading at the latest claim, kept until a saved file holds it (R12).
    pub heading: Option<Box<str>>,
    /// How long the latest claim lasts without a sign of life, in seconds, 0 for ever; unknown in old journals.
    pub lease_secs: Option<u64>,
    /// Of [`Ledger::openings`]: how many there were at the last sign of life that the journal has.
    alive_at: u64,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Who failed at it, when and how: the newest [`FAILURES_MAX`] since it was last requeued.
    pub failures: VecDeque<Failed>,
    /// The agents that failed at it, if they are so many that nobody shall try again.
    pub poison: Vec<AgentName>,
    /// Not offered before.
    pub not_before: Option<Stamp>,
    /// What came out.
    pub result: Option<String>,
    /// Why the latest claim ended before its holder said so.
    pub ended: Option<Ended>,
    /// The heading is off the board.
    pub gone: Option<Gone>,
    /// The archive that it went to, a file beside the board; unknown where the person archived it.
    pub archived_in: Option<Box<str>>,
    /// Its DEADLINE, if the task repeated and the text may not show that yet.
    pub deadline: Option<Replanned>,
    /// Its SCHEDULED, likewise.
    pub scheduled: Option<Replanned>,
    /// The number of the last event by which it came again; 0 if it never did.
    pub repeated: u64,
    /// When a verb last moved it.
    pub moved_at: Option<Stamp>,
    /// Keywords that the journal wrote under the latest token: a heading that shows one of them may be a stale copy (R19).
    pub written: Vec<String>,
    /// What the file showed when it was last saved.
    pub base: Base,
    /// The number of the last state that the person set; 0 if there was none.
    pub overruled: u64,
    /// The number of the last event about this task.
    pub last: u64,
    /// The number of the last transition.
    pub last_transition: u64,
}

/// How many earlier stamps of a repeating task are remembered.
const STAMPS_KEPT: usize = 8;

/// A time stamp that verbs moved: what it was, and what it is unless the person changed it since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replanned {
    /// Earlier ones, oldest first: a text that shows one of them is behind.
    pub was: Vec<String>,
    /// The latest; absent if it went.
    pub is: Option<String>,
}

/// A task in the file as it was last saved: one of the three sides of a merge (R19).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// Its keyword. For a task that was not saved since the journal knows it: the one that its first event found.
    pub keyword: String,
    /// Its TOKEN.
    pub token: Option<Token>,
    /// Whether a saved file had it for sure.
    pub in_file: bool,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Who tried.
    pub agent: AgentName,
    /// When it ended.
    pub at: Stamp,
    /// How it ended.
    pub cause: Cause,
    /// What the agent said about it.
    pub reason: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The agent said that it failed.
    Failed,
    /// The agent gave no sign of life.
    Expired,
}

impl Cause {
    /// The word in replies.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Failed => "failed",
            Cause::Expired => "expired",
        }
    }
}

/// Why a claim ended without its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The person changed the state.
    ByHand,
    /// The person removed the heading.
    Removed,
    /// The lease ran out.
    Expired,
}

/// Where a heading went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Deleted by hand.
    Removed,
    /// Closed, then moved to an archive.
    Archived,
}

/// A request that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Digest of verb and arguments.
    pub digest: String,
    /// The event that did it.
    pub number: u64,
    /// The verb's event kind.
    pub kind: &'static str,
    /// The task concerned.
    pub task: Option<String>,
    /// Whether it came late (R6).
    pub late: bool,
}

impl Ledger {
    /// An empty ledger of `epoch`.
    pub fn new(epoch: u32) -> Self {
        Self { epochs: vec![(0, epoch)], ..Self::default() }
    }

    /// The epoch of the claims that come next.
    pub fn epoch(&self) -> u32 {
        self.epochs.last().map_or(0, |(_, epoch)| *epoch)
    }

    /// The token of the claim that is event `number`.
    pub fn token(&self, number: u64) -> Token {
        let began = self.epochs.iter().rev().find(|(after, _)| *after < number);
        Token { epoch: began.map_or_else(|| self.epoch(), |(_, epoch)| *epoch), number }
    }

    /// What the journal knows of the task with this ID.
    pub fn record(&self, task: &str) -> Option<&Record> {
        self.records.get(task)
    }

    /// Every task that the journal knows, in no order.
    pub fn records(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.records.iter().map(|(task, record)| (&**task, record))
    }

    /// Every task that somebody holds, by ID, in the order of the IDs.
    pub fn held(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.held.iter().filter_map(|task| Some((&**task, self.records.get(task)?)))
    }

    /// How often an Emacs took the board over since the holder of `record` gave a sign of life.
    pub fn restarts_of(&self, record: &Record) -> u64 {
        self.openings - record.alive_at
    }

    /// The answer that `actor` got for the request `id`, if it is still remembered.
    pub fn answered(&self, actor: &Actor, id: &RequestId) -> Option<&Answered> {
        self.answered.get(&(actor.clone(), id.clone()))
    }

    /// Folds in event `number`.
    pub fn fold(&mut self, number: u64, event: &Event) {
        self.last = number;
        self.remember(number, event);
        if let Change::Opened { owner, epoch, .. } = &event.change {
            self.openings += u64::from(owner == OWNER_WITH_CLOCK);
            self.epochs.extend(epoch.map(|epoch| (number, epoch)));
        }
        if let Change::Archived { task, title, file, tasks, .. } = &event.change {
            for archived in tasks {
                self.archive(number, archived, file, Some(title).filter(|_| archived.name == *task));
            }
            return;
        }
        let Some(task) = event.change.task() else { return };
        self.unsaved.insert(task.into());
        let is_news = event.change.transition().is_some() || matches!(event.change, Change::Added { .. });
        if is_news || may_be_waited_for(&event.change) {
            self.records.entry(task.into()).or_insert_with(|| Record::new(&event.change));
        }
        let token = self.token(number);
        if let Some(record) = self.records.get_mut(task) {
            record.last = number;
            record.fold(number, token, event, self.openings);
            match record.holder {
                Some(_) => self.held.insert(task.into()),
                None => self.held.remove(task),
            };
        }
    }

    fn archive(&mut self, number: u64, archived: &ArchivedTask, file: &str, title: Option<&String>) {
        let ArchivedTask { name, keyword } = archived;
        self.unsaved.insert(name.as_str().into());
        self.held.remove(name.as_str());
        let record = self.records.entry(name.as_str().into()).or_insert_with(|| Record::found_as(keyword));
        record.last = number;
        record.gone = Some(Gone::Archived);
        record.archived_in = Some(file.into());
        if let Some(title) = title {
            record.title.clone_from(title);
        }
    }

    /// Notes that a file with every event so far was saved, but for those about the tasks in `waiting`: what is in the
    /// file needs no copy here any more.
    pub fn saved(&mut self, waiting: &HashSet<String>) {
        let records = &mut self.records;
        self.unsaved.retain(|task| {
            let is_waiting = waiting.contains(&**task);
            if let Some(record) = records.get_mut(task).filter(|_| !is_waiting) {
                record.heading = None;
                record.base =
                    Base { keyword: record.keyword.clone(), token: record.token, in_file: record.gone.is_none() };
            }
            is_waiting
        });
    }

    fn remember(&mut self, number: u64, event: &Event) {
        let Some(asked) = &event.request else { return };
        let key = (event.by.clone(), asked.id.clone());
        let late = matches!(event.change, Change::Done { late: true, .. } | Change::Failed { late: true, .. });
        let answered = Answered {
            digest: asked.digest.clone(),
            number,
            kind: event.change.kind(),
            task: event.change.task().map(Into::into),
            late,
        };
        if self.answered.insert(key.clone(), answered).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > ANSWERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.answered.remove(&oldest);
        }
    }
}

/// The owner that looks at the clock: one that works on the board for a single command does not (R7).
const OWNER_WITH_CLOCK: &str = "emacs";

/// An archived task counts for those that wait for it even if nothing else ever happened to it.
fn may_be_waited_for(change: &Change) -> bool {
    matches!(change, Change::Removed { archived: true, .. })
}

impl Record {
    fn new(first: &Change) -> Self {
        Self::found_as(first.transition().map_or(State::Pending.keyword(), |(from, _)| from))
    }

    /// A record of a task that had the keyword `found` when the journal first heard of it.
    fn found_as(found: &str) -> Self {
        Self {
            keyword: found.into(),
            title: String::new(),
            holder: None,
            token: None,
            claimant: None,
            door: None,
            claimed_from: String::new(),
            claimed_at: None,
            heading: None,
            lease_secs: None,
            alive_at: 0,
            attempts: 0,
            failures: VecDeque::new(),
            poison: Vec::new(),
            not_before: None,
            result: None,
            ended: None,
            gone: None,
            archived_in: None,
            deadline: None,
            scheduled: None,
            repeated: 0,
            moved_at: None,
            written: Vec::new(),
            base: Base { keyword: found.into(), ..Base::default() },
            overruled: 0,
            last: 0,
            last_transition: 0,
        }
    }

    /// Whether the present state was set by the person.
    pub fn is_by_hand(&self) -> bool {
        self.overruled > 0 && self.overruled == self.last_transition
    }

    fn fold(&mut self, number: u64, token: Token, event: &Event, openings: u64) {
        let had_expired = self.ended == Some(Ended::Expired);
        if let Some((_, to)) = event.change.transition() {
            self.moved(number, to, event.at);
        }
        match &event.change {
            Change::Claimed { from, to, title, heading, lease_secs, .. } => {
                (self.lease_secs, self.alive_at) = (*lease_secs, openings);
                self.title.clone_from(title);
                self.claimed_from.clone_from(from);
                self.heading = Some(heading.as_str().into());
                self.token = Some(token);
                self.claimed_at = Some(event.at);
                self.not_before = None;
                self.written = vec![to.clone()];
                self.holder = match &event.by {
                    Actor::Agent(name) => Some(name.clone()),
                    Actor::Human | Actor::System => None,
                };
                self.claimant.clone_from(&self.holder);
                self.door = Some((event.via, event.auth));
            }
            Change::Renewed { .. } => self.alive_at = openings,
            Change::Done { result, repeat, .. } => {
                self.result.clone_from(result);
                self.poison.clear();
                if let Some(repeat) = repeat {
                    self.repeat(number, repeat);
                }
            }
            Change::Failed { attempts, not_before, reason, late, poison, .. } => {
                (self.attempts, self.not_before) = (*attempts, *not_before);
                self.poison.clone_from(poison);
                if *late {
                    // The attempt was counted when its lease ran out.
                    self.failures.pop_back();
                }
                if let Actor::Agent(agent) = &event.by {
                    self.failed(agent, event.at, Cause::Failed, reason.clone());
                }
            }
            Change::Expired { agent, attempts, not_before, poison, .. } => {
                (self.attempts, self.not_before) = (*attempts, *not_before);
                self.poison.clone_from(poison);
                self.ended = Some(Ended::Expired);
                self.failed(agent, event.at, Cause::Expired, None);
            }
            Change::Skipped { title, .. } => self.title.clone_from(title),
            Change::Requeued { title, .. } => {
                self.title.clone_from(title);
                self.attempts = 0;
                self.failures.clear();
                self.poison.clear();
                self.not_before = None;
                self.result = None;
                // Whoever lost the task to the clock may still have done it.
                self.ended = had_expired.then_some(Ended::Expired);
            }
            // What an agent reports of a task that is gone (R17).
            Change::Noted { text, .. } if self.gone.is_some() => self.result = Some(text.clone()),
            Change::Noted { .. } => self.alive_at = openings,
            Change::Edited { field: Field::State, to, .. } => {
                self.overrule(number, to.as_deref().unwrap_or_default());
                self.end(Ended::ByHand);
                // Who opens it again by hand wants it tried.
                self.poison.clear();
            }
            Change::Edited { field: Field::Deadline, .. } => self.deadline = None,
            Change::Edited { field: Field::Scheduled, .. } => self.scheduled = None,
            Change::Removed { archived, .. } => {
                self.gone = Some(if *archived { Gone::Archived } else { Gone::Removed });
                self.end(Ended::Removed);
            }
            Change::Returned { keyword, .. } => {
                (self.gone, self.archived_in) = (None, None);
                self.overrule(number, keyword);
            }
            Change::Added { .. }
            | Change::Released { .. }
            | Change::Edited { .. }
            | Change::Appended { .. }
            | Change::Archived { .. }
            | Change::Opened { .. }
            | Change::Saving { .. }
            | Change::Halted { .. }
            | Change::Resumed => {}
        }
    }

    /// The task comes again, as if nobody had tried it yet.
    fn repeat(&mut self, number: u64, repeat: &Repeat) {
        self.repeated = number;
        self.attempts = 0;
        self.not_before = None;
        Replanned::note(&mut self.deadline, repeat.deadline.as_ref());
        Replanned::note(&mut self.scheduled, repeat.scheduled.as_ref());
    }

    /// A verb moved the task to `keyword`: whatever it was, nobody holds it afterwards (a claim sets its holder itself).
    fn moved(&mut self, number: u64, keyword: &str, at: Stamp) {
        self.keyword = keyword.into();
        self.last_transition = number;
        self.moved_at = Some(at);
        self.holder = None;
        self.ended = None;
        (self.gone, self.archived_in) = (None, None);
        self.written.push(keyword.into());
    }

    /// The person set the state.
    fn overrule(&mut self, number: u64, keyword: &str) {
        self.keyword = keyword.into();
        self.last_transition = number;
        self.overruled = number;
        self.written.clear();
        self.not_before = None;
    }

    fn end(&mut self, why: Ended) {
        // After the person had a say, what the latest holder reports late no longer counts.
        if self.holder.take().is_some() || self.ended == Some(Ended::Expired) {
            self.ended = Some(why);
        }
    }

    fn failed(&mut self, agent: &AgentName, at: Stamp, cause: Cause, reason: Option<String>) {
        self.failures.push_back(Failed { agent: agent.clone(), at, cause, reason });
        if self.failures.len() > FAILURES_MAX {
            self.failures.pop_front();
        }
    }
}

impl Replanned {
    fn note(known: &mut Option<Self>, moved: Option<&MovedStamp>) {
        let Some(MovedStamp { from, to }) = moved else { return };
        let replanned = known.get_or_insert_default();
        // A stamp that is back is not behind any more.
        replanned.was.retain(|was| was != from && Some(was) != to.as_ref());
        replanned.was.push(from.clone());
        let surplus = replanned.was.len().saturating_sub(STAMPS_KEPT);
        replanned.was.drain(..surplus);
        replanned.is.clone_from(to);
    }

    /// Whether a text that shows `stamp` is behind.
    pub fn is_behind(&self, stamp: &str) -> bool {
        self.was.iter().any(|was| was == stamp)
    }
}
