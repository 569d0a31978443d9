//! A text that came from outside, held against the journal: per task, who wins (R19).
//!
//! Three ways meet: what the text says, what the journal says, and what the file said when it was last saved.

use crate::core::queue::{
    event::{Change, Field},
    ledger::{Gone, Record},
    model::Model,
    state::State,
};

/// More reopened or removed tasks than this, and more than a tenth of those known, is a conflict.
pub const SURPRISES_MAX: usize = 5;

/// What a merge found.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// Changes by hand, to be journaled in this order.
    pub by_hand: Vec<Change>,
    /// Tasks whose heading must be made to show what the journal says.
    pub restore: Vec<String>,
    /// Claimed tasks whose heading was never saved and is not on the board.
    pub recover: Vec<String>,
    /// Things the person should know.
    pub notices: Vec<String>,
    /// So much was undone at once that a person must say which side is right.
    pub conflict: Option<String>,
}

/// Who is right about one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Same,
    Journal,
    StaleCopy,
    Person,
}

/// Compares every task the journal knows with the board's text.
pub fn merge(model: &Model) -> Merged {
    let mut merged = Merged::default();
    let mut surprises = Vec::new();
    let mut known: Vec<(&str, &Record)> = model.ledger.records().collect();
    known.sort_unstable_by_key(|(_, record)| record.last);
    for (task, record) in &known {
        match model.home_of(task) {
            Some(at) => merge_present(model, task, record, at, &mut merged, &mut surprises),
            None => merge_absent(model, task, record, &mut merged, &mut surprises),
        }
    }
    if surprises.len() > SURPRISES_MAX && surprises.len() * 10 > known.len() {
        merged.conflict = Some(format!(
            "{} tasks were reopened or removed at once ({}, …): `M-x fleet-resolve` accepts the text as it is",
            surprises.len(),
            surprises.iter().take(3).copied().collect::<Vec<_>>().join(", ")
        ));
    }
    merged
}

fn merge_present<'m>(
    model: &Model,
    task: &'m str,
    record: &Record,
    at: usize,
    merged: &mut Merged,
    surprises: &mut Vec<&'m str>,
) {
    let section = &model.board.sections()[at];
    let shown = section.keyword().unwrap_or_default();
    if record.gone.is_some() {
        merged.by_hand.push(Change::Returned { task: task.into(), keyword: shown.into() });
        return;
    }
    match judge(record, shown, section.property("TOKEN")) {
        Side::Same => {}
        Side::Journal => merged.restore.push(task.into()),
        Side::StaleCopy => {
            merged.restore.push(task.into());
            merged
                .notices
                .push(format!("`{task}` on the board was an old copy: the journal's state {} holds", record.keyword));
        }
        Side::Person => {
            let keywords = &model.board.settings().keywords;
            if State::of(&record.keyword, keywords).is_closed() && !State::of(shown, keywords).is_closed() {
                surprises.push(task);
            }
            merged.by_hand.push(Change::Edited {
                task: task.into(),
                field: Field::State,
                from: Some(record.keyword.clone()),
                to: Some(shown.into()).filter(|keyword: &String| !keyword.is_empty()),
            });
        }
    }
}

fn judge(record: &Record, shown: &str, token: Option<&str>) -> Side {
    if shown == record.keyword {
        return Side::Same;
    }
    if record.saved_keyword.as_deref().unwrap_or(&record.claimed_from) == shown {
        return Side::Journal;
    }
    let Some(latest) = record.token else { return Side::Person };
    let is_latest = token == Some(latest.to_string().as_str());
    let was_written = record.written.iter().any(|keyword| keyword == shown);
    if (is_latest && was_written) || (!is_latest && shown == record.claimed_from) {
        Side::StaleCopy
    } else {
        Side::Person
    }
}

fn merge_absent<'m>(model: &Model, task: &'m str, record: &Record, merged: &mut Merged, surprises: &mut Vec<&'m str>) {
    if record.gone.is_some() {
        return;
    }
    if record.saved_keyword.is_some() {
        let archived = State::of(&record.keyword, &model.board.settings().keywords).is_closed();
        if !archived {
            surprises.push(task);
        }
        merged.by_hand.push(Change::Removed { task: task.into(), archived });
    } else if record.heading.is_some() && model.board.titled(&record.title).is_empty() {
        merged.recover.push(task.into());
    }
}

impl Record {
    /// Whether the heading went to an archive.
    pub fn is_archived(&self) -> bool {
        self.gone == Some(Gone::Archived)
    }
}
