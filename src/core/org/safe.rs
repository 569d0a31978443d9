//! Text from agents, made harmless: it can never become structure, in any Org from 9.5 to 9.8.
//!
//! The means is one zero-width space (U+200B), which org itself recommends as an escape: put before or into whatever
//! org would take for a headline, drawer, keyword, planning line, block, priority, tag group, cookie or time stamp.
//! It does not show, and no Org version counts it as a blank within a line. What is clean stays as it is.
//!
//! Emacs's own structure counts as well: a `Local Variables:` line would be read when the board is opened.

use super::blocks::{is_blank, strip_prefix};
use std::ops::Range;

/// The longest title, in bytes.
pub const TITLE_BYTES_MAX: usize = 512;
/// The longest one-line value, in bytes; what is longer is cut.
pub const LINE_BYTES_MAX: usize = 4 * 1024;
/// The longest body or note, in bytes; what is longer is cut.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 64;

/// Stands where something was cut off.
const CUT: &str = "…";
const ESCAPE: char = '\u{200b}';

/// Why a text cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeText {
    /// There is nothing to see in it.
    #[error("the title is empty")]
    Empty,
    /// A title is one line of visible characters.
    #[error("the title holds the control character U+{0:04X}: a title is one line without tabs")]
    Control(u32),
    /// A title longer than [`TITLE_BYTES_MAX`].
    #[error("the title has {0} bytes, more than {TITLE_BYTES_MAX}: put the rest into the text of the task")]
    TooLong(usize),
    /// Not 1 to [`TAG_BYTES_MAX`] of the characters that every Org version allows in a tag.
    #[error("`{0}` is not a tag: use 1 to {TAG_BYTES_MAX} of a-z, A-Z, 0-9, `_`, `@`, `#` and `%`")]
    Tag(String),
}

/// A title, to be written after `KEYWORD ` or a priority. Control characters are refused, the rest is made harmless.
pub fn title(text: &str) -> Result<String, UnsafeText> {
    let text = text.trim();
    if let Some(control) = text.chars().find(|&c| is_control(c)) {
        return Err(UnsafeText::Control(control.into()));
    }
    if text.chars().all(|c| c.is_whitespace() || c == ESCAPE) {
        return Err(UnsafeText::Empty);
    }
    let mut title = escape_within(text, true);
    // Org 9.5 takes even `COMMENTARY` for a commented heading.
    if title.starts_with("COMMENT") {
        title.insert(0, ESCAPE);
    }
    // Org 9.7 takes `a:b:` for tags although no blank precedes them.
    let last = title.rsplit(char::is_whitespace).next().unwrap_or("");
    if last.ends_with(':') && last.matches(':').count() > 1 {
        title.push(ESCAPE);
    }
    if title.len() > TITLE_BYTES_MAX {
        return Err(UnsafeText::TooLong(title.len()));
    }
    Ok(title)
}

/// One line, for a property value or a result: newlines and control characters become blanks.
pub fn line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if is_control(c) { ' ' } else { c }).collect();
    cut(escape_within(flat.trim(), false), LINE_BYTES_MAX)
}

/// Several lines, for a body or a note. Lines that could be structure are escaped, outer blank lines dropped.
pub fn text(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    let text: String = text.chars().filter(|&c| c == '\n' || c == '\t' || !is_control(c)).collect();
    let mut clean = String::with_capacity(text.len());
    for line in text.split('\n').map(str::trim_end).skip_while(|line| line.is_empty()) {
        let content = line.trim_start_matches(is_blank);
        clean.push_str(&line[..line.len() - content.len()]);
        if is_structure(content) {
            clean.push(ESCAPE);
        }
        clean.push_str(&escape_within(content, false));
        clean.push('\n');
    }
    clean.truncate(clean.trim_end().len());
    cut(clean, TEXT_BYTES_MAX)
}

/// A tag that every Org version reads alike.
pub fn tag(text: &str) -> Result<String, UnsafeText> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@' | b'#' | b'%');
    if (1..=TAG_BYTES_MAX).contains(&text.len()) && text.bytes().all(inner) {
        Ok(text.to_owned())
    } else {
        Err(UnsafeText::Tag(text.chars().take(TAG_BYTES_MAX).collect()))
    }
}

/// Control characters, line separators, and the marks that turn the direction of the text around them.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Whether a line that begins with `content`, after blanks, could be more than text to org.
fn is_structure(content: &str) -> bool {
    const STARTS: [&str; 9] =
        ["#+", "CLOSED:", "DEADLINE:", "SCHEDULED:", "CLOCK:", "\\begin{", "\\end{", "%%(", "[fn:"];
    let after_stars = content.trim_start_matches('*');
    let headline = after_stars.len() < content.len() && (after_stars.is_empty() || after_stars.starts_with(is_blank));
    let drawer = content.strip_prefix(':').is_some_and(|rest| !rest.is_empty() && !rest.starts_with(is_blank));
    headline || drawer || STARTS.iter().any(|start| strip_prefix(content, start).is_some())
}

/// `text` with an escape inside everything that org reads in the middle of a line.
fn escape_within(text: &str, is_title: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    for (at, c) in text.char_indices() {
        let rest = &text[at..];
        let breaks = match c {
            '<' | '[' => is_stamp(&rest[1..]) || (is_title && (rest.starts_with("[#") || cookie(rest).is_some())),
            'L' | 'l' => strip_prefix(rest, "Local Variables:").is_some(),
            _ => false,
        };
        if breaks {
            let split = at + if c.is_ascii_alphabetic() { "Local".len() } else { 1 };
            clean.push_str(&text[done..split]);
            clean.push(ESCAPE);
            done = split;
        }
    }
    clean.push_str(&text[done..]);
    clean
}

/// Whether what follows a bracket could be a date, or a diary expression.
fn is_stamp(rest: &str) -> bool {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0 && rest.as_bytes().get(digits) == Some(&b'-')) || rest.starts_with("%%(")
}

/// The length of the statistics cookie that `text` begins with: `[1/2]`, `[50%]`, `[/]` or `[%]`.
fn cookie(text: &str) -> Option<usize> {
    let digits = |at: usize| text.as_bytes()[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    let first = 1 + digits(1);
    let end = match text.as_bytes().get(first)? {
        b'%' => first + 1,
        b'/' => first + 1 + digits(first + 1),
        _ => return None,
    };
    (text.as_bytes().get(end) == Some(&b']')).then_some(end + 1)
}

/// The statistics cookies in `text`.
pub(super) fn cookies(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    memchr::memchr_iter(b'[', text.as_bytes()).filter_map(|at| cookie(&text[at..]).map(|length| at..at + length))
}

/// At most `max` bytes of `text`, with a sign where something is missing.
fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let end = (0..=max - CUT.len()).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.truncate(text.trim_end().len());
        text.push_str(CUT);
    }
    text
}
