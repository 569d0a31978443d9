//! The lines right under a headline: planning (`CLOSED:`, `DEADLINE:`, `SCHEDULED:`) and the property drawer.

use super::Span;
use super::blocks::{is_blank, is_drawer_end, line_end, lines, next_line, strip_prefix, trim};

/// The planning line of a heading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planning {
    /// The whole line, with its newline if it has one.
    pub line: Span,
    /// The stamp after `CLOSED:`, with its brackets; likewise the other two. Of several, the last one counts.
    pub closed: Option<Span>,
    /// The stamp after `DEADLINE:`.
    pub deadline: Option<Span>,
    /// The stamp after `SCHEDULED:`.
    pub scheduled: Option<Span>,
}

/// The property drawer of a heading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawer {
    /// The whole lines from `:PROPERTIES:` to `:END:`, with the last newline if there is one.
    pub span: Span,
    /// The properties in their order.
    pub entries: Vec<Property>,
}

/// One line of a property drawer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// The whole line with its newline.
    pub line: Span,
    /// The key without its colons.
    pub key: Span,
    /// The value without the blanks around it; empty, and right after the key's colon, where there is none.
    pub value: Span,
}

/// The three words that make a planning line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Closed,
    Deadline,
    Scheduled,
}

const WORDS: [(&str, Word); 3] =
    [("CLOSED:", Word::Closed), ("DEADLINE:", Word::Deadline), ("SCHEDULED:", Word::Scheduled)];

fn word_at(text: &str) -> Option<(&'static str, Word)> {
    WORDS.into_iter().find(|(word, _)| strip_prefix(text, word).is_some())
}

/// Whether org sees a planning line in `line`, right under a headline.
pub(super) fn is_planning(line: &str) -> bool {
    word_at(line.trim_start_matches(is_blank)).is_some()
}

/// The planning words of the line at `range`: where each begins and where its colon ends.
pub(super) fn words(text: &str, range: std::ops::Range<usize>) -> Vec<(Word, Span)> {
    let line = &text[range.clone()];
    let mut found = Vec::new();
    for colon in memchr::memchr_iter(b':', line.as_bytes()) {
        let hit = WORDS.into_iter().find(|(word, _)| {
            let start = (colon + 1).checked_sub(word.len());
            start.and_then(|start| line.get(start..colon + 1)).is_some_and(|here| here.eq_ignore_ascii_case(word))
        });
        let Some((word, which)) = hit else { continue };
        let start = colon + 1 - word.len();
        if !line[..start].ends_with(|c: char| c.is_alphanumeric() || c == '\'') {
            found.push((which, Span::new(range.start + start, range.start + colon + 1)));
        }
    }
    found
}

/// Reads the planning line that begins at `at`, if there is one.
pub(super) fn read_planning(text: &str, at: usize) -> Option<Planning> {
    let end = line_end(text, at);
    if !is_planning(&text[at..end]) {
        return None;
    }
    let line = Span::new(at, next_line(text, at));
    let end = text[at..end].rfind([']', '>']).map_or(at, |close| at + close + 1);
    let words = words(text, at..end);
    // The last one of each kind counts. Looking from the end keeps this linear on a line full of open brackets.
    let last = |wanted: Word| {
        let mut places = words.iter().rev().filter(|(word, _)| *word == wanted).map(|(_, span)| span.end as usize);
        places.find_map(|place| value_at(text, place, end)).flatten()
    };
    let (closed, deadline, scheduled) = (last(Word::Closed), last(Word::Deadline), last(Word::Scheduled));
    Some(Planning { line, closed, deadline, scheduled })
}

/// What a planning word whose colon ends at `at` says: nothing without a bracket, and no stamp where the bracket holds
/// no date, which takes an earlier stamp away.
fn value_at(text: &str, at: usize, end: usize) -> Option<Option<Span>> {
    let start = end - text[at..end].trim_start_matches(' ').len();
    has_bracket(&text[start..end]).then(|| stamp_at(text, start, end))
}

fn has_bracket(text: &str) -> bool {
    text.starts_with(['<', '[']) && text[1..].find([']', '>']).is_some_and(|at| at > 0)
}

/// Whether `text` is one stamp, or one range of stamps, that a planning line can hold.
pub(super) fn is_stamp(text: &str) -> bool {
    let plain = !text.contains(char::is_control) && words(text, 0..text.len()).is_empty();
    plain && has_bracket(text) && stamp_at(text, 0, text.len()).is_some_and(|span| span.range() == (0..text.len()))
}

/// The stamp or range of stamps at `at`, as org-element delimits it.
fn stamp_at(text: &str, at: usize, end: usize) -> Option<Span> {
    let rest = &text[at..end];
    let inner = &rest[1..];
    if !(inner.starts_with("%%(") || is_date(inner)) {
        return None;
    }
    let mut length = 1 + inner.find([']', '>'])? + 1;
    if let Some(second) = rest[length..].strip_prefix("--").filter(|second| second.starts_with(['<', '['])) {
        length += second.find([']', '>']).map_or(0, |close| 2 + close + 1);
    }
    Some(Span::new(at, at + length))
}

/// Whether `text` begins with `YYYY-MM-DD` and then ends, closes or goes on after a space.
fn is_date(text: &str) -> bool {
    let shape = |(at, b): (usize, &u8)| if at == 4 || at == 7 { *b == b'-' } else { b.is_ascii_digit() };
    let bytes = text.as_bytes();
    bytes.len() > 10 && bytes[..10].iter().enumerate().all(shape) && matches!(bytes[10], b' ' | b']' | b'>')
}

/// Reads the property drawer that begins at `at`, if one does; a drawer that org would not accept is none.
pub(super) fn read_drawer(text: &str, at: usize) -> Option<Drawer> {
    if at >= text.len() || !trim(&text[at..line_end(text, at)]).eq_ignore_ascii_case(":PROPERTIES:") {
        return None;
    }
    let mut entries = Vec::new();
    for range in lines(text, next_line(text, at)) {
        let line = &text[range.clone()];
        if is_drawer_end(line) {
            return Some(Drawer { span: Span::new(at, next_line(text, range.start)), entries });
        }
        entries.push(read_property(text, range)?);
    }
    None
}

fn read_property(text: &str, range: std::ops::Range<usize>) -> Option<Property> {
    let line = &text[range.clone()];
    let indent = line.len() - line.trim_start_matches(is_blank).len();
    let word_end = line[indent..].find(is_emacs_space).map_or(line.len(), |length| indent + length);
    let key = line[indent..word_end].strip_prefix(':')?.strip_suffix(':')?;
    let rest = &line[word_end..];
    // A value is set apart by a space: after a tab Org 9.5 refuses the whole drawer, so nobody relies on it.
    if key.is_empty() || !(rest.starts_with(' ') || trim(rest).is_empty()) {
        return None;
    }
    let value = trim(rest);
    let lead = if value.is_empty() { 0 } else { rest.len() - rest.trim_start_matches(is_blank).len() };
    let start = range.start + word_end + lead;
    Some(Property {
        line: Span::new(range.start, (range.end + 1).min(text.len())),
        key: Span::new(range.start + indent + 1, range.start + word_end - 1),
        value: Span::new(start, start + value.len()),
    })
}

/// What ends a property's key: the characters that Emacs counts as white space in an org buffer.
fn is_emacs_space(c: char) -> bool {
    matches!(c, '\t' | '\x0c' | '\r' | ' ' | '\u{a0}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}
