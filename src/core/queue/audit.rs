//! The board's text held against what the journal says of each task: where the two differ, field by field.
//!
//! For looking only. Who is right is decided elsewhere (R19).

use crate::core::queue::{
    apply,
    board::Section,
    ledger::{Gone, Record},
    model::Model,
    state::State,
};
use serde::Serialize;
use std::collections::HashSet;

/// One field of one task in which board and journal differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The task's ID.
    pub task: String,
    /// `heading`, `state`, or the property.
    pub field: &'static str,
    /// What the journal says; absent if it says that there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
    /// What the board shows; absent if it shows nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub board: Option<String>,
}

impl Difference {
    /// Whether no edit by hand explains it in a file that Fleet itself saved: headings and states are journaled, what a
    /// person writes into a property drawer is not.
    pub fn is_wrong(&self) -> bool {
        matches!(self.field, "heading" | "state")
    }
}

/// Every difference between the board and the ledger of `model`, but for the tasks in `waiting`, by task and field.
///
/// Of an ID that stands on the board more than once nothing is said.
pub fn differences(model: &Model, waiting: &HashSet<String>) -> Vec<Difference> {
    let repeated = model.board.repeated_ids();
    let mut records: Vec<(&str, &Record)> = model.ledger.records().collect();
    records.sort_unstable_by_key(|(task, _)| *task);
    let told = |task: &str| !waiting.contains(task) && repeated.binary_search_by(|id| id.as_str().cmp(task)).is_err();
    let told = records.into_iter().filter(|(task, _)| told(task));
    told.flat_map(|(task, record)| of_task(model, task, record)).collect()
}

fn of_task(model: &Model, task: &str, record: &Record) -> Vec<Difference> {
    let section = model.home_of(task).map(|at| &model.board.sections()[at]);
    let differs = |field, journal: Option<&str>, board: Option<&str>| {
        (journal != board).then(|| Difference {
            task: task.into(),
            field,
            journal: journal.map(Into::into),
            board: board.map(Into::into),
        })
    };
    let place = match record.gone {
        None => Some("on the board"),
        Some(Gone::Archived | Gone::Removed) => None,
    };
    let shown = section.map(|_| "on the board");
    let (Some(section), Some(_)) = (section, place) else {
        return differs("heading", place, shown).into_iter().collect();
    };
    fields(model, record, section)
        .into_iter()
        .filter_map(|(field, journal, board)| differs(field, journal.as_deref(), board))
        .collect()
}

type Field<'s> = (&'static str, Option<String>, Option<&'s str>);

fn fields<'s>(model: &Model, record: &Record, section: &'s Section) -> Vec<Field<'s>> {
    let mut fields: Vec<Field<'s>> = Vec::new();
    let keywords = &model.board.settings().keywords;
    // A keyword that the board no longer has cannot be shown.
    if keywords.kind(&record.keyword).is_some() || record.keyword.is_empty() {
        let said = Some(record.keyword.clone()).filter(|keyword| !keyword.is_empty());
        fields.push(("state", said, section.keyword()));
    }
    let token = record.token.map(|token| token.to_string());
    if token.is_some() {
        fields.push(("TOKEN", token, section.property("TOKEN")));
    }
    let is_open = !State::of(&record.keyword, keywords).is_closed();
    if record.holder.is_some() || is_open {
        fields.push(("CLAIMED_BY", record.holder.as_ref().map(ToString::to_string), section.property("CLAIMED_BY")));
    }
    if record.attempts > 0 {
        fields.push(("ATTEMPTS", Some(record.attempts.to_string()), section.property("ATTEMPTS")));
    }
    if !record.poison.is_empty() {
        fields.push(("POISON", Some(apply::poison(&record.poison)), section.property("POISON")));
    }
    if record.result.is_some() {
        fields.push(("RESULT", record.result.clone(), section.property("RESULT")));
    }
    fields
}
