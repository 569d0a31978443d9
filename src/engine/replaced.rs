//! A text that came from outside: held against the journal, and made to show what the journal decided (R12, R18, R19).

use super::{Engine, apply::Work};
use crate::core::{
    queue::{
        archive,
        event::{Actor, Change, Event},
        merge::{self, Merged},
    },
    time::Now,
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// How many notices of one merge are kept; a count stands for the rest.
const MERGE_NOTICES_MAX: usize = 5;
/// How many records of the journal are read at a time.
const RECORDS_PER_PAGE: usize = 10_000;

impl Engine {
    /// Takes over a text that replaced the old one as a whole (revert, recover, git checkout): who is right about each
    /// task is found by R19. The text's owner applies what is pending afterwards.
    ///
    /// Blocks for one fdatasync if something was changed by hand.
    pub fn replaced(&mut self, text: &str, now: &Now) -> Result<(), String> {
        let total = text.chars().count() as u64;
        let window = self.model.board.window(0, 0, total);
        self.model.board.splice(&window, text);
        self.model.held.clear();
        self.model.missing.clear();
        self.merge(now)
    }

    /// Accepts a text that undid much at once as the person's will (R19). False if there is nothing to accept.
    pub fn resolve(&mut self, now: &Now) -> Result<bool, String> {
        if !self.in_conflict {
            return Ok(false);
        }
        // Agents may have reported since, so that the difference is taken anew.
        let merged = merge::merge(&self.model);
        self.lift_conflict();
        self.settle_merged(merged, now)?;
        Ok(true)
    }

    /// Holds the text against the journal and queues what the text must be made to show.
    pub(super) fn merge(&mut self, now: &Now) -> Result<(), String> {
        self.planned = None;
        self.lift_conflict();
        let mut waiting = self.unsaved_events()?;
        self.find_homes();
        self.find_unstamped(&waiting);
        let returned = self.leave_again(&mut waiting);
        let mut merged = merge::merge(&self.model);
        let added: HashSet<&str> = waiting.iter().filter_map(|(_, event)| added(event)).collect();
        // What was added and never saved is added again.
        merged.recover.retain(|task| !added.contains(task.as_str()));
        let is_returned = |task: &String| returned.iter().any(|change| change.task() == Some(task));
        merged.by_hand.retain(|change| !matches!(change, Change::Returned { task, .. } if is_returned(task)));
        // One that was to get its ID in the archive gets it on the board.
        merged.restore.extend(returned.iter().filter_map(|change| change.task().map(Into::into)));
        merged.by_hand.extend(returned.iter().cloned());
        merged
            .by_hand
            .retain(|change| !matches!(change, Change::Removed { task, .. } if added.contains(task.as_str())));
        // A heading comes back before the events that happened to it.
        self.queue = merged.recover.drain(..).map(Work::Recover).collect();
        // Between them there may have been edits by hand that are void now: in the end the text must show where it ended.
        let is_moved =
            |event: &Event| event.change.transition().is_some() || matches!(event.change, Change::Added { .. });
        let moved = waiting.iter().filter(|(_, event)| is_moved(event));
        let moved: BTreeSet<String> = moved.filter_map(|(_, event)| event.change.task().map(Into::into)).collect();
        merged.restore.retain(|task| !moved.contains(task));
        merged.restore.extend(moved);
        self.queue.extend(waiting.into_iter().map(|(number, event)| Work::Event(number, Box::new(event))));
        if let Some(conflict) = merged.conflict.take() {
            self.in_conflict = true;
            self.model.stopped = Some(conflict);
            return Ok(());
        }
        self.settle_merged(merged, now)
    }

    fn settle_merged(&mut self, merged: Merged, now: &Now) -> Result<(), String> {
        self.model.stamped.extend(merged.stamped);
        self.queue.extend(merged.restore.into_iter().map(Work::Restore));
        let surplus = merged.notices.len().saturating_sub(MERGE_NOTICES_MAX);
        merged.notices.into_iter().take(MERGE_NOTICES_MAX).for_each(|notice| self.notice(notice));
        if surplus > 0 {
            self.notice(format!("{surplus} more tasks on the board were old copies"));
        }
        self.commit_inside(Actor::Human, merged.by_hand, now.wall)
    }

    fn lift_conflict(&mut self) {
        if std::mem::take(&mut self.in_conflict) && self.log.stopped().is_none() {
            self.model.stopped = None;
        }
    }

    /// Of headings with the same ID the one with the journal's token is the task, else the first (R17).
    fn find_homes(&mut self) {
        for id in self.model.board.repeated_ids() {
            let record = self.model.ledger.record(&id);
            let keyword = record.map(|record| record.keyword.clone());
            let token = record.and_then(|record| record.token).map(|token| token.to_string());
            self.model.settle_home(&id, |section| {
                let has_token = token.is_some() && section.property("TOKEN") == token.as_deref();
                2 * u8::from(has_token) + u8::from(section.keyword() == keyword.as_deref())
            });
        }
    }

    /// Finds the headings that waiting events are about and that have no ID yet: by the text that a claim saw, else by
    /// their title.
    fn find_unstamped(&mut self, waiting: &[(u64, Event)]) {
        self.model.stamped.clear();
        let stamping = waiting.iter().filter_map(|(_, event)| Some((event.change.stamps()?, &event.change)));
        let stamping: Vec<_> = stamping.filter(|(task, _)| self.model.home_of(task).is_none()).collect();
        if stamping.is_empty() {
            return;
        }
        let mut unnamed: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, section) in self.model.board.sections().iter().enumerate() {
            if section.state.is_some() && section.id().is_none() {
                unnamed.entry(section.title()).or_default().push(at);
            }
        }
        for (task, change) in stamping {
            let Some(places) = change.title().and_then(|title| unnamed.get_mut(title)) else { continue };
            let is_same = |at: &usize| match change {
                Change::Archived { digest, .. } => archive::digest(&self.subtree_text(*at)) == *digest,
                change => heading(change) == Some(&self.model.board.sections()[*at].text),
            };
            let place = places.iter().position(is_same).or((!places.is_empty()).then_some(0));
            if let Some(place) = place {
                let at = places.remove(place);
                self.model.stamped.insert(self.model.board.sections()[at].uid, task.to_owned());
            }
        }
    }

    /// The events that the file does not hold and the text must show, oldest first.
    pub(super) fn unsaved_events(&self) -> Result<Vec<(u64, Event)>, String> {
        let mut after = self.waiting.first().map_or(self.saved, |first| self.saved.min(first - 1));
        let mut events = Vec::new();
        loop {
            let page = self.log.read_after(after, RECORDS_PER_PAGE).map_err(|error| super::log::chain(&error))?;
            let Some(last) = page.last() else { return Ok(events) };
            after = last.number;
            for record in
                page.iter().filter(|record| record.number > self.saved || self.waiting.contains(&record.number))
            {
                let event: Event =
                    serde_json::from_str(&record.event).map_err(|error| format!("event {}: {error}", record.number))?;
                if event.change.is_on_board() {
                    events.push((record.number, event));
                }
            }
        }
    }
}

fn added(event: &Event) -> Option<&str> {
    match &event.change {
        Change::Added { task, .. } => Some(task),
        _ => None,
    }
}

fn heading(change: &Change) -> Option<&str> {
    match change {
        Change::Claimed { heading, .. } => Some(heading),
        _ => None,
    }
}
