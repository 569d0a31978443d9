//! The clock of the leases: looked at before each batch of requests, and what ran out ended after it (R7).

use super::{Caller, Engine};
use crate::core::{
    queue::{
        event::{Actor, Auth, Change, Event, Via},
        lease,
    },
    time::Now,
};

impl Engine {
    /// Counts the time since the last batch. Whoever owns the board decides a batch at least once a second, be it an
    /// empty one.
    pub(super) fn look_at_clock(&mut self, now: &Now) {
        self.look_at_halt();
        self.model.leases.look(now.boot_ms, self.model.halted.is_some());
    }

    /// Makes the claims whose lease ran out end with the batch that begins with number `first`.
    pub(super) fn expire(&mut self, first: u64, events: &mut Vec<Event>, now: &Now) {
        if self.log.stopped().is_some() {
            return;
        }
        self.model.leases.follow(&self.model.ledger);
        for change in lease::expire(&self.model, now) {
            self.note(first, events, event(Actor::System, (Via::Inside, Auth::Label), change, now));
        }
    }

    /// The agent `by` gave a sign of life for `task`. Only the first since a restart is journaled: restarts in a row are
    /// counted by the journal, and it must know where to begin.
    pub(super) fn renewed(
        &mut self,
        task: &str,
        secs: Option<u64>,
        (by, Caller { via, auth }): (&Actor, Caller),
        first: u64,
        events: &mut Vec<Event>,
        now: &Now,
    ) {
        let record = self.model.ledger.record(task);
        if record.is_some_and(|record| self.model.ledger.restarts_of(record) > 0) {
            let change = Change::Renewed { task: task.into() };
            self.note(first, events, event(by.clone(), (via, auth), change, now));
        }
        self.begin_lease_anew(task, secs);
    }

    /// Grants the running claim of `task` a full lease, with another length if `secs` says one.
    pub(super) fn begin_lease_anew(&mut self, task: &str, secs: Option<u64>) {
        if let Some(record) = self.model.ledger.record(task).filter(|record| record.holder.is_some()) {
            self.model.leases.renew(task, record, secs);
        }
    }
}

fn event(by: Actor, (via, auth): (Via, Auth), change: Change, now: &Now) -> Event {
    Event { at: now.wall, by, via, auth, request: None, change }
}
