//! The journal file of one board: `journal.jsonl` in the board's state directory.
//!
//! Appending is one write and one sync; what a failed one left on disk is unknown, so the first error ends the journal's
//! life until a restart reads it again (R4). Nothing here knows what an event means. Whoever opens a journal owns its
//! board (see [`super::owner`]); two writers would destroy it.

use crate::core::frame::{self, Corrupt, EVENT_BYTES_MAX, Head, Record, Tail};
use rustix::fs::{fdatasync, fsync};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

mod inspect;
mod reader;

pub use inspect::Inspection;
pub use reader::{LOG_BYTES_MAX, Logged, Reader};
use reader::{RECORDS_PER_MARK, Shared};

/// The name of the journal in its directory.
pub const JOURNAL_NAME: &str = "journal.jsonl";
/// The largest journal that is read, in bytes; it is held in memory once, while it is replayed.
pub const JOURNAL_BYTES_MAX: u64 = 4 << 30;

/// Why the journal could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused.
    #[error("{action} `{}` failed", path.display())]
    Io {
        /// What was being done, such as `writing`.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file is damaged in the middle; it was left as it is.
    #[error("`{}` cannot be used", path.display())]
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// Where and how.
        source: Corrupt,
    },
    /// The file is larger than [`JOURNAL_BYTES_MAX`].
    #[error("`{}` has {bytes} bytes, more than the {JOURNAL_BYTES_MAX} that can be read", path.display())]
    TooLarge {
        /// The journal.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// An event was too large; nothing was written and the journal goes on.
    #[error("an event has {bytes} bytes, more than the {EVENT_BYTES_MAX} that fit into a record")]
    EventTooLarge {
        /// The size of its JSON.
        bytes: usize,
    },
    /// An earlier write or sync failed (or this one did): whether its batch is on disk is unknown until a restart.
    #[error("the journal stopped, the outcome of the last batch is unknown: {cause}")]
    Stopped {
        /// The first failure.
        cause: String,
    },
}

/// The moments of an append at which a crash leaves different things behind; for tests that crash there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is written yet.
    BeforeWrite,
    /// Written, but perhaps only to the page cache.
    AfterWrite,
    /// Durable, but nobody has heard of it.
    AfterSync,
}

/// The open journal of a board that this process owns.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    head: Head,
    shared: Arc<Shared>,
    stopped: Option<String>,
    observer: Option<fn(Phase)>,
}

/// The records that stood in a journal when it was opened.
#[derive(Debug)]
pub struct Replay {
    /// Where the torn tail was put, if there was one.
    pub torn: Option<PathBuf>,
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

#[derive(Debug)]
struct Span {
    number: u64,
    batch: u64,
    offset: usize,
    event: std::ops::Range<usize>,
}

impl Journal {
    /// Opens the journal in `dir`, or begins one for `board` with the epoch `new_epoch`.
    ///
    /// A torn tail is moved to `journal.torn-N` beside it. All that the replay shows is durable when this returns.
    pub fn open(dir: &Path, board: &str, new_epoch: u32) -> Result<(Journal, Replay), JournalError> {
        let path = dir.join(JOURNAL_NAME);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                begin(dir, &path, &frame::begin(board, new_epoch, None, &[]).0)?
            }
            other => other.map_err(io_error("opening", &path))?,
        };
        let bytes = read_all(&file, &path)?;
        let mut replay = Replay { torn: None, bytes: Vec::new(), spans: Vec::new() };
        let base = bytes.as_ptr() as usize;
        let (head, tail) = frame::read(&bytes, &mut |record| replay.spans.push(Span::new(base, record)))
            .map_err(|source| JournalError::Corrupt { path: path.clone(), source })?;
        replay.bytes = bytes;
        replay.torn = cut(&file, dir, &path, &mut replay.bytes, tail)?;
        // A kill -9 of the former owner may have left the tail in the page cache alone, and its directory entry too.
        fsync(&file).map_err(|e| io_error("syncing", &path)(e.into()))?;
        sync_dir(dir)?;
        let marks = replay.spans.iter().step_by(RECORDS_PER_MARK as usize).map(|s| (s.number, s.offset as u64));
        let (end, marks) = (AtomicU64::new(replay.bytes.len() as u64), Mutex::new(marks.collect()));
        let shared = Arc::new(Shared { file, end, marks });
        Ok((Journal { path, head, shared, stopped: None, observer: None }, replay))
    }

    /// Writes `events` as one batch and returns the number of the first one; they are durable then.
    ///
    /// After an error other than [`JournalError::EventTooLarge`] the batch may be on disk or not, and every later call
    /// fails. No events write nothing.
    pub fn append(&mut self, events: &[String]) -> Result<u64, JournalError> {
        let first = self.head.last + 1;
        self.append_from(first, events)
    }

    /// Like [`Journal::append`], with numbers that were given out elsewhere, from `first` on.
    pub fn append_from(&mut self, first: u64, events: &[String]) -> Result<u64, JournalError> {
        self.check(events)?;
        if events.is_empty() {
            return Ok(first);
        }
        let mut head = self.head.clone();
        let bytes = frame::encode_from(&mut head, first, events);
        self.write(&bytes).map_err(|cause| self.stop(cause))?;
        self.shared.grow(first, bytes.len());
        self.head = head;
        Ok(first)
    }

    /// Puts the journal away and begins the next one, which opens with `snapshot` as its first batch (R5, R6).
    ///
    /// Numbers and hash chain go on, the epoch becomes `epoch`, and the old file is kept under the name that is returned.
    /// Readers that were made before go on reading the old file. After an error the journal is the old one still, unless
    /// it has stopped.
    pub fn rotate(&mut self, board: &str, epoch: u32, snapshot: &[String]) -> Result<PathBuf, JournalError> {
        self.check(snapshot)?;
        let dir = self.path.parent().expect("a journal lies in a directory");
        let (bytes, head) = frame::begin(board, epoch, Some(&self.head), snapshot);
        let (file, fresh) = write_fresh(dir, &bytes)?;
        let archive = archive(dir, &self.path, self.head.last)?;
        fs::rename(&fresh, &self.path).map_err(io_error("beginning", &self.path))?;
        if let Err(e) = sync_dir(dir) {
            // Which of the two files a restart will find is unknown.
            return Err(self.stop(format!("{e}")));
        }
        let end = AtomicU64::new(bytes.len() as u64);
        self.shared = Arc::new(Shared { file, end, marks: Mutex::new(Vec::new()) });
        self.head = head;
        Ok(archive)
    }

    /// Where the journal lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The end of what is durable.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The epoch of the journal, from its header.
    pub fn epoch(&self) -> u32 {
        self.head.epoch
    }

    /// The size of the durable part in bytes.
    pub fn bytes(&self) -> u64 {
        self.shared.end.load(Ordering::Acquire)
    }

    /// Why the journal takes nothing more, if it does not.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// A handle that reads while this one writes.
    pub fn reader(&self) -> Reader {
        Reader { path: self.path.clone(), shared: Arc::clone(&self.shared) }
    }

    /// See [`Reader::read_after`].
    pub fn read_after(&self, number: u64, limit: usize) -> Result<Vec<Logged>, JournalError> {
        self.reader().read_after(number, limit)
    }

    /// Has `observer` called at each phase of every append.
    pub fn set_observer(&mut self, observer: fn(Phase)) {
        self.observer = Some(observer);
    }

    fn check(&self, events: &[String]) -> Result<(), JournalError> {
        if let Some(cause) = &self.stopped {
            return Err(JournalError::Stopped { cause: cause.clone() });
        }
        match events.iter().find(|event| event.len() > EVENT_BYTES_MAX) {
            Some(event) => Err(JournalError::EventTooLarge { bytes: event.len() }),
            None => Ok(()),
        }
    }

    fn stop(&mut self, cause: String) -> JournalError {
        self.stopped = Some(cause.clone());
        JournalError::Stopped { cause }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), String> {
        let told = |e: io::Error, action| format!("{action} `{}`: {e}", self.path.display());
        self.observe(Phase::BeforeWrite);
        self.shared.file.write_all_at(bytes, self.bytes()).map_err(|e| told(e, "writing"))?;
        self.observe(Phase::AfterWrite);
        fdatasync(&self.shared.file).map_err(|e| told(e.into(), "syncing"))?;
        self.observe(Phase::AfterSync);
        Ok(())
    }

    fn observe(&self, phase: Phase) {
        if let Some(observer) = self.observer {
            observer(phase);
        }
    }
}

impl Replay {
    /// The records, oldest first.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.spans.iter().map(|span| Record {
            number: span.number,
            batch: span.batch,
            offset: span.offset,
            event: std::str::from_utf8(&self.bytes[span.event.clone()]).expect("it was a str when it was read"),
        })
    }
}

impl Span {
    /// Where `record` lies in the bytes that begin at the address `base`.
    fn new(base: usize, record: Record<'_>) -> Self {
        let start = record.event.as_ptr() as usize - base;
        let event = start..start + record.event.len();
        Self { number: record.number, batch: record.batch, offset: record.offset, event }
    }
}

/// Makes a journal that is either whole or not there at all.
fn begin(dir: &Path, path: &Path, header: &[u8]) -> Result<File, JournalError> {
    let (file, fresh) = write_fresh(dir, header)?;
    fs::rename(&fresh, path).map_err(io_error("beginning", path))?;
    sync_dir(dir)?;
    Ok(file)
}

/// Writes the next journal, durably, under a name at which nobody looks for it.
fn write_fresh(dir: &Path, bytes: &[u8]) -> Result<(File, PathBuf), JournalError> {
    let fresh = dir.join(format!("{JOURNAL_NAME}.new"));
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&fresh).map_err(io_error("creating", &fresh))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_error("writing", &fresh))?;
    Ok((file, fresh))
}

/// Gives the journal that ends with `last` a second name, under which it stays when the next one takes its place.
fn archive(dir: &Path, path: &Path, last: u64) -> Result<PathBuf, JournalError> {
    for number in 1u32.. {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let archive = dir.join(format!("journal-{last}{suffix}.jsonl"));
        match fs::hard_link(path, &archive) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            other => return other.map(|()| archive).map_err(io_error("archiving", path)),
        }
    }
    unreachable!("a directory holds fewer than 2^32 files")
}

fn read_all(file: &File, path: &Path) -> Result<Vec<u8>, JournalError> {
    let bytes = file.metadata().map_err(io_error("reading", path))?.len();
    if bytes > JOURNAL_BYTES_MAX {
        return Err(JournalError::TooLarge { path: path.into(), bytes });
    }
    let mut all = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut all, 0).map_err(io_error("reading", path))?;
    Ok(all)
}

/// Ends the journal where its last acceptable record ends. What a torn write left is moved to a file of its own first.
fn cut(file: &File, dir: &Path, path: &Path, bytes: &mut Vec<u8>, tail: Tail) -> Result<Option<PathBuf>, JournalError> {
    let (offset, kept) = match tail {
        Tail::Clean => return Ok(None),
        Tail::Zeros { offset, .. } => (offset, None),
        Tail::Torn { offset, .. } => (offset, Some(keep_aside(dir, &bytes[offset..])?)),
    };
    file.set_len(offset as u64).map_err(io_error("cutting the torn tail of", path))?;
    bytes.truncate(offset);
    Ok(kept)
}

fn keep_aside(dir: &Path, tail: &[u8]) -> Result<PathBuf, JournalError> {
    for number in 1u32.. {
        let path = dir.join(format!("journal.torn-{number}"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(io_error("creating", &path)(e)),
            Ok(mut file) => {
                file.write_all(tail).and_then(|()| file.sync_all()).map_err(io_error("writing", &path))?;
                sync_dir(dir)?;
                return Ok(path);
            }
        }
    }
    unreachable!("a directory holds fewer than 2^32 files")
}

fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(io_error("syncing", dir))
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> JournalError + use<'a> {
    move |source| JournalError::Io { action, path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal whose file is `device`, as if it had been opened there.
    fn journal_on(device: &str) -> Journal {
        let file = OpenOptions::new().read(true).write(true).open(device).expect("the device exists");
        let shared = Arc::new(Shared { file, end: AtomicU64::new(0), marks: Mutex::new(Vec::new()) });
        let head = frame::begin("dispatch.org", 1, None, &[]).1;
        Journal { path: device.into(), head, shared, stopped: None, observer: None }
    }

    #[test]
    fn r4_after_a_failed_write_the_journal_takes_nothing_more() {
        let mut journal = journal_on("/dev/full");
        let before = journal.head().clone();
        for _ in 0..2 {
            let error = journal.append(&["{}".into()]).expect_err("the device is full");
            assert!(matches!(&error, JournalError::Stopped { cause } if cause.starts_with("writing `/dev/full`")));
        }
        assert_eq!((journal.head(), journal.bytes()), (&before, 0), "nothing counts as durable");
    }

    #[test]
    fn r4_after_a_failed_sync_the_journal_takes_nothing_more() {
        let mut journal = journal_on("/dev/null");
        for _ in 0..2 {
            let error = journal.append(&["{}".into()]).expect_err("the device cannot be synced");
            assert!(matches!(&error, JournalError::Stopped { cause } if cause.starts_with("syncing `/dev/null`")));
        }
        assert!(journal.stopped().is_some_and(|cause| cause.contains("syncing")));
    }

    #[test]
    fn an_event_that_is_too_large_stops_nothing() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let (mut journal, _) = Journal::open(dir.path(), "dispatch.org", 1).expect("it is new");
        let event = "x".repeat(EVENT_BYTES_MAX + 1);
        assert!(matches!(journal.append(&[event]), Err(JournalError::EventTooLarge { .. })));
        assert_eq!(journal.append(&["{}".into()]).expect("it goes on"), 1);
    }
}
