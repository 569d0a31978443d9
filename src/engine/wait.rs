//! Requests that wait until something is ready for them.
//!
//! Whether something is ready and that a request waits because nothing is, is one step: no change can come between. After
//! that every change is followed by another look, and so is the next moment at which time alone makes something ready. So
//! there is never a ready task and a request at rest that could have it.

use super::{
    Answer, Ask, Caller, Engine, Question, VETO_ASKS_MAX, Vetting, answer,
    request::{Batch, Verdict, Vettable},
};
use crate::core::{
    code::Code,
    id::{AgentName, RequestId},
    queue::{decide, event::Via, ready, refusal::Refusal},
    time::{Now, Stamp},
    wire::{Call, Failure, Reply, Request, WAIT_MS_MAX},
};
use std::collections::HashSet;

/// How many requests may wait at once, in all. Fewer than there are connections: whoever changes the board must get in.
pub const WAITERS_MAX: usize = 192;

/// A request that is not answered yet, and `door`, to which the answer goes.
pub struct Pending<D> {
    /// As it came.
    pub ask: Ask,
    /// Where the answer goes.
    pub door: D,
    /// What was said about the tasks that it could take.
    pub vetting: Vetting,
    /// Its place among those that wait; absent until it has waited.
    spot: Option<Spot>,
}

/// A place among those that wait.
#[derive(Clone, Copy, Debug)]
struct Spot {
    /// Who came first has the smaller number.
    place: u64,
    /// Until when it waits, in ms of the boot clock.
    until_ms: u64,
}

/// Who waits, in the order in which they came.
pub struct Waiters<D> {
    queue: Vec<Waiter<D>>,
    next_place: u64,
    /// The model at the last look at all who wait.
    seen: Option<Revision>,
    /// When that was. A clock that is set back takes away what it gave.
    looked: Option<Stamp>,
    /// When time alone makes something ready, as of the last time that it was asked.
    due: Option<Stamp>,
    /// Somebody waits since.
    is_due_stale: bool,
}

struct Waiter<D> {
    request: Request,
    pending: Pending<D>,
    spot: Spot,
}

/// What became of some requests.
pub struct Decided<D> {
    /// Decided and durable.
    pub answers: Vec<(D, Answer)>,
    /// Claims about which somebody must be asked first, in their order.
    pub open: Vec<(Pending<D>, Box<Question>)>,
}

/// Stands for everything by which something can become ready, time apart. It differs after every such change, and may
/// differ after others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revision {
    last: u64,
    text: u64,
    held: usize,
    missing: usize,
    leaving: usize,
    is_offering: bool,
    /// SCHEDULED is local time.
    offset_secs: i32,
}

/// What is decided at once.
struct Turn<'w, D> {
    batch: Batch,
    verdicts: Vec<(D, Verdict)>,
    open: Vec<(Pending<D>, Box<Question>)>,
    vetoes: bool,
    is_gone: &'w dyn Fn(&D) -> bool,
    now: &'w Now,
}

impl<D> Pending<D> {
    /// A request that has just come.
    pub fn new(ask: Ask, door: D) -> Self {
        Self { ask, door, vetting: Vetting::default(), spot: None }
    }
}

impl<D> Default for Waiters<D> {
    fn default() -> Self {
        Self { queue: Vec::new(), next_place: 0, seen: None, looked: None, due: None, is_due_stale: false }
    }
}

impl<D> Waiters<D> {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Lets go of everybody who waits; the doors are for whatever is to be said to them.
    pub fn dismiss(&mut self) -> Vec<(RequestId, D)> {
        self.queue.drain(..).map(|waiter| (waiter.request.id, waiter.pending.door)).collect()
    }

    /// Lets go of those for whom `is_gone` says that nobody hears the answer.
    pub fn drop_gone(&mut self, is_gone: impl Fn(&D) -> bool) {
        self.queue.retain(|waiter| !is_gone(&waiter.pending.door));
    }

    /// Decides `asks`, which have just come, and whatever is ready for those who wait, with one sync for all.
    ///
    /// With `vetoes`, claims come back open while somebody has to be asked about the task that they would take. A
    /// request that finds nothing and may wait is kept here. Who waits gets nothing if `is_gone` at that moment, and comes
    /// before those who have just come: a task that becomes ready in the middle of `asks` is theirs.
    pub fn decide(
        &mut self,
        engine: &mut Engine,
        asks: Vec<Pending<D>>,
        vetoes: bool,
        is_gone: &dyn Fn(&D) -> bool,
        now: &Now,
    ) -> Decided<D> {
        let batch = engine.begin(now);
        let mut turn = Turn { batch, verdicts: Vec::new(), open: Vec::new(), vetoes, is_gone, now };
        for pending in asks {
            match engine.read(&pending.ask) {
                Err(reply) => turn.verdicts.push((pending.door, Verdict::Unread(reply))),
                Ok(request) => self.take(engine, request, pending, &mut turn),
            }
        }
        self.serve(engine, &mut turn);
        if std::mem::take(&mut self.is_due_stale) {
            self.due = ready::next_by_time(engine.model(), now);
        }
        engine.waiters = self.len();
        let Turn { batch, verdicts, mut open, .. } = turn;
        let failed = engine.end(batch, now);
        let answers = verdicts.into_iter().map(|(door, verdict)| (door, Answer::new(verdict, &failed))).collect();
        open.sort_by_key(|(pending, _)| pending.spot.map_or(u64::MAX, |spot| spot.place));
        Decided { answers, open }
    }

    /// In how many milliseconds those who wait must be looked at again; 0 is now, `None` if nobody waits.
    pub fn ms_left(&self, engine: &Engine, now: &Now) -> Option<u64> {
        let first = self.queue.iter().map(|waiter| waiter.spot.until_ms).min()?;
        if self.seen != Some(engine.revision(now)) {
            return Some(0);
        }
        let due = self.due.map(|due| due.unix_ms().saturating_sub(now.wall.unix_ms()).max(0).unsigned_abs());
        Some(first.saturating_sub(now.boot_ms).min(due.unwrap_or(u64::MAX)))
    }

    /// Decides one request that has just come.
    fn take(&mut self, engine: &mut Engine, request: Request, pending: Pending<D>, turn: &mut Turn<'_, D>) {
        let takes_any = matches!(request.call, Call::Claim { task: None, .. });
        // Who came back from a question has waited already, and is not behind anybody new.
        if takes_any && pending.spot.is_none() {
            self.serve(engine, turn);
        }
        if pending.spot.is_some() && (turn.is_gone)(&pending.door) {
            return;
        }
        let Turn { batch, vetoes, now, .. } = turn;
        let vetting = vetoes.then_some(&pending.vetting);
        let is_over = pending.spot.is_some_and(|spot| spot.until_ms <= now.boot_ms);
        match engine.verdict(request.clone(), pending.ask.caller, vetting, batch, now) {
            Vettable::Verdict(verdict) => turn.verdicts.push((pending.door, verdict)),
            Vettable::Open(question) => turn.open.push((pending, question)),
            Vettable::Fruitless(verdict) if is_over => turn.verdicts.push((pending.door, verdict)),
            Vettable::Fruitless(_) => self.park(request, pending, turn),
        }
    }

    /// Lets a request wait. One that waits already under the same id gives its place up: it is the same request.
    fn park(&mut self, request: Request, pending: Pending<D>, turn: &mut Turn<'_, D>) {
        let is_same = |other: &Request| other.id == request.id && other.agent == request.agent;
        let earlier = self.queue.iter().position(|waiter| is_same(&waiter.request));
        let earlier = earlier.map(|at| self.queue.remove(at));
        if earlier.is_none() && pending.spot.is_none() && self.len() >= WAITERS_MAX {
            self.drop_gone(turn.is_gone);
        }
        if earlier.is_none() && pending.spot.is_none() && self.len() >= WAITERS_MAX {
            return turn.verdicts.push((pending.door, Verdict::Refused(request, too_many())));
        }
        let until_ms = turn.now.boot_ms.saturating_add(request.call.wait_ms().unwrap_or_default());
        let fresh = Spot { place: self.next_place, until_ms };
        let spot = match (&pending.spot, &earlier) {
            (Some(spot), _) => *spot,
            (None, Some(earlier)) => Spot { place: earlier.spot.place, until_ms },
            (None, None) => fresh,
        };
        self.next_place += 1;
        self.is_due_stale = true;
        if let Some(Waiter { request, pending, .. }) = earlier {
            turn.verdicts.push((pending.door, Verdict::Unread(Box::new(taken_over(&request)))));
        }
        let at = self.queue.partition_point(|waiter| waiter.spot.place < spot.place);
        self.queue.insert(at, Waiter { request, pending: Pending { spot: Some(spot), ..pending }, spot });
    }

    /// Gives those who wait what has become ready for them, first come, first served; and an answer to whose time is over.
    fn serve(&mut self, engine: &mut Engine, turn: &mut Turn<'_, D>) {
        if self.is_empty() {
            return;
        }
        engine.look_at_halt();
        let now = turn.now;
        let revision = engine.revision(now);
        let is_due = self.due.is_some_and(|due| due <= now.wall) || self.looked.is_some_and(|looked| looked > now.wall);
        let is_changed = is_due || self.seen != Some(revision);
        if !is_changed && self.queue.iter().all(|waiter| waiter.spot.until_ms > now.boot_ms) {
            return;
        }
        // Who wants the same as somebody who found nothing finds nothing.
        let mut fruitless: HashSet<(Option<AgentName>, Vec<String>)> = HashSet::new();
        for waiter in std::mem::take(&mut self.queue) {
            let is_over = waiter.spot.until_ms <= now.boot_ms;
            let wish = wish(&waiter.request);
            if !is_over && (!is_changed || fruitless.contains(&wish)) {
                self.queue.push(waiter);
                continue;
            }
            if (turn.is_gone)(&waiter.pending.door) {
                continue;
            }
            let Waiter { request, pending, spot } = waiter;
            let vetting = turn.vetoes.then_some(&pending.vetting);
            match engine.verdict(request.clone(), pending.ask.caller, vetting, &mut turn.batch, now) {
                Vettable::Verdict(verdict) => turn.verdicts.push((pending.door, verdict)),
                Vettable::Open(question) => turn.open.push((pending, question)),
                Vettable::Fruitless(verdict) if is_over => turn.verdicts.push((pending.door, verdict)),
                Vettable::Fruitless(_) => {
                    // What was vetoed for one may be allowed to another.
                    if pending.vetting.is_empty() {
                        fruitless.insert(wish);
                    }
                    self.queue.push(Waiter { request, pending, spot });
                }
            }
        }
        if is_changed {
            (self.seen, self.looked) = (Some(engine.revision(now)), Some(now.wall));
            self.is_due_stale = true;
        }
    }
}

impl Engine {
    pub(super) fn revision(&self, now: &Now) -> Revision {
        let model = &self.model;
        Revision {
            last: model.ledger.last,
            text: model.board.revision(),
            held: model.held.len(),
            missing: model.missing.len(),
            leaving: model.leaving.len(),
            is_offering: model.halted.is_none() && model.stopped.is_none() && self.log.stopped().is_none(),
            offset_secs: now.wall.offset_secs(),
        }
    }

    /// What is ready for a caller that claims nothing, as it is now.
    pub(super) fn found(&self, request: Request, now: &Now) -> Vettable {
        if let Err(refusal) = decide::offering(&self.model) {
            return Vettable::Verdict(Verdict::Refused(request, answer::failure(&refusal)));
        }
        let Call::Wait { tags, .. } = &request.call else { unreachable!("only `wait` looks for what is ready") };
        let tasks = self.listed(ready::ready(&self.model, request.agent.as_ref(), tags, now), None, now);
        if !tasks.is_empty() {
            let mut reply = Reply::ok(&request.id);
            (reply.number, reply.tasks) = (Some(self.last()), Some(tasks));
            return Vettable::Verdict(Verdict::Found(request, Box::new(reply)));
        }
        let failure = match &request.agent {
            Some(agent) => answer::failure(&Refusal::NothingReady(agent.clone())),
            None => Failure::new(Code::NotFound, "nothing-ready", "nothing is ready"),
        };
        match may_wait(&request) {
            true => Vettable::Fruitless(Verdict::Refused(request, failure)),
            false => Vettable::Verdict(Verdict::Refused(request, failure)),
        }
    }
}

/// Refuses to wait where that cannot be done.
pub(super) fn unfit(request: &Request, caller: Caller) -> Result<(), Failure> {
    let Some(ms) = request.call.wait_ms() else { return Ok(()) };
    match &request.call {
        _ if ms > WAIT_MS_MAX => {
            let message = format!("{ms} ms are longer than a day, the longest time to wait");
            Err(Failure::new(Code::Usage, "wait-too-long", message).hint("ask again when that time is over"))
        }
        Call::Claim { task: Some(_), .. } => {
            let message = "only a claim of whatever is ready can wait";
            Err(Failure::new(Code::Usage, "cannot-wait", message).hint("name no task, or do not wait"))
        }
        _ if caller.via != Via::Socket => {
            let message = "a request that waits would block whoever carries it out";
            Err(Failure::new(Code::Usage, "cannot-wait", message).hint("use Fleet's own socket, or ask again later"))
        }
        _ => Ok(()),
    }
}

/// Whether `request` would rather wait than be refused so.
pub(super) fn is_worth_it(request: &Request, refusal: &Refusal) -> bool {
    let may_change = match refusal {
        Refusal::NothingReady(_) => true,
        Refusal::NothingAllowed { count, .. } => *count < VETO_ASKS_MAX,
        _ => false,
    };
    may_change && may_wait(request)
}

fn may_wait(request: &Request) -> bool {
    request.call.wait_ms().is_some_and(|ms| ms > 0)
}

/// For whom, and with which tags.
fn wish(request: &Request) -> (Option<AgentName>, Vec<String>) {
    match &request.call {
        Call::Claim { tags, .. } | Call::Wait { tags, .. } => (request.agent.clone(), tags.clone()),
        _ => unreachable!("no other verb waits"),
    }
}

fn too_many() -> Failure {
    Failure::new(Code::General, "too-many-waiters", format!("{WAITERS_MAX} requests wait already"))
        .hint("try again a little later, or ask without waiting")
}

/// What a request hears whose repeat has come by another connection.
fn taken_over(request: &Request) -> Reply {
    let message = "the same request came again and waits instead of this one";
    let failure = Failure::new(Code::Unreachable, "outcome-unknown", message);
    Reply::refused(Some(&request.id), failure.hint("the repeat gets the answer"))
}
