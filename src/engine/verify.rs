//! The records held against themselves and against the board: read only, with an owner or without one, never locked.
//!
//! The journal is read from its first byte to its last (framing, checksums, numbers, batches, hash chain, epochs), folded
//! again, and compared with the board's file, as far as that file shows it.

use super::{
    offline::open_failure,
    open::{History, OpenError, event},
    save::hex,
};
use crate::{
    adapters::{
        board_file,
        journal::{Inspection, JOURNAL_NAME, JournalError},
        owner::{self, BoardPlace},
    },
    core::{
        code::Code,
        frame::Tail,
        queue::{
            audit::{self, Difference},
            board::Board,
            event::{Change, Event},
            ledger::Ledger,
            model::Model,
        },
        wire::Failure,
    },
};
use serde::Serialize;
use std::{collections::HashSet, fmt, fs, io, path::Path, str::FromStr};

/// How often a journal is read again that seems to be just written.
const VERIFY_TRIES_MAX: u32 = 3;
/// Differences that a report names; it counts the rest.
const VERIFY_NAMED_MAX: usize = 50;

/// A place in a journal, noted outside of it: the hash of a record. What came before it cannot be changed unnoticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// SHA-256 of the record's line, hex.
    pub hash: String,
    /// Its number.
    pub number: u64,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The board.
    pub board: String,
    /// Events in the journal.
    pub events: u64,
    /// Its first number; absent if it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Its last number.
    pub last: u64,
    /// When the first event happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When the last one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Batches: writes that were synced as one.
    pub batches: u64,
    /// The epoch of claims that come next.
    pub epoch: u32,
    /// `HASH@NUMBER` of the last record, to be noted elsewhere and given to a later run.
    pub anchor: String,
    /// Bytes behind the last record that no write completed; the next start cuts them off.
    pub torn_bytes: u64,
    /// Torn ends that earlier starts cut off and kept.
    pub torn_kept: u64,
    /// Whether the file is one that Fleet saved or found, unchanged since.
    pub is_known: bool,
    /// The last event that the file shows, as far as is known.
    pub covers: u64,
    /// Events that the file does not show yet.
    pub unsaved: u64,
    /// Where file and journal differ, the first of them.
    pub differences: Vec<Difference>,
    /// How many differences there are.
    pub differing: u64,
    /// IDs that stand on the board more than once.
    pub repeated: Vec<String>,
}

impl Report {
    /// `Ok`, or `Conflict` if the file is as Fleet saved it and yet shows other tasks or states than the journal.
    pub fn code(&self) -> Code {
        let is_wrong = self.is_known && self.differences.iter().any(Difference::is_wrong);
        if is_wrong { Code::Conflict } else { Code::Ok }
    }
}

/// Checks the board at `path`, and that its journal still holds `anchor`.
pub fn run(path: &Path, anchor: Option<&Anchor>) -> Result<Report, Failure> {
    let place = owner::locate(path).map_err(|error| open_failure(&OpenError::Owner(error)))?;
    // The board first: whoever publishes a file has announced it in the journal before.
    let file = board_file::peek(&place.file).map_err(|error| open_failure(&OpenError::File(error)))?;
    let journal = inspect(&place)?;
    if let Some(anchor) = anchor {
        hold(&journal, anchor)?;
    }
    let (text, hash) = file;
    epochs_grow(&journal)?;
    report(&place, &journal, &text, &hex(&hash)).map_err(|error| open_failure(&error))
}

/// Makes sure that no event takes back an epoch: tokens of two claims would be the same (R6).
fn epochs_grow(journal: &Inspection) -> Result<(), Failure> {
    let mut epoch = journal.head.epoch;
    for record in journal.replay.records().filter(|record| record.event.contains("\"opened\"")) {
        let event = event(record.number, record.event).map_err(|error| open_failure(&error))?;
        let Change::Opened { epoch: Some(next), .. } = event.change else { continue };
        if next <= epoch {
            let message = format!("event {} begins epoch {next} after epoch {epoch}", record.number);
            return Err(Failure::new(Code::Corrupt, "journal-rewritten", message));
        }
        epoch = next;
    }
    Ok(())
}

fn inspect(place: &BoardPlace) -> Result<Inspection, Failure> {
    let mut tries = 1;
    loop {
        match Inspection::of(&place.state) {
            Ok(found) if matches!(found.tail, Tail::Torn { .. }) && tries < VERIFY_TRIES_MAX => tries += 1,
            Ok(found) => return Ok(found),
            Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let path = place.state.join(JOURNAL_NAME);
                let message = format!("there is no journal `{}`: nobody has served this board", path.display());
                return Err(Failure::new(Code::NotFound, "no-journal", message));
            }
            Err(error) => return Err(open_failure(&OpenError::Journal(error))),
        }
    }
}

/// Makes sure that the journal still has the record that was noted.
fn hold(journal: &Inspection, anchor: &Anchor) -> Result<(), Failure> {
    let Anchor { hash, number } = anchor;
    let rewritten = |what: String| {
        Err(Failure::new(Code::Corrupt, "journal-rewritten", what)
            .hint("compare it with a backup from when the anchor was noted; nothing was changed"))
    };
    match journal.hash_of(*number) {
        Some(found) if hex(&found) == *hash => Ok(()),
        Some(_) => rewritten(format!("record {number} of the journal is not the one that the anchor names")),
        None if journal.first().is_some_and(|first| *number < first) => {
            let message = format!(
                "record {number} is older than this journal, which begins with {}",
                journal.first().unwrap_or(0)
            );
            Err(Failure::new(Code::NotFound, "anchor-too-old", message)
                .hint("the journal before it is kept in the same directory"))
        }
        None => rewritten(format!("the journal ends before record {number}, which the anchor names")),
    }
}

fn report(place: &BoardPlace, journal: &Inspection, text: &str, hash: &str) -> Result<Report, OpenError> {
    let history = History::read(&journal.replay, hash)?;
    let mut ledger = Ledger::new(journal.head.epoch);
    let (mut waiting, mut unsaved, mut times) = (HashSet::new(), 0, Vec::new());
    for record in journal.replay.records() {
        let event = event(record.number, record.event)?;
        times.push(event.at);
        let is_shown = record.number <= history.covers && !history.without.contains(&record.number);
        if !is_shown {
            unsaved += u64::from(event.change.is_on_board());
            waiting.extend(tasks(&event));
        }
        if record.number <= history.covers && !history.is_void(record.number, &event) {
            ledger.fold(record.number, &event);
        }
    }
    let epoch = ledger.epoch();
    let model = Model::new(Board::read(text), ledger);
    // What the file does not show yet is no difference, and neither are tasks that events behind it are about.
    let mut differences = audit::differences(&model, &waiting);
    let differing = differences.len() as u64;
    differences.sort_by_key(|difference| !difference.is_wrong());
    differences.truncate(VERIFY_NAMED_MAX);
    Ok(Report {
        board: place.file.display().to_string(),
        events: times.len() as u64,
        first: journal.first(),
        last: journal.head.last,
        since: times.first().map(ToString::to_string),
        until: times.last().map(ToString::to_string),
        batches: journal.batches() as u64,
        epoch,
        anchor: format!("{}@{}", hex(&journal.head.hash), journal.head.last),
        torn_bytes: match journal.tail {
            Tail::Clean => 0,
            Tail::Zeros { len, .. } | Tail::Torn { len, .. } => len as u64,
        },
        torn_kept: kept_aside(&place.state),
        is_known: history.is_known,
        covers: history.covers,
        unsaved,
        differences,
        differing,
        repeated: model.board.repeated_ids(),
    })
}

fn tasks(event: &Event) -> Vec<String> {
    match &event.change {
        Change::Archived { tasks, .. } => tasks.iter().map(|task| task.name.clone()).collect(),
        change => change.task().map(Into::into).into_iter().collect(),
    }
}

fn kept_aside(state: &Path) -> u64 {
    let entries = fs::read_dir(state).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("journal.torn-")).count() as u64
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || format!("`{text}` is no anchor: use HASH@NUMBER as `fleet verify` prints it");
        let (hash, number) = text.split_once('@').ok_or_else(malformed)?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match number.parse() {
            Ok(number) if is_hash => Ok(Self { hash: hash.into(), number }),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "board    {}", self.board)?;
        match (self.first, &self.since, &self.until) {
            (Some(first), Some(since), Some(until)) => {
                writeln!(f, "journal  {} events, {first} to {}, in {} batches", self.events, self.last, self.batches)?;
                writeln!(f, "times    {since} to {until}")?;
            }
            _ => writeln!(f, "journal  empty")?,
        }
        writeln!(f, "chain    unbroken")?;
        writeln!(f, "anchor   {}", self.anchor)?;
        if self.torn_bytes > 0 {
            writeln!(f, "tail     {} bytes that no write completed; the next start cuts them off", self.torn_bytes)?;
        }
        if self.torn_kept > 0 {
            writeln!(f, "torn     {} ends that were cut off are kept as journal.torn-*", self.torn_kept)?;
        }
        match self.is_known {
            true => write!(f, "file     as saved, up to event {}", self.covers)?,
            false => write!(f, "file     changed since the last save, which showed up to event {}", self.covers)?,
        }
        match self.unsaved {
            0 => writeln!(f)?,
            count => writeln!(f, "; {count} later changes are not in it yet")?,
        }
        for Difference { task, field, journal, board } in &self.differences {
            let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
            writeln!(
                f,
                "differs  {task}: {field} is {} in the file, {} in the journal",
                or_none(board),
                or_none(journal)
            )?;
        }
        if self.differing > self.differences.len() as u64 {
            writeln!(f, "         and {} more", self.differing - self.differences.len() as u64)?;
        }
        for id in &self.repeated {
            writeln!(f, "twice    the ID {id} stands on the board more than once")?;
        }
        let verdict = match (self.code(), self.differences.is_empty()) {
            (Code::Ok, true) => "the file shows what the journal says",
            (Code::Ok, false) => "the journal is sound; the differences are edits by hand",
            _ => "the journal is sound, but the file that was saved shows something else",
        };
        writeln!(f, "verdict  {verdict}")
    }
}

/// The report or the failure in words, and whether all is well: for a caller without a terminal.
pub fn in_words(path: &Path) -> (bool, String) {
    match run(path, None) {
        Ok(report) => (report.code() == Code::Ok, report.to_string()),
        Err(failure) => {
            let hint = failure.hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
            (false, format!("{}\n{hint}", failure.message))
        }
    }
}
