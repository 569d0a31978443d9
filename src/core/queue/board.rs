//! The board's text as a list of sections, one per heading, with an index over it.
//!
//! Each section owns its own piece of the text, so that an edit of one heading moves nothing but that piece, and a
//! change in the buffer is read again only where it happened.

use crate::core::{
    edit::{TextEdit, apply_edits},
    org::{self, Heading, Settings},
    queue::state::State,
};
use std::{collections::HashMap, ops::Range};

/// The deepest chain of parents that is followed.
pub const DEPTH_MAX: usize = 64;

/// A board: its settings, its sections and who is called what.
#[derive(Clone, Debug)]
pub struct Board {
    settings: Settings,
    sections: Vec<Section>,
    /// Characters per section; apart from the sections so that summing them up is fast.
    chars: Vec<u32>,
    /// The index of each section's parent heading; `u32::MAX` where there is none.
    parents: Vec<u32>,
    names: HashMap<Box<str>, Vec<u32>>,
    agents: Vec<String>,
    next_uid: u64,
}

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

/// Why a name does not lead to one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// No task is called that.
    Unknown,
    /// These sections all are.
    Ambiguous(Vec<usize>),
}

/// What a splice of the text did: the sections that are no longer as they were, and where their successors stand.
#[derive(Clone, Debug, Default)]
pub struct Spliced {
    /// Sections that went or changed, as they were.
    pub before: Vec<Section>,
    /// Where the sections now stand that came instead.
    pub after: Range<usize>,
}

impl Section {
    fn read(uid: u64, text: String, settings: &Settings) -> Self {
        let mut section = Self { uid, text, heading: None, state: None };
        section.read_heading(settings);
        section
    }

    fn read_heading(&mut self, settings: &Settings) {
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

    /// The headline without its newline.
    pub fn headline(&self) -> &str {
        self.heading.as_ref().map_or("", |heading| heading.line.of(&self.text))
    }

    /// The ID, by which the journal knows a task.
    pub fn id(&self) -> Option<&str> {
        self.property("ID")
    }

    /// What callers call the task: ID, CUSTOM_ID, leading token or title, the first there is.
    pub fn name(&self) -> &str {
        self.id().or_else(|| self.handle()).unwrap_or_else(|| self.title())
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

    fn has_settings(&self) -> bool {
        self.text.contains("#+") && self.text.lines().any(Settings::is_setting_line)
    }
}

impl Board {
    /// Reads a whole board.
    pub fn read(text: &str) -> Self {
        let settings = Settings::read(text);
        let mut board = Self {
            settings,
            sections: Vec::new(),
            chars: Vec::new(),
            parents: Vec::new(),
            names: HashMap::new(),
            agents: Vec::new(),
            next_uid: 0,
        };
        board.sections = board.cut(text);
        board.index_all();
        board
    }

    /// What the board says about itself.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All sections in board order; the first is the text before the first heading, empty where there is none.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The agents that `#+FLEET_AGENTS:` lines before the first heading name.
    pub fn agents(&self) -> &[String] {
        &self.agents
    }

    /// The whole text.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.sections.iter().map(|section| section.text.len()).sum());
        self.sections.iter().for_each(|section| text.push_str(&section.text));
        text
    }

    /// How many characters the text has.
    pub fn char_count(&self) -> u64 {
        self.chars.iter().map(|&count| u64::from(count)).sum()
    }

    /// How many characters stand before section `at`.
    pub fn chars_before(&self, at: usize) -> u64 {
        self.chars[..at].iter().map(|&count| u64::from(count)).sum()
    }

    /// The line number of section `at`, from 1.
    pub fn line_of(&self, at: usize) -> u64 {
        1 + self.sections[..at]
            .iter()
            .map(|s| memchr::memchr_iter(b'\n', s.text.as_bytes()).count() as u64)
            .sum::<u64>()
    }

    /// The parent headings of section `at`, nearest first.
    pub fn ancestors(&self, at: usize) -> impl Iterator<Item = &Section> {
        let up =
            |&at: &usize| self.parents.get(at).filter(|&&parent| parent != u32::MAX).map(|&parent| parent as usize);
        std::iter::successors(up(&at), move |at| up(at)).take(DEPTH_MAX).map(|at| &self.sections[at])
    }

    /// The index of the parent heading of section `at`.
    pub fn parent(&self, at: usize) -> Option<usize> {
        self.parents.get(at).filter(|&&parent| parent != u32::MAX).map(|&parent| parent as usize)
    }

    /// Whether the heading or one of its parents is commented out or archived.
    pub fn is_hidden(&self, at: usize) -> bool {
        self.sections[at].is_hidden() || self.ancestors(at).any(Section::is_hidden)
    }

    /// Own tags, then inherited ones, without repetition; FILETAGS are left out.
    pub fn tags(&self, at: usize) -> Vec<&str> {
        let mut tags: Vec<&str> = Vec::new();
        for section in std::iter::once(&self.sections[at]).chain(self.ancestors(at)) {
            let Some(heading) = &section.heading else { continue };
            for tag in heading.own_tags(&section.text) {
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
        }
        tags
    }

    /// The sections that carry the name `name` as ID, CUSTOM_ID or leading token.
    pub fn named(&self, name: &str) -> &[u32] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// The sections whose ID is `id`, copies included.
    pub fn with_id(&self, id: &str) -> Vec<usize> {
        let found = self.named(id).iter().map(|&at| at as usize);
        found.filter(|&at| self.sections[at].id() == Some(id)).collect()
    }

    /// Finds the one task called `name` (R25): by ID, else CUSTOM_ID, else leading token, else exact title.
    pub fn resolve(&self, name: &str) -> Result<usize, Unresolved> {
        let named = self.named(name);
        if let [only] = named
            && self.sections[*only as usize].state.is_some()
        {
            return Ok(*only as usize);
        }
        let tasks: Vec<usize> =
            named.iter().map(|&at| at as usize).filter(|&at| self.sections[at].state.is_some()).collect();
        let tiers: [&dyn Fn(&Section) -> bool; 2] =
            [&|s| s.id() == Some(name), &|s| s.property("CUSTOM_ID") == Some(name)];
        for tier in tiers {
            let of_tier: Vec<usize> = tasks.iter().copied().filter(|&at| tier(&self.sections[at])).collect();
            if !of_tier.is_empty() {
                return one(of_tier);
            }
        }
        if !tasks.is_empty() {
            return one(tasks);
        }
        one(self.titled(name))
    }

    /// The tasks with exactly this title.
    pub fn titled(&self, title: &str) -> Vec<usize> {
        let is = |s: &Section| s.state.is_some() && s.title() == title;
        self.sections.iter().enumerate().filter(|(_, section)| is(section)).map(|(at, _)| at).collect()
    }

    /// The index of the section with this `uid`, looked for near `hint` first.
    pub fn index_of(&self, uid: u64, hint: usize) -> Option<usize> {
        if self.sections.get(hint).is_some_and(|section| section.uid == uid) {
            return Some(hint);
        }
        self.sections.iter().position(|section| section.uid == uid)
    }

    /// Makes section `at` the one that was known by `uid`.
    pub fn adopt(&mut self, at: usize, uid: u64) {
        self.sections[at].uid = uid;
    }

    /// Applies edits to section `at`, offsets relative to that section. They never make or destroy a heading.
    pub fn edit(&mut self, at: usize, edits: &[TextEdit]) {
        let names = names_of(&self.sections[at]);
        let section = &mut self.sections[at];
        apply_edits(&mut section.text, edits);
        section.read_heading(&self.settings);
        self.chars[at] = char_len(&section.text);
        if names != names_of(&self.sections[at]) {
            self.forget(at, &names);
            self.learn(at);
        }
    }

    /// Appends headings at the end of the board; the text before must end in a newline.
    pub fn append(&mut self, text: &str) {
        let first = self.sections.len();
        let mut cut = self.cut_from_heading(text);
        self.sections.append(&mut cut);
        for at in first..self.sections.len() {
            self.chars.push(char_len(&self.sections[at].text));
            self.learn(at);
        }
        self.link_parents(first);
    }

    /// The part of the text, in characters, that must be read again when everything between the first `prefix` and the
    /// last `suffix` characters of the new text of `total` characters may have changed: whole sections, and one more in
    /// front, whose tail the change may have grown.
    pub fn window(&self, prefix: u64, suffix: u64, total: u64) -> Window {
        let old_total = self.char_count();
        let prefix = prefix.min(old_total).min(total);
        let suffix = suffix.min(old_total - prefix).min(total - prefix);
        let (mut first, mut before) = (0, 0);
        while first < self.chars.len() && before + u64::from(self.chars[first]) < prefix {
            before += u64::from(self.chars[first]);
            first += 1;
        }
        if first > 0 {
            first -= 1;
            before -= u64::from(self.chars[first]);
        }
        let (mut last, mut behind) = (self.chars.len(), 0);
        while last > first && behind + u64::from(self.chars[last - 1]) < suffix {
            behind += u64::from(self.chars[last - 1]);
            last -= 1;
        }
        Window { sections: first..last, chars: before..total - behind }
    }

    /// Replaces the sections of `window` by what `text` holds.
    pub fn splice(&mut self, window: &Window, text: &str) -> Spliced {
        let range = window.sections.clone();
        let was_setting = self.sections[range.clone()].iter().any(Section::has_settings);
        if was_setting || text.lines().any(Settings::is_setting_line) {
            return self.splice_settings(range, text);
        }
        let fresh = self.cut_window(range.start, text);
        self.exchange(range, fresh)
    }

    /// A change of settings touches every heading: all is read again, and unchanged sections keep their uid.
    fn splice_settings(&mut self, range: Range<usize>, text: &str) -> Spliced {
        let mut whole = String::new();
        self.sections[..range.start].iter().for_each(|section| whole.push_str(&section.text));
        whole.push_str(text);
        self.sections[range.end..].iter().for_each(|section| whole.push_str(&section.text));
        self.settings = Settings::read(&whole);
        let fresh = self.cut(&whole);
        let settings = self.settings.clone();
        self.sections.iter_mut().for_each(|section| section.read_heading(&settings));
        let spliced = self.exchange(0..self.sections.len(), fresh);
        self.index_all();
        spliced
    }

    fn exchange(&mut self, range: Range<usize>, mut fresh: Vec<Section>) -> Spliced {
        let old = &self.sections[range.clone()];
        let same = |(a, b): &(&Section, &Section)| a.text == b.text;
        let head = old.iter().zip(&fresh).take_while(same).count();
        let most = old.len().min(fresh.len()) - head;
        let tail = old.iter().rev().zip(fresh.iter().rev()).take(most).take_while(same).count();
        let inner = range.start + head..range.end - tail;
        let fresh: Vec<Section> = fresh.drain(head..fresh.len() - tail).collect();
        let after = inner.start..inner.start + fresh.len();
        let to_end = inner.end == self.sections.len();
        let same_count = inner.len() == fresh.len();
        for at in inner.clone() {
            let names = names_of(&self.sections[at]);
            self.forget(at, &names);
        }
        self.chars.splice(inner.clone(), fresh.iter().map(|section| char_len(&section.text)));
        let before: Vec<Section> = self.sections.splice(inner, fresh).collect();
        let mut spliced = Spliced { before, after: after.clone() };
        if after.start == 0 || spliced.before.is_empty() {
            self.agents = self.sections.first().map(|preamble| agents_in(&preamble.text)).unwrap_or_default();
        }
        self.keep_uids(&mut spliced);
        if same_count || to_end {
            after.clone().for_each(|at| self.learn(at));
            let levels = |sections: &[Section]| -> Vec<u16> {
                sections.iter().map(|s| s.heading.as_ref().map_or(0, |h| h.level)).collect()
            };
            if !same_count || levels(&spliced.before) != levels(&self.sections[after.clone()]) {
                self.link_parents(after.start);
            }
        } else {
            self.index_all();
        }
        spliced
    }

    /// Gives a changed section the uid of its predecessor: the one with the same name, or the one at the same place when
    /// neither was added or removed.
    fn keep_uids(&mut self, spliced: &mut Spliced) {
        let mut free: Vec<(u64, &str, bool)> =
            spliced.before.iter().map(|section| (section.uid, section.name(), false)).collect();
        let by_place = spliced.before.len() == spliced.after.len();
        for (place, at) in spliced.after.clone().enumerate() {
            let name = self.sections[at].name().to_owned();
            let found = free.iter().position(|(_, old, taken)| !taken && *old == name);
            let found = found.or_else(|| (by_place && !free[place].2).then_some(place));
            if let Some(found) = found {
                free[found].2 = true;
                self.sections[at].uid = free[found].0;
            }
        }
    }

    fn cut(&mut self, text: &str) -> Vec<Section> {
        let first = org::heads(text).next().unwrap_or(text.len());
        let mut sections = vec![self.fresh(text[..first].to_owned())];
        sections.append(&mut self.cut_from_heading(&text[first..]));
        sections
    }

    fn cut_window(&mut self, first: usize, text: &str) -> Vec<Section> {
        if first == 0 { self.cut(text) } else { self.cut_from_heading(text) }
    }

    /// Cuts a text that begins with a heading.
    fn cut_from_heading(&mut self, text: &str) -> Vec<Section> {
        let heads: Vec<usize> = org::heads(text).collect();
        debug_assert!(text.is_empty() || heads.first() == Some(&0), "a window begins at a heading");
        let ends = heads.iter().copied().skip(1).chain([text.len()]);
        heads.iter().zip(ends).map(|(&start, end)| self.fresh(text[start..end].to_owned())).collect()
    }

    fn fresh(&mut self, text: String) -> Section {
        self.next_uid += 1;
        Section::read(self.next_uid, text, &self.settings)
    }

    fn index_all(&mut self) {
        self.agents = self.sections.first().map(|preamble| agents_in(&preamble.text)).unwrap_or_default();
        self.chars = self.sections.iter().map(|section| char_len(&section.text)).collect();
        self.names.clear();
        (0..self.sections.len()).for_each(|at| self.learn(at));
        self.link_parents(0);
    }

    fn link_parents(&mut self, from: usize) {
        self.parents.resize(self.sections.len(), u32::MAX);
        for at in from..self.sections.len() {
            self.parents[at] = u32::MAX;
            let Some(level) = self.sections[at].heading.as_ref().map(|heading| heading.level) else { continue };
            let is_parent = |up: usize| self.sections[up].heading.as_ref().is_some_and(|heading| heading.level < level);
            let mut up = at.checked_sub(1);
            while let Some(candidate) = up.filter(|&candidate| !is_parent(candidate)) {
                up = self.parent(candidate);
            }
            self.parents[at] = up.map_or(u32::MAX, |up| up as u32);
        }
    }

    fn learn(&mut self, at: usize) {
        for name in names_of(&self.sections[at]) {
            let places = self.names.entry(name).or_default();
            if !places.contains(&(at as u32)) {
                places.push(at as u32);
                places.sort_unstable();
            }
        }
    }

    fn forget(&mut self, at: usize, names: &[Box<str>]) {
        for name in names {
            if let Some(places) = self.names.get_mut(name) {
                places.retain(|&place| place as usize != at);
                if places.is_empty() {
                    self.names.remove(name);
                }
            }
        }
    }
}

/// The part of a board that is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// These sections of the old text go.
    pub sections: Range<usize>,
    /// These characters of the new text come instead, counted from 0.
    pub chars: Range<u64>,
}

fn one(found: Vec<usize>) -> Result<usize, Unresolved> {
    match found.as_slice() {
        [] => Err(Unresolved::Unknown),
        [only] => Ok(*only),
        _ => Err(Unresolved::Ambiguous(found)),
    }
}

/// The words of the `#+FLEET_AGENTS:` lines of `preamble`.
fn agents_in(preamble: &str) -> Vec<String> {
    const KEY: &str = "#+FLEET_AGENTS:";
    let value = |line: &str| {
        line.get(..KEY.len()).filter(|key| key.eq_ignore_ascii_case(KEY)).map(|_| line[KEY.len()..].to_owned())
    };
    let words = |line: String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    preamble.lines().filter_map(value).flat_map(words).collect()
}

fn names_of(section: &Section) -> Vec<Box<str>> {
    let Some(heading) = &section.heading else { return Vec::new() };
    let names = [section.id(), section.property("CUSTOM_ID"), heading.leading_token(&section.text)];
    names.into_iter().flatten().map(Into::into).collect()
}

fn char_len(text: &str) -> u32 {
    if text.is_ascii() { text.len() as u32 } else { text.chars().count() as u32 }
}
