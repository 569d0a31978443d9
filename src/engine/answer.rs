//! Replies: what a caller gets to see of tasks, events and the owner.

use super::Engine;
use crate::core::{
    id::AgentName,
    org,
    queue::{
        decide,
        event::Actor,
        ledger::{Answered, Failed},
        model::Task,
        ready,
        refusal::Refusal,
        state::State,
    },
    time::Now,
    wire::{Call, Failure, FailureInfo, Reply, Request, StatusInfo, TaskInfo},
};
use std::collections::BTreeMap;

/// How many tasks `poll` and `list` return unless told otherwise.
pub const TASKS_MAX: usize = 10_000;

/// A refusal as callers see it.
pub(super) fn failure(refusal: &Refusal) -> Failure {
    Failure {
        code: refusal.code(),
        reason: refusal.reason().into(),
        message: refusal.to_string(),
        hint: refusal.hint(),
        holder: refusal.holder().cloned(),
    }
}

fn failure_info(failed: &Failed) -> FailureInfo {
    let Failed { agent, at, cause, reason } = failed.clone();
    FailureInfo { agent, at: at.to_string(), cause: cause.name().into(), reason }
}

impl Engine {
    /// The reply to a request that became event `number`.
    pub(super) fn answer_changed(&self, request: &Request, number: u64, now: &Now) -> Reply {
        let answered = self.answered_by(request, number);
        let reply = self.outcome(request, number, answered.and_then(|answered| answered.task.as_deref()), now);
        Reply { late: answered.is_some_and(|answered| answered.late), ..reply }
    }

    /// The reply to a request that was carried out before (R5).
    pub(super) fn answer_repeated(&self, request: &Request, answered: &Answered, now: &Now) -> Reply {
        let mut reply = self.outcome(request, answered.number, answered.task.as_deref(), now);
        reply.replayed = true;
        reply.late = answered.late;
        let record = answered.task.as_deref().and_then(|task| self.model.ledger.record(task));
        reply.current = Some(record.is_none_or(|record| record.last_transition <= answered.number));
        reply
    }

    /// The reply to a request that only reads.
    pub(super) fn answer_read(&self, request: &Request, now: &Now) -> Reply {
        let mut reply = Reply::ok(&request.id);
        reply.number = Some(self.last());
        match &request.call {
            Call::Poll { tags, limit, explain } => {
                let agent = request.agent.as_ref();
                reply.tasks = Some(if *explain {
                    self.explained(agent, tags, *limit, now)
                } else {
                    self.listed(ready::ready(&self.model, agent, tags, now), *limit, now)
                });
                let refusal = agent.and_then(|agent| decide::within_limit(&self.model, agent).err());
                reply.notices.extend(refusal.map(|refusal| refusal.to_string()));
            }
            Call::List { state, tags, holder, limit } => {
                let wanted = |task: &Task<'_>| self.is_wanted(task, state.as_deref(), tags, holder.as_ref());
                let all = (0..self.model.board.sections().len()).filter_map(|at| self.model.task_at(at));
                reply.tasks = Some(self.listed(all.filter(wanted), *limit, now));
            }
            Call::Show { task } => match decide::show(&self.model, task) {
                Ok(task) => reply.task = Some(self.whole(&task, now)),
                Err(refusal) => return Reply::refused(Some(&request.id), failure(&refusal)),
            },
            Call::Renew { task, token, .. } => {
                reply.fenced = Some(token.is_some());
                reply.task = self.model.find(task).ok().map(|task| self.brief(&task, now));
                if reply.task.as_ref().is_some_and(|task| task.unready.as_deref() == Some("missing")) {
                    reply.board = Some("missing".into());
                }
            }
            Call::Status => reply.status = Some(self.status()),
            Call::Report { limit, events } => match self.recent(*events) {
                Ok(recent) => {
                    reply.status = Some(self.status());
                    reply.tasks = Some(self.concerning(request.agent.as_ref(), *limit, now));
                    reply.events = Some(recent);
                }
                Err(failure) => return Reply::refused(Some(&request.id), failure),
            },
            Call::Archive { .. } => match self.archive_preview(&request.call, now) {
                Ok(archiving) => {
                    reply.tasks = Some(archiving.tasks);
                    reply.notices = archiving.notices;
                }
                Err(failure) => return Reply::refused(Some(&request.id), failure),
            },
            Call::Log { .. } => match self.events(&request.call) {
                Ok(events) => reply.events = Some(events),
                Err(failure) => return Reply::refused(Some(&request.id), failure),
            },
            _ => unreachable!("changing verbs are answered elsewhere"),
        }
        if let Some(why) = &self.model.stopped {
            reply.notices.push(why.clone());
        }
        reply
    }

    fn outcome(&self, request: &Request, number: u64, task: Option<&str>, now: &Now) -> Reply {
        let mut reply = Reply::ok(&request.id);
        reply.number = Some(number);
        reply.applied = Some(!self.queue.iter().any(|work| work.number() == Some(number)));
        let found = task.and_then(|task| self.model.find(task).ok());
        reply.task = found.map(|task| match request.call {
            Call::Claim { .. } => self.whole(&task, now),
            _ => self.brief(&task, now),
        });
        match &request.call {
            Call::Claim { .. } => reply.token = Some(self.model.ledger.token(number)),
            Call::Done { token, .. } => {
                reply.fenced = Some(token.is_some());
                let record = task.and_then(|task| self.model.ledger.record(task));
                reply.repeats = record.is_some_and(|record| record.repeated == number);
            }
            Call::Fail { token, .. } | Call::Release { token, .. } | Call::Note { token, .. } => {
                reply.fenced = Some(token.is_some());
            }
            _ => {}
        }
        if found.is_some_and(|task| task.at.is_none()) {
            reply.board = Some("missing".into());
        }
        reply
    }

    /// What is remembered of event `number`, which this request became.
    fn answered_by(&self, request: &Request, number: u64) -> Option<&Answered> {
        let actor = Actor::Agent(request.agent.clone()?);
        self.model.ledger.answered(&actor, &request.id).filter(|answered| answered.number == number)
    }

    pub(super) fn listed<'t>(
        &self,
        tasks: impl Iterator<Item = Task<'t>>,
        limit: Option<u32>,
        now: &Now,
    ) -> Vec<TaskInfo> {
        let limit = limit.map_or(TASKS_MAX, |limit| limit as usize);
        tasks.take(limit).map(|task| self.brief(&task, now)).collect()
    }

    fn is_wanted(&self, task: &Task<'_>, state: Option<&str>, tags: &[String], holder: Option<&AgentName>) -> bool {
        let in_state = state.is_none_or(|state| task.state.name() == state || task.keyword == state);
        let held = holder.is_none_or(|holder| task.holder() == Some(holder));
        in_state && held && (tags.is_empty() || ready::has_tags(&self.model, task, tags))
    }

    /// One line's worth of a task.
    pub(super) fn brief(&self, task: &Task<'_>, now: &Now) -> TaskInfo {
        let text = task.section.text.as_str();
        let heading = task.section.heading.as_ref();
        let priority = heading.and_then(|heading| heading.priority).map(|span| span.of(text));
        let record = task.record;
        TaskInfo {
            name: task.id.unwrap_or_else(|| task.section.name()).into(),
            title: task.section.title().into(),
            state: task.state.name().into(),
            keyword: task.keyword.into(),
            priority: priority.map(|cookie| cookie.trim_start_matches("[#").trim_end_matches(']').into()),
            tags: task.at.map(|at| self.model.board.tags(at).into_iter().map(Into::into).collect()).unwrap_or_default(),
            deadline: task.deadline().map(Into::into),
            scheduled: task.scheduled().map(Into::into),
            holder: task.holder().cloned(),
            token: record.filter(|record| record.holder.is_some()).and_then(|record| record.token),
            lease_ms: task.id.zip(record).and_then(|(id, record)| self.model.leases.left_ms(id, record)),
            attempts: task.attempts(),
            cause: record
                .filter(|_| task.state == State::Failed)
                .and_then(|record| record.failures.back())
                .map(|failure| failure.cause.name().into()),
            poison: task.is_poison(),
            not_before: record
                .and_then(|record| record.not_before)
                .filter(|at| *at > now.wall)
                .map(|at| at.to_string()),
            result: record
                .and_then(|record| record.result.clone())
                .or_else(|| task.section.property("RESULT").map(Into::into)),
            unready: self.unready_word(task, now),
            ..TaskInfo::default()
        }
    }

    fn unready_word(&self, task: &Task<'_>, now: &Now) -> Option<String> {
        let is_oddity = task.is_held || task.is_copy || task.at.is_none();
        if task.state != State::Pending && !is_oddity {
            return None;
        }
        let word = match task {
            Task { at: None, .. } => Some("missing"),
            Task { is_copy: true, .. } => Some("duplicate-id"),
            Task { is_held: true, .. } => Some("being-edited"),
            _ => ready::unready(&self.model, task, now).map(|why| why.name()),
        };
        word.map(Into::into)
    }

    /// A task with body, properties and place.
    pub(super) fn whole(&self, task: &Task<'_>, now: &Now) -> TaskInfo {
        let mut info = self.brief(task, now);
        let failures = task.record.into_iter().flat_map(|record| &record.failures);
        info.failures = failures.map(failure_info).collect();
        let door = task.record.filter(|record| record.holder.is_some()).and_then(|record| record.door);
        info.door = door.map(|(via, auth)| format!("{}/{}", via.name(), auth.name()));
        let text = task.section.text.as_str();
        let Some(heading) = &task.section.heading else { return info };
        info.line = task.at.map(|at| self.model.board.line_of(at));
        info.body = Some(org::body_text(text, heading, self.model.board.settings()).trim_end().to_owned());
        let entries = heading.drawer.iter().flat_map(|drawer| &drawer.entries);
        info.properties =
            entries.map(|entry| (entry.key.of(text).to_owned(), entry.value.of(text).trim().to_owned())).collect();
        info
    }

    pub(super) fn status(&self) -> StatusInfo {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for at in 0..self.model.board.sections().len() {
            if let Some(task) = self.model.task_at(at) {
                *counts.entry(task.state.name().into()).or_default() += 1;
            }
        }
        let (state, detail) = self.condition();
        StatusInfo {
            version: env!("CARGO_PKG_VERSION").into(),
            owner: self.kind.into(),
            pid: std::process::id(),
            path: self.path().display().to_string(),
            state: state.into(),
            detail,
            number: self.last(),
            unapplied: self.queue.iter().filter(|work| work.number().is_some()).count() as u64,
            unsaved: self.unsaved,
            waiting: self.waiters as u64,
            counts,
            notices: self.notices.iter().cloned().chain(self.model.board.remarks()).collect(),
        }
    }

    fn condition(&self) -> (&'static str, Option<String>) {
        if let Some(why) = self.log.stopped() {
            return ("stopped", Some(format!("the journal stopped: {why}; repair the disk, then restart the daemon")));
        }
        match (&self.model.stopped, &self.paused) {
            (Some(why), _) => ("conflict", Some(why.clone())),
            (None, Some(why)) if !self.path().exists() => ("file-missing", Some(why.clone())),
            (None, Some(why)) => ("save-paused", Some(why.clone())),
            (None, None) => ("ok", None),
        }
    }
}
