//! The TODO keywords of a board.

/// What a keyword says about its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeywordKind {
    /// Something is left to do.
    Todo,
    /// The task is closed.
    Done,
}

/// The keywords that stand for a state on one board, in the order in which the board names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keywords {
    /// Keywords of open tasks.
    pub todo: Vec<String>,
    /// Keywords of closed tasks.
    pub done: Vec<String>,
}

impl Keywords {
    /// The keywords of a board that names none: `PENDING IN_PROGRESS | DONE FAILED SKIPPED`.
    pub fn fleet() -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self { todo: owned(&["PENDING", "IN_PROGRESS"]), done: owned(&["DONE", "FAILED", "SKIPPED"]) }
    }

    /// What `word` says about a task, or `None` when it is an ordinary word. Case matters, as in org.
    pub fn kind(&self, word: &str) -> Option<KeywordKind> {
        if self.done.iter().any(|done| done == word) {
            Some(KeywordKind::Done)
        } else if self.todo.iter().any(|todo| todo == word) {
            Some(KeywordKind::Todo)
        } else {
            None
        }
    }
}
