//! Claims that somebody outside may veto: which task a claim is about to take, and what was said about it.
//!
//! The engine calls nobody. A claim that needs a word about a task comes back as a [`Question`]; it is decided again with
//! the answer in its [`Vetting`]. An answer counts only for the task as it was asked about.

use super::Engine;
use crate::core::{
    id::AgentName,
    org::safe,
    queue::{
        decide::{self, Decided},
        model::Task,
        ready,
        refusal::Refusal,
    },
    time::Now,
    wire::{Call, Request, TaskInfo},
};
use sha2::{Digest, Sha256};

/// For one claim: how many vetoes it may meet, and how often it is asked about a task that changes meanwhile.
///
/// Candidates that were allowed and then went to another claim do not count: that somebody else got work is no reason to
/// give up, and there are only so many tasks.
pub const VETO_ASKS_MAX: usize = 32;

/// Stands for a task as it was when it was asked about; the text of the task is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    uid: u64,
    digest: String,
}

/// May this claim have this task?
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Who claims.
    pub agent: AgentName,
    /// The claim's request id.
    pub id: String,
    /// Whether the claim named the task, as opposed to taking the best one.
    pub is_named: bool,
    /// The task as `show` would show it.
    pub task: TaskInfo,
    /// What the answer will be about.
    pub fingerprint: Fingerprint,
}

/// What was said so far about the tasks that one claim could take.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vetting {
    answers: Vec<(Fingerprint, Option<String>)>,
}

/// What a claim that may be vetoed comes to.
#[expect(clippy::large_enum_variant, reason = "it lives for one call, and nearly always is decided")]
pub(super) enum Vetted {
    /// The task is not vetoed.
    Decided(Decided),
    /// Somebody has to be asked first.
    Open(Box<Question>),
}

impl Vetting {
    /// Takes in the answer to the question with `fingerprint`: nothing, or why the claim may not have the task.
    pub fn answer(&mut self, fingerprint: Fingerprint, veto: Option<&str>) {
        self.answers.push((fingerprint, veto.map(safe::line)));
    }

    /// Whether nothing was said yet.
    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    fn about(&self, fingerprint: &Fingerprint) -> Option<&Option<String>> {
        self.answers.iter().find(|(about, _)| about == fingerprint).map(|(_, veto)| veto)
    }

    fn is_tired_of(&self, task: &Fingerprint) -> bool {
        self.answers.iter().filter(|(about, _)| about.uid == task.uid).count() >= VETO_ASKS_MAX
    }

    fn vetoes(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.answers.iter().filter_map(|(_, veto)| veto.as_deref())
    }
}

impl Engine {
    /// Decides the claim `request` as far as `vetting` goes.
    pub(super) fn vetted(
        &self,
        request: &Request,
        agent: &AgentName,
        vetting: &Vetting,
        fresh: &str,
        now: &Now,
    ) -> Result<Vetted, Refusal> {
        match &request.call {
            Call::Claim { task: Some(name), lease_secs, .. } => {
                self.vetted_by_name(request, agent, (name, *lease_secs), vetting, fresh, now)
            }
            Call::Claim { task: None, tags, lease_secs, .. } => {
                self.vetted_next(request, agent, (tags, *lease_secs), vetting, fresh, now)
            }
            _ => unreachable!("only claims are vetted"),
        }
    }

    fn vetted_by_name(
        &self,
        request: &Request,
        agent: &AgentName,
        (name, lease_secs): (&str, Option<u64>),
        vetting: &Vetting,
        fresh: &str,
        now: &Now,
    ) -> Result<Vetted, Refusal> {
        let decided = decide::claim(&self.model, agent, name, lease_secs, fresh, now)?;
        let question = self.question(request, agent, true, &decide::show(&self.model, name)?, now);
        let vetoed = |why: &str| Refusal::Vetoed { task: name.into(), why: why.into() };
        match vetting.about(&question.fingerprint) {
            Some(None) => Ok(Vetted::Decided(decided)),
            Some(Some(why)) => Err(vetoed(why)),
            None if vetting.is_tired_of(&question.fingerprint) => {
                Err(vetoed("it changed each time when its veto was asked for"))
            }
            None => Ok(Vetted::Open(Box::new(question))),
        }
    }

    fn vetted_next(
        &self,
        request: &Request,
        agent: &AgentName,
        (tags, lease_secs): (&[String], Option<u64>),
        vetting: &Vetting,
        fresh: &str,
        now: &Now,
    ) -> Result<Vetted, Refusal> {
        decide::offering(&self.model)?;
        decide::within_limit(&self.model, agent)?;
        for task in ready::ready(&self.model, Some(agent), tags, now) {
            let question = self.question(request, agent, false, &task, now);
            match vetting.about(&question.fingerprint) {
                Some(None) => {
                    return decide::claimed(&self.model, &task, lease_secs, fresh).map(Vetted::Decided);
                }
                Some(Some(_)) => {}
                None if vetting.vetoes().count() >= VETO_ASKS_MAX => break,
                None if vetting.is_tired_of(&question.fingerprint) => {}
                None => return Ok(Vetted::Open(Box::new(question))),
            }
        }
        Err(match vetting.vetoes().next_back() {
            None => Refusal::NothingReady(agent.clone()),
            Some(last) => {
                let count = vetting.vetoes().count();
                Refusal::NothingAllowed { agent: agent.clone(), count, last: last.into() }
            }
        })
    }

    fn question(&self, request: &Request, agent: &AgentName, is_named: bool, task: &Task<'_>, now: &Now) -> Question {
        // Where it stands is no part of what it is: an edit elsewhere moves it.
        let task_info = TaskInfo { line: None, ..self.whole(task, now) };
        let mut digest = Sha256::new();
        digest.update(serde_json::to_vec(&task_info).expect("a task serializes: its maps have string keys"));
        let fingerprint = Fingerprint { uid: task.section.uid, digest: super::save::hex(&digest.finalize()) };
        Question { agent: agent.clone(), id: request.id.to_string(), is_named, task: task_info, fingerprint }
    }
}
