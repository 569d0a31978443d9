//! Reading a journal whose board belongs to somebody else, or to nobody: nothing is locked, cut or written.

use super::{JOURNAL_NAME, JournalError, Replay, Span, io_error, read_all};
use crate::core::frame::{self, Head, Tail};
use sha2::{Digest as _, Sha256};
use std::{fs::File, path::Path};

/// A journal as it was found, with what its owner would have cut still in place.
#[derive(Debug)]
pub struct Inspection {
    /// Its records, oldest first.
    pub replay: Replay,
    /// Where it ends.
    pub head: Head,
    /// What follows the last acceptable record.
    pub tail: Tail,
}

impl Inspection {
    /// Reads the journal in `dir`. Its owner may be writing it: what was just begun is a torn tail then.
    pub fn of(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(JOURNAL_NAME);
        let file = File::open(&path).map_err(io_error("opening", &path))?;
        let bytes = read_all(&file, &path)?;
        let mut replay = Replay { torn: None, bytes: Vec::new(), spans: Vec::new() };
        let base = bytes.as_ptr() as usize;
        let (head, tail) = frame::read(&bytes, &mut |record| replay.spans.push(Span::new(base, record)))
            .map_err(|source| JournalError::Corrupt { path: path.clone(), source })?;
        replay.bytes = bytes;
        Ok(Self { replay, head, tail })
    }

    /// The hash of the record `number`, line feed included; `None` if there is none.
    pub fn hash_of(&self, number: u64) -> Option<[u8; 32]> {
        let at = self.replay.spans.binary_search_by_key(&number, |span| span.number).ok()?;
        let line = &self.replay.bytes[self.replay.spans[at].offset..];
        let end = memchr::memchr(b'\n', line)?;
        Some(Sha256::digest(&line[..=end]).into())
    }

    /// How many batches there are.
    pub fn batches(&self) -> usize {
        let spans = &self.replay.spans;
        spans.iter().filter(|span| span.number == span.batch).count()
    }

    /// The number of the first record; `None` in an empty journal.
    pub fn first(&self) -> Option<u64> {
        self.replay.spans.first().map(|span| span.number)
    }
}
