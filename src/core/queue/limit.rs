//! How many tasks an agent may hold at once.

use crate::core::{
    id::AgentName,
    queue::{model::Model, ready::Unready},
};

/// What stands in a `#+FLEET_LIMIT:` line for every agent that no line names.
pub const EVERYONE: &str = "*";

/// Why `agent` gets no further task, if it holds as many as it may.
pub fn reached(model: &Model, agent: &AgentName) -> Option<Unready> {
    let limit = limit(model, agent).filter(|limit| *limit > 0)?;
    let mut held: Vec<String> = model
        .ledger
        .records()
        .filter(|(_, record)| record.holder.as_ref() == Some(agent))
        .map(|(task, _)| task.to_owned())
        .collect();
    held.sort_unstable();
    (held.len() >= limit as usize).then_some(Unready::AtLimit { limit, held })
}

/// What the board says, else the configuration. 0 is no limit.
fn limit(model: &Model, agent: &AgentName) -> Option<u32> {
    let limits = model.board.limits();
    let of = |name: &str| limits.iter().rev().find(|(named, _)| named == name).map(|(_, limit)| *limit);
    of(agent.as_str()).or_else(|| of(EVERYONE)).or(Some(model.claims_max))
}
