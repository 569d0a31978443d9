//! From a request to an event or a refusal, and from a batch of them to one commit.

use super::{
    Engine, answer,
    apply::Work,
    archive::Archiving,
    fresh_id,
    log::{Commit, Precondition, chain},
    vet::{Question, Vetted, Vetting},
    wait,
};
use crate::adapters::{halt::HaltFile, owner};
use crate::core::{
    code::Code,
    id::AgentName,
    queue::{
        add::{self, NewTask},
        decide::{self, Decided},
        event::{Actor, Asked, Auth, Change, Event, Via},
        ledger::Answered,
        model::Model,
        refusal::Refusal,
    },
    time::Now,
    wire::{Call, Failure, Reply, Request, WIRE_VERSION},
};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Through which door a request came, and what the caller's name rests on.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The door.
    pub via: Via,
    /// What the name rests on.
    pub auth: Auth,
}

/// A request in the hands of the engine: as it was sent, from whom.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who sent it.
    pub caller: Caller,
    /// The JSON of the request.
    pub json: Vec<u8>,
}

/// What became of one request before the batch was made durable.
pub(super) enum Verdict {
    /// Answer as it is: it was not even looked at.
    Unread(Box<Reply>),
    /// Nothing changes: the reply is rendered after the sync, from what the batch left.
    Read(Request),
    /// What was found, as it was then: what others do in the same batch does not change it.
    Found(Request, Box<Reply>),
    /// It was refused, perhaps because of what others did in the same batch.
    Refused(Request, Failure),
    /// Event number so and so.
    Changed(Request, u64),
    /// It was done before.
    Repeated(Request, Answered),
    /// Closed tasks leave the board; or there are none.
    Archived(Request, Box<Archiving>),
}

/// A verdict, or what comes before it.
pub(super) enum Vettable {
    Verdict(Verdict),
    Open(Box<Question>),
    /// Nothing is ready, and the request would rather wait than hear this verdict.
    Fruitless(Verdict),
}

/// Decisions that are made durable together.
pub(super) struct Batch {
    /// What the first decision sees, before they fold in each other.
    seen: Precondition,
    first: u64,
    events: Vec<Event>,
}

/// A decided request whose reply is not worded yet.
pub struct Answer {
    verdict: Verdict,
    failed: Option<String>,
}

impl Answer {
    /// The answer for `verdict`, whose batch `failed` to become durable if it says why.
    pub(super) fn new(verdict: Verdict, failed: &Option<String>) -> Self {
        Self { verdict, failed: failed.clone() }
    }
}

impl Engine {
    /// Decides `asks`, makes what they changed durable with one sync, and answers in the same order.
    ///
    /// `applied` in the replies says whether the text shows the event already; the caller renders that through
    /// [`Engine::rendered`] after it has applied what is pending. Blocks for one fdatasync if anything changed.
    pub fn handle(&mut self, asks: &[Ask], now: &Now) -> Vec<Reply> {
        self.decide(asks, now).into_iter().map(|answer| self.rendered(answer, now)).collect()
    }

    /// The first half of [`Engine::handle`]: decided and durable, not yet put into words. Nobody waits, and nobody is asked.
    pub fn decide(&mut self, asks: &[Ask], now: &Now) -> Vec<Answer> {
        let mut batch = self.begin(now);
        let verdicts: Vec<Verdict> = asks.iter().map(|ask| self.unvetted(ask, &mut batch, now)).collect();
        let failed = self.end(batch, now);
        verdicts.into_iter().map(|verdict| Answer::new(verdict, &failed)).collect()
    }

    fn unvetted(&mut self, ask: &Ask, batch: &mut Batch, now: &Now) -> Verdict {
        let request = match self.read(ask) {
            Ok(request) => request,
            Err(reply) => return Verdict::Unread(reply),
        };
        match self.verdict(request, ask.caller, None, batch, now) {
            Vettable::Verdict(verdict) | Vettable::Fruitless(verdict) => verdict,
            Vettable::Open(_) => unreachable!("a claim without vetting raises no question"),
        }
    }

    /// Begins a batch of decisions.
    pub(super) fn begin(&mut self, now: &Now) -> Batch {
        self.look_at_clock(now);
        let seen = Precondition { last: self.model.ledger.last };
        Batch { seen, first: self.log.next(), events: Vec::new() }
    }

    /// Makes a batch durable and queues its edits; why that failed, if it did.
    ///
    /// Claims whose lease ran out end with it, after all that came was heard: a renewal may have come in time (R7).
    pub(super) fn end(&mut self, batch: Batch, now: &Now) -> Option<String> {
        let Batch { seen, first, mut events } = batch;
        self.expire(first, &mut events, now);
        let failed = if events.is_empty() { None } else { self.make_durable(seen, &events) };
        if failed.is_none() {
            let shown = (first..).zip(events).filter(|(_, event)| event.change.is_on_board());
            let before = self.queue.len();
            self.queue.extend(shown.map(|(number, event)| Work::Event(number, Box::new(event))));
            self.unsaved += (self.queue.len() - before) as u64;
        }
        failed
    }

    /// The second half: the reply to one request. It is sent only if all that it has seen is durable (R2, R4).
    pub fn rendered(&self, answer: Answer, now: &Now) -> Reply {
        Reply { halt: self.model.halted.clone(), ..self.worded(answer, now) }
    }

    fn worded(&self, answer: Answer, now: &Now) -> Reply {
        let failed = answer.failed.as_deref().or(self.log.stopped());
        match (answer.verdict, failed) {
            (Verdict::Unread(reply), _) => *reply,
            (Verdict::Read(request), why) if why.is_none() || request.call == Call::Status => {
                self.answer_read(&request, now)
            }
            (Verdict::Read(request), why) => {
                Reply::refused(Some(&request.id), journal_stopped(why.unwrap_or_default()))
            }
            (Verdict::Found(_, reply), None) => *reply,
            (Verdict::Found(request, _), Some(why)) => Reply::refused(Some(&request.id), journal_stopped(why)),
            (Verdict::Changed(request, number), None) => self.answer_changed(&request, number, now),
            (Verdict::Repeated(request, answered), None) => self.answer_repeated(&request, &answered, now),
            (Verdict::Archived(request, archiving), None) => self.answer_archived(&request, *archiving),
            (Verdict::Refused(request, failure), None) => Reply::refused(Some(&request.id), failure),
            (
                Verdict::Changed(request, _)
                | Verdict::Repeated(request, _)
                | Verdict::Refused(request, _)
                | Verdict::Archived(request, _),
                Some(why),
            ) => {
                let failure = Failure::new(Code::Unreachable, "outcome-unknown", format!("the journal failed: {why}"));
                let hint = "`fleet status` says what to do; repeat with the same request id";
                Reply::refused(Some(&request.id), failure.hint(hint))
            }
        }
    }

    fn make_durable(&mut self, seen: Precondition, events: &[Event]) -> Option<String> {
        match self.log.commit(events, seen) {
            Commit::Committed(_) => None,
            commit => Some(self.stop(commit)),
        }
    }

    /// The request that was sent, if it is one for this board; else what is said to that.
    pub(super) fn read(&self, ask: &Ask) -> Result<Request, Box<Reply>> {
        let request = parse(&ask.json)?;
        let other = request.board.as_deref().filter(|board| !self.is_board(Path::new(board)));
        let refused = other.map(|other| self.another_board(other)).or_else(|| wait::unfit(&request, ask.caller).err());
        match refused {
            None => Ok(request),
            Some(failure) => Err(Box::new(Reply::refused(Some(&request.id), failure))),
        }
    }

    /// What `request` comes to now, as a part of `batch`.
    pub(super) fn verdict(
        &mut self,
        request: Request,
        caller: Caller,
        vetting: Option<&Vetting>,
        batch: &mut Batch,
        now: &Now,
    ) -> Vettable {
        self.look_at_halt();
        match self.log.stopped() {
            Some(why) if request.call != Call::Status => {
                Vettable::Verdict(Verdict::Unread(Box::new(Reply::refused(Some(&request.id), journal_stopped(why)))))
            }
            _ if matches!(request.call, Call::Wait { .. }) => self.found(request, now),
            _ if request.call.is_read() => Vettable::Verdict(Verdict::Read(request)),
            _ => match self.change(&request, caller, vetting, batch, now) {
                Ok(vettable) => vettable,
                Err(failure) => Vettable::Verdict(Verdict::Refused(request, failure)),
            },
        }
    }

    /// Whether `path` leads to the board of this engine.
    fn is_board(&self, path: &Path) -> bool {
        path == self.path() || owner::locate(path).is_ok_and(|place| place.file == self.path())
    }

    fn another_board(&self, meant: &str) -> Failure {
        let message = format!("the board `{meant}` is meant, but this Emacs holds `{}`", self.path().display());
        let hint = "name that board, or the socket of the Emacs that holds yours";
        Failure::new(Code::Config, "another-board", message).hint(hint)
    }

    fn change(
        &mut self,
        request: &Request,
        caller: Caller,
        vetting: Option<&Vetting>,
        batch: &mut Batch,
        now: &Now,
    ) -> Result<Vettable, Failure> {
        let (first, events) = (batch.first, &mut batch.events);
        if matches!(request.call, Call::Halt { .. } | Call::Resume) {
            return self.stop_or_go(request, caller, first, events, now).map(Vettable::Verdict);
        }
        let agent = request.agent.clone().ok_or_else(|| {
            Failure::new(Code::Usage, "no-agent", format!("`{}` needs to know who asks", request.call.verb()))
                .hint("pass `--agent NAME`, or set FLEET_AGENT")
        })?;
        let by = Actor::Agent(agent.clone());
        let digest = digest(request);
        if let Some(answered) = self.model.ledger.answered(&by, &request.id) {
            return repeated(request, answered, &digest).map(Vettable::Verdict);
        }
        if let Call::Renew { task, token, lease_secs } = &request.call {
            let renewed = decide::renew(&self.model, &agent, task, *token, *lease_secs);
            let id = renewed.map_err(|refusal| answer::failure(&refusal))?;
            self.renewed(&id, *lease_secs, (&by, caller), first, events, now);
            return Ok(Vettable::Verdict(Verdict::Read(request.clone())));
        }
        if let Call::Claim { task: Some(name), resume: true, lease_secs, .. } = &request.call
            && let Some((id, verdict)) = self.resumed(request, name, &agent)
        {
            let secs = lease_secs.map(|secs| self.model.leases.granted(Some(secs))).transpose();
            let secs = secs.map_err(|refusal| answer::failure(&refusal))?;
            self.renewed(&id, secs, (&by, caller), first, events, now);
            return Ok(Vettable::Verdict(verdict));
        }
        if let Call::Archive { .. } = &request.call {
            let asked = (Asked { id: request.id.clone(), digest }, &by, caller);
            let archiving = self.archive(request, asked, first, events, now)?;
            self.fills_archives = true;
            return Ok(Vettable::Verdict(Verdict::Archived(request.clone(), Box::new(archiving))));
        }
        let fresh = fresh_id(&format!("{agent} {}", request.id));
        let Caller { via, auth } = caller;
        let event = |request, change| Event { at: now.wall, by: by.clone(), via, auth, request, change };
        let vetted = match vetting.filter(|_| matches!(request.call, Call::Claim { .. })) {
            Some(vetting) => self.vetted(request, &agent, vetting, &fresh, now),
            None => decided(&self.model, &agent, &request.call, &fresh, now).map(Vetted::Decided),
        };
        match vetted {
            Ok(Vetted::Open(question)) => Ok(Vettable::Open(question)),
            Ok(Vetted::Decided(Decided { change, uid })) => {
                if let (Some(uid), Some(task)) = (uid, change.stamps()) {
                    self.model.stamped.insert(uid, task.into());
                }
                let asked = Asked { id: request.id.clone(), digest };
                let lives = if let Change::Noted { task, .. } = &change { Some(task.clone()) } else { None };
                let number = self.note(first, events, event(Some(asked), change));
                if let Some(task) = lives {
                    self.begin_lease_anew(&task, None);
                }
                Ok(Vettable::Verdict(Verdict::Changed(request.clone(), number)))
            }
            Err(refusal) if wait::is_worth_it(request, &refusal) => {
                Ok(Vettable::Fruitless(Verdict::Refused(request.clone(), answer::failure(&refusal))))
            }
            Err(refusal) => {
                // The report of a task that was removed by hand is refused, but not lost (R17).
                if let Refusal::RemovedByHand { task, kept: Some(text) } = &refusal {
                    let kept = Change::Noted { task: task.clone(), text: text.clone() };
                    self.note(first, events, event(None, kept));
                }
                Err(answer::failure(&refusal))
            }
        }
    }

    /// Halts or resumes, by an agent or, without one, by the operator at the terminal. The file counts; the event is the
    /// record of it, and its reply says that every decision before it is through (R24).
    fn stop_or_go(
        &mut self,
        request: &Request,
        Caller { via, auth }: Caller,
        first: u64,
        events: &mut Vec<Event>,
        now: &Now,
    ) -> Result<Verdict, Failure> {
        let by = request.agent.clone().map_or(Actor::Human, Actor::Agent);
        let digest = digest(request);
        if let Some(answered) = self.model.ledger.answered(&by, &request.id) {
            return repeated(request, answered, &digest);
        }
        let Some(file) = &self.halt else {
            return Err(Failure::new(Code::Config, "halt-failed", "this board has no HALT file"));
        };
        let (change, done) = match &request.call {
            Call::Halt { reason } => {
                let reason = reason.clone().unwrap_or_default();
                let written = file.halt(&reason);
                (Change::Halted { reason }, written)
            }
            _ => (Change::Resumed, file.resume().map(|_| ())),
        };
        done.map_err(|e| Failure::new(Code::General, "halt-failed", chain(&e)).hint("look at that file by hand"))?;
        self.look_at_halt();
        let asked = Asked { id: request.id.clone(), digest };
        let event = Event { at: now.wall, by, via, auth, request: Some(asked), change };
        Ok(Verdict::Changed(request.clone(), self.note(first, events, event)))
    }

    /// Why the fleet is halted, as the HALT file says now.
    pub fn halted(&self) -> Option<String> {
        self.halt.as_ref().and_then(HaltFile::look)
    }

    /// Reads the HALT file again: right before each decision, and never from memory (R24).
    pub(super) fn look_at_halt(&mut self) {
        self.model.halted = self.halted();
    }

    /// Makes `event` part of the batch that begins with number `first`, and of what the next decision sees.
    pub(super) fn note(&mut self, first: u64, events: &mut Vec<Event>, event: Event) -> u64 {
        let number = first + events.len() as u64;
        self.model.ledger.fold(number, &event);
        events.push(event);
        number
    }

    /// The agent's running claim of `name`, if it has one.
    fn resumed(&self, request: &Request, name: &str, agent: &AgentName) -> Option<(String, Verdict)> {
        let task = self.model.find(name).ok().filter(|task| task.holder() == Some(agent))?;
        let (record, id) = (task.record?, task.id?);
        let number = record.token?.number;
        let answered = Answered { digest: String::new(), number, kind: "claimed", task: Some(id.into()), late: false };
        Some((id.into(), Verdict::Repeated(request.clone(), answered)))
    }
}

fn journal_stopped(why: &str) -> Failure {
    let failure = Failure::new(Code::Corrupt, "journal-stopped", format!("the journal stopped: {why}"));
    failure.hint("make room or repair the disk, then restart the daemon")
}

fn decided(model: &Model, agent: &AgentName, call: &Call, fresh: &str, now: &Now) -> Result<Decided, Refusal> {
    match call {
        Call::Claim { task: Some(name), lease_secs, .. } => decide::claim(model, agent, name, *lease_secs, fresh, now),
        Call::Claim { task: None, tags, lease_secs, .. } => {
            decide::claim_next(model, agent, tags, *lease_secs, fresh, now)
        }
        Call::Done { task, token, result } => decide::done(model, agent, task, *token, result.as_deref(), now),
        Call::Fail { task, token, reason } => decide::fail(model, agent, task, *token, reason.as_deref(), now),
        Call::Release { task, token, reason } => decide::release(model, agent, task, *token, reason.as_deref()),
        Call::Skip { task, reason } => decide::skip(model, agent, task, reason.as_deref(), fresh),
        Call::Requeue { task, reason } => decide::requeue(model, task, reason.as_deref(), fresh),
        Call::Note { task, token, text } => decide::note(model, agent, task, *token, text),
        Call::Append { text } => add::append(model, text),
        Call::Add { title, tags, priority, deadline, scheduled, body, task, blocked_by } => {
            let new = NewTask {
                title,
                tags,
                priority: *priority,
                deadline: deadline.as_deref(),
                scheduled: scheduled.as_deref(),
                body: body.as_deref(),
                id: task.as_deref(),
                blocked_by,
            };
            add::add(model, &new, fresh)
        }
        Call::Halt { .. } | Call::Resume => unreachable!("the HALT file is not decided about"),
        Call::Renew { .. }
        | Call::Poll { .. }
        | Call::Wait { .. }
        | Call::Show { .. }
        | Call::List { .. }
        | Call::Status
        | Call::Report { .. }
        | Call::Log { .. }
        | Call::Archive { .. } => unreachable!("they are answered before"),
    }
}

fn repeated(request: &Request, answered: &Answered, digest: &str) -> Result<Verdict, Failure> {
    if answered.digest == digest {
        return Ok(Verdict::Repeated(request.clone(), answered.clone()));
    }
    let message = format!("request id `{}` was used before with other arguments", request.id);
    Err(Failure::new(Code::Usage, "request-id-reused", message).hint("use a fresh request id"))
}

/// A digest of verb and arguments, 16 hex digits: enough to notice a mistake, not meant against malice.
///
/// For how long somebody would wait is no part of what they want: a repeat has less time left.
fn digest(request: &Request) -> String {
    let call = request.call.clone().waiting(None);
    let call = serde_json::to_vec(&call).expect("a call serializes: it has no maps and no foreign types");
    Sha256::digest(&call)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(json: &[u8]) -> Result<Request, Box<Reply>> {
    let usage = |id: Option<&crate::core::id::RequestId>, reason: &str, message: String| {
        Box::new(Reply::refused(id, Failure::new(Code::Usage, reason, message).hint("PROTOCOL.md lists every request")))
    };
    let request: Request = serde_json::from_slice(json)
        .map_err(|error| usage(None, "bad-request", format!("the request is not valid: {error}")))?;
    if request.v != WIRE_VERSION {
        let message = format!("request version {} is not {WIRE_VERSION}", request.v);
        return Err(usage(Some(&request.id), "bad-version", message));
    }
    Ok(request)
}
