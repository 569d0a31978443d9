//! The answer to `log`: which events of the journal a caller asked for.

use super::Engine;
use crate::core::{
    code::Code,
    queue::event::{Change, Event},
    time::Stamp,
    wire::{Call, Failure},
};
use serde_json::Value;

/// How many events `log` returns unless told otherwise.
pub const EVENTS_DEFAULT: u32 = 100;
/// How many events `log` reads at a time.
const EVENTS_PER_PAGE: usize = 10_000;
/// After so many bytes of events an answer that counts from a number ends; the caller asks on from its last event.
const EVENTS_BYTES_MAX: usize = 64 << 20;

/// What a caller wants to see.
struct Wanted<'c> {
    after: Option<u64>,
    task: Option<&'c str>,
    agent: Option<&'c str>,
    kinds: &'c [String],
    since: Option<Stamp>,
    until: Option<Stamp>,
    limit: usize,
}

impl<'c> Wanted<'c> {
    fn by(call: &'c Call) -> Result<Self, Failure> {
        let Call::Log { after, task, agent, kinds, since, until, limit } = call else {
            unreachable!("only `log` is asked for events")
        };
        if let Some(unknown) = kinds.iter().find(|kind| !Change::KINDS.contains(&kind.as_str())) {
            return Err(Failure::new(Code::Usage, "unknown-kind", format!("no event is of the kind `{unknown}`"))
                .hint(format!("the kinds are {}", Change::KINDS.join(", "))));
        }
        let limit = limit.unwrap_or(EVENTS_DEFAULT) as usize;
        let (task, agent) = (task.as_deref(), agent.as_deref());
        Ok(Self { after: *after, task, agent, kinds, since: *since, until: *until, limit })
    }

    fn is_filtered(&self) -> bool {
        let by_time = self.since.is_some() || self.until.is_some();
        by_time || self.task.is_some() || self.agent.is_some() || !self.kinds.is_empty()
    }

    fn is_it(&self, event: &Event) -> bool {
        self.task.is_none_or(|task| event.change.concerns(task))
            && self.agent.is_none_or(|agent| event.by.to_string() == agent)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == event.change.kind()))
            && self.since.is_none_or(|since| event.at.unix_ms() >= since.unix_ms())
            && self.until.is_none_or(|until| event.at.unix_ms() < until.unix_ms())
    }
}

impl Engine {
    /// The events that the `log` request `call` asks for, oldest first.
    pub(super) fn events(&self, call: &Call) -> Result<Vec<Value>, Failure> {
        let wanted = Wanted::by(call)?;
        let mut from = match wanted.after {
            Some(after) => after,
            None if wanted.is_filtered() => 0,
            None => self.last().saturating_sub(wanted.limit as u64),
        };
        let page_size = if wanted.is_filtered() { EVENTS_PER_PAGE } else { wanted.limit.min(EVENTS_PER_PAGE) };
        let (mut found, mut bytes) = (Vec::new(), 0);
        loop {
            let page = self.log.read_after(from, page_size).map_err(|error| unreadable(&error))?;
            let Some(last) = page.last() else { break };
            from = last.number;
            for record in page {
                let event: Event = serde_json::from_str(&record.event).map_err(|error| unreadable(&error))?;
                if wanted.is_it(&event) {
                    bytes += record.event.len();
                    found.push(logged(record.number, &event));
                }
            }
            if wanted.after.is_some() && (found.len() >= wanted.limit || bytes > EVENTS_BYTES_MAX) {
                break;
            }
            // Of the newest only so many are wanted: the older ones need not stay in memory.
            let surplus = if wanted.after.is_none() { found.len().saturating_sub(wanted.limit) } else { 0 };
            found.drain(..surplus);
        }
        found.truncate(wanted.limit);
        Ok(found)
    }

    /// The number of the last event that is durable, and so may be told to anyone.
    pub fn durable(&self) -> u64 {
        self.log.next() - 1
    }

    /// From which number on the events are news to this Emacs: what happened since the last one gave the board up.
    pub fn news_from(&self) -> u64 {
        self.news_from
    }

    /// At most `limit` events after number `after`, as `log` shows them; none once the journal stopped, because then
    /// nobody knows which of them will be there tomorrow (R4).
    pub fn news(&self, after: u64, limit: u32) -> Result<Vec<Value>, Failure> {
        if self.log.stopped().is_some() {
            return Ok(Vec::new());
        }
        let (task, agent, kinds, since, until) = (None, None, Vec::new(), None, None);
        self.events(&Call::Log { after: Some(after), task, agent, kinds, since, until, limit: Some(limit) })
    }
}

pub(super) fn logged(number: u64, event: &Event) -> Value {
    let mut value = serde_json::to_value(event).expect("what was parsed serializes");
    value["number"] = number.into();
    value
}

pub(super) fn unreadable(error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::Corrupt, "journal-unreadable", super::log::chain(error))
}
