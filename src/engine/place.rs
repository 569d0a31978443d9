//! Where new text goes on a board: tasks at the end, messages in their list, recovered tasks under their own heading.

use crate::core::{
    edit::TextEdit,
    queue::{
        apply::MESSAGES_TITLE,
        board::{Board, Section},
    },
};

/// The title of the heading under which claimed tasks come back that were never saved (R12).
pub const RECOVERED_TITLE: &str = "Recovered";

/// A heading at the end of the board, in front of a local variables footer: the section and the edit of it.
pub(super) fn at_end(sections: &[Section], heading: &str) -> (usize, TextEdit) {
    behind(sections, sections.len() - 1, heading)
}

/// A copy of `heading` under the heading for such tasks, which is made if need be.
pub(super) fn among_recovered(board: &Board, heading: &str) -> (usize, TextEdit) {
    let bare = heading.trim_start_matches('*');
    let parent = board.sections().iter().position(|section| section.title() == RECOVERED_TITLE);
    let Some((at, parent)) = parent.and_then(|at| Some((at, board.sections()[at].heading.as_ref()?))) else {
        return at_end(board.sections(), &format!("* {RECOVERED_TITLE}\n**{bare}"));
    };
    let stars = "*".repeat(usize::from(parent.level) + 1);
    behind(board.sections(), board.subtree(at).end - 1, &format!("{stars}{bare}"))
}

/// The list of status messages.
pub(super) fn message_list(sections: &[Section]) -> Option<usize> {
    sections.iter().rposition(|section| section.title() == MESSAGES_TITLE && section.state.is_none())
}

/// A line behind the last one of `text` that is not empty, in front of a local variables footer.
pub(super) fn line_at_end(text: &str, line: &str) -> TextEdit {
    let end = text[..footer(text).unwrap_or(text.len())].trim_end().len();
    TextEdit::insert(end, format!("\n{line}"))
}

/// How many of the children of section `at`, which is or was `section`, are closed, and how many tasks they are; `None`
/// where the heading does not count them.
pub(super) fn children(board: &Board, at: usize, section: &Section) -> Option<(usize, usize)> {
    let cookie_data = section.property("COOKIE_DATA").unwrap_or_default().to_ascii_lowercase();
    let words: Vec<&str> = cookie_data.split_whitespace().collect();
    if !section.title().contains('[') || words.contains(&"checkbox") {
        return None;
    }
    let counts = |&below: &usize| words.contains(&"recursive") || board.parent(below) == Some(at);
    let below = board.subtree(at).skip(1).filter(counts);
    let states: Vec<_> = below.filter_map(|below| board.sections()[below].state).collect();
    Some((states.iter().filter(|state| state.is_closed()).count(), states.len()))
}

fn behind(sections: &[Section], at: usize, heading: &str) -> (usize, TextEdit) {
    let text = &sections[at].text;
    let end = if at + 1 == sections.len() { footer(text).unwrap_or(text.len()) } else { text.len() };
    let lead = if end == 0 || text[..end].ends_with('\n') { "" } else { "\n" };
    let tail = if heading.ends_with('\n') { "" } else { "\n" };
    (at, TextEdit::insert(end, format!("{lead}{heading}{tail}")))
}

/// Where the `# Local Variables:` footer begins, which Emacs looks for at the end of a file. Only comments follow it.
pub(super) fn footer(text: &str) -> Option<usize> {
    let is_footer = |line: &str| {
        let comment = line.strip_prefix('#').map(str::trim_start);
        comment.is_some_and(|rest| rest.to_ascii_lowercase().starts_with("local variables:"))
    };
    let mut start = text.len();
    for line in text.split_inclusive('\n').rev() {
        start -= line.len();
        let line = line.trim();
        if is_footer(line) {
            return Some(start);
        }
        if !line.is_empty() && !line.starts_with('#') {
            return None;
        }
    }
    None
}
