//! A text that came from outside, held against the journal: per task, who wins (R19).
//!
//! Three sides meet: what the text says, what the journal says, and what the file said when it was last saved.

use crate::core::{
    id::Token,
    queue::{
        board::Section,
        event::{Change, Field},
        ledger::Record,
        model::Model,
        state::State,
    },
};
use std::collections::HashMap;

/// More reopened or removed tasks than this, and more than a tenth of those known, is a conflict.
pub const SURPRISES_MAX: usize = 5;

/// What a merge found.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// Changes by hand, to be journaled in this order.
    pub by_hand: Vec<Change>,
    /// Tasks whose heading must be made to show what the journal says.
    pub restore: Vec<String>,
    /// Headings that are old copies from before their task was given its ID: uid and ID.
    pub stamped: Vec<(u64, String)>,
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
    /// Both say the same.
    Same,
    /// The text does not show yet what the journal knows.
    Journal,
    /// The text shows what was true once.
    StaleCopy,
    /// The text was changed by hand.
    Person,
}

/// Compares every task the journal knows with the board's text.
pub fn merge(model: &Model) -> Merged {
    let mut merge = Merge { model, unnamed: unnamed(model), found: Merged::default(), surprises: Vec::new() };
    let mut known: Vec<(&str, &Record)> = model.ledger.records().collect();
    known.sort_unstable_by_key(|(task, record)| (record.last, *task));
    for (task, record) in &known {
        merge.task(task, record);
    }
    merge.finish(known.len())
}

struct Merge<'m> {
    model: &'m Model,
    /// Task headings without any ID, by title.
    unnamed: HashMap<&'m str, Vec<usize>>,
    found: Merged,
    surprises: Vec<&'m str>,
}

fn unnamed(model: &Model) -> HashMap<&str, Vec<usize>> {
    let mut unnamed: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, section) in model.board.sections().iter().enumerate() {
        if section.state.is_some() && section.id().is_none() && !model.stamped.contains_key(&section.uid) {
            unnamed.entry(section.title()).or_default().push(at);
        }
    }
    unnamed
}

impl<'m> Merge<'m> {
    fn task(&mut self, task: &'m str, record: &'m Record) {
        if let Some(at) = self.model.place_of(task) {
            return self.present(task, record, at);
        }
        if record.gone.is_some() {
            return;
        }
        // Only of what the file once had can there be an old copy; another heading may have the same title by chance.
        let copies = self.unnamed.get_mut(record.title.as_str());
        match copies.filter(|_| record.base.in_file && !record.title.is_empty()).map(Vec::as_mut_slice) {
            Some(&mut [at]) => {
                self.unnamed.remove(record.title.as_str());
                self.found.stamped.push((self.model.board.sections()[at].uid, task.into()));
                self.present(task, record, at);
                self.found.restore.push(task.into());
            }
            _ => self.absent(task, record),
        }
    }

    fn present(&mut self, task: &'m str, record: &'m Record, at: usize) {
        let section = &self.model.board.sections()[at];
        if self.model.leaving.contains(&section.uid) {
            return;
        }
        let shown = section.keyword().unwrap_or_default();
        if record.gone.is_some() {
            self.found.by_hand.push(Change::Returned { task: task.into(), keyword: shown.into() });
            return;
        }
        let can_show = self.model.board.settings().keywords.kind(&record.keyword).is_some();
        match judge(record, section, can_show) {
            Side::Same => {}
            Side::Journal => self.found.restore.push(task.into()),
            Side::StaleCopy => {
                self.found.restore.push(task.into());
                let notice =
                    format!("`{task}` on the board was an old copy: the journal's state {} holds", record.keyword);
                self.found.notices.push(notice);
            }
            Side::Person => self.by_hand(task, record, shown),
        }
    }

    fn by_hand(&mut self, task: &'m str, record: &'m Record, shown: &str) {
        let keywords = &self.model.board.settings().keywords;
        if State::of(&record.keyword, keywords).is_closed() && !State::of(shown, keywords).is_closed() {
            self.surprises.push(task);
        }
        self.found.by_hand.push(Change::Edited {
            task: task.into(),
            field: Field::State,
            from: Some(record.keyword.clone()),
            to: Some(shown.to_owned()).filter(|keyword| !keyword.is_empty()),
        });
    }

    fn absent(&mut self, task: &'m str, record: &'m Record) {
        if !record.base.in_file && record.heading.is_some() {
            return self.found.recover.push(task.into());
        }
        let archived = State::of(&record.keyword, &self.model.board.settings().keywords).is_closed();
        // A heading that no file ever had went with the text that it was typed into.
        if record.base.in_file && !archived {
            self.surprises.push(task);
        }
        self.found.by_hand.push(Change::Removed { task: task.into(), archived });
    }

    fn finish(mut self, known: usize) -> Merged {
        if self.surprises.len() > SURPRISES_MAX && self.surprises.len() * 10 > known {
            self.found.conflict = Some(format!(
                "{} tasks were reopened or removed at once ({}, …): `M-x fleet-resolve` accepts the text as it is",
                self.surprises.len(),
                self.surprises[..3].join(", ")
            ));
        }
        self.found
    }
}

/// Whether a heading carries the TOKEN of an earlier claim than the journal's last: part of it is an old copy.
pub fn has_old_token(heading: &Section, record: &Record) -> bool {
    let token = heading.property("TOKEN").and_then(|token| token.parse::<Token>().ok());
    token.zip(record.token).is_some_and(|(token, latest)| token.is_before(latest))
}

/// Whether a heading shows a time stamp that its task had before it came again.
fn shows_old_stamp(heading: &Section, record: &Record) -> bool {
    let shown = [(heading.deadline(), &record.deadline), (heading.scheduled(), &record.scheduled)];
    shown.into_iter().any(|(shown, replanned)| {
        shown.zip(replanned.as_ref()).is_some_and(|(shown, replanned)| replanned.is_behind(shown))
    })
}

/// Who is right about a task; the board `can_show` the journal's state only if it still has that keyword.
fn judge(record: &Record, heading: &Section, can_show: bool) -> Side {
    let shown = heading.keyword().unwrap_or_default();
    let token = heading.property("TOKEN").and_then(|token| token.parse::<Token>().ok());
    let is_old = has_old_token(heading, record);
    if shown == record.keyword {
        return if is_old || shows_old_stamp(heading, record) { Side::Journal } else { Side::Same };
    }
    if !can_show && !record.keyword.is_empty() {
        return Side::Same;
    }
    if shown == record.base.keyword {
        // A state that the person set and never saved went with the text it stood in (R18).
        return if record.is_by_hand() { Side::Person } else { Side::Journal };
    }
    let is_stale = match token {
        _ if record.token.is_none() => false,
        None => shown == record.claimed_from,
        Some(_) if token == record.token => record.written.iter().any(|keyword| keyword == shown),
        Some(_) => is_old && token != record.base.token,
    };
    if is_stale { Side::StaleCopy } else { Side::Person }
}

#[cfg(test)]
mod tests;
