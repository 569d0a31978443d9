//! The board's text and the ledger together: what `decide` looks at.

use crate::core::{
    id::AgentName,
    queue::{
        board::{Board, Section, Unresolved},
        lease::Leases,
        ledger::{Gone, Ledger, Record, Replanned},
        state::State,
    },
};
use jiff::tz::TimeZone;
use std::collections::{HashMap, HashSet};

/// How often a task is tried before it is FAILED, unless its MAX_ATTEMPTS says otherwise.
pub const MAX_ATTEMPTS: u32 = 3;
/// A task at which so many different agents failed is poison: it is FAILED whatever attempts are left.
pub const POISON_AGENTS: usize = 3;
/// The first delay after a failure.
pub const BACKOFF_MS_BASE: i64 = 30_000;
/// The longest delay after a failure.
pub const BACKOFF_MS_MAX: i64 = 3_600_000;

/// Everything a decision depends on, but the clock.
#[derive(Clone, Debug)]
pub struct Model {
    /// The text as it is shown: last reading plus the edits applied since.
    pub board: Board,
    /// The text's future: everything the journal decided.
    pub ledger: Ledger,
    /// How much is left of each claim.
    pub leases: Leases,
    /// Sections that a person is just editing, by uid (R11).
    pub held: HashMap<u64, Held>,
    /// Headings that vanished less than a minute ago (R17), by ID, with the boot time in ms when they did.
    pub missing: HashMap<String, Missing>,
    /// Of IDs that stand on the board more than once: the uid of the section that had it first (R17).
    pub homes: HashMap<String, u64>,
    /// IDs that were given to headings by events which the text does not show yet, by the section's uid.
    pub stamped: HashMap<u64, String>,
    /// Sections that were archived and still stand on the board, by uid: they are no tasks any more.
    pub leaving: HashSet<u64>,
    /// Sections in which a person's cursor stands, by uid.
    pub visited: HashSet<u64>,
    /// `done` and the like must carry a token.
    pub require_token: bool,
    /// How many tasks an agent may hold at once, where the board does not say; 0 for any number.
    pub claims_max: u32,
    /// The time zone in which people read the board's time stamps.
    pub zone: TimeZone,
    /// Why nothing may be offered at all, if so: a conflict or a damaged file.
    pub stopped: Option<String>,
    /// Why the fleet is halted, perhaps with an empty reason, as it was right before this decision (R24).
    pub halted: Option<String>,
}

/// A section under a person's hands.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The section as it was before the first change that is not settled yet; absent if it is new.
    pub before: Option<Section>,
    /// Boot time in ms of the last change.
    pub changed_ms: u64,
}

/// A heading that is not on the board just now.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    /// Boot time in ms when it went.
    pub since_ms: u64,
    /// The section as it was.
    pub section: Section,
}

/// One task as a decision sees it.
#[derive(Clone, Copy, Debug)]
pub struct Task<'m> {
    /// Its section's index; absent while the heading is missing.
    pub at: Option<usize>,
    /// Its section, as it is or was.
    pub section: &'m Section,
    /// Its ID, also if the text does not show it yet.
    pub id: Option<&'m str>,
    /// What the journal knows of it.
    pub record: Option<&'m Record>,
    /// The decided state.
    pub state: State,
    /// The decided keyword.
    pub keyword: &'m str,
    /// A person is editing it.
    pub is_held: bool,
    /// It is a copy: another heading is the home of its ID.
    pub is_copy: bool,
}

/// Why a name does not lead to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// No task is called that.
    Unknown,
    /// Several are: their headlines with line numbers.
    Ambiguous(Vec<(u64, String)>),
    /// The heading was deleted or archived.
    Gone(Gone),
}

impl Model {
    /// A model of `board` and `ledger` with nothing going on.
    pub fn new(board: Board, ledger: Ledger) -> Self {
        Self {
            board,
            ledger,
            leases: Leases::default(),
            held: HashMap::new(),
            missing: HashMap::new(),
            homes: HashMap::new(),
            stamped: HashMap::new(),
            leaving: HashSet::new(),
            visited: HashSet::new(),
            require_token: false,
            claims_max: 0,
            zone: TimeZone::UTC,
            stopped: None,
            halted: None,
        }
    }

    /// The task in section `at`, if that heading is one.
    pub fn task_at(&self, at: usize) -> Option<Task<'_>> {
        let section = &self.board.sections()[at];
        let shown = section.state.filter(|_| !self.leaving.contains(&section.uid))?;
        let id = section.id().or_else(|| self.stamped.get(&section.uid).map(String::as_str));
        let is_copy = id.and_then(|id| self.home_of(id)).is_some_and(|home| home != at);
        let record = id.filter(|_| !is_copy).and_then(|id| self.ledger.record(id)).filter(|r| r.gone.is_none());
        let (state, keyword) = match record {
            Some(record) => (State::of(&record.keyword, &self.board.settings().keywords), record.keyword.as_str()),
            None => (shown, section.keyword().unwrap_or_default()),
        };
        let is_held = self.held.contains_key(&section.uid);
        Some(Task { at: Some(at), section, id, record, state, keyword, is_held, is_copy })
    }

    /// The section that is the home of `id`: the only one, or of several the one that had it first.
    pub fn home_of(&self, id: &str) -> Option<usize> {
        let mut places = self.board.with_id(id);
        let first = places.next()?;
        if places.next().is_none() {
            return Some(first);
        }
        let home = self.homes.get(id).and_then(|uid| self.board.index_of(*uid));
        let known = home.filter(|&at| self.board.sections()[at].id() == Some(id));
        let is_task = |&at: &usize| self.board.sections()[at].state.is_some();
        known.or_else(|| self.board.with_id(id).find(is_task)).or(Some(first))
    }

    /// Where the task that the journal calls `id` stands, also if the text does not show its ID yet.
    pub fn place_of(&self, id: &str) -> Option<usize> {
        self.home_of(id).or_else(|| {
            let (uid, _) = self.stamped.iter().find(|(_, stamped)| *stamped == id)?;
            self.board.index_of(*uid)
        })
    }

    /// The ID by which the journal knows section `at`; absent for a copy and for what the journal does not know.
    pub fn tracked(&self, at: usize) -> Option<&str> {
        let section = &self.board.sections()[at];
        let id = section.id().or_else(|| self.stamped.get(&section.uid).map(String::as_str))?;
        (self.place_of(id) == Some(at) && self.ledger.record(id).is_some()).then_some(id)
    }

    /// Makes one of the sections with `id` its home, unless one is known already: the first of those that `claim` most.
    pub fn settle_home(&mut self, id: &str, claim: impl Fn(&Section) -> u8) {
        let sections = self.board.sections();
        let is_known = |uid: &u64| self.board.index_of(*uid).is_some_and(|at| sections[at].id() == Some(id));
        if self.board.with_id(id).nth(1).is_none() || self.homes.get(id).is_some_and(is_known) {
            return;
        }
        let home = self.board.with_id(id).min_by_key(|&at| std::cmp::Reverse(claim(&sections[at])));
        if let Some(at) = home {
            self.homes.insert(id.into(), sections[at].uid);
        }
    }

    /// Finds the task called `name` (R25).
    pub fn find(&self, name: &str) -> Result<Task<'_>, Lookup> {
        let at = match self.board.resolve(name) {
            // What the journal knows by this ID comes before a heading that is merely called so.
            Ok(at) if self.is_tracked_elsewhere(name, at) => return self.find_off_board(name),
            Ok(at) => at,
            Err(Unresolved::Ambiguous(places)) => {
                let is_tracked = self.ledger.record(name).is_some_and(|record| record.gone.is_none());
                let home = self.home_of(name).filter(|_| is_tracked || self.homes.contains_key(name));
                home.ok_or_else(|| self.ambiguous(&places))?
            }
            Err(Unresolved::Unknown) => {
                return self.find_off_board(name).map_err(|lookup| self.or_archived(lookup, name));
            }
        };
        self.task_in(at)
    }

    /// Finds the task that BLOCKED_BY calls `name`; a title is no name there.
    pub fn find_named(&self, name: &str) -> Result<Task<'_>, Lookup> {
        if self.board.named(name).is_empty() { self.find_off_board(name) } else { self.find(name) }
    }

    fn is_tracked_elsewhere(&self, name: &str, at: usize) -> bool {
        let is_its_own = self.board.sections()[at].id() == Some(name);
        !is_its_own && (self.missing.contains_key(name) || self.place_of(name).is_some_and(|place| place != at))
    }

    fn find_off_board(&self, name: &str) -> Result<Task<'_>, Lookup> {
        if let Some(at) = self.place_of(name) {
            return self.task_in(at);
        }
        let record = self.ledger.record(name);
        if let Some((id, missing)) = self.missing.get_key_value(name) {
            return self.missing_task(id, missing, record).ok_or(Lookup::Unknown);
        }
        record.and_then(|record| record.gone).map_or(Err(Lookup::Unknown), |gone| Err(Lookup::Gone(gone)))
    }

    /// The task in section `at`; one that is just leaving for the archive is there already.
    fn task_in(&self, at: usize) -> Result<Task<'_>, Lookup> {
        let is_leaving = self.leaving.contains(&self.board.sections()[at].uid);
        self.task_at(at).ok_or(if is_leaving { Lookup::Gone(Gone::Archived) } else { Lookup::Unknown })
    }

    /// What is not on the board may have been archived under this title.
    fn or_archived(&self, lookup: Lookup, title: &str) -> Lookup {
        let is_it = |record: &Record| record.gone == Some(Gone::Archived) && record.title == title;
        let is_archived = lookup == Lookup::Unknown && self.ledger.records().any(|(_, record)| is_it(record));
        if is_archived { Lookup::Gone(Gone::Archived) } else { lookup }
    }

    fn missing_task<'m>(&'m self, id: &'m str, missing: &'m Missing, record: Option<&'m Record>) -> Option<Task<'m>> {
        let section = &missing.section;
        let keyword = record.map_or_else(|| section.keyword(), |record| Some(record.keyword.as_str()))?;
        let state = State::of(keyword, &self.board.settings().keywords);
        Some(Task { at: None, section, id: Some(id), record, state, keyword, is_held: false, is_copy: false })
    }

    fn ambiguous(&self, places: &[usize]) -> Lookup {
        let line = |&at: &usize| (self.board.line_of(at), self.board.sections()[at].headline().to_owned());
        Lookup::Ambiguous(places.iter().map(line).collect())
    }
}

impl Task<'_> {
    /// The agent that holds the task.
    pub fn holder(&self) -> Option<&AgentName> {
        self.record.and_then(|record| record.holder.as_ref())
    }

    /// Whether so many agents failed at it that nobody shall try again.
    pub fn is_poison(&self) -> bool {
        self.record.is_some_and(|record| !record.poison.is_empty())
    }

    /// Failed attempts so far.
    pub fn attempts(&self) -> u32 {
        self.record.map_or(0, |record| record.attempts)
    }

    /// The DEADLINE as decided: what the text shows, or will.
    pub fn deadline(&self) -> Option<&str> {
        let shown = self.section.deadline()?;
        decided_stamp(shown, self.record.and_then(|record| record.deadline.as_ref()))
    }

    /// The SCHEDULED as decided.
    pub fn scheduled(&self) -> Option<&str> {
        let shown = self.section.scheduled()?;
        decided_stamp(shown, self.record.and_then(|record| record.scheduled.as_ref()))
    }

    /// How often it is tried.
    pub fn max_attempts(&self) -> u32 {
        self.section.property("MAX_ATTEMPTS").and_then(|value| value.parse().ok()).unwrap_or(MAX_ATTEMPTS).max(1)
    }
}

fn decided_stamp<'t>(shown: &'t str, replanned: Option<&'t Replanned>) -> Option<&'t str> {
    match replanned.filter(|replanned| replanned.is_behind(shown)) {
        Some(replanned) => replanned.is.as_deref(),
        None => Some(shown),
    }
}
