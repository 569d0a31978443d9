//! The person's edits: seen at once, held while they last, settled as events of their own (R10–R13, R17, R19).

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

/// How many notices of one merge are kept; a count stands for the rest.
const MERGE_NOTICES_MAX: usize = 5;

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
        let spliced = self.model.board.splice(window, text);
        self.hold(spliced, now);
    }

    /// Takes over a whole text whose changes nobody reported.
    pub fn resync_all(&mut self, text: &str, now: &Now) {
        let total = text.chars().count() as u64;
        let window = self.model.board.window(0, 0, total);
        self.resync(&window, text, now);
    }

    fn hold(&mut self, spliced: Spliced, now: &Now) {
        let Spliced { before, after } = spliced;
        let changed_ms = now.boot_ms;
        let mut gone: Vec<Section> = before;
        for at in after {
            let uid = self.model.board.sections()[at].uid;
            let predecessor = gone.iter().position(|section| section.uid == uid).map(|place| gone.swap_remove(place));
            let predecessor = predecessor.or_else(|| self.welcome_back(at));
            if self.model.board.sections()[at].heading.is_none() {
                continue;
            }
            let uid = self.model.board.sections()[at].uid;
            let held = self.model.held.entry(uid).or_insert(Held { before: predecessor, changed_ms });
            held.changed_ms = changed_ms;
        }
        for section in gone {
            self.miss(section, now);
        }
    }

    /// A heading whose ID is missing comes back: it is the same section again (R17).
    fn welcome_back(&mut self, at: usize) -> Option<Section> {
        let name = self.model.board.sections()[at].name().to_owned();
        let missing = self.model.missing.remove(&name)?;
        self.model.board.adopt(at, missing.section.uid);
        Some(missing.section)
    }

    fn miss(&mut self, section: Section, now: &Now) {
        let held = self.model.held.remove(&section.uid);
        let section = held.and_then(|held| held.before).unwrap_or(section);
        let name = self.model.stamped.get(&section.uid).cloned().unwrap_or_else(|| section.name().to_owned());
        let has_copy = section.id().is_some_and(|id| !self.model.board.with_id(id).is_empty());
        if section.state.is_some() && !name.is_empty() && !has_copy {
            self.model.missing.insert(name, Missing { since_ms: now.boot_ms, section });
        }
    }

    /// Turns edits that rest into events. With `all`, those that do not rest yet as well (a save settles everything).
    ///
    /// Blocks for one fdatasync if there were any. Returns the milliseconds until the next edit may settle, if one waits.
    pub fn settle(&mut self, all: bool, now: &Now) -> Result<Option<u64>, String> {
        let rests = |held: &Held| all || now.boot_ms.saturating_sub(held.changed_ms) >= SETTLE_MS;
        let resting: Vec<u64> = self.model.held.iter().filter(|(_, held)| rests(held)).map(|(uid, _)| *uid).collect();
        let mut changes = Vec::new();
        for uid in resting {
            if let Some(held) = self.model.held.remove(&uid) {
                self.settle_one(uid, held, &mut changes);
            }
        }
        self.settle_missing(all, now, &mut changes);
        self.commit_inside(Actor::Human, changes, now.wall)?;
        Ok(self.next_settling(now))
    }

    /// Whether edits of the person wait to be settled.
    pub fn is_settled(&self) -> bool {
        self.model.held.is_empty() && self.model.missing.is_empty()
    }

    fn next_settling(&self, now: &Now) -> Option<u64> {
        let held = self.model.held.values().map(|held| held.changed_ms + SETTLE_MS);
        let missing = self.model.missing.values().map(|missing| missing.since_ms + MISSING_MS);
        held.chain(missing).min().map(|due| due.saturating_sub(now.boot_ms))
    }

    fn settle_one(&mut self, uid: u64, held: Held, changes: &mut Vec<Change>) {
        let Some(at) = self.model.board.index_of(uid, usize::MAX) else { return };
        let section = &self.model.board.sections()[at];
        let task = self.model.stamped.get(&uid).cloned().unwrap_or_else(|| section.name().to_owned());
        let record = self.model.ledger.record(&task);
        if let (Some(record), Some(keyword)) = (record, section.keyword())
            && record.gone.is_some()
            && self.model.home_of(&task) == Some(at)
        {
            changes.push(Change::Returned { task, keyword: keyword.into() });
            return;
        }
        let Some(before) = held.before else {
            if section.state.is_some() {
                changes.push(Change::Edited {
                    task,
                    field: Field::Heading,
                    from: None,
                    to: Some(section.headline().into()),
                });
            }
            return;
        };
        let decided = record.map(|record| record.keyword.clone());
        let shown = section.keyword().map(str::to_owned);
        let is_state_edit = before.keyword() != shown.as_deref();
        for field in FIELDS {
            let (from, to) = (value(&before, field), value(section, field));
            if from != to {
                let from = if field == Field::State { decided.clone().or(from) } else { from };
                changes.push(Change::Edited { task: task.clone(), field, from, to });
            }
        }
        let waits = self.queue.iter().any(|work| matches!(work, Work::Event(_, e) if e.change.task() == Some(&task)));
        if !is_state_edit && !waits && decided.is_some() && decided != shown {
            self.queue.push_back(Work::Restore(task));
        }
    }

    fn settle_missing(&mut self, all: bool, now: &Now, changes: &mut Vec<Change>) {
        let is_over = |missing: &Missing| all || now.boot_ms.saturating_sub(missing.since_ms) >= MISSING_MS;
        let over: Vec<String> =
            self.model.missing.iter().filter(|(_, missing)| is_over(missing)).map(|(task, _)| task.clone()).collect();
        for task in over {
            let Some(missing) = self.model.missing.remove(&task) else { continue };
            let keywords = &self.model.board.settings().keywords;
            let keyword =
                self.model.ledger.record(&task).map_or(missing.section.keyword(), |r| Some(r.keyword.as_str()));
            let archived = keyword.is_some_and(|keyword| State::of(keyword, keywords).is_closed());
            self.queue.retain(|work| !matches!(work, Work::Event(_, e) if e.change.task() == Some(&task)));
            self.model.stamped.remove(&missing.section.uid);
            changes.push(Change::Removed { task, archived });
        }
    }

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

    /// Holds the text against the journal and queues what the text must be made to show.
    pub(super) fn merge(&mut self, now: &Now) -> Result<(), String> {
        let merged = merge::merge(&self.model);
        self.queue.clear();
        self.planned = None;
        for event in self.unsaved_events()? {
            self.queue.push_back(event);
        }
        self.queue.extend(merged.recover.iter().cloned().map(Work::Recover));
        self.queue.extend(merged.restore.iter().cloned().map(Work::Restore));
        let surplus = merged.notices.len().saturating_sub(MERGE_NOTICES_MAX);
        merged.notices.iter().take(MERGE_NOTICES_MAX).for_each(|notice| self.notice(notice.clone()));
        if surplus > 0 {
            self.notice(format!("{surplus} more tasks on the board were old copies"));
        }
        if let Some(conflict) = merged.conflict {
            self.model.stopped = Some(conflict);
            self.conflict = merged.by_hand;
            return Ok(());
        }
        self.commit_inside(Actor::Human, merged.by_hand, now.wall)
    }

    /// Accepts a text that undid much at once as the person's will (R19). False if there is nothing to accept.
    pub fn resolve(&mut self, now: &Now) -> Result<bool, String> {
        if self.conflict.is_empty() {
            return Ok(false);
        }
        let changes = std::mem::take(&mut self.conflict);
        self.model.stopped = None;
        self.commit_inside(Actor::Human, changes, now.wall)?;
        Ok(true)
    }

    /// The events that the file does not hold and the text must show, oldest first.
    fn unsaved_events(&self) -> Result<Vec<Work>, String> {
        let records = self.log.read_after(self.saved, usize::MAX).map_err(|error| super::log::chain(&error))?;
        let mut works = Vec::new();
        for record in records {
            let event: crate::core::queue::event::Event =
                serde_json::from_str(&record.event).map_err(|error| format!("event {}: {error}", record.number))?;
            if event.change.is_on_board() {
                works.push(Work::Event(record.number, Box::new(event)));
            }
        }
        Ok(works)
    }
}

const FIELDS: [Field; 6] =
    [Field::State, Field::Title, Field::Priority, Field::Tags, Field::Deadline, Field::Scheduled];

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
