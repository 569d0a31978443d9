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
pub fn cookies(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows the escape as `^`.
    fn seen(text: &str) -> String {
        text.replace(ESCAPE, "^")
    }

    #[test]
    fn titles_hold_no_structure() {
        for (given, clean) in [
            ("Deploy auth: now", "Deploy auth: now"),
            (" TASK-1: x ", "TASK-1: x"),
            ("DONE x", "DONE x"),
            ("COMMENT x", "^COMMENT x"),
            ("COMMENTARY", "^COMMENTARY"),
            ("a [#A] b", "a [^#A] b"),
            ("x :a:b:", "x :a:b:^"),
            ("x:a:", "x:a:^"),
            ("x:", "x:"),
            ("by <2026-01-01 Thu>", "by <^2026-01-01 Thu>"),
            ("[1/2] [50%] [/] [%] [x]", "[^1/2] [^50%] [^/] [^%] [x]"),
            ("<%%(diary)>", "<^%%(diary)>"),
            ("* x", "* x"),
            ("# Local Variables: x", "# Local^ Variables: x"),
        ] {
            let title = title(given).expect("a good title");
            assert_eq!(seen(&title), clean);
            assert_eq!(super::title(&title).as_ref(), Ok(&title));
        }
    }

    #[test]
    fn titles_that_are_no_line_are_refused() {
        assert_eq!(title(" \u{200b} "), Err(UnsafeText::Empty));
        assert_eq!(title("a\n* b"), Err(UnsafeText::Control(10)));
        assert_eq!(title("a\tb"), Err(UnsafeText::Control(9)));
        assert_eq!(title("a\u{202e}b"), Err(UnsafeText::Control(0x202e)));
        assert_eq!(title(&"x".repeat(TITLE_BYTES_MAX + 1)), Err(UnsafeText::TooLong(TITLE_BYTES_MAX + 1)));
        assert!(title(&"x".repeat(TITLE_BYTES_MAX)).is_ok());
    }

    #[test]
    fn lines_of_a_text_that_could_be_structure_are_escaped() {
        for (given, clean) in [
            ("* x\n  ** y\n*\n*bold*", "^* x\n  ^** y\n^*\n*bold*"),
            (":PROPERTIES:\n :ID: x\n:END:\n: fixed", "^:PROPERTIES:\n ^:ID: x\n^:END:\n: fixed"),
            ("#+TODO: A\n#+end_src\n# x", "^#+TODO: A\n^#+end_src\n# x"),
            ("closed: [2026-01-01]\nCLOCK: x", "^closed: [^2026-01-01]\n^CLOCK: x"),
            ("\\begin{x}\n%%(x)\n[fn:1] x", "^\\begin{x}\n^%%(x)\n^[fn:1] x"),
            ("\n\n a \n\nb\r\n\r* c\n\n", " a\n\nb\n\n^* c"),
            ("\u{1}* a\u{85}\u{2028}* b", "^* a\n^* b"),
            ("\tcode();\n- item [1/2]", "\tcode();\n- item [1/2]"),
            ("Local Variables:\neval: (x)", "Local^ Variables:\neval: (x)"),
        ] {
            assert_eq!(seen(&text(given)), clean);
            assert_eq!(text(&text(given)), text(given));
        }
    }

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(line(" a\nb\tc\u{0}\r\n"), "a b c");
        assert_eq!(seen(&line("[2026-01-01 Thu]")), "[^2026-01-01 Thu]");
    }

    #[test]
    fn what_is_too_long_is_cut_and_stays_cut() {
        for long in ["é".repeat(TEXT_BYTES_MAX), "<1-".repeat(TEXT_BYTES_MAX / 2), "* \n".repeat(TEXT_BYTES_MAX)] {
            let (one, many) = (line(&long), text(&long));
            assert!(one.len() <= LINE_BYTES_MAX && many.len() <= TEXT_BYTES_MAX);
            assert!(one.ends_with(CUT) && many.ends_with(CUT));
            assert_eq!((line(&one), text(&many)), (one.clone(), many.clone()));
        }
    }

    #[test]
    fn tags_are_plain() {
        assert_eq!(tag("@a_1#%").as_deref(), Ok("@a_1#%"));
        for bad in ["", "a-b", "a:b", "é", "a b", &"x".repeat(TAG_BYTES_MAX + 1)] {
            assert!(tag(bad).is_err(), "{bad}");
        }
    }
}
