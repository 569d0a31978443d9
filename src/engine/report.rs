//! What `report` tells one agent, from one look at the board.

use super::{Engine, events};
use crate::core::{
    id::AgentName,
    queue::{
        event::{Change, Event},
        model::Task,
        ready,
    },
    time::Now,
    wire::{Failure, TaskInfo},
};

/// How many events `report` tells unless told otherwise.
pub const REPORT_EVENTS_DEFAULT: u32 = 10;
/// The most records at the end of the journal among which `report` looks for them.
const REPORT_RECORDS_MAX: u64 = 200;

impl Engine {
    /// How the board is and how many tasks it has, in one line.
    pub fn summary(&self) -> String {
        let status = self.status();
        let counts: Vec<String> = status.counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
        format!("board {}: {}", status.state, if counts.is_empty() { "no tasks".into() } else { counts.join(", ") })
    }

    /// What `agent` holds, in the order of the board; then at most `limit` tasks that are ready for it, best first.
    pub(super) fn concerning(&self, agent: Option<&AgentName>, limit: Option<u32>, now: &Now) -> Vec<TaskInfo> {
        let is_held = |task: &Task<'_>| agent.is_some() && task.holder() == agent;
        let all = (0..self.model.board.sections().len()).filter_map(|at| self.model.task_at(at));
        let mut tasks = self.listed(all.filter(is_held), None, now);
        tasks.extend(self.listed(ready::ready(&self.model, agent, &[], now), limit, now));
        tasks
    }

    /// The newest `limit` events that somebody made, oldest first; starts and saves are none.
    pub(super) fn recent(&self, limit: Option<u32>) -> Result<Vec<serde_json::Value>, Failure> {
        let limit = limit.unwrap_or(REPORT_EVENTS_DEFAULT) as usize;
        let mut from = self.last().saturating_sub(REPORT_RECORDS_MAX);
        let mut found = Vec::new();
        // One reading is bounded in bytes too, and ends early where headings are large.
        while from < self.last() {
            let page = self.log.read_after(from, REPORT_RECORDS_MAX as usize);
            let page = page.map_err(|error| events::unreadable(&error))?;
            let Some(last) = page.last() else { break };
            from = last.number;
            for record in page {
                let event: Event = serde_json::from_str(&record.event).map_err(|error| events::unreadable(&error))?;
                let is_bookkeeping = matches!(event.change, Change::Opened { .. } | Change::Saving { .. });
                found.extend((!is_bookkeeping).then(|| events::logged(record.number, &event)));
            }
        }
        found.drain(..found.len().saturating_sub(limit));
        Ok(found)
    }
}
