//! Changes of a board by somebody else: only what changed is read again, and what is the same task keeps its uid.

use super::{Board, Rank, Section, measures};
use crate::core::org::Settings;
use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
};

/// The part of a board that is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// These sections of the old text go.
    pub sections: Range<usize>,
    /// These characters of the new text come instead, counted from 0.
    pub chars: Range<u64>,
}

/// What a splice of the text did: the sections that are no longer as they were, and where their successors stand.
#[derive(Clone, Debug, Default)]
pub struct Spliced {
    /// Sections that went or changed, as they were.
    pub before: Vec<Section>,
    /// Where the sections now stand that came instead.
    pub after: Range<usize>,
}

/// What makes two sections the same in the eyes of a person.
#[derive(PartialEq, Eq, Hash)]
enum Likeness<'s> {
    Preamble,
    Id(&'s str),
    Name(&'s str),
}

impl Section {
    fn likeness(&self) -> Likeness<'_> {
        match (&self.heading, self.id()) {
            (None, _) => Likeness::Preamble,
            (Some(_), Some(id)) => Likeness::Id(id),
            (Some(_), None) => Likeness::Name(self.name_without_id()),
        }
    }

    /// Whether `next`, at the same place, can be this section after an edit. A heading with another ID is another one.
    fn may_become(&self, next: &Section) -> bool {
        self.heading.is_some() == next.heading.is_some()
            && (self.id().is_none() || next.id().is_none() || self.id() == next.id())
    }
}

impl Board {
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
        self.revision += 1;
        let range = window.sections.clone();
        let old = self.sections[range.clone()].iter().map(|section| section.text.as_str());
        if !Settings::same_lines(old, text) {
            return self.splice_settings(range, text);
        }
        let fresh = if range.start == 0 { self.cut(text) } else { self.cut_from_heading(text) };
        let spliced = self.exchange(range, fresh);
        if spliced.relink {
            self.link_parents(spliced.after.start);
        }
        spliced.done()
    }

    /// A change of settings touches every heading: all is read again, and unchanged sections keep their uid.
    fn splice_settings(&mut self, range: Range<usize>, text: &str) -> Spliced {
        let mut whole = String::new();
        self.sections[..range.start].iter().for_each(|section| whole.push_str(&section.text));
        whole.push_str(text);
        self.sections[range.end..].iter().for_each(|section| whole.push_str(&section.text));
        self.settings = Settings::read(&whole);
        let fresh = self.cut(&whole);
        let spliced = self.exchange(0..self.sections.len(), fresh);
        let settings = self.settings.clone();
        self.sections.iter_mut().for_each(|section| section.read_heading(&settings));
        self.index_all();
        spliced.done()
    }

    /// Puts `fresh` in the place of `range`, but leaves alone what is the same at both ends.
    fn exchange(&mut self, range: Range<usize>, mut fresh: Vec<Section>) -> Exchanged {
        let old = &self.sections[range.clone()];
        let same = |(a, b): &(&Section, &Section)| a.text == b.text;
        let head = old.iter().zip(&fresh).take_while(same).count();
        let most = old.len().min(fresh.len()) - head;
        let tail = old.iter().rev().zip(fresh.iter().rev()).take(most).take_while(same).count();
        let inner = range.start + head..range.end - tail;
        fresh.truncate(fresh.len() - tail);
        fresh.drain(..head);
        let after = inner.start..inner.start + fresh.len();
        inner.clone().for_each(|at| self.forget(at));
        self.shift(inner.end, after.end);
        let (chars, newlines): (Vec<u32>, Vec<u32>) = fresh.iter().map(|section| measures(&section.text)).unzip();
        self.chars.splice(inner.clone(), chars);
        self.newlines.splice(inner.clone(), newlines);
        self.ranks.splice(inner.clone(), fresh.iter().map(Rank::of));
        let before: Vec<Section> = self.sections.splice(inner, fresh).collect();
        self.keep_uids(&before, after.clone());
        after.clone().for_each(|at| self.learn(at));
        if after.start == 0 {
            self.read_preamble();
        }
        let relink = levels(&before) != levels(&self.sections[after.clone()]);
        Exchanged { before, after, relink }
    }

    /// What stood at `from` and behind it stands at `to` and behind it now.
    fn shift(&mut self, from: usize, to: usize) {
        if from == to || from == self.sections.len() {
            return;
        }
        let moved = |at: &mut u32| {
            if *at as usize >= from {
                *at = (*at as usize + to - from) as u32;
            }
        };
        self.places.values_mut().for_each(moved);
        self.names.values_mut().flatten().for_each(moved);
    }

    /// Gives changed sections the uid of their predecessor: the one with the same ID, else with the same name, else the
    /// one at the same place when neither was added or removed.
    fn keep_uids(&mut self, before: &[Section], after: Range<usize>) {
        let mut alike: HashMap<Likeness<'_>, VecDeque<usize>> = HashMap::new();
        for (place, section) in before.iter().enumerate() {
            alike.entry(section.likeness()).or_default().push_back(place);
        }
        let fresh = &self.sections[after.clone()];
        let mut heirs: Vec<Option<usize>> =
            fresh.iter().map(|section| alike.get_mut(&section.likeness())?.pop_front()).collect();
        // A heading that was given an ID just now is known by its name.
        for (heir, section) in
            heirs.iter_mut().zip(fresh).filter(|(heir, section)| heir.is_none() && section.id().is_some())
        {
            *heir = alike.get_mut(&Likeness::Name(section.name_without_id())).and_then(VecDeque::pop_front);
        }
        if before.len() == fresh.len() {
            let mut is_free = vec![true; before.len()];
            heirs.iter().flatten().for_each(|&place| is_free[place] = false);
            for (place, heir) in heirs.iter_mut().enumerate().filter(|(_, heir)| heir.is_none()) {
                *heir = (is_free[place] && before[place].may_become(&fresh[place])).then_some(place);
            }
        }
        for (section, heir) in self.sections[after].iter_mut().zip(heirs) {
            section.uid = heir.map_or(section.uid, |place| before[place].uid);
        }
    }
}

/// A splice that is not linked into the tree yet.
struct Exchanged {
    before: Vec<Section>,
    after: Range<usize>,
    /// Whether the tree has another shape now.
    relink: bool,
}

impl Exchanged {
    fn done(self) -> Spliced {
        Spliced { before: self.before, after: self.after }
    }
}

fn levels(sections: &[Section]) -> Vec<u16> {
    sections.iter().map(|section| section.heading.as_ref().map_or(0, |heading| heading.level)).collect()
}
