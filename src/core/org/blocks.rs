//! Which lines of a section can mean something to org, and which are the literal content of a block.
//!
//! Source, example, comment, export and verse blocks and LaTeX environments hide what is in them; other blocks do
//! not. An opening line without its closing line hides nothing. One pass, linear whatever the nesting.

use memchr::memchr;
use std::collections::HashMap;
use std::ops::Range;

/// The blocks whose content org takes literally.
const LITERAL: [&str; 5] = ["SRC", "EXAMPLE", "COMMENT", "EXPORT", "VERSE"];

/// The end of the line that holds the byte `at`, before its newline.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |length| at + length)
}

/// The start of the line after the one that holds the byte `at`, or the end of the text.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    (line_end(text, at) + 1).min(text.len())
}

/// Whether `b` is what org calls a blank within a line.
pub(super) fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// The line without blanks at its ends.
pub(super) fn trim(line: &str) -> &str {
    line.trim_matches(is_blank)
}

/// `text` without the ASCII prefix, in whatever case it is written.
pub(super) fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// The name of the drawer that `line` begins, or `END`.
pub(super) fn drawer_name(line: &str) -> Option<&str> {
    let name = trim(line).strip_prefix(':')?.strip_suffix(':')?;
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '\'');
    (!name.is_empty() && name.chars().all(inner)).then_some(name)
}

/// What makes one line of a section the edge of a literal block: its opening or closing line, by name.
#[derive(PartialEq, Eq, Hash)]
enum Edge<'a> {
    Block(&'static str),
    Latex(&'a str),
}

fn opening(line: &str) -> Option<Edge<'_>> {
    let line = line.trim_start_matches(is_blank);
    if let Some(rest) = strip_prefix(line, "#+begin_") {
        let word = rest.split(is_blank).next()?;
        return LITERAL.into_iter().find(|name| word.eq_ignore_ascii_case(name)).map(Edge::Block);
    }
    let name = strip_prefix(line, "\\begin{")?.split_once('}')?.0;
    is_latex_name(name).then_some(Edge::Latex(name))
}

fn closing(line: &str) -> Option<Edge<'_>> {
    let line = trim(line);
    if let Some(word) = strip_prefix(line, "#+end_") {
        return LITERAL.into_iter().find(|name| word.eq_ignore_ascii_case(name)).map(Edge::Block);
    }
    let name = strip_prefix(line, "\\end{")?.strip_suffix('}')?;
    is_latex_name(name).then_some(Edge::Latex(name))
}

fn is_latex_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'*')
}

/// The lines of one section, from `from` on, that are not in a literal block, without their newlines.
pub(super) struct OpenLines<'a> {
    text: &'a str,
    at: usize,
    /// Where each kind of block is closed for the last time: an opening line after that hides nothing.
    last_close: HashMap<Edge<'a>, usize>,
    last_drawer_end: usize,
}

impl<'a> OpenLines<'a> {
    /// Reads the section `text` from the line start `from` on.
    pub(super) fn new(text: &'a str, from: usize) -> Self {
        let mut last_close = HashMap::new();
        let mut last_drawer_end = 0;
        for range in lines(text, from) {
            let line = &text[range.clone()];
            if let Some(edge) = closing(line) {
                last_close.insert(edge, range.start);
            } else if is_drawer_end(line) {
                last_drawer_end = range.start;
            }
        }
        Self { text, at: from, last_close, last_drawer_end }
    }

    /// Steps over the drawer whose first line is `head` and returns the offset of its `:END:` line.
    pub(super) fn skip_drawer(&mut self, head: &Range<usize>) -> Option<Range<usize>> {
        if self.last_drawer_end <= head.start {
            return None;
        }
        let end =
            lines(self.text, next_line(self.text, head.start)).find(|line| is_drawer_end(&self.text[line.clone()]))?;
        self.at = next_line(self.text, end.start);
        Some(end)
    }

    fn skip_block(&mut self, head: &Range<usize>) {
        let Some(edge) = opening(&self.text[head.clone()]) else { return };
        if self.last_close.get(&edge).is_none_or(|&last| last <= head.start) {
            return;
        }
        let close = lines(self.text, self.at).find(|line| closing(&self.text[line.clone()]).is_some_and(|c| c == edge));
        if let Some(close) = close {
            self.at = next_line(self.text, close.start);
        }
    }
}

impl Iterator for OpenLines<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.at >= self.text.len() {
            return None;
        }
        let line = self.at..line_end(self.text, self.at);
        self.at = (line.end + 1).min(self.text.len());
        self.skip_block(&line);
        Some(line)
    }
}

/// Whether `line` closes a drawer.
pub(super) fn is_drawer_end(line: &str) -> bool {
    trim(line).eq_ignore_ascii_case(":END:")
}

/// The lines of `text` from the line start `from` on, without their newlines.
pub(super) fn lines(text: &str, from: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = from;
    std::iter::from_fn(move || {
        (at < text.len()).then(|| {
            let line = at..line_end(text, at);
            at = line.end + 1;
            line
        })
    })
}
