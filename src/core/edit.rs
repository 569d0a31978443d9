//! Edits as values: what to replace where, and nothing about how.

use std::ops::Range;

/// Replaces the bytes `range` of a text by `insert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEdit {
    /// Byte offsets into the text as it is before this edit, on character boundaries.
    pub range: Range<usize>,
    /// The new text; empty for a deletion.
    pub insert: String,
}

impl TextEdit {
    /// An edit that replaces `range` by `insert`.
    pub fn replace(range: Range<usize>, insert: impl Into<String>) -> Self {
        Self { range, insert: insert.into() }
    }

    /// An edit that inserts `text` before the byte `at`.
    pub fn insert(at: usize, text: impl Into<String>) -> Self {
        Self::replace(at..at, text)
    }
}

/// Applies `edits` in their order, each to the text that the one before it left.
///
/// Panics when a range lies outside the text or splits a character: edits come from this crate, never from outside.
pub fn apply_edits(text: &mut String, edits: &[TextEdit]) {
    for edit in edits {
        text.replace_range(edit.range.clone(), &edit.insert);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_apply_one_after_the_other() {
        let mut text = String::from("abc");
        apply_edits(&mut text, &[TextEdit::insert(0, "xx"), TextEdit::replace(2..3, "A")]);
        assert_eq!(text, "xxAbc");
    }
}
