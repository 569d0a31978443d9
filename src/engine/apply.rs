//! What the decided events do to the shown text, one heading at a time (R14, R15).

use super::Engine;
use crate::core::{
    edit::TextEdit,
    queue::{
        apply::{self, MESSAGES_TITLE},
        board::Window,
        event::{Change, Event},
        state::State,
    },
};

/// The title of the heading under which claimed tasks come back that were never saved (R12).
pub const RECOVERED_TITLE: &str = "Recovered";

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
}

/// Which edits to which section.
pub(super) struct Plan {
    at: usize,
    edits: Vec<TextEdit>,
}

impl Work {
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Work::Event(number, _) => Some(*number),
            Work::Cookie(_) | Work::Restore(_) | Work::Recover(_) => None,
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
        while let Some(place) = self.first_possible() {
            let plan = self.plan(&self.queue[place].clone());
            match plan {
                Some(plan) if !plan.edits.is_empty() => {
                    let work = self.queue.remove(place).expect("the place was just found");
                    self.queue.push_front(work);
                    let edit = self.heading_edit(&plan);
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
            self.put(&plan);
            self.finish(0);
        }
    }

    /// Makes every pending edit in the engine's own text: for an owner that has no buffer.
    pub fn apply_all(&mut self) {
        while self.next_edit().is_some() {
            self.confirm();
        }
    }

    /// The first piece of work whose heading is on the board, or that needs none. Earlier work of the same task goes
    /// first, because it is of the same heading.
    fn first_possible(&self) -> Option<usize> {
        self.queue.iter().position(|work| match work {
            Work::Event(_, event) => event.change.task().is_none_or(|task| !self.model.missing.contains_key(task)),
            Work::Cookie(_) | Work::Restore(_) | Work::Recover(_) => true,
        })
    }

    fn finish(&mut self, place: usize) {
        let Some(work) = self.queue.remove(place) else { return };
        let Work::Event(_, event) = work else { return };
        let Some(at) = event.change.task().and_then(|task| self.model.home_of(task)) else { return };
        let uid = self.model.board.sections()[at].uid;
        if event.change.task() == self.model.board.sections()[at].id() {
            self.model.stamped.remove(&uid);
        }
        if (event.change.transition().is_some() || matches!(event.change, Change::Added { .. }))
            && let Some(parent) = self.model.board.parent(at)
        {
            self.queue.push_front(Work::Cookie(self.model.board.sections()[parent].uid));
        }
    }

    fn plan(&self, work: &Work) -> Option<Plan> {
        match work {
            Work::Event(number, event) => self.plan_event(*number, event),
            Work::Cookie(uid) => self.plan_cookie(*uid),
            Work::Restore(task) => self.plan_restore(task),
            Work::Recover(task) => self.plan_recover(task),
        }
    }

    fn plan_event(&self, number: u64, event: &Event) -> Option<Plan> {
        match &event.change {
            Change::Added { task, heading } => {
                self.model.board.with_id(task).is_empty().then(|| self.plan_append(heading))
            }
            Change::Appended { text } => self.plan_message(number, event, text),
            change => {
                let at = self.place_of(change)?;
                let token = event.token(self.model.ledger.epoch, number).map(|token| token.to_string());
                let (text, settings) = (&self.model.board.sections()[at].text, self.model.board.settings());
                Some(Plan { at, edits: apply::to_heading(text, settings, number, token.as_deref(), event) })
            }
        }
    }

    /// The heading that `change` is about: by ID, by the uid that the ID was given to, or by its title.
    fn place_of(&self, change: &Change) -> Option<usize> {
        let task = change.task()?;
        if let Some(at) = self.model.home_of(task) {
            return Some(at);
        }
        if let Some((uid, _)) = self.model.stamped.iter().find(|(_, id)| *id == task) {
            return self.model.board.index_of(*uid, usize::MAX);
        }
        let untold = |at: &usize| self.model.board.sections()[*at].id().is_none();
        let titled: Vec<usize> = self.model.board.titled(change.title()?).into_iter().filter(untold).collect();
        titled.first().copied()
    }

    fn plan_cookie(&self, uid: u64) -> Option<Plan> {
        let at = self.model.board.index_of(uid, usize::MAX)?;
        let section = &self.model.board.sections()[at];
        let title = section.title();
        if !(title.contains("/]") || title.contains("%]") || title.contains('/')) {
            return None;
        }
        let children = (at + 1..self.model.board.sections().len())
            .take_while(|&below| self.model.board.ancestors(below).any(|parent| parent.uid == uid))
            .filter(|&below| self.model.board.parent(below) == Some(at))
            .filter_map(|below| self.model.board.sections()[below].state);
        let states: Vec<State> = children.collect();
        let done = states.iter().filter(|state| state.is_closed()).count();
        Some(Plan { at, edits: apply::cookie(&section.text, self.model.board.settings(), done, states.len()) })
    }

    fn plan_restore(&self, task: &str) -> Option<Plan> {
        let (at, record) = (self.model.home_of(task)?, self.model.ledger.record(task)?);
        let (text, settings) = (&self.model.board.sections()[at].text, self.model.board.settings());
        Some(Plan { at, edits: apply::restore(text, settings, record) })
    }

    fn plan_recover(&self, task: &str) -> Option<Plan> {
        let record = self.model.ledger.record(task)?;
        let heading = record.heading.as_deref().filter(|_| self.model.home_of(task).is_none())?;
        let demoted = format!("*{heading}");
        let shallow = demoted.trim_start_matches('*');
        let title = format!("* {RECOVERED_TITLE}\n");
        let has_title = self.model.board.sections().iter().any(|section| section.title() == RECOVERED_TITLE);
        let text = if has_title { format!("**{shallow}") } else { format!("{title}**{shallow}") };
        Some(self.plan_append(&text))
    }

    /// A heading at the end of the board, in front of a local variables footer.
    fn plan_append(&self, heading: &str) -> Plan {
        let sections = self.model.board.sections();
        let at = sections.len() - 1;
        let text = &sections[at].text;
        let footer = text.rfind("# Local Variables:").filter(|&at| at == 0 || text.as_bytes()[at - 1] == b'\n');
        let end = footer.unwrap_or(text.len());
        let is_fresh_line = end == 0 && at == 0 || text[..end].ends_with('\n') || (end == 0 && at > 0);
        let lead = if is_fresh_line { "" } else { "\n" };
        let tail = if heading.ends_with('\n') { "" } else { "\n" };
        Plan { at, edits: vec![TextEdit::insert(end, format!("{lead}{heading}{tail}"))] }
    }

    /// A line at the end of the message list.
    fn plan_message(&self, number: u64, event: &Event, text: &str) -> Option<Plan> {
        let line = apply::message_line(number, event, text);
        let sections = self.model.board.sections();
        let is_list = |section: &&crate::core::queue::board::Section| {
            section.title() == MESSAGES_TITLE && section.state.is_none()
        };
        let Some(at) = sections.iter().position(|section| is_list(&section)) else {
            return Some(self.plan_append(&format!("* {MESSAGES_TITLE}\n{line}\n")));
        };
        let list = &sections[at].text;
        if list.contains(&apply::marker(number)) {
            return None;
        }
        let footer = list.rfind("\n# Local Variables:").map_or(list.len(), |at| at + 1);
        let end = list[..footer].trim_end().len();
        Some(Plan { at, edits: vec![TextEdit::insert(end, format!("\n{line}"))] })
    }

    fn put(&mut self, plan: &Plan) {
        let text = &self.model.board.sections()[plan.at].text;
        let makes_heading = plan.edits.iter().any(|edit| {
            edit.insert.contains("\n*")
                || (edit.insert.starts_with('*')
                    && (edit.range.start == 0 || text.as_bytes()[edit.range.start - 1] == b'\n'))
        });
        if !makes_heading {
            return self.model.board.edit(plan.at, &plan.edits);
        }
        let mut text = text.clone();
        crate::core::edit::apply_edits(&mut text, &plan.edits);
        let window = Window { sections: plan.at..plan.at + 1, chars: 0..0 };
        self.model.board.splice(&window, &text);
    }

    fn heading_edit(&self, plan: &Plan) -> HeadingEdit {
        let section = &self.model.board.sections()[plan.at];
        let head = self.model.board.chars_before(plan.at);
        let mut text = section.text.clone();
        let changes = plan.edits.iter().map(|edit| {
            let change = TextChange {
                at: head + text[..edit.range.start].chars().count() as u64,
                old: text[edit.range.clone()].to_owned(),
                new: edit.insert.clone(),
            };
            text.replace_range(edit.range.clone(), &edit.insert);
            change
        });
        let changes = changes.collect();
        HeadingEdit { head, headline: section.headline().to_owned(), changes }
    }
}
