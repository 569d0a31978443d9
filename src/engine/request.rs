//! From a request to an event or a refusal, and from a batch of them to one commit.

use super::{Engine, answer, apply::Work, fresh_id, log::Commit};
use crate::core::{
    code::Code,
    id::AgentName,
    queue::{
        decide::{self, Decided, NewTask, Refusal},
        event::{Actor, Asked, Auth, Change, Event, Via},
        ledger::Answered,
    },
    time::Now,
    wire::{Call, Failure, Reply, Request, WIRE_VERSION},
};
use sha2::{Digest, Sha256};

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
enum Verdict {
    /// Nothing changes: the reply is rendered after the sync, from what the batch left.
    Read(Request),
    /// Answer as it is.
    Refused(Reply),
    /// Event number so and so.
    Changed(Request, u64),
    /// It was done before.
    Repeated(Request, Answered),
}

impl Engine {
    /// Decides `asks`, makes what they changed durable with one sync, and answers in the same order.
    ///
    /// `applied` in the replies says whether the text shows the event already; the caller renders that through
    /// [`Engine::rendered`] after it has applied what is pending. Blocks for one fdatasync if anything changed.
    pub fn handle(&mut self, asks: &[Ask], now: &Now) -> Vec<Reply> {
        self.decide(asks, now).into_iter().map(|answer| self.rendered(answer, now)).collect()
    }

    /// The first half of [`Engine::handle`]: decided and durable, not yet put into words.
    pub fn decide(&mut self, asks: &[Ask], now: &Now) -> Vec<Answer> {
        let mut events = Vec::new();
        let first = self.log.next();
        let verdicts: Vec<Verdict> = asks.iter().map(|ask| self.verdict(ask, first, &mut events, now)).collect();
        let failed = if events.is_empty() { None } else { self.make_durable(&events) };
        if failed.is_none() {
            let numbered = (first..).zip(events);
            self.queue
                .extend(numbered.filter(|(_, e)| e.change.is_on_board()).map(|(n, e)| Work::Event(n, Box::new(e))));
        }
        verdicts.into_iter().map(|verdict| Answer { verdict, failed: failed.clone() }).collect()
    }

    /// The second half: the reply to one request.
    pub fn rendered(&self, answer: Answer, now: &Now) -> Reply {
        let unknown = |request: &Request, why: &str| {
            let failure = Failure::new(Code::Unreachable, "outcome-unknown", format!("the journal failed: {why}"));
            Reply::refused(
                Some(&request.id),
                failure.hint("`fleet status` says what to do; repeat with the same request id"),
            )
        };
        match (answer.verdict, answer.failed) {
            (Verdict::Refused(reply), _) => reply,
            (Verdict::Read(request), None) => self.answer_read(&request, now),
            (Verdict::Read(request), Some(_)) if request.call == Call::Status => self.answer_read(&request, now),
            (Verdict::Changed(request, number), None) => self.answer_changed(&request, number, now),
            (Verdict::Repeated(request, answered), None) => self.answer_repeated(&request, &answered, now),
            (Verdict::Read(request) | Verdict::Changed(request, _) | Verdict::Repeated(request, _), Some(why)) => {
                unknown(&request, &why)
            }
        }
    }

    fn make_durable(&mut self, events: &[Event]) -> Option<String> {
        match self.log.commit(events) {
            Commit::Committed(_) => None,
            Commit::Unknown(why) => {
                self.stop(&why);
                Some(why)
            }
        }
    }

    fn verdict(&mut self, ask: &Ask, first: u64, events: &mut Vec<Event>, now: &Now) -> Verdict {
        let request = match parse(&ask.json) {
            Ok(request) => request,
            Err(reply) => return Verdict::Refused(*reply),
        };
        if request.call.is_read() {
            return Verdict::Read(request);
        }
        match self.change(&request, ask, first, events, now) {
            Ok(verdict) => verdict,
            Err(failure) => Verdict::Refused(Reply::refused(Some(&request.id), failure)),
        }
    }

    fn change(
        &mut self,
        request: &Request,
        ask: &Ask,
        first: u64,
        events: &mut Vec<Event>,
        now: &Now,
    ) -> Result<Verdict, Failure> {
        let agent = request.agent.clone().ok_or_else(|| {
            Failure::new(Code::Usage, "no-agent", format!("`{}` needs to know who asks", request.call.verb()))
                .hint("pass `--agent NAME`, or set FLEET_AGENT")
        })?;
        if let Some(why) = self.log.stopped() {
            let failure = Failure::new(Code::Corrupt, "journal-stopped", format!("the journal stopped: {why}"));
            return Err(failure.hint("make room or repair the disk, then restart the daemon"));
        }
        let by = Actor::Agent(agent.clone());
        let digest = digest(request);
        if let Some(answered) = self.model.ledger.answered(&by, &request.id) {
            return repeated(request, answered, &digest);
        }
        if let Call::Claim { task: Some(name), resume: true, .. } = &request.call
            && let Some(verdict) = self.resumed(request, name, &agent)
        {
            return Ok(verdict);
        }
        let fresh = fresh_id(&format!("{agent} {}", request.id));
        let asked = Asked { id: request.id.clone(), digest };
        let event = |change| {
            let Caller { via, auth } = ask.caller;
            Event { at: now.wall, by: by.clone(), via, auth, request: Some(asked.clone()), change }
        };
        let number = first + events.len() as u64;
        match decided(&self.model, &agent, &request.call, &fresh, now) {
            Ok(Decided { change, uid }) => {
                if let (Some(uid), Some(_), Some(task)) = (uid, change.title(), change.task()) {
                    self.model.stamped.insert(uid, task.into());
                }
                events.push(event(change));
                self.model.ledger.fold(number, &events[events.len() - 1]);
                Ok(Verdict::Changed(request.clone(), number))
            }
            Err(refusal) => {
                // The report of a task that was removed by hand is refused, but not lost (R17).
                if let Refusal::RemovedByHand { task, kept: Some(text) } = &refusal
                    && !text.is_empty()
                {
                    let mut kept = event(Change::Noted { task: task.clone(), text: text.clone() });
                    kept.request = None;
                    self.model.ledger.fold(number, &kept);
                    events.push(kept);
                }
                Err(answer::failure(&refusal))
            }
        }
    }

    /// The agent's running claim of `name`, if it has one.
    fn resumed(&self, request: &Request, name: &str, agent: &AgentName) -> Option<Verdict> {
        let task = self.model.find(name).ok().filter(|task| task.holder() == Some(agent))?;
        let (record, id) = (task.record?, task.id?);
        let number = record.token?.number;
        let answered = Answered { digest: String::new(), number, kind: "claimed", task: Some(id.into()), late: false };
        Some(Verdict::Repeated(request.clone(), answered))
    }
}

/// A decided request whose reply is not worded yet.
pub struct Answer {
    verdict: Verdict,
    failed: Option<String>,
}

fn decided(
    model: &crate::core::queue::model::Model,
    agent: &AgentName,
    call: &Call,
    fresh: &str,
    now: &Now,
) -> Result<Decided, Refusal> {
    match call {
        Call::Claim { task: Some(name), .. } => decide::claim(model, agent, name, fresh, now),
        Call::Claim { task: None, tags, .. } => decide::claim_next(model, agent, tags, fresh, now),
        Call::Done { task, token, result } => decide::done(model, agent, task, *token, result.as_deref()),
        Call::Fail { task, token, reason } => decide::fail(model, agent, task, *token, reason.as_deref(), now),
        Call::Release { task, token, reason } => decide::release(model, agent, task, *token, reason.as_deref()),
        Call::Skip { task, reason } => decide::skip(model, agent, task, reason.as_deref(), fresh),
        Call::Requeue { task, reason } => decide::requeue(model, task, reason.as_deref(), fresh),
        Call::Note { task, token, text } => decide::note(model, agent, task, *token, text),
        Call::Append { text } => decide::append(model, text),
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
            decide::add(model, &new, fresh)
        }
        Call::Poll { .. } | Call::Show { .. } | Call::List { .. } | Call::Status | Call::Log { .. } => {
            unreachable!("reading verbs are answered before")
        }
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
fn digest(request: &Request) -> String {
    let call = serde_json::to_vec(&request.call).expect("a call serializes: it has no maps and no foreign types");
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
