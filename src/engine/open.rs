//! Taking a board over: journal replayed, text read, both held against each other (R4, R12, R19, R20).

use super::{Engine, Policy, log, save};
use crate::{
    adapters::{
        board_file::{self, BoardFileError},
        journal::{Journal, JournalError, Replay},
        owner::{OwnedDir, OwnerError, OwnerKind},
    },
    core::{
        id::Token,
        queue::{
            board::Board,
            event::{Actor, Change, Event, KnownFile},
            lease::Leases,
            ledger::Ledger,
            model::Model,
        },
        time::Now,
    },
};
use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    path::Path,
};

/// Why a board could not be taken over. The board is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its place, or another owner.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// Its file.
    #[error(transparent)]
    File(#[from] BoardFileError),
    /// Its journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record that no version of this program wrote.
    #[error("event {number} of the journal is not one that this version knows")]
    Event {
        /// Its number.
        number: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// The journal took no more.
    #[error("the journal failed while the board was opened: {0}")]
    Stopped(String),
}

impl Engine {
    /// Takes the board at `path` over for this process.
    ///
    /// What the journal knows and the file does not show is pending afterwards: apply it before anything else.
    pub fn open(path: &Path, kind: OwnerKind, policy: Policy, now: &Now) -> Result<Self, OpenError> {
        let dir = OwnedDir::open(path, policy.network)?;
        let file = board_file::load(dir.board())?;
        let board = Board::read(&file.text);
        let (journal, replay) = Journal::open(dir.state_dir(), &dir.board_name(), next_epoch(&board))?;
        let hash = save::hex(&file.identity.sha256);
        let history = History::read(&replay, &hash)?;
        let ledger = history.fold(&replay, journal.epoch())?;
        let kind_name = match kind {
            OwnerKind::Emacs => "emacs",
            OwnerKind::Offline => "offline",
        };
        let mut engine = Self {
            model: Model {
                require_token: policy.require_token,
                leases: Leases::new(policy.lease_secs),
                claims_max: policy.claims_max,
                zone: policy.zone,
                ..Model::new(board, ledger)
            },
            log: log::Log::new(journal),
            dir,
            kind: kind_name,
            encoding: file.encoding,
            file: file.identity,
            file_hash: hash,
            queue: VecDeque::new(),
            kept: BTreeSet::new(),
            fills_archives: true,
            is_file_ours: history.is_known,
            planned: None,
            saved: history.covers,
            waiting: history.without,
            unsaved: 0,
            is_edited_since_save: false,
            notices: VecDeque::new(),
            news_from: history.news_from,
            in_conflict: false,
            waiters: 0,
            paused: None,
            halt: policy.halt,
        };
        if let Some(torn) = &replay.torn {
            engine.notice(format!("the end of the journal was torn; it is kept as {}", torn.display()));
        }
        for leftover in &file.leftovers {
            engine.notice(format!(
                "a run that died had left a file beside the board; it is kept as {}",
                leftover.display()
            ));
        }
        engine.unsaved = engine.unsaved_events().map_err(OpenError::Stopped)?.len() as u64;
        let opened = Change::Opened {
            owner: kind_name.into(),
            pid: std::process::id(),
            covers: engine.saved,
            without: engine.waiting.iter().copied().collect(),
            hash: engine.file_hash.clone(),
            epoch: engine.later_epoch(),
        };
        engine.commit_inside(Actor::System, vec![opened], now.wall).map_err(OpenError::Stopped)?;
        engine.merge(now).map_err(OpenError::Stopped)?;
        engine.look_at_clock(now);
        engine.model.leases.begin(&engine.model.ledger, kind == OwnerKind::Emacs);
        Ok(engine)
    }
}

impl Engine {
    /// The epoch that must begin now because the board has seen claims that this journal has not: it was restored from a
    /// backup, or replaced, and would give their tokens to others (R6).
    fn later_epoch(&mut self) -> Option<u32> {
        let ledger = &self.model.ledger;
        let unknown = |token: &Token| (token.epoch, token.number) > (ledger.epoch(), ledger.last);
        let latest = tokens(&self.model.board).filter(unknown).map(|token| token.epoch).max()?;
        self.notice("the journal is older than the board; tokens of claims that it does not know are void");
        Some(latest.saturating_add(1))
    }
}

/// What must be known of a journal before it can be folded: which of the files it knows is there, and which edits are
/// void.
pub(super) struct History {
    /// Everything up to this number stands in the file.
    pub(super) covers: u64,
    /// But for these.
    pub(super) without: BTreeSet<u64>,
    /// Edits by hand with numbers strictly between these were never saved (R12).
    void: Vec<(u64, u64)>,
    /// The first start since the last one by an Emacs, or the number after the last record.
    news_from: u64,
    /// The file is one that the journal knows.
    pub(super) is_known: bool,
}

impl History {
    /// Finds the last save that wrote, or start that found, the file with `hash`; of a file that was changed since, the
    /// last one known. A save that was announced and never published is passed over: its file is not there.
    pub(super) fn read(replay: &Replay, hash: &str) -> Result<Self, OpenError> {
        let mut files = Vec::new();
        let mut opened = Vec::new();
        let mut last = 0;
        let mut news_from = None;
        for record in replay.records() {
            last = record.number;
            if !(record.event.contains("\"saving\"") || record.event.contains("\"opened\"")) {
                continue;
            }
            match event(record.number, record.event)?.change {
                Change::Saving { hash, covers, without, replaces } => {
                    // A save that was announced and never made left the file that it was to replace.
                    files.extend(replaces);
                    files.push(KnownFile { hash, covers, without });
                }
                Change::Opened { owner, hash, covers, without, .. } => {
                    let is_news = owner != OwnerKind::Emacs.name();
                    news_from = is_news.then(|| news_from.unwrap_or(record.number));
                    opened.push((covers, record.number));
                    files.push(KnownFile { hash, covers, without });
                }
                _ => {}
            }
        }
        let same = files.iter().rposition(|file| file.hash == hash);
        let file = same.or(files.len().checked_sub(1)).map(|at| files.swap_remove(at));
        let (covers, without) = file.map_or((0, Vec::new()), |file| (file.covers, file.without));
        opened.push((covers, u64::MAX));
        let (news_from, is_known) = (news_from.unwrap_or(last + 1), same.is_some());
        Ok(Self { covers, without: without.into_iter().collect(), void: opened, news_from, is_known })
    }

    fn fold(&self, replay: &Replay, epoch: u32) -> Result<Ledger, OpenError> {
        let mut ledger = Ledger::new(epoch);
        let mut is_saved = false;
        let mut waiting = HashSet::new();
        for record in replay.records() {
            if !is_saved && record.number > self.covers {
                ledger.saved(&waiting);
                is_saved = true;
            }
            let event = event(record.number, record.event)?;
            if self.without.contains(&record.number) {
                waiting.extend(event.change.task().map(Into::into));
            }
            if !self.is_void(record.number, &event) {
                ledger.fold(record.number, &event);
            }
            ledger.last = record.number;
        }
        if !is_saved {
            ledger.saved(&waiting);
        }
        Ok(ledger)
    }

    pub(super) fn is_void(&self, number: u64, event: &Event) -> bool {
        event.by == Actor::Human && self.void.iter().any(|(covers, opened)| *covers < number && number < *opened)
    }
}

pub(super) fn event(number: u64, json: &str) -> Result<Event, OpenError> {
    serde_json::from_str(json).map_err(|source| OpenError::Event { number, source })
}

/// The epoch of a journal that begins now: later than that of every token on the board (R6).
fn next_epoch(board: &Board) -> u32 {
    tokens(board).map(|token| token.epoch).max().unwrap_or(0).saturating_add(1)
}

fn tokens(board: &Board) -> impl Iterator<Item = Token> {
    board.sections().iter().filter_map(|section| section.property("TOKEN")?.parse().ok())
}
