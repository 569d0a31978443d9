//! The person's edits while they last: seen at once, held, settled as events of their own (R10, R11, R17).

use super::{Engine, MISSING_MS, SETTLE_MS, apply::Work};
use crate::core::{
    queue::{
        board::{Section, Spliced, Window},
        event::{Actor, Change, Field},
        merge,
        model::{Held, Missing},
        state::State,
    },
    time::Now,
};
use std::collections::HashMap;

impl Engine {
    /// Which characters must be read again when everything between the first `prefix` and the last `suffix` of `total`
    /// may have changed.
    pub fn window(&self, prefix: u64, suffix: u64, total: u64) -> Window {
        self.model.board.window(prefix, suffix, total)
    }

    /// Takes over what the person typed: `text` is what stands in `window` now.
    ///
    /// Nothing is decided yet. Every heading that changed is held until [`Engine::settle`] finds that it rests.
    pub fn resync(&mut self, window: &Window, text: &str, now: &Now) {
        // An edit that was planned for the text as it was is planned anew.
        self.planned = None;
        let keywords = self.model.board.settings().keywords.clone();
        let spliced = self.model.board.splice(window, text);
        self.hold(spliced, now);
        if keywords != self.model.board.settings().keywords {
            self.show_again();
        }
    }

    /// The board has other keywords now: what it could not show before it may show now.
    fn show_again(&mut self) {
        let board = &self.model.board;
        let differing = self.model.ledger.records().filter(|(task, record)| {
            let section = self.model.home_of(task).map(|at| &board.sections()[at]);
            let is_resting = |section: &&Section| !self.model.held.contains_key(&section.uid);
            let differs = |section: &Section| section.keyword() != Some(&record.keyword);
            record.gone.is_none() && section.filter(is_resting).is_some_and(differs)
        });
        let mut tasks: Vec<String> = differing.map(|(task, _)| task.to_owned()).collect();
        tasks.sort_unstable();
        self.queue.extend(tasks.into_iter().map(Work::Restore));
    }

    /// Takes over a whole text whose changes nobody reported.
    pub fn resync_all(&mut self, text: &str, now: &Now) {
        let total = text.chars().count() as u64;
        let window = self.model.board.window(0, 0, total);
        self.resync(&window, text, now);
    }

    fn hold(&mut self, spliced: Spliced, now: &Now) {
        let by_uid: HashMap<u64, usize> =
            spliced.before.iter().enumerate().map(|(place, section)| (section.uid, place)).collect();
        let mut gone: Vec<Option<Section>> = spliced.before.into_iter().map(Some).collect();
        let mut strangers = Vec::new();
        for at in spliced.after {
            let uid = self.model.board.sections()[at].uid;
            let predecessor = by_uid.get(&uid).and_then(|&place| gone[place].take()).or_else(|| self.welcome_back(at));
            let section = &self.model.board.sections()[at];
            if section.heading.is_none() {
                continue;
            }
            let uid = section.uid;
            if predecessor.is_none() {
                strangers.push(uid);
            }
            if let Some(id) = predecessor.as_ref().and_then(|before| self.lost_id(before, at)) {
                self.model.stamped.insert(uid, id);
            }
            if let Some(before) = &predecessor {
                self.bequeath(before, at, now);
            }
            self.hold_one(uid, predecessor, now);
        }
        self.settle_homes(&strangers);
        gone.into_iter().flatten().for_each(|section| self.miss(section, now));
        self.recall_archived(now);
    }

    fn hold_one(&mut self, uid: u64, before: Option<Section>, now: &Now) {
        let changed_ms = now.boot_ms;
        self.model.held.entry(uid).or_insert(Held { before, changed_ms }).changed_ms = changed_ms;
    }

    /// The ID of a task of the journal that was deleted from its heading: it is to be written again.
    fn lost_id(&self, before: &Section, at: usize) -> Option<String> {
        let id = before.id().filter(|_| self.model.board.sections()[at].id().is_none())?;
        (self.model.ledger.record(id).is_some() && self.model.home_of(id).is_none()).then(|| id.to_owned())
    }

    /// A heading whose ID was taken out, and whose ID a copy still has: the copy is the task from now on.
    fn bequeath(&mut self, before: &Section, at: usize, now: &Now) {
        let Some(id) = before.id().filter(|id| self.model.board.sections()[at].id() != Some(id)) else { return };
        let is_home = self.model.homes.get(id).is_none_or(|home| *home == before.uid);
        if let Some(heir) = self.model.home_of(id).filter(|_| is_home && self.model.ledger.record(id).is_some()) {
            self.inherit(id.to_owned(), heir, before.clone(), now);
        }
    }

    /// The section `heir` is the task `id` from now on, as if it had been `before`.
    fn inherit(&mut self, id: String, heir: usize, before: Section, now: &Now) {
        let heir = self.model.board.sections()[heir].uid;
        self.model.homes.insert(id, heir);
        self.model.held.insert(heir, Held { before: Some(before), changed_ms: now.boot_ms });
    }

    /// Where a heading came whose ID is on the board already, the one that had it first keeps it (R17).
    fn settle_homes(&mut self, strangers: &[u64]) {
        for uid in strangers {
            let section = self.model.board.index_of(*uid).map(|at| &self.model.board.sections()[at]);
            let Some(id) = section.and_then(Section::id).map(str::to_owned) else { continue };
            self.model.settle_home(&id, |section| u8::from(!strangers.contains(&section.uid)));
        }
    }

    /// A heading whose ID is missing comes back: it is the same section again (R17).
    fn welcome_back(&mut self, at: usize) -> Option<Section> {
        let section = &self.model.board.sections()[at];
        let is_it = |missing: &Missing| missing.section.id().is_none() || section.id().is_some();
        let name = section.name().to_owned();
        let name = self.model.missing.get(&name).filter(|missing| is_it(missing)).map(|_| name);
        // One that was to get its ID from an event is known by that ID.
        let name = name.or_else(|| self.stamped_alike(section))?;
        let missing = self.model.missing.remove(&name)?;
        self.model.board.adopt(at, missing.section.uid);
        Some(missing.section)
    }

    fn stamped_alike(&self, section: &Section) -> Option<String> {
        if section.id().is_some() {
            return None;
        }
        let alike = self.model.missing.iter().find(|(_, missing)| {
            self.model.stamped.contains_key(&missing.section.uid)
                && missing.section.name_without_id() == section.name_without_id()
        });
        alike.map(|(name, _)| name.clone())
    }

    /// A heading went. If it leaves a copy behind, that one is the task from now on.
    fn miss(&mut self, section: Section, now: &Now) {
        let uid = section.uid;
        let held = self.model.held.remove(&uid);
        if self.model.leaving.remove(&uid) {
            // It was archived before, and is off the board a little earlier than it would have been.
            self.model.stamped.remove(&uid);
            return;
        }
        let is_news = held.as_ref().is_some_and(|held| held.before.is_none());
        let section = held.and_then(|held| held.before).unwrap_or(section);
        let name = self.model.stamped.get(&uid).map_or_else(|| section.name().to_owned(), Clone::clone);
        let is_known = self.model.ledger.record(&name).is_some();
        if name.is_empty() || (!is_known && (is_news || section.state.is_none())) {
            return;
        }
        match self.model.home_of(&name) {
            Some(at) if section.id() == Some(name.as_str()) => {
                if self.model.homes.get(&name).is_none_or(|home| *home == uid) {
                    self.inherit(name, at, section, now);
                }
            }
            _ => {
                self.model.missing.insert(name, Missing { since_ms: now.boot_ms, section: Section { uid, ..section } });
            }
        }
    }

    /// Turns edits that rest into events. With `all`, those that do not rest yet as well (a save settles everything).
    ///
    /// Blocks for one fdatasync if there were any. Returns the milliseconds until the next edit may settle, if one waits.
    pub fn settle(&mut self, all: bool, now: &Now) -> Result<Option<u64>, String> {
        self.fills_archives = true;
        let rests = |held: &Held| all || now.boot_ms.saturating_sub(held.changed_ms) >= SETTLE_MS;
        let board = &self.model.board;
        let resting = self.model.held.iter().filter(|(_, held)| rests(held));
        let mut resting: Vec<(Option<usize>, u64)> = resting.map(|(uid, _)| (board.index_of(*uid), *uid)).collect();
        resting.sort_unstable();
        let mut changes = Vec::new();
        for (at, uid) in resting {
            if let (Some(held), Some(at)) = (self.model.held.remove(&uid), at) {
                self.settle_one(at, held, &mut changes);
            }
        }
        self.settle_missing(all, now, &mut changes);
        if !changes.is_empty() {
            self.planned = None;
        }
        self.commit_inside(Actor::Human, changes, now.wall)?;
        Ok(self.next_settling(now))
    }

    fn next_settling(&self, now: &Now) -> Option<u64> {
        let held = self.model.held.values().map(|held| held.changed_ms + SETTLE_MS);
        let missing = self.model.missing.values().map(|missing| missing.since_ms + MISSING_MS);
        held.chain(missing).min().map(|due| due.saturating_sub(now.boot_ms))
    }

    fn settle_one(&mut self, at: usize, held: Held, changes: &mut Vec<Change>) {
        let section = &self.model.board.sections()[at];
        let id = self.model.tracked(at).map(str::to_owned);
        let record = id.as_deref().and_then(|id| self.model.ledger.record(id));
        let task = id.clone().unwrap_or_else(|| section.name().to_owned());
        if let (Some(record), Some(keyword)) = (record, section.keyword())
            && record.gone.is_some()
        {
            changes.push(Change::Returned { task: task.clone(), keyword: keyword.into() });
            if section.id().is_none() {
                self.queue.push_back(Work::Restore(task));
            }
            return;
        }
        // What looks like a task of the journal but is none, such as a copy, has no say in it.
        if record.is_none() && self.model.ledger.record(&task).is_some() {
            return;
        }
        let decided = record.map(|record| record.keyword.as_str());
        let edited = edited_fields(&task, held.before.as_ref(), section, decided);
        let sets_state = edited.iter().any(|change| matches!(change, Change::Edited { field: Field::State, .. }));
        let cancels = sets_state && record.is_some_and(|record| record.holder.is_some());
        let differs = !sets_state && decided.is_some() && decided != section.keyword();
        let lifts_poison = sets_state && record.is_some_and(|record| !record.poison.is_empty());
        let is_old = record.is_some_and(|record| section.id().is_none() || merge::has_old_token(section, record));
        changes.extend(edited);
        if cancels || differs || is_old || lifts_poison {
            // Behind the events that wait: it makes the heading show where they end.
            self.queue.push_back(Work::Restore(task));
        }
    }

    fn settle_missing(&mut self, all: bool, now: &Now, changes: &mut Vec<Change>) {
        let is_over = |missing: &Missing| all || now.boot_ms.saturating_sub(missing.since_ms) >= MISSING_MS;
        let over = self.model.missing.iter().filter(|(_, missing)| is_over(missing));
        let mut over: Vec<String> = over.map(|(task, _)| task.clone()).collect();
        over.sort_unstable();
        for task in over {
            let Some(missing) = self.model.missing.remove(&task) else { continue };
            let keywords = &self.model.board.settings().keywords;
            let record = self.model.ledger.record(&task);
            let keyword = record.map_or(missing.section.keyword(), |record| Some(record.keyword.as_str()));
            let archived = keyword.is_some_and(|keyword| State::of(keyword, keywords).is_closed());
            self.queue.retain(|work| work.task() != Some(&task));
            self.model.stamped.remove(&missing.section.uid);
            changes.push(Change::Removed { task, archived });
        }
    }
}

/// How much of a field's value the journal keeps, in bytes.
const VALUE_BYTES_MAX: usize = 4_096;

const FIELDS: [Field; 6] =
    [Field::State, Field::Title, Field::Priority, Field::Tags, Field::Deadline, Field::Scheduled];

/// One event per field of `task` that the person changed; `decided` is its keyword in the journal.
fn edited_fields(task: &str, before: Option<&Section>, section: &Section, decided: Option<&str>) -> Vec<Change> {
    let edited = |field, from, to| Change::Edited { task: task.into(), field, from, to };
    let Some(before) = before else {
        let is_new = section.state.is_some() && decided.is_none();
        let headline = is_new.then(|| edited(Field::Heading, None, Some(short(section.headline().into()))));
        return headline.into_iter().collect();
    };
    let changed = FIELDS.into_iter().filter_map(|field| {
        let (shown, to) = (value(before, field), value(section, field));
        if shown == to {
            return None;
        }
        let from = if field == Field::State { decided.map(Into::into).or(shown) } else { shown };
        (from != to).then(|| edited(field, from.map(short), to.map(short)))
    });
    changed.collect()
}

/// A value as the journal keeps it: a person may have pasted anything into a headline.
fn short(mut value: String) -> String {
    let end = (0..=VALUE_BYTES_MAX.min(value.len())).rev().find(|&at| value.is_char_boundary(at)).unwrap_or(0);
    value.truncate(end);
    value
}

fn value(section: &Section, field: Field) -> Option<String> {
    let heading = section.heading.as_ref()?;
    let planning = heading.planning.as_ref();
    let span = match field {
        Field::State => heading.keyword,
        Field::Title => Some(heading.title),
        Field::Priority => heading.priority,
        Field::Tags => heading.tags,
        Field::Deadline => planning.and_then(|planning| planning.deadline),
        Field::Scheduled => planning.and_then(|planning| planning.scheduled),
        Field::Heading => Some(heading.line),
    };
    span.map(|span| span.of(&section.text).to_owned())
}
