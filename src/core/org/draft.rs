//! A section that is being edited: small edits of one heading's own lines, and nothing else.
//!
//! Every method changes only what it must, notes the edit, and reads the heading again. Doing the same thing twice
//! notes nothing. What an argument may hold is the caller's business (text from agents goes through
//! [`safe`](super::safe) first), but no argument makes a method panic, and one that could not be read back is ignored.

use super::blocks::{is_blank, line_end, next_line};
use super::log::{self, Place};
use super::planning::{self, Word};
use super::{Heading, Property, Settings, Span};
use crate::core::edit::TextEdit;
use std::ops::Range;

/// One section with its heading and the edits made so far.
#[derive(Debug)]
pub struct Draft<'s> {
    text: String,
    heading: Heading,
    settings: &'s Settings,
    edits: Vec<TextEdit>,
}

impl<'s> Draft<'s> {
    /// Begins to edit the section `text`.
    pub fn new(text: &str, settings: &'s Settings) -> Self {
        let heading = Heading::read(text, &settings.keywords);
        Self { text: text.to_owned(), heading, settings, edits: Vec::new() }
    }

    /// The section as it is now.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The heading as it is now.
    pub fn heading(&self) -> &Heading {
        &self.heading
    }

    /// What turns the first text into the present one, one edit after the other.
    pub fn into_edits(self) -> Vec<TextEdit> {
        self.edits
    }

    /// Gives the heading the TODO keyword `keyword`, which must be one of the board's.
    pub fn set_keyword(&mut self, keyword: &str) {
        if self.heading.level == 0 || self.settings.keywords.kind(keyword).is_none() {
            return;
        }
        match self.heading.keyword {
            Some(old) if old.of(&self.text) == keyword => {}
            // Org 9.5 sees a keyword only where a space follows.
            Some(old) if old.end == self.heading.line.end => self.edit(old.range(), &format!("{keyword} ")),
            Some(old) => self.edit(old.range(), keyword),
            None => {
                let at = self.text.bytes().take_while(|&b| b == b'*').count() + 1;
                self.edit(at..at, &format!("{keyword} "));
            }
        }
    }

    /// Sets the property `key` to `value`, in a new drawer if there is none.
    pub fn set_property(&mut self, key: &str, value: &str) {
        if self.heading.level == 0 || !is_key(key) {
            return;
        }
        let value = one_line(value);
        let drawer = self.heading.drawer.as_ref();
        let mut entries = drawer.iter().flat_map(|drawer| &drawer.entries);
        let spaced = if value.is_empty() { String::new() } else { format!(" {value}") };
        if let Some(entry) = entries.find(|entry| entry.key.of(&self.text).eq_ignore_ascii_case(key)) {
            if entry.value.of(&self.text) != value {
                let colon = entry.key.end as usize + 1;
                let range = if entry.value.is_empty() || value.is_empty() {
                    colon..line_end(&self.text, colon)
                } else {
                    entry.value.range()
                };
                let new = if range.start == colon { &spaced } else { &value };
                self.edit(range, new);
            }
            return;
        }
        match drawer {
            Some(drawer) => {
                let head = drawer.span.start as usize;
                let at = drawer.entries.last().map_or(next_line(&self.text, head), |entry| entry.line.end as usize);
                let model = drawer.entries.last().map_or(head, |entry| entry.line.start as usize);
                let indent = log::indent(&self.text[model..]);
                self.insert_lines(at, &format!("{indent}:{key}:{spaced}\n"));
            }
            None => {
                let (at, indent) = (self.heading.body as usize, self.metadata_indent());
                self.insert_lines(at, &format!("{indent}:PROPERTIES:\n{indent}:{key}:{spaced}\n{indent}:END:\n"));
            }
        }
    }

    /// Removes every property named `key`, and the drawer if that leaves it empty.
    pub fn remove_property(&mut self, key: &str) {
        // Where a drawer went, a second one below it takes its place.
        while self.heading.property(&self.text, key).is_some() {
            let Some(drawer) = self.heading.drawer.clone() else { return };
            let (gone, kept): (Vec<Property>, Vec<Property>) =
                drawer.entries.iter().copied().partition(|entry| entry.key.of(&self.text).eq_ignore_ascii_case(key));
            if kept.is_empty() {
                self.edit(drawer.span.range(), "");
                continue;
            }
            for entry in gone.iter().rev() {
                self.edit(entry.line.range(), "");
            }
        }
    }

    /// Sets the `CLOSED:` stamp, which must be a whole stamp with brackets, or takes it away.
    ///
    /// Taking it away takes along what stands between it and the next planning word, as org does: left alone, such
    /// words would cut the heading off from its property drawer.
    pub fn set_closed(&mut self, stamp: Option<&str>) {
        if self.heading.level == 0 || stamp.is_some_and(|stamp| !planning::is_stamp(stamp)) {
            return;
        }
        while let Some(planning) = self.heading.planning.clone() {
            let start = planning.line.start as usize;
            let line = start..line_end(&self.text, start);
            let words = planning::words(&self.text, line.clone());
            let closed = words.iter().filter(|(word, _)| *word == Word::Closed).count();
            match (closed, planning.closed, stamp) {
                (0, _, None) => return,
                (1, Some(old), Some(stamp)) => return self.edit(old.range(), stamp),
                (_, _, Some(_)) => return self.rewrite_planning(line, &words, stamp),
                // Where a line went, the one below may be planning now.
                (_, _, None) => self.rewrite_planning(line, &words, None),
            }
        }
        if let Some(stamp) = stamp {
            let (at, indent) = (next_line(&self.text, 0), self.metadata_indent());
            self.insert_lines(at, &format!("{indent}CLOSED: {stamp}\n"));
        }
    }

    /// Puts the stamp `to` in the place of the DEADLINE `from`, or takes it away with its word; another DEADLINE stays.
    pub fn move_deadline(&mut self, from: &str, to: Option<&str>) {
        let shown = self.heading.planning.as_ref().and_then(|planning| planning.deadline);
        self.move_stamp(Word::Deadline, shown, from, to);
    }

    /// As [`Self::move_deadline`], of SCHEDULED.
    pub fn move_scheduled(&mut self, from: &str, to: Option<&str>) {
        let shown = self.heading.planning.as_ref().and_then(|planning| planning.scheduled);
        self.move_stamp(Word::Scheduled, shown, from, to);
    }

    fn move_stamp(&mut self, word: Word, shown: Option<Span>, from: &str, to: Option<&str>) {
        let Some(shown) = shown.filter(|shown| shown.of(&self.text) == from) else { return };
        match to {
            Some(to) if planning::is_stamp(to) => self.edit_narrowly(shown.range(), to),
            Some(_) => {}
            None => {
                let line = line_start(&self.text, shown.start as usize)..line_end(&self.text, shown.start as usize);
                let words = planning::words(&self.text, line.clone());
                let own = words.iter().rev().find(|(found, span)| *found == word && span.end <= shown.start);
                let Some(start) = own.map(|(_, span)| span.start as usize) else { return };
                let rest = &self.text[shown.end as usize..line.end];
                let end = line.end - rest.trim_start_matches(is_blank).len();
                // As org does: the blank before it goes too, but not the indentation.
                let before = &self.text[line.start..start];
                let lead = usize::from(before.ends_with(' ') && !before.trim().is_empty());
                self.edit(start - lead..end, "");
            }
        }
    }

    /// The planning line without what belongs to `CLOSED:`, and with `stamp` in front; no line where nothing is left.
    fn rewrite_planning(&mut self, line: Range<usize>, words: &[(Word, Span)], stamp: Option<&str>) {
        let indent = log::indent(&self.text[line.clone()]);
        let mut others = String::new();
        for (number, (word, span)) in words.iter().enumerate() {
            let end = words.get(number + 1).map_or(line.end, |(_, next)| next.start as usize);
            if *word != Word::Closed {
                others.push_str(&self.text[span.start as usize..end]);
            }
        }
        let lead = stamp.map(|stamp| format!("CLOSED: {stamp} ")).unwrap_or_default();
        let new = format!("{indent}{lead}{others}");
        match (stamp, others.is_empty()) {
            (None, true) => self.edit(line.start..next_line(&self.text, line.start), ""),
            // A trailing blank was the person's own unless its neighbour has gone.
            (_, false) if words.last().is_some_and(|(word, _)| *word != Word::Closed) => self.edit_narrowly(line, &new),
            _ => self.edit_narrowly(line, new.trim_end()),
        }
    }

    /// Adds `entry` to the log, newest first, unless a line that ends in `marker` already stands there.
    ///
    /// `entry` is the first line without its dash; lines after a newline continue it.
    pub fn log(&mut self, entry: &str, marker: &str) {
        if self.heading.level == 0 || log::is_silent(&self.text, &self.heading, self.settings) {
            return;
        }
        let marker = if marker.is_empty() { entry.split('\n').next().unwrap_or("") } else { marker };
        match log::place(&self.text, &self.heading, self.settings, marker) {
            None => {}
            Some(Place::Line { at, indent }) => self.insert_lines(at, &log::item(entry, &indent)),
            Some(Place::NewDrawer(name)) => {
                let (at, indent) = (self.heading.body as usize, self.metadata_indent());
                let item = log::item(entry, &indent);
                self.insert_lines(at, &format!("{indent}:{name}:\n{item}{indent}:END:\n"));
            }
        }
    }

    /// Sets the statistics cookies in the title, `[n/m]` or `[p%]`, if it has any.
    pub fn set_cookie(&mut self, done: usize, total: usize) {
        let title = self.heading.title;
        let found: Vec<_> = super::safe::cookies(title.of(&self.text)).collect();
        for cookie in found.into_iter().rev() {
            let range = title.start as usize + cookie.start..title.start as usize + cookie.end;
            let percent = self.text[range.clone()].ends_with("%]");
            let share = done.saturating_mul(100) / total.max(1);
            let new = if percent { format!("[{share}%]") } else { format!("[{done}/{total}]") };
            self.edit(range, &new);
        }
    }

    /// How deep the lines under the headline are indented: as the first of them that is metadata.
    fn metadata_indent(&self) -> String {
        let planning = self.heading.planning.as_ref().map(|planning| planning.line);
        let drawer = self.heading.drawer.as_ref().map(|drawer| drawer.span);
        let model = planning.or(drawer).map_or("", |span| span.of(&self.text));
        log::indent(model).to_owned()
    }

    /// Inserts whole lines at the line start `at`, or after a last line that has no newline.
    fn insert_lines(&mut self, at: usize, lines: &str) {
        let unfinished = at > 0 && !self.text[..at].ends_with('\n');
        let lead = if unfinished { "\n" } else { "" };
        self.edit(at..at, &format!("{lead}{lines}"));
    }

    /// Replaces `range` by `new`, but leaves alone what both begin and end with.
    fn edit_narrowly(&mut self, range: Range<usize>, new: &str) {
        let old = &self.text[range.clone()];
        let head = same(old.chars(), new.chars());
        let tail = same(old[head..].chars().rev(), new[head..].chars().rev());
        self.edit(range.start + head..range.end - tail, &new[head..new.len() - tail]);
    }

    fn edit(&mut self, range: Range<usize>, new: &str) {
        if self.text[range.clone()] == *new {
            return;
        }
        self.text.replace_range(range.clone(), new);
        self.edits.push(TextEdit::replace(range, new));
        self.heading = Heading::read(&self.text, &self.settings.keywords);
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// How many bytes two sequences of characters have in common at their beginning.
fn same(one: impl Iterator<Item = char>, other: impl Iterator<Item = char>) -> usize {
    one.zip(other).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

/// Whether org can read `key` back as a property's name.
fn is_key(key: &str) -> bool {
    !key.is_empty() && !key.eq_ignore_ascii_case("END") && key.chars().all(|c| c.is_ascii_graphic())
}

/// `value` as it can stand in a property line.
fn one_line(value: &str) -> String {
    value.replace(|c: char| c.is_control(), " ").trim().to_owned()
}

/// A state change in org's own words: `State "DONE"       from "IN_PROGRESS" [2026-11-20 Fri 10:00]`.
pub fn state_change(to: &str, from: &str, stamp: &str) -> String {
    format!("State {:<12} from {:<12} {stamp}", format!("\"{to}\""), format!("\"{from}\""))
}

#[cfg(test)]
mod tests;
