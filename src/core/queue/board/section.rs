//! One piece of a board: the text before the first heading, or a heading with what follows it.

use crate::core::{
    edit::{TextEdit, apply_edits},
    org::{self, Heading, Settings},
    queue::state::State,
};

/// A piece of the board: the text before the first heading, or one heading with what follows it up to the next one.
#[derive(Clone, Debug)]
pub struct Section {
    /// Names this section for as long as the engine lives, wherever it moves and however it is edited.
    pub uid: u64,
    /// The text, headline first.
    pub text: String,
    /// The heading; absent for the text before the first one.
    pub heading: Option<Heading>,
    /// The state, if the heading is a task.
    pub state: Option<State>,
}

impl Section {
    pub(super) fn read(uid: u64, text: String, settings: &Settings) -> Self {
        let mut section = Self { uid, text, heading: None, state: None };
        section.read_heading(settings);
        section
    }

    pub(super) fn read_heading(&mut self, settings: &Settings) {
        self.heading =
            self.text.starts_with('*').then(|| Heading::read(&self.text, &settings.keywords)).filter(|h| h.level > 0);
        self.state = self.keyword().map(|keyword| State::of(keyword, &settings.keywords));
    }

    /// The TODO keyword.
    pub fn keyword(&self) -> Option<&str> {
        self.heading.as_ref()?.keyword.map(|span| span.of(&self.text))
    }

    /// The title, empty where there is none.
    pub fn title(&self) -> &str {
        self.heading.as_ref().map_or("", |heading| heading.title.of(&self.text))
    }

    /// The property `key` of the heading.
    pub fn property(&self, key: &str) -> Option<&str> {
        self.heading.as_ref()?.property(&self.text, key).map(str::trim).filter(|value| !value.is_empty())
    }

    /// As [`Self::property`], also if it is empty; of the text before the first heading, what its drawer says.
    pub(super) fn own(&self, key: &str) -> Option<&str> {
        match &self.heading {
            Some(heading) => heading.property(&self.text, key),
            None => org::file_property(&self.text, key),
        }
    }

    /// The headline without its newline.
    pub fn headline(&self) -> &str {
        self.heading.as_ref().map_or("", |heading| heading.line.of(&self.text))
    }

    /// The DEADLINE stamp.
    pub fn deadline(&self) -> Option<&str> {
        self.heading.as_ref()?.planning.as_ref()?.deadline.map(|span| span.of(&self.text))
    }

    /// The SCHEDULED stamp.
    pub fn scheduled(&self) -> Option<&str> {
        self.heading.as_ref()?.planning.as_ref()?.scheduled.map(|span| span.of(&self.text))
    }

    /// The ID, by which the journal knows a task.
    pub fn id(&self) -> Option<&str> {
        self.property("ID")
    }

    /// What callers call the task: ID, CUSTOM_ID, leading token or title, the first there is.
    pub fn name(&self) -> &str {
        self.id().unwrap_or_else(|| self.name_without_id())
    }

    /// What the task is called as long as it has no ID.
    pub fn name_without_id(&self) -> &str {
        self.handle().unwrap_or_else(|| self.title())
    }

    /// The name that becomes the ID of a heading that has none: CUSTOM_ID or leading token.
    pub fn handle(&self) -> Option<&str> {
        self.property("CUSTOM_ID").or_else(|| self.heading.as_ref()?.leading_token(&self.text))
    }

    /// Whether org hides the heading from task lists.
    pub fn is_hidden(&self) -> bool {
        self.heading
            .as_ref()
            .is_some_and(|heading| heading.commented || heading.own_tags(&self.text).any(|t| t == "ARCHIVE"))
    }

    /// The same section after `edits`, which never make or destroy a heading.
    pub fn edited(&self, edits: &[TextEdit], settings: &Settings) -> Self {
        let mut section = self.clone();
        section.edit(edits, settings);
        section
    }

    pub(super) fn edit(&mut self, edits: &[TextEdit], settings: &Settings) {
        apply_edits(&mut self.text, edits);
        self.read_heading(settings);
    }

    /// The names under which [`Board::named`](super::Board::named) finds the section.
    pub(in crate::core::queue) fn names(&self) -> Vec<Box<str>> {
        let Some(heading) = &self.heading else { return Vec::new() };
        let names = [self.id(), self.property("CUSTOM_ID"), heading.leading_token(&self.text)];
        names.into_iter().flatten().map(Into::into).collect()
    }
}

impl PartialEq for Section {
    fn eq(&self, other: &Self) -> bool {
        self.uid == other.uid && self.text == other.text
    }
}
