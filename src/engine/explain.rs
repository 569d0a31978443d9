//! What `poll` with `explain` tells: of every open task, why an agent does not get it.

use super::{Engine, answer::TASKS_MAX};
use crate::core::{
    id::AgentName,
    queue::{
        board::Rank,
        limit,
        model::Task,
        ready::{self, Unready},
        refusal,
    },
    time::Now,
    wire::{TaskInfo, Why},
};

/// Where a task stands in the list: what is ready first, what is not on the board last, then as it would be offered.
type Place = (bool, bool, Option<Rank>, usize);

/// The word of readiness and what is behind it.
type Told = (&'static str, Why);

impl Engine {
    /// Every open task with all of `tags`: those that `agent` (or anyone) could claim, best first, then the others.
    pub(super) fn explained(
        &self,
        agent: Option<&AgentName>,
        tags: &[String],
        limit: Option<u32>,
        now: &Now,
    ) -> Vec<TaskInfo> {
        // Looked up once: it is the same for every task, and takes a look at all of them.
        let at_limit = agent.and_then(|agent| limit::reached(&self.model, agent));
        let mut found: Vec<(Place, Task<'_>, Option<Told>)> = Vec::new();
        let ranked = self.model.board.ranks().filter_map(|(rank, at)| Some((Some(rank), self.model.task_at(at)?)));
        let missing = self.model.missing.keys().filter_map(|name| Some((None, self.model.find(name).ok()?)));
        for (rank, task) in ranked.chain(missing) {
            if task.state.is_closed() || !(tags.is_empty() || ready::has_tags(&self.model, &task, tags)) {
                continue;
            }
            let why = self.why(&task, agent, at_limit.as_ref(), now);
            let place = (why.is_some(), rank.is_none(), rank, task.at.unwrap_or(usize::MAX));
            found.push((place, task, why));
        }
        found.sort_by(|(a, one, _), (b, other, _)| (a, one.id).cmp(&(b, other.id)));
        found.truncate(limit.map_or(TASKS_MAX, |limit| limit as usize));
        let told = found.into_iter().map(|(_, task, why)| {
            let (word, why) = why.unzip();
            TaskInfo { unready: word.map(Into::into), why, ..self.brief(&task, now) }
        });
        told.collect()
    }

    /// The word and the details of why `agent` cannot claim `task` now.
    fn why(&self, task: &Task<'_>, agent: Option<&AgentName>, at_limit: Option<&Unready>, now: &Now) -> Option<Told> {
        if let Some(holder) = task.holder() {
            let (word, message) = match agent == Some(holder) {
                true => ("held-by-you", "you hold it".to_owned()),
                false => ("held", format!("`{holder}` holds it")),
            };
            return Some((word, Why { message, agents: vec![holder.to_string()], ..Why::default() }));
        }
        let why = ready::unready(&self.model, task, now)
            .or_else(|| agent.and_then(|agent| ready::unassigned(&self.model, task, agent)))
            .or_else(|| at_limit.cloned());
        match (why, &self.model.halted, &self.model.stopped) {
            (Some(why), _, _) => Some((why.name(), details(task, why))),
            (None, Some(reason), _) => {
                let colon = if reason.is_empty() { "" } else { ": " };
                Some(("halted", Why { message: format!("the fleet is halted{colon}{reason}"), ..Why::default() }))
            }
            (None, None, Some(why)) => Some(("board-stopped", Why { message: why.clone(), ..Why::default() })),
            (None, None, None) => None,
        }
    }
}

fn details(task: &Task<'_>, why: Unready) -> Why {
    let plain = Why { message: refusal::explained(&why), ..Why::default() };
    match why {
        Unready::State(_) => Why { message: format!("it is {}, and nobody holds it", task.keyword), ..plain },
        Unready::Blocked(by) => Why { task: Some(by), ..plain },
        Unready::Scheduled(until) | Unready::Backoff(until) => Why { until: Some(until.to_string()), ..plain },
        Unready::NotAssigned(agents) => Why { agents, ..plain },
        Unready::AtLimit { held, .. } => Why { holds: held, ..plain },
        Unready::BeingEdited
        | Unready::Missing
        | Unready::DuplicateId
        | Unready::Hidden
        | Unready::Poison
        | Unready::TooLarge(_) => plain,
    }
}
