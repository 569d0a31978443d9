//! The board's text as a list of sections, one per heading, with an index over it.
//!
//! Each section owns its own piece of the text, so that an edit of one heading moves nothing but that piece, and a
//! change in the buffer is read again only where it happened. Whatever was done to a board, it is the board that a
//! fresh reading of its text would give.

mod rank;
mod section;
mod splice;

pub use rank::Rank;
pub use section::Section;
pub use splice::{Spliced, Window};

use crate::core::{
    edit::TextEdit,
    org::{self, Settings},
};
use std::{collections::HashMap, ops::Range};

/// The deepest chain of parents that is followed.
pub const DEPTH_MAX: usize = 64;

/// Stands in `parents` for a section that has none.
const NO_PARENT: u32 = u32::MAX;

/// A board: its settings, its sections and who is called what.
#[derive(Clone, Debug)]
pub struct Board {
    settings: Settings,
    sections: Vec<Section>,
    /// Characters per section; apart from the sections so that summing them up is fast. So are the next three.
    chars: Vec<u32>,
    /// Newlines per section.
    newlines: Vec<u32>,
    /// The rank of each section that is a task.
    ranks: Vec<Option<Rank>>,
    /// The index of each section's parent heading, or [`NO_PARENT`].
    parents: Vec<u32>,
    /// Where each ID, CUSTOM_ID and leading token stands, in board order.
    names: HashMap<Box<str>, Vec<u32>>,
    /// Where each uid stands.
    places: HashMap<u64, u32>,
    agents: Vec<String>,
    limits: Vec<(String, u32)>,
    next_uid: u64,
    revision: u64,
}

/// Why a name does not lead to one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// No task is called that.
    Unknown,
    /// These sections all are.
    Ambiguous(Vec<usize>),
}

impl Board {
    /// Reads a whole board.
    pub fn read(text: &str) -> Self {
        let settings = Settings::read(text);
        let mut board = Self {
            settings,
            sections: Vec::new(),
            chars: Vec::new(),
            newlines: Vec::new(),
            ranks: Vec::new(),
            parents: Vec::new(),
            names: HashMap::new(),
            places: HashMap::new(),
            agents: Vec::new(),
            limits: Vec::new(),
            next_uid: 0,
            revision: 0,
        };
        board.sections = board.cut(text);
        board.index_all();
        board
    }

    /// A number that grows with every change of the text.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What the board says about itself.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What holds for the log of `section`, which stands or stood at `at`: its own LOGGING and LOG_INTO_DRAWER, else those
    /// of the headings above, of the text before the first heading, of `#+PROPERTY:` lines.
    pub fn settings_of(&self, at: usize, section: &Section) -> Settings {
        let inherited = |key| {
            let above = self.ancestors(at).chain(self.sections.first());
            let mut said = std::iter::once(section).chain(above).filter_map(|section| section.own(key));
            said.next().or_else(|| self.settings.property(key))
        };
        self.settings.clone().of_heading(inherited("LOGGING"), inherited("LOG_INTO_DRAWER"))
    }

    /// All sections in board order; the first is the text before the first heading, empty where there is none.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The agents that `#+FLEET_AGENTS:` lines before the first heading name.
    pub fn agents(&self) -> &[String] {
        &self.agents
    }

    /// How many tasks an agent may hold, as `#+FLEET_LIMIT:` lines before the first heading say; `*` is everyone else.
    pub fn limits(&self) -> &[(String, u32)] {
        &self.limits
    }

    /// What the board says and Fleet does not follow, in sentences for its operator.
    pub fn remarks(&self) -> Vec<String> {
        let preamble = self.sections.first().map_or("", |section| section.text.as_str());
        let limits = limits_in(preamble).filter_map(Result::err);
        let limits = limits.map(|words| format!("`{words}` in a line `{LIMITS}` is no agent with a number"));
        let files = self.settings.setup_files.iter();
        let files = files.map(|file| {
            format!("`#+SETUPFILE: {file}` is not read: keywords, tags and settings in that file do not count here")
        });
        files.chain(limits).map(|remark| shortened(&remark)).take(REMARKS_MAX).collect()
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

    /// The section that holds the character `place`, counted from 0; the last one if there are not so many.
    pub fn section_at(&self, place: u64) -> usize {
        let ends = self.chars.iter().scan(0, |end, &count| {
            *end += u64::from(count);
            Some(*end)
        });
        ends.take_while(|end| *end <= place).count().min(self.sections.len() - 1)
    }

    /// The line number of section `at`, from 1.
    pub fn line_of(&self, at: usize) -> u64 {
        1 + self.newlines[..at].iter().map(|&count| u64::from(count)).sum::<u64>()
    }

    /// Every task's rank and section.
    pub fn ranks(&self) -> impl Iterator<Item = (Rank, usize)> {
        self.ranks.iter().enumerate().filter_map(|(at, rank)| rank.map(|rank| (rank, at)))
    }

    /// The parent headings of section `at`, nearest first.
    pub fn ancestors(&self, at: usize) -> impl Iterator<Item = &Section> {
        std::iter::successors(self.parent(at), |&at| self.parent(at)).take(DEPTH_MAX).map(|at| &self.sections[at])
    }

    /// The index of the parent heading of section `at`.
    pub fn parent(&self, at: usize) -> Option<usize> {
        self.parents.get(at).filter(|&&parent| parent != NO_PARENT).map(|&parent| parent as usize)
    }

    /// The sections of the subtree of section `at`, itself included.
    pub fn subtree(&self, at: usize) -> Range<usize> {
        let level = |at: usize| self.sections[at].heading.as_ref().map_or(0, |heading| heading.level);
        let top = level(at);
        let end = (at + 1..self.sections.len()).find(|&below| level(below) <= top);
        at..end.unwrap_or(self.sections.len())
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
    pub fn with_id(&self, id: &str) -> impl Iterator<Item = usize> {
        self.named(id).iter().map(|&at| at as usize).filter(move |&at| self.sections[at].id() == Some(id))
    }

    /// The IDs that stand on the board more than once.
    pub fn repeated_ids(&self) -> Vec<String> {
        let several = self.names.iter().filter(|(_, places)| places.len() > 1).map(|(name, _)| name);
        let mut ids: Vec<String> =
            several.filter(|name| self.with_id(name).nth(1).is_some()).map(|name| name.to_string()).collect();
        ids.sort_unstable();
        ids
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

    /// The index of the section with this `uid`.
    pub fn index_of(&self, uid: u64) -> Option<usize> {
        self.places.get(&uid).map(|&at| at as usize)
    }

    /// Makes section `at` the one that was known by `uid`.
    pub fn adopt(&mut self, at: usize, uid: u64) {
        self.revision += 1;
        self.places.remove(&self.sections[at].uid);
        self.sections[at].uid = uid;
        self.places.insert(uid, at as u32);
    }

    /// Applies edits to section `at`, offsets relative to that section. They never make or destroy a heading.
    pub fn edit(&mut self, at: usize, edits: &[TextEdit]) {
        self.revision += 1;
        let names = self.sections[at].names();
        self.sections[at].edit(edits, &self.settings);
        self.measure(at);
        if names != self.sections[at].names() {
            self.forget_names(at, &names);
            self.learn_names(at);
        }
    }

    fn cut(&mut self, text: &str) -> Vec<Section> {
        let first = org::heads(text).next().unwrap_or(text.len());
        let mut sections = vec![self.fresh(&text[..first])];
        sections.append(&mut self.cut_from_heading(&text[first..]));
        sections
    }

    /// Cuts a text that begins with a heading.
    fn cut_from_heading(&mut self, text: &str) -> Vec<Section> {
        let heads: Vec<usize> = org::heads(text).collect();
        assert!(text.is_empty() || heads.first() == Some(&0), "the text begins at a heading");
        let ends = heads.iter().copied().skip(1).chain([text.len()]);
        heads.iter().zip(ends).map(|(&start, end)| self.fresh(&text[start..end])).collect()
    }

    fn fresh(&mut self, text: &str) -> Section {
        self.next_uid += 1;
        Section::read(self.next_uid, text.to_owned(), &self.settings)
    }

    fn index_all(&mut self) {
        self.read_preamble();
        (self.chars, self.newlines) = self.sections.iter().map(|section| measures(&section.text)).unzip();
        self.ranks = self.sections.iter().map(Rank::of).collect();
        self.names.clear();
        self.places.clear();
        (0..self.sections.len()).for_each(|at| self.learn(at));
        self.link_parents(0);
    }

    fn read_preamble(&mut self) {
        let preamble = self.sections.first().map_or("", |section| section.text.as_str());
        self.agents = words_of(preamble, AGENTS).map(str::to_owned).collect();
        self.limits = limits_in(preamble).filter_map(Result::ok).collect();
    }

    fn measure(&mut self, at: usize) {
        (self.chars[at], self.newlines[at]) = measures(&self.sections[at].text);
        self.ranks[at] = Rank::of(&self.sections[at]);
    }

    /// Finds the parents of all sections from `from` on; those before it are right.
    fn link_parents(&mut self, from: usize) {
        self.parents.resize(self.sections.len(), NO_PARENT);
        for at in from..self.sections.len() {
            self.parents[at] = NO_PARENT;
            let Some(level) = self.sections[at].heading.as_ref().map(|heading| heading.level) else { continue };
            let is_parent = |up: usize| self.sections[up].heading.as_ref().is_some_and(|heading| heading.level < level);
            let mut up = at.checked_sub(1);
            while let Some(candidate) = up.filter(|&candidate| !is_parent(candidate)) {
                up = self.parent(candidate);
            }
            self.parents[at] = up.map_or(NO_PARENT, |up| up as u32);
        }
    }

    fn learn(&mut self, at: usize) {
        self.places.insert(self.sections[at].uid, at as u32);
        self.learn_names(at);
    }

    fn learn_names(&mut self, at: usize) {
        for name in self.sections[at].names() {
            let places = self.names.entry(name).or_default();
            if let Err(gap) = places.binary_search(&(at as u32)) {
                places.insert(gap, at as u32);
            }
        }
    }

    fn forget(&mut self, at: usize) {
        self.places.remove(&self.sections[at].uid);
        let names = self.sections[at].names();
        self.forget_names(at, &names);
    }

    fn forget_names(&mut self, at: usize, names: &[Box<str>]) {
        for name in names {
            let Some(places) = self.names.get_mut(name) else { continue };
            places.retain(|&place| place as usize != at);
            if places.is_empty() {
                self.names.remove(name);
            }
        }
    }
}

fn one(found: Vec<usize>) -> Result<usize, Unresolved> {
    match found.as_slice() {
        [] => Err(Unresolved::Unknown),
        [only] => Ok(*only),
        _ => Err(Unresolved::Ambiguous(found)),
    }
}

/// The line that names agents.
const AGENTS: &str = "#+FLEET_AGENTS:";
/// The line that says how many tasks an agent may hold.
const LIMITS: &str = "#+FLEET_LIMIT:";
/// How many remarks there are at most.
const REMARKS_MAX: usize = 5;
/// How long one is, in characters.
const REMARK_CHARS_MAX: usize = 300;

/// The words of the lines of `preamble` that begin with `key`.
fn words_of<'t>(preamble: &'t str, key: &'static str) -> impl Iterator<Item = &'t str> {
    values_of(preamble, key).flat_map(str::split_whitespace)
}

fn values_of<'t>(preamble: &'t str, key: &'static str) -> impl Iterator<Item = &'t str> {
    let is_key = |line: &&str| line.get(..key.len()).is_some_and(|start| start.eq_ignore_ascii_case(key));
    preamble.lines().filter(is_key).map(|line| &line[key.len()..])
}

/// The pairs of a name and a number in the `#+FLEET_LIMIT:` lines, or the words that are none.
fn limits_in(preamble: &str) -> impl Iterator<Item = Result<(String, u32), String>> {
    values_of(preamble, LIMITS).flat_map(|value| {
        let words: Vec<&str> = value.split_whitespace().collect();
        let pair = |pair: &[&str]| match pair {
            [name, number] => number.parse().map(|n| ((*name).to_owned(), n)).map_err(|_| pair.join(" ")),
            _ => Err(pair.join(" ")),
        };
        words.chunks(2).map(pair).collect::<Vec<_>>()
    })
}

fn shortened(remark: &str) -> String {
    remark.chars().take(REMARK_CHARS_MAX).collect()
}

/// How many characters and how many newlines `text` has.
fn measures(text: &str) -> (u32, u32) {
    let chars = if text.is_ascii() { text.len() } else { text.chars().count() };
    (chars as u32, memchr::memchr_iter(b'\n', text.as_bytes()).count() as u32)
}

#[cfg(test)]
mod tests;
