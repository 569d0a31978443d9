//! What the decided events do to the shown text, one heading at a time (R14, R15).

use super::{Engine, archive::is_archiving, place};
use crate::core::{
    edit::{TextEdit, apply_edits},
    queue::{
        apply::{self, Extent},
        board::{Section, Window},
        event::{Change, Event},
    },
};

/// One piece of work on the text.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Show an event.
    Event(u64, Box<Event>),
    /// Count the children of this parent anew.
    Cookie(u64),
    /// Make the heading of this task show what the journal says.
    Restore(String),
    /// Bring back the heading of this claimed task.
    Recover(String),
}

/// A change of the text in characters, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextChange {
    /// Where.
    pub at: u64,
    /// What must stand there.
    pub old: String,
    /// What comes instead.
    pub new: String,
}

/// The edits of one heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadingEdit {
    /// Where the section begins, in characters from 0.
    pub head: u64,
    /// Its headline, to be compared with the text before anything is changed; empty for text before the first heading.
    pub headline: String,
    /// The changes, each on the text that the one before left.
    pub changes: Vec<TextChange>,
    /// The keyword before and after, if an agent's verb changes it by this.
    pub moved: Option<(String, String)>,
}

/// Which edits to which section.
pub(super) struct Plan {
    at: usize,
    edits: Vec<TextEdit>,
    /// The edits insert whole headings, or take this one away with all that is below it.
    shape: Shape,
}

/// What a plan does to the list of sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Nothing: it edits one.
    Same,
    /// It inserts some.
    Adds,
    /// It takes away so many.
    Removes(usize),
}

impl Work {
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Work::Event(number, _) => Some(*number),
            Work::Cookie(_) | Work::Restore(_) | Work::Recover(_) => None,
        }
    }

    /// The task whose heading this is about, if it is about one.
    pub(super) fn task(&self) -> Option<&str> {
        match self {
            Work::Event(_, event) => event.change.task(),
            Work::Restore(task) | Work::Recover(task) => Some(task),
            Work::Cookie(_) => None,
        }
    }
}

impl Engine {
    /// How many pieces of work wait for the text.
    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    /// The next edit that the text needs, or `None` when it shows everything that can be shown now.
    ///
    /// The caller makes it and then calls [`Engine::confirm`]. Work whose heading is missing at the moment is passed over.
    pub fn next_edit(&mut self) -> Option<HeadingEdit> {
        self.planned = None;
        if self.fills_archives {
            self.fills_archives = self.fill_archives();
        }
        while let Some(place) = self.first_possible() {
            let plan = self.plan(&self.queue[place]);
            match plan {
                Some(plan) if !plan.edits.is_empty() => {
                    let work = self.queue.remove(place).expect("the place was just found");
                    self.queue.push_front(work);
                    let mut edit = self.heading_edit(&plan);
                    edit.moved = self.moved(&self.queue[0], plan.at);
                    self.planned = Some(plan);
                    return Some(edit);
                }
                _ => self.finish(place),
            }
        }
        None
    }

    /// Tells that the edit of [`Engine::next_edit`] was made.
    pub fn confirm(&mut self) {
        if let Some(plan) = self.planned.take() {
            self.rebase_held(plan.at);
            let parent = self.model.board.parent(plan.at).map(|at| self.model.board.sections()[at].uid);
            self.put(&plan);
            self.finish(0);
            if let (Shape::Removes(_), Some(parent)) = (plan.shape, parent) {
                self.queue.push_front(Work::Cookie(parent));
            }
        }
    }

    /// Makes every pending edit in the engine's own text: for an owner that has no buffer.
    pub fn apply_all(&mut self) {
        while self.next_edit().is_some() {
            self.confirm();
        }
    }

    /// The first piece of work whose heading is on the board, or that needs none. Work on one heading keeps its order:
    /// either all of it is possible or none.
    fn first_possible(&self) -> Option<usize> {
        let is_missing = |task: &str| self.model.missing.contains_key(task);
        // What is not in its archive yet stays on the board.
        let is_kept = |work: &Work| !is_archiving(work) || work.number().is_some_and(|n| self.kept.contains(&n));
        self.queue.iter().position(|work| !work.task().is_some_and(is_missing) && is_kept(work))
    }

    /// The work at `place` is done: what follows from it comes next.
    fn finish(&mut self, place: usize) {
        let Some(Work::Event(number, event)) = self.queue.remove(place) else { return };
        self.kept.remove(&number);
        let Some(at) = event.change.task().and_then(|task| self.model.place_of(task)) else { return };
        let section = &self.model.board.sections()[at];
        if event.change.task() == section.id() {
            self.model.stamped.remove(&section.uid);
        }
        if (event.change.transition().is_some() || matches!(event.change, Change::Added { .. }))
            && let Some(parent) = self.model.board.parent(at)
        {
            self.queue.push_front(Work::Cookie(self.model.board.sections()[parent].uid));
        }
    }

    fn plan(&self, work: &Work) -> Option<Plan> {
        let board = &self.model.board;
        match work {
            Work::Event(_, event) if matches!(event.change, Change::Appended { .. }) => self.plan_message(work, event),
            Work::Event(_, event) => match &event.change {
                Change::Added { task, heading } => {
                    board.with_id(task).next().is_none().then(|| at_end(board.sections(), heading))
                }
                Change::Archived { task, .. } => self.plan_removal(self.model.place_of(task)?),
                change => self.plan_heading(work, self.model.place_of(change.task()?)?),
            },
            Work::Restore(task) => self.plan_heading(work, self.model.place_of(task)?),
            Work::Cookie(uid) => self.plan_heading(work, board.index_of(*uid)?),
            Work::Recover(task) => self.plan_recover(task),
        }
    }

    fn plan_heading(&self, work: &Work, at: usize) -> Option<Plan> {
        let edits = self.heading_edits(work, at, &self.model.board.sections()[at])?;
        Some(Plan { at, edits, shape: Shape::Same })
    }

    /// The heading at `at` goes with all that is below it, but for the file's footer.
    fn plan_removal(&self, at: usize) -> Option<Plan> {
        let sections = self.model.board.subtree(at).len();
        let edits = vec![TextEdit::replace(0..self.subtree_text(at).len(), "")];
        Some(Plan { at, edits, shape: Shape::Removes(sections) })
    }

    /// What `work` does to `section`, which stands or stood at `at`.
    fn heading_edits(&self, work: &Work, at: usize, section: &Section) -> Option<Vec<TextEdit>> {
        let (text, ledger) = (&section.text, &self.model.ledger);
        let settings = &self.model.board.settings_of(at, section);
        match work {
            Work::Event(number, event) => {
                let record = ledger.record(event.change.task()?);
                let latest = record.and_then(|record| record.token).filter(|token| token.number == *number);
                let token = latest.map(|token| token.to_string());
                let extent = apply::extent(section, *number, record);
                Some(apply::to_heading(text, settings, *number, token.as_deref(), event, extent))
            }
            Work::Restore(task) => Some(apply::restore(text, settings, task, ledger.record(task)?)),
            Work::Cookie(_) => {
                let (done, total) = place::children(&self.model.board, at, section)?;
                Some(apply::cookie(text, settings, done, total))
            }
            Work::Recover(_) => None,
        }
    }

    fn plan_recover(&self, task: &str) -> Option<Plan> {
        let record = self.model.ledger.record(task)?;
        let heading = record.heading.as_deref().filter(|_| self.model.place_of(task).is_none())?;
        let mut heading = heading.to_owned();
        let edits = apply::restore(&heading, self.model.board.settings(), task, record);
        apply_edits(&mut heading, &edits);
        Some(place::among_recovered(&self.model.board, &heading).into())
    }

    /// Keyword before and after, if `work` is an agent's change of state that the heading at `at` is about to show.
    fn moved(&self, work: &Work, at: usize) -> Option<(String, String)> {
        let Work::Event(number, event) = work else { return None };
        let (from, to) = event.change.told().filter(|(from, to)| from != to)?;
        let section = &self.model.board.sections()[at];
        let record = self.model.ledger.record(event.change.task()?);
        let is_shown = section.keyword() == Some(from) && apply::extent(section, *number, record) == Extent::Whole;
        is_shown.then(|| (from.to_owned(), to.to_owned()))
    }

    /// A line at the end of the message list.
    fn plan_message(&self, work: &Work, event: &Event) -> Option<Plan> {
        let (Change::Appended { text }, Some(number)) = (&event.change, work.number()) else { return None };
        let line = apply::message_line(number, event, text);
        let sections = self.model.board.sections();
        match place::message_list(sections) {
            None => Some(at_end(sections, &format!("* {}\n{line}\n", apply::MESSAGES_TITLE))),
            Some(at) if apply::shows(&sections[at].text, number) => None,
            Some(at) => {
                let edits = vec![place::line_at_end(&sections[at].text, &line)];
                Some(Plan { at, edits, shape: Shape::Same })
            }
        }
    }

    /// A heading under a person's hands gets our edit as well as what it was before: only what differs then is theirs.
    fn rebase_held(&mut self, at: usize) {
        let uid = self.model.board.sections()[at].uid;
        let Some(before) = self.model.held.get(&uid).and_then(|held| held.before.as_ref()) else { return };
        let Some(edits) = self.heading_edits(&self.queue[0], at, before) else { return };
        let before = before.edited(&edits, self.model.board.settings());
        if let Some(held) = self.model.held.get_mut(&uid) {
            held.before = Some(before);
        }
    }

    fn put(&mut self, plan: &Plan) {
        let board = &mut self.model.board;
        let (sections, text) = match plan.shape {
            Shape::Same => return board.edit(plan.at, &plan.edits),
            Shape::Adds => {
                let mut text = board.sections()[plan.at].text.clone();
                apply_edits(&mut text, &plan.edits);
                (plan.at..plan.at + 1, text)
            }
            Shape::Removes(count) => {
                // What is left of it, a footer, belongs to the section before.
                let range = plan.at - 1..plan.at + count;
                let gone = &board.sections()[plan.at..range.end];
                for section in gone {
                    self.model.leaving.remove(&section.uid);
                    self.model.stamped.remove(&section.uid);
                }
                let mut text: String = gone.iter().map(|section| section.text.as_str()).collect();
                apply_edits(&mut text, &plan.edits);
                (range.clone(), format!("{}{text}", board.sections()[range.start].text))
            }
        };
        board.splice(&Window { sections, chars: 0..0 }, &text);
    }

    fn heading_edit(&self, plan: &Plan) -> HeadingEdit {
        let section = &self.model.board.sections()[plan.at];
        let head = self.model.board.chars_before(plan.at);
        let sections = match plan.shape {
            Shape::Removes(count) => plan.at..plan.at + count,
            Shape::Same | Shape::Adds => plan.at..plan.at + 1,
        };
        let pieces = self.model.board.sections()[sections].iter().map(|section| section.text.as_str());
        let mut text: String = pieces.collect();
        let mut changes = Vec::with_capacity(plan.edits.len());
        for edit in &plan.edits {
            let at = head + text[..edit.range.start].chars().count() as u64;
            let old = text[edit.range.clone()].to_owned();
            changes.push(TextChange { at, old, new: edit.insert.clone() });
            text.replace_range(edit.range.clone(), &edit.insert);
        }
        HeadingEdit { head, headline: section.headline().to_owned(), changes, moved: None }
    }
}

fn at_end(sections: &[Section], heading: &str) -> Plan {
    place::at_end(sections, heading).into()
}

impl From<(usize, TextEdit)> for Plan {
    fn from((at, edit): (usize, TextEdit)) -> Self {
        Self { at, edits: vec![edit], shape: Shape::Adds }
    }
}
