//! Writing the board: intent journaled, file exchanged, what was there before looked at (R20).

use super::{Engine, apply::Work, log::chain};
use crate::{
    adapters::board_file::{self, BoardFileError},
    core::{
        queue::event::{Actor, Change, KnownFile},
        time::Now,
    },
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeSet, HashSet},
    path::PathBuf,
};

/// What a save did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The file was up to date.
    Same,
    /// The file was written. A file that somebody else had put there meanwhile is kept aside.
    Written {
        /// Where the foreign file is.
        foreign: Option<PathBuf>,
    },
}

/// Why the board could not be written. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The file.
    #[error(transparent)]
    File(#[from] BoardFileError),
    /// The journal, in which a save is announced first.
    #[error("the journal failed: {0}")]
    Journal(String),
}

impl Engine {
    /// Writes the shown text to the board's file, if it differs from it.
    ///
    /// Blocks for a sync of the journal, of the file and of its directory.
    pub fn save(&mut self, now: &Now) -> Result<Saved, SaveError> {
        // What the person has done so far is in the text, so that it belongs to it in the journal too (R11).
        self.settle(true, now).map_err(SaveError::Journal)?;
        let text = self.model.board.text();
        let hash = hex(&Sha256::digest(self.encoding.encode(&text)));
        let is_same = hash == self.file_hash;
        if !is_same || self.is_edited_since_save {
            self.announce(&hash, now)?;
        }
        if is_same {
            self.note_saved();
            return Ok(Saved::Same);
        }
        let published = board_file::publish(self.dir.board(), &text, self.encoding, &self.file)?;
        self.file = published.identity;
        self.file_hash = hash;
        self.note_saved();
        if let Some(foreign) = &published.foreign {
            self.notice(format!(
                "the file was changed by another program; that version is kept as {}",
                foreign.display()
            ));
        }
        Ok(Saved::Written { foreign: published.foreign })
    }

    /// Journals that the file with `hash` shows what was decided so far. Of a file that is there already, that matters
    /// where a person changed something and back: both edits are saved by that, and not void after a crash (R12).
    fn announce(&mut self, hash: &str, now: &Now) -> Result<(), SaveError> {
        let without = |waiting: &BTreeSet<u64>| waiting.iter().copied().collect();
        let replaces = KnownFile { hash: self.file_hash.clone(), covers: self.saved, without: without(&self.waiting) };
        let waiting = self.queue.iter().filter_map(Work::number).collect();
        let intent = Change::Saving {
            hash: hash.into(),
            covers: self.last(),
            without: without(&waiting),
            replaces: (hash != self.file_hash).then_some(replaces),
        };
        self.commit_inside(Actor::System, vec![intent], now.wall).map_err(SaveError::Journal)
    }

    /// The file as this engine last read or wrote it: size and modification time for the buffer that visits it.
    pub fn file(&self) -> &crate::adapters::board_file::Identity {
        &self.file
    }

    /// Whether the file on disk is not the one that this engine last read or wrote.
    pub fn is_file_foreign(&self) -> Result<bool, SaveError> {
        Ok(board_file::identify(self.dir.board())? != self.file)
    }

    /// Takes a file that another program wrote as the new base, after its text came in by [`Engine::replaced`].
    pub fn adopt_file(&mut self) -> Result<(), SaveError> {
        let file = board_file::load(self.dir.board())?;
        self.encoding = file.encoding;
        let hash = hex(&file.identity.sha256);
        self.is_file_ours = hash == self.file_hash;
        self.file_hash = hash;
        self.file = file.identity;
        Ok(())
    }

    fn note_saved(&mut self) {
        let tasks: HashSet<String> =
            self.queue.iter().filter(|work| work.number().is_some()).filter_map(Work::task).map(Into::into).collect();
        self.model.ledger.saved(&tasks);
        self.saved = self.last();
        self.is_edited_since_save = false;
        self.waiting = self.queue.iter().filter_map(Work::number).collect();
        self.unsaved = self.waiting.len() as u64;
        self.paused = None;
    }

    /// Why a save failed, in one line.
    pub fn save_trouble(error: &SaveError) -> String {
        chain(error)
    }
}

/// Bytes as hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
