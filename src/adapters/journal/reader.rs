//! Reading a journal back while it is being written.

use super::{JournalError, io_error};
use crate::core::frame;
use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The most that one [`Reader::read_after`] returns, in bytes of events (always at least one event).
pub const LOG_BYTES_MAX: usize = 16 << 20;
/// A place in the file is remembered every so many records.
pub(super) const RECORDS_PER_MARK: u64 = 1024;
/// How much of the file a reader takes at a time.
const READ_BYTES: usize = 256 << 10;

/// Reads the durable part of an open journal, from any thread, while others append.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(super) path: PathBuf,
    pub(super) shared: Arc<Shared>,
}

/// A record that was read back for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its number.
    pub number: u64,
    /// The event, as JSON.
    pub event: String,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: File,
    /// The end of what is durable.
    pub(super) end: AtomicU64,
    /// (number, offset) of some records, in order, so that a reader does not begin at the beginning.
    pub(super) marks: Mutex<Vec<(u64, u64)>>,
}

impl Reader {
    /// The records after `number`, oldest first: at most `limit`, and at most [`LOG_BYTES_MAX`] bytes of them.
    pub fn read_after(&self, number: u64, limit: usize) -> Result<Vec<Logged>, JournalError> {
        let (mut offset, end) = (self.shared.mark_before(number), self.shared.end.load(Ordering::Acquire));
        let mut page = Page { after: number, limit, bytes: 0, found: Vec::new() };
        let (mut window, mut want) = (Vec::new(), READ_BYTES);
        while offset < end && !page.is_full() {
            self.fill(&mut window, offset, end, want)?;
            let used = page.take(&window);
            if used == 0 && offset + window.len() as u64 == end {
                break;
            }
            // A line that is longer than the window is taken whole in a later round.
            want = if used == 0 { want * 2 } else { READ_BYTES };
            offset += used as u64;
        }
        Ok(page.found)
    }

    fn fill(&self, window: &mut Vec<u8>, offset: u64, end: u64, want: usize) -> Result<(), JournalError> {
        window.resize(want.min(usize::try_from(end - offset).unwrap_or(usize::MAX)), 0);
        self.shared.file.read_exact_at(window, offset).map_err(io_error("reading", &self.path))
    }
}

/// The answer to one `read_after` while it grows.
struct Page {
    after: u64,
    limit: usize,
    bytes: usize,
    found: Vec<Logged>,
}

impl Page {
    fn is_full(&self) -> bool {
        self.found.len() >= self.limit || self.bytes >= LOG_BYTES_MAX
    }

    /// Takes what belongs on the page from the whole lines in `window`; returns how many bytes those lines have.
    fn take(&mut self, window: &[u8]) -> usize {
        let mut used = 0;
        while let Some(length) = memchr::memchr(b'\n', &window[used..]) {
            let line = &window[used..=used + length];
            used += line.len();
            // The header is the one line that is no record.
            let Some((number, event)) = frame::read_one(line).filter(|(number, _)| *number > self.after) else {
                continue;
            };
            if self.is_full() {
                break;
            }
            self.bytes += event.len();
            self.found.push(Logged { number, event: event.to_owned() });
        }
        used
    }
}

impl Shared {
    /// Counts `bytes` more as durable; they begin with the record `first`.
    pub(super) fn grow(&self, first: u64, bytes: usize) {
        let end = self.end.fetch_add(bytes as u64, Ordering::Release);
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        if marks.last().is_none_or(|(number, _)| first >= number + RECORDS_PER_MARK) {
            marks.push((first, end));
        }
    }

    /// The offset of a record that does not come after the one that follows `number`.
    fn mark_before(&self, number: u64) -> u64 {
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let after = marks.partition_point(|(marked, _)| *marked <= number.saturating_add(1));
        after.checked_sub(1).map_or(0, |i| marks[i].1)
    }
}
