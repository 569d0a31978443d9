//! What only the journal knows: holders, tokens, attempts, answered requests. A fold over events, nothing else.

use crate::core::{
    id::{AgentName, RequestId, Token},
    queue::event::{Actor, Change, Event, Field},
    time::Stamp,
};
use std::collections::{HashMap, HashSet, VecDeque};

/// How many answered requests are remembered; a repeat of an older one is a new request.
pub const ANSWERED_MAX: usize = 100_000;

/// The journal's view of the whole board.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Grows with a new journal, a restored backup, a change of engine.
    pub epoch: u32,
    /// The number of the last event folded in.
    pub last: u64,
    records: HashMap<Box<str>, Record>,
    answered: HashMap<(Actor, RequestId), Answered>,
    order: VecDeque<(Actor, RequestId)>,
    unsaved: HashSet<Box<str>>,
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
    /// The keyword that the latest claim found.
    pub claimed_from: String,
    /// When the latest claim was made.
    pub claimed_at: Option<Stamp>,
    /// The heading at the latest claim, kept until a saved file holds it (R12).
    pub heading: Option<Box<str>>,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Not offered before.
    pub not_before: Option<Stamp>,
    /// What came out.
    pub result: Option<String>,
    /// Why the latest claim ended before its holder said so.
    pub ended: Option<Ended>,
    /// The heading is off the board.
    pub gone: Option<Gone>,
    /// Keywords that the journal wrote under the latest token: a heading that shows one of them may be a stale copy (R19).
    pub written: Vec<String>,
    /// The keyword in the file as it was last saved; absent if the file did not have the task.
    pub saved_keyword: Option<String>,
    /// The number of the last event about this task.
    pub last: u64,
    /// The number of the last transition.
    pub last_transition: u64,
}

/// Why a claim ended without its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The person changed the state.
    ByHand,
    /// The person removed the heading.
    Removed,
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
        Self { epoch, ..Self::default() }
    }

    /// What the journal knows of the task with this ID.
    pub fn record(&self, task: &str) -> Option<&Record> {
        self.records.get(task)
    }

    /// Every task that the journal knows, in no order.
    pub fn records(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.records.iter().map(|(task, record)| (&**task, record))
    }

    /// The answer that `actor` got for the request `id`, if it is still remembered.
    pub fn answered(&self, actor: &Actor, id: &RequestId) -> Option<&Answered> {
        self.answered.get(&(actor.clone(), id.clone()))
    }

    /// How many tasks `agent` holds.
    pub fn held_by(&self, agent: &AgentName) -> usize {
        self.records.values().filter(|record| record.holder.as_ref() == Some(agent)).count()
    }

    /// Folds in event `number`.
    pub fn fold(&mut self, number: u64, event: &Event) {
        self.last = number;
        self.remember(number, event);
        if let Some(task) = event.change.task() {
            self.unsaved.insert(task.into());
        }
        let epoch = self.epoch;
        match &event.change {
            Change::Added { task, .. } => {
                let record = self.touch(task, number);
                record.keyword = crate::core::queue::state::State::Pending.keyword().into();
            }
            Change::Claimed { task, from, to, title, heading, .. } => {
                let record = self.touch(task, number);
                record.moved(number, to);
                record.title.clone_from(title);
                record.claimed_from.clone_from(from);
                record.heading = Some(heading.as_str().into());
                record.token = Some(Token { epoch, number });
                record.claimed_at = Some(event.at);
                record.ended = None;
                record.not_before = None;
                record.gone = None;
                record.written = vec![to.clone()];
                record.holder = match &event.by {
                    Actor::Agent(name) => Some(name.clone()),
                    Actor::Human | Actor::System => None,
                };
                record.claimant.clone_from(&record.holder);
            }
            Change::Done { task, to, result, .. } => {
                let record = self.touch(task, number);
                record.moved(number, to);
                record.result.clone_from(result);
            }
            Change::Failed { task, to, attempts, not_before, .. } => {
                let record = self.touch(task, number);
                record.moved(number, to);
                record.attempts = *attempts;
                record.not_before = *not_before;
            }
            Change::Released { task, to, .. } => self.touch(task, number).moved(number, to),
            Change::Skipped { task, to, title, .. } => {
                let record = self.touch(task, number);
                record.moved(number, to);
                record.title.clone_from(title);
            }
            Change::Requeued { task, to, title, .. } => {
                let record = self.touch(task, number);
                record.moved(number, to);
                record.title.clone_from(title);
                record.attempts = 0;
                record.not_before = None;
                record.result = None;
            }
            Change::Noted { task, .. } => {
                if let Some(record) = self.records.get_mut(&**task) {
                    record.last = number;
                }
            }
            Change::Edited { task, field: Field::State, to, .. } => {
                if let Some(record) = self.records.get_mut(&**task) {
                    record.last = number;
                    record.overruled(number, to.as_deref().unwrap_or_default(), Ended::ByHand);
                }
            }
            Change::Removed { task, archived } => {
                if let Some(record) = self.records.get_mut(&**task) {
                    record.last = number;
                    record.gone = Some(if *archived { Gone::Archived } else { Gone::Removed });
                    record.end(Ended::Removed);
                }
            }
            Change::Returned { task, keyword } => {
                if let Some(record) = self.records.get_mut(&**task) {
                    record.last = number;
                    record.gone = None;
                    record.keyword.clone_from(keyword);
                }
            }
            Change::Edited { .. } | Change::Appended { .. } | Change::Opened { .. } | Change::Saving { .. } => {}
        }
    }

    /// Notes that a file with everything up to event `covers` was saved: those headings need no copy any more.
    pub fn saved(&mut self, covers: u64) {
        let records = &mut self.records;
        self.unsaved.retain(|task| match records.get_mut(task) {
            Some(record) if record.last <= covers => {
                record.heading = None;
                record.saved_keyword = record.gone.is_none().then(|| record.keyword.clone());
                false
            }
            Some(_) => true,
            None => false,
        });
    }

    fn touch(&mut self, task: &str, number: u64) -> &mut Record {
        let record = self.records.entry(task.into()).or_insert_with(Record::new);
        record.last = number;
        record
    }

    fn remember(&mut self, number: u64, event: &Event) {
        let Some(asked) = &event.request else { return };
        let key = (event.by.clone(), asked.id.clone());
        let late = matches!(event.change, Change::Done { late: true, .. });
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

impl Record {
    fn new() -> Self {
        Self {
            keyword: String::new(),
            title: String::new(),
            holder: None,
            token: None,
            claimant: None,
            claimed_from: String::new(),
            claimed_at: None,
            heading: None,
            attempts: 0,
            not_before: None,
            result: None,
            ended: None,
            gone: None,
            written: Vec::new(),
            saved_keyword: None,
            last: 0,
            last_transition: 0,
        }
    }

    /// A verb moved the task to `keyword`: whatever it was, nobody holds it afterwards (a claim sets its holder itself).
    fn moved(&mut self, number: u64, keyword: &str) {
        self.keyword = keyword.into();
        self.last_transition = number;
        self.holder = None;
        self.ended = None;
        self.written.push(keyword.into());
    }

    /// The person set the state.
    fn overruled(&mut self, number: u64, keyword: &str, why: Ended) {
        self.keyword = keyword.into();
        self.last_transition = number;
        self.written.clear();
        self.not_before = None;
        self.end(why);
    }

    fn end(&mut self, why: Ended) {
        if self.holder.take().is_some() {
            self.ended = Some(why);
        }
    }
}
