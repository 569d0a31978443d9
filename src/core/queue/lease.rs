//! Leases: how long a claim lasts without a sign of life, by a clock that stands still while nobody looks at it (R7).
//!
//! Nothing in here is journaled: a renewal costs no disk, and a restart grants a full lease. What must outlast a restart
//! is in the ledger: how long the claim was to last, and how often the board was taken over since its holder was heard of.

use crate::core::{
    id::Token,
    queue::{
        decide::{self, Aftermath},
        event::Change,
        ledger::{Ledger, Record},
        model::Model,
        refusal::Refusal,
        state::State,
    },
    time::Now,
};
use std::collections::HashMap;

/// The shortest lease that can be asked for: longer than [`LEASE_GAP_MS_MAX`], so that no stop that counts eats one up.
pub const LEASE_SECS_MIN: u64 = 5;
/// The longest lease that can be asked for and that ends at all, in seconds: a week.
pub const LEASE_SECS_MAX: u64 = 7 * 24 * 3_600;
/// How far apart two looks at the clock may be for the time between them to count. The owner looks once a second and
/// before each batch of requests: with a longer gap it was stopped, or too busy to hear anyone.
pub const LEASE_GAP_MS_MAX: u64 = 3_000;
/// How many restarts in a row grant a claim a full lease without a sign of life in between.
pub const LEASE_GRACES_MAX: u64 = 3;

/// When every running claim runs out.
#[derive(Clone, Debug, Default)]
pub struct Leases {
    default_secs: u64,
    /// The time that counted so far.
    ran_ms: u64,
    looked: Option<Look>,
    running: HashMap<Box<str>, Lease>,
}

/// A look at the clock.
#[derive(Clone, Copy, Debug)]
struct Look {
    boot_ms: u64,
    was_halted: bool,
}

/// What is left of one claim.
#[derive(Clone, Copy, Debug)]
struct Lease {
    /// The claim. A lease says nothing about any other claim of the same task.
    token: Token,
    /// What a sign of life grants, 0 for ever.
    secs: u64,
    /// When it runs out, on the clock of `ran_ms`.
    due_ms: Option<u64>,
}

impl Leases {
    /// No claims yet; those that do not say how long they last, last `default_secs`, 0 for ever.
    pub fn new(default_secs: u64) -> Self {
        Self { default_secs, ..Self::default() }
    }

    /// How long a claim lasts that wishes for `secs`.
    pub fn granted(&self, secs: Option<u64>) -> Result<u64, Refusal> {
        match secs.unwrap_or(self.default_secs) {
            secs @ (0 | LEASE_SECS_MIN..=LEASE_SECS_MAX) => Ok(secs),
            secs => Err(Refusal::BadLease(secs)),
        }
    }

    /// The board was just taken over: every claim gets a full lease, but for those that had that too often already. An
    /// owner that `is_timed` not, because it works for one command only, ends none.
    pub fn begin(&mut self, ledger: &Ledger, is_timed: bool) {
        self.follow(ledger);
        for (task, record) in ledger.held().filter(|_| is_timed) {
            if ledger.restarts_of(record) > LEASE_GRACES_MAX
                && let Some(lease) = self.running.get_mut(task)
            {
                lease.due_ms = lease.due_ms.map(|_| self.ran_ms);
            }
        }
    }

    /// Counts the time since the last look, unless the owner did not run then or the fleet was halted.
    pub fn look(&mut self, boot_ms: u64, is_halted: bool) {
        let look = Look { boot_ms, was_halted: is_halted };
        let Some(before) = self.looked.replace(look) else { return };
        let gap_ms = boot_ms.saturating_sub(before.boot_ms);
        if gap_ms <= LEASE_GAP_MS_MAX && !before.was_halted && !is_halted {
            self.ran_ms += gap_ms;
        }
    }

    /// Grants a lease to claims that are new, and forgets those that ended.
    pub fn follow(&mut self, ledger: &Ledger) {
        self.running.retain(|task, lease| ledger.record(task).is_some_and(|record| is_of(lease, record)));
        for (task, record) in ledger.held() {
            if let Some(token) = record.token.filter(|_| !self.running.contains_key(task)) {
                let secs = record.lease_secs.unwrap_or(self.default_secs);
                self.running.insert(task.into(), Lease { token, secs, due_ms: due(self.ran_ms, secs) });
            }
        }
    }

    /// The holder of `task` lives: the lease begins anew, with another length if `secs` says one.
    pub fn renew(&mut self, task: &str, record: &Record, secs: Option<u64>) {
        let Some(token) = record.token else { return };
        let known = self.running.get(task).filter(|lease| is_of(lease, record)).map(|lease| lease.secs);
        let secs = secs.or(known).or(record.lease_secs).unwrap_or(self.default_secs);
        self.running.insert(task.into(), Lease { token, secs, due_ms: due(self.ran_ms, secs) });
    }

    /// The milliseconds that are left of the claim that `record` of `task` tells of; `None` if nobody holds it, or for
    /// ever.
    pub fn left_ms(&self, task: &str, record: &Record) -> Option<u64> {
        record.holder.as_ref()?;
        match self.running.get(task).filter(|lease| is_of(lease, record)) {
            Some(lease) => lease.due_ms.map(|due| due.saturating_sub(self.ran_ms)),
            None => due(0, record.lease_secs.unwrap_or(self.default_secs)),
        }
    }

    fn is_over(&self, task: &str, record: &Record) -> bool {
        let lease = self.running.get(task).filter(|lease| is_of(lease, record));
        lease.and_then(|lease| lease.due_ms).is_some_and(|due| due <= self.ran_ms)
    }
}

fn due(from_ms: u64, secs: u64) -> Option<u64> {
    (secs > 0).then(|| from_ms.saturating_add(secs.saturating_mul(1_000)))
}

/// Whether `lease` is of the claim that runs: never of another claim of the same task.
fn is_of(lease: &Lease, record: &Record) -> bool {
    record.holder.is_some() && record.token == Some(lease.token)
}

/// The claims whose lease ran out, as events. Under HALT and on a stopped board there are none.
///
/// Compared are state and token: who came back in time, or gave the task up, or lost it, is not touched.
pub fn expire(model: &Model, now: &Now) -> Vec<Change> {
    if model.halted.is_some() || model.stopped.is_some() {
        return Vec::new();
    }
    let over = model.ledger.held().filter(|(task, record)| model.leases.is_over(task, record));
    let numbered = over.enumerate();
    numbered.filter_map(|(n, (task, record))| expired(model, task, record, &staggered(now, n))).collect()
}

/// Tasks that expire together shall not all be offered again together.
fn staggered(now: &Now, n: usize) -> Now {
    /// Odd, so that all values come before one comes again.
    const STEP: u16 = 40_503;
    Now { jitter: now.jitter.wrapping_add((n as u16).wrapping_mul(STEP)), ..*now }
}

fn expired(model: &Model, id: &str, record: &Record, now: &Now) -> Option<Change> {
    let task = model.find(id).ok()?;
    let (agent, token) = (record.holder.clone()?, record.token?);
    let Aftermath { is_over, attempts, not_before, poison } = decide::aftermath(&task, &agent, now);
    let failed = decide::keyword(model, State::Failed).ok().filter(|_| is_over);
    // A board without that keyword must not keep a task for ever with an agent that is gone.
    let to = failed.or_else(|| decide::keyword(model, State::Pending).ok())?;
    let (task, from) = (id.to_owned(), record.keyword.clone());
    Some(Change::Expired { task, from, to, agent, token, attempts, not_before, poison })
}

#[cfg(test)]
mod tests;
