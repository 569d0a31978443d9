//! Where org keeps the log of a task, and what an entry of it looks like.

use super::blocks::{OpenLines, drawer_name, is_blank, line_end, lines, next_line, trim};
use super::settings::LOG_DRAWER;
use super::{Heading, Settings};

/// The place for a new log entry: newest first, where `org-log-beginning` would put it.
pub(super) enum Place {
    /// At this line start, with this indentation.
    Line { at: usize, indent: String },
    /// There is no drawer yet: one with this name, at the start of the body.
    NewDrawer(String),
}

/// The drawer that the log of this heading goes into; the heading's own `LOG_INTO_DRAWER` wins over the board.
///
/// A name that cannot be a drawer's is taken for the usual one, so that no text breaks.
pub(super) fn drawer<'a>(section: &'a str, heading: &Heading, settings: &'a Settings) -> Option<&'a str> {
    match heading.property(section, "LOG_INTO_DRAWER").or(settings.log_drawer.as_deref()) {
        None => None,
        Some("nil") => None,
        Some(name) => Some(if is_drawer_name(name) { name } else { LOG_DRAWER }),
    }
}

fn is_drawer_name(name: &str) -> bool {
    let taken = ["t", "END", "PROPERTIES"].iter().any(|word| word.eq_ignore_ascii_case(name));
    !taken && !name.contains(':') && drawer_name(&format!(":{name}:")) == Some(name)
}

/// Whether the heading asks for no log at all; its own LOGGING wins over what it inherits.
pub(super) fn is_silent(section: &str, heading: &Heading, settings: &Settings) -> bool {
    heading.property(section, "LOGGING").map_or(settings.log_silent, |logging| matches!(logging, "nil" | ""))
}

/// Where the next entry goes: on real drawers and lists, where `org-log-beginning` would put it. A line that only looks
/// like the drawer's first (in a block, or never closed) misleads org into the middle of that text, but not us.
///
/// `None` when a line that ends in `marker` already stands in the log.
pub(super) fn place(section: &str, heading: &Heading, settings: &Settings, marker: &str) -> Option<Place> {
    let body = heading.body as usize;
    let Some(name) = drawer(section, heading, settings) else { return in_body(section, body, marker) };
    let mut open = OpenLines::new(section, body);
    while let Some(line) = open.next() {
        let Some(found) = drawer_name(&section[line.clone()]) else { continue };
        let Some(end) = open.skip_drawer(&line) else { continue };
        if found.eq_ignore_ascii_case(name) {
            let at = next_line(section, line.start);
            let first = &section[at..line_end(section, at)];
            let model = if is_item(first) { first } else { &section[line] };
            return (!section[at..end.start].lines().any(|line| shows(line, marker)))
                .then(|| Place::Line { at, indent: indent(model).to_owned() });
        }
    }
    Some(Place::NewDrawer(name.to_owned()))
}

/// Without a drawer the log is the list right under the metadata.
fn in_body(section: &str, body: usize, marker: &str) -> Option<Place> {
    let is_filled = |line: &std::ops::Range<usize>| !trim(&section[line.clone()]).is_empty();
    let Some(first) = lines(section, body).find(is_filled) else {
        return Some(Place::Line { at: body, indent: String::new() });
    };
    let in_list = |line: &&str| trim(line).is_empty() || is_item(line) || line.starts_with(is_blank);
    let mut list = lines(section, first.start).map(|line| &section[line]).take_while(|line| in_list(line));
    // As deep as the text below, or that text would become part of the entry.
    let indent = indent(&section[first.clone()]).to_owned();
    (!list.any(|line| shows(line, marker))).then_some(Place::Line { at: first.start, indent })
}

/// Whether `line` is marked: by its last word, because agents may write anything but that.
fn shows(line: &str, marker: &str) -> bool {
    line.trim_end().ends_with(marker)
}

fn is_item(line: &str) -> bool {
    line.trim_start_matches(is_blank).starts_with("- ")
}

/// The blanks that `line` begins with.
pub(super) fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches(is_blank).len()]
}

/// `entry` as a list item: the first line after a dash, the others below it.
pub(super) fn item(entry: &str, indent: &str) -> String {
    let mut text = String::new();
    for (number, line) in entry.split('\n').enumerate() {
        match (number, line.is_empty()) {
            (0, _) => text.extend([indent, "- ", line]),
            (_, true) => {}
            (_, false) => text.extend([indent, "  ", line]),
        }
        text.push('\n');
    }
    text
}
