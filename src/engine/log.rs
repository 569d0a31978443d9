//! Committing events: durable before anyone hears of them (R1, R2, R9).

use crate::{
    adapters::journal::{Journal, JournalError, Logged, Phase},
    core::queue::event::Event,
};

/// What must still hold for a commit to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// The number of the last event that the decision saw. With one writer that says it all; an engine with several
    /// writers compares the last event of each task concerned, the request id and HALT as well.
    pub last: u64,
}

/// How a commit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// The events are durable; the first has this number, the others follow.
    Committed(u64),
    /// Somebody else committed first, nothing was written: decide again on what is true now. Under the board's lock
    /// this does not happen.
    Conflict,
    /// Nobody knows whether they are: the disk failed in the middle. The log takes no more.
    Unknown(String),
}

/// The journal of a board whose only writer is this process.
pub struct Log {
    journal: Journal,
    stopped: Option<String>,
}

impl Log {
    /// A log on `journal`.
    pub fn new(journal: Journal) -> Self {
        Self { journal, stopped: None }
    }

    /// The number that the next event gets.
    pub fn next(&self) -> u64 {
        self.journal.head().last + 1
    }

    /// Writes `events`, decided under `precondition`, with one write and one sync.
    pub fn commit(&mut self, events: &[Event], precondition: Precondition) -> Commit {
        if precondition.last + 1 != self.next() {
            return Commit::Conflict;
        }
        let lines: Result<Vec<String>, _> = events.iter().map(serde_json::to_string).collect();
        let lines = lines.expect("an event serializes: it has no maps and no foreign types");
        match self.journal.append(&lines) {
            Ok(first) => Commit::Committed(first),
            Err(error) => {
                // The model has seen these events: whether or not they are on disk, it cannot go on without them.
                Commit::Unknown(self.stopped.get_or_insert_with(|| chain(&error)).clone())
            }
        }
    }

    /// Why the journal takes no more events, if so.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// At most `limit` records after `number`.
    pub fn read_after(&self, number: u64, limit: usize) -> Result<Vec<Logged>, JournalError> {
        self.journal.read_after(number, limit)
    }

    /// Reports the phases of each commit to `observer`.
    pub fn observe(&mut self, observer: fn(Phase)) {
        self.journal.set_observer(observer);
    }
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r9_a_commit_decided_on_an_older_state_is_a_conflict_and_writes_nothing() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let (journal, _) = Journal::open(dir.path(), "board.org", 1).expect("a journal can begin");
        let mut log = Log::new(journal);
        let current = log.next() - 1;
        assert_eq!(log.commit(&[], Precondition { last: current + 1 }), Commit::Conflict);
        assert_eq!(log.next(), current + 1);
        assert_eq!(log.stopped(), None, "a conflict leaves the log as it was");
        assert!(log.read_after(0, 10).expect("it can be read").is_empty());
    }
}
