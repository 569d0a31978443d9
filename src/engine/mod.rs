//! The owner of a board: model, journal and stored replies. No Emacs in it.
//!
//! `Engine::handle` decides a batch of requests, makes the events durable with one sync and only then answers
//! (R2). What the events do to the text waits in a queue until the owner of the text (the buffer in Emacs, or
//! `offline` for a plain file) asks for the next edit and confirms that it was made.

mod answer;
mod apply;
mod archive;
mod events;
mod explain;
mod lease;
mod open;
mod person;
mod place;
mod replaced;
mod report;
mod request;
mod save;
mod vet;
mod wait;

pub mod log;
pub mod offline;
pub mod verify;

pub use apply::{HeadingEdit, TextChange};
pub use open::OpenError;
pub use request::{Answer, Ask, Caller};
pub use save::{SaveError, Saved};
pub use vet::{Fingerprint, Question, VETO_ASKS_MAX, Vetting};
pub use wait::{Decided, Pending, WAITERS_MAX, Waiters};

use crate::{
    adapters::{
        board_file::{Encoding, Identity},
        clock,
        halt::HaltFile,
        owner::{NetworkFs, OwnedDir},
    },
    core::{
        config::{Config, Key},
        queue::{
            event::{Actor, Auth, Change, Event, Via},
            lease::LEASE_SECS_MIN,
            model::Model,
        },
        time::Stamp,
    },
};
use apply::{Plan, Work};
use jiff::tz::TimeZone;
use log::Log;
use std::{
    collections::{BTreeSet, VecDeque},
    path::Path,
};

/// How long a person's edit rests before it counts (R11).
pub const SETTLE_MS: u64 = 3_000;
/// How long a vanished heading may come back before it counts as removed (R17).
pub const MISSING_MS: u64 = 60_000;
/// How many notices are kept; older ones go first.
pub const NOTICES_MAX: usize = 20;

/// What the operator decided about a board; read from the configuration by whoever takes it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether done, fail, renew, release and note must show the claim's token.
    pub require_token: bool,
    /// How long a claim lasts without a sign of life, in seconds, 0 for ever.
    pub lease_secs: u64,
    /// How many tasks an agent may hold where the board does not say; 0 for any number.
    pub claims_max: u32,
    /// The time zone in which people read the board's time stamps.
    pub zone: TimeZone,
    /// Whether the board may lie on a network file system.
    pub network: NetworkFs,
    /// The file that stops the fleet; `None` for a board that nobody can halt.
    pub halt: Option<HaltFile>,
}

impl Policy {
    /// What `config` says for a person whose home is `home`.
    pub fn of(config: &Config, home: Option<&Path>) -> Self {
        let network = match config.is_on(Key::PolicyNetworkFileSystem) {
            true => NetworkFs::Allow,
            false => NetworkFs::Refuse,
        };
        let halt = Some(HaltFile::new(config.path(Key::HaltFile, home)));
        let lease_secs = config.number(Key::PolicyLeaseSecs).expect("it has a default");
        // The configuration is a number between two bounds; what lies between 0 and the least is the least.
        let lease_secs = if lease_secs == 0 { 0 } else { lease_secs.max(LEASE_SECS_MIN) };
        Self {
            require_token: config.is_on(Key::PolicyRequireToken),
            lease_secs,
            claims_max: config.number(Key::PolicyClaimsMax).map_or(0, |max| u32::try_from(max).unwrap_or(u32::MAX)),
            zone: clock::zone(),
            network,
            halt,
        }
    }
}

impl Default for Policy {
    /// The strictest file systems, no tokens, no limits, claims without end, UTC, and nobody who could halt it.
    fn default() -> Self {
        let (network, zone) = (NetworkFs::Refuse, TimeZone::UTC);
        Self { require_token: false, lease_secs: 0, claims_max: 0, zone, network, halt: None }
    }
}

/// A board and everything that is known about it, owned by this process.
pub struct Engine {
    model: Model,
    log: Log,
    dir: OwnedDir,
    kind: &'static str,
    encoding: Encoding,
    file: Identity,
    /// SHA-256 of the file as it was last read or written by us.
    file_hash: String,
    queue: VecDeque<Work>,
    /// Archived entries of queued work that are known to be in their archive, by number.
    kept: BTreeSet<u64>,
    /// The archives shall be tried again; one that failed is not tried for every edit.
    fills_archives: bool,
    /// The text came from a file that this engine, or one before it, wrote or found.
    is_file_ours: bool,
    /// The edit that the text's owner is just making.
    planned: Option<Plan>,
    /// Every event up to this number stands in the file, but for those in `waiting`.
    saved: u64,
    waiting: BTreeSet<u64>,
    /// How many events the file does not hold.
    unsaved: u64,
    /// A person's edits were journaled since the last save.
    is_edited_since_save: bool,
    notices: VecDeque<String>,
    /// The first event that happened since an Emacs had the board before.
    news_from: u64,
    /// The text undid so much at once that nothing is offered until a person says which side is right (R19).
    in_conflict: bool,
    /// Why the file is not being written at the moment.
    paused: Option<String>,
    halt: Option<HaltFile>,
    /// How many requests waiting at the last decision until something is ready.
    waiters: usize,
}

impl Engine {
    /// The board as it is shown.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The number of the last decided event.
    pub fn last(&self) -> u64 {
        self.model.ledger.last
    }

    /// The board's real path.
    pub fn path(&self) -> &std::path::Path {
        self.dir.board()
    }

    /// The directory with journal, lock and owner file.
    pub fn dir(&mut self) -> &mut OwnedDir {
        &mut self.dir
    }

    /// Where the journal phases of a commit are reported to, for tests that kill the process in each.
    pub fn observe_journal(&mut self, observer: fn(crate::adapters::journal::Phase)) {
        self.log.observe(observer);
    }

    /// Says why the file is not being written, or that it is again.
    pub fn set_paused(&mut self, why: Option<String>) {
        self.paused = why;
    }

    /// Keeps a sentence for `status`.
    pub fn notice(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notices.contains(&text) {
            self.notices.push_back(text);
        }
        if self.notices.len() > NOTICES_MAX {
            self.notices.pop_front();
        }
    }

    /// Commits what nobody asked for by request: a person's edits, starts and saves.
    fn commit_inside(&mut self, by: Actor, changes: Vec<Change>, at: Stamp) -> Result<(), String> {
        if changes.is_empty() {
            return Ok(());
        }
        let event = |change| Event { at, by: by.clone(), via: Via::Inside, auth: Auth::Label, request: None, change };
        let events: Vec<Event> = changes.into_iter().map(event).collect();
        let precondition = log::Precondition { last: self.model.ledger.last };
        for (number, event) in (self.log.next()..).zip(&events) {
            self.model.ledger.fold(number, event);
        }
        if by == Actor::Human {
            self.unsaved += events.len() as u64;
            self.is_edited_since_save = true;
        }
        match self.log.commit(&events, precondition) {
            log::Commit::Committed(_) => Ok(()),
            commit => Err(self.stop(commit)),
        }
    }

    /// The journal failed: nothing is decided any more until a restart, and the text gets nothing that may not be durable
    /// (R2, R4).
    ///
    /// A conflict means that another process wrote into the journal in spite of the lock: as grave as a failed disk.
    fn stop(&mut self, commit: log::Commit) -> String {
        let why = match commit {
            log::Commit::Unknown(why) => why,
            log::Commit::Conflict | log::Commit::Committed(_) => "another process wrote into it".into(),
        };
        self.queue.clear();
        self.planned = None;
        self.model.stopped.get_or_insert_with(|| {
            format!("the journal stopped ({why}); make room or repair the disk, then restart the daemon")
        });
        why
    }
}

/// A short name for a heading that has none, made from who asked for it and how.
fn fresh_id(seed: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(seed.as_bytes());
    let number = u32::from_be_bytes([0, digest[0], digest[1], digest[2]]);
    format!("T-{number:06x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::owner::OwnerKind,
        core::time::{Now, Stamp},
    };

    #[test]
    fn r9_what_was_decided_on_another_state_than_the_journals_is_not_committed() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let path = dir.path().join("board.org");
        std::fs::write(&path, "* PENDING One\n").expect("a board can be written");
        let now = Now { wall: Stamp::new(1_795_168_800_000, 0), boot_ms: 1, jitter: 0 };
        let request = br#"{"v":1,"id":"a","agent":"timmy","call":{"verb":"append","text":"hello"}}"#;
        let caller = Caller { via: Via::Socket, auth: Auth::Label };
        for by_request in [true, false] {
            let mut engine =
                Engine::open(&path, OwnerKind::Offline, Policy::default(), &now).expect("nobody else owns it");
            let before = engine.log.next();
            engine.model.ledger.last -= 1;
            if by_request {
                let reply = engine.handle(&[Ask { caller, json: request.to_vec() }], &now).remove(0);
                assert_eq!(reply.error.map(|error| error.reason).as_deref(), Some("outcome-unknown"));
            } else {
                let change = Change::Removed { task: "One".into(), archived: false };
                engine.commit_inside(Actor::Human, vec![change], now.wall).expect_err("the model is behind");
            }
            assert_eq!(engine.log.next(), before, "nothing was written");
            assert!(engine.model.stopped.is_some(), "and nothing is decided any more");
        }
    }
}
