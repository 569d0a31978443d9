//! Archiving: closed subtrees leave the board for a file beside it. Decided and journaled first; then the archive gets
//! the entry, durably, and only then the text loses the subtree. Each step is done again after a crash unless it shows.

use super::{Engine, answer, apply::Work, fresh_id, log::chain, place, request::Caller};
use crate::{
    adapters::archive_file::{self, ArchiveFileError},
    core::{
        code::Code,
        queue::{
            archivable::{self, ARCHIVE_AGE_SECS_DEFAULT, ARCHIVE_TASKS_MAX, Found, Wish},
            archive,
            event::{Actor, Asked, Change, Event},
            model::Held,
        },
        time::Now,
        wire::{Call, Failure, Reply, Request, TaskInfo},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Range,
    path::PathBuf,
};

/// What became of a request to archive.
pub(super) struct Archiving {
    /// The number of the last event; none if there was nothing to archive.
    pub number: Option<u64>,
    /// The tasks that went, as they were.
    pub tasks: Vec<TaskInfo>,
    /// What the caller should know besides.
    pub notices: Vec<String>,
}

impl Engine {
    /// Which tasks the request `call` would archive now.
    pub(super) fn archive_preview(&self, call: &Call, now: &Now) -> Result<Archiving, Failure> {
        let found = self.archivable(call, now)?;
        let path = self.path().display().to_string();
        for &at in &found.roots {
            // What would be refused is refused here as well.
            archivable::archived(&self.model, at, "", (&self.dir.board_name(), &path), "", now)
                .map_err(|refusal| answer::failure(&refusal))?;
        }
        Ok(self.archiving(&found, None, now))
    }

    /// Decides to archive what the request asks for. The events are noted in `events`; the last one carries the request,
    /// so that one that was cut off by a crash is done to its end when it is repeated (R5).
    pub(super) fn archive(
        &mut self,
        request: &Request,
        (asked, by, caller): (Asked, &Actor, Caller),
        first: u64,
        events: &mut Vec<Event>,
        now: &Now,
    ) -> Result<Archiving, Failure> {
        let found = self.archivable(&request.call, now)?;
        let mut archiving = self.archiving(&found, None, now);
        let (name, path) = (self.dir.board_name(), self.path().display().to_string());
        let mut decided = Vec::with_capacity(found.roots.len());
        for (count, &at) in found.roots.iter().enumerate() {
            let fresh = fresh_id(&format!("{by} {} {count}", request.id));
            let subtree = self.subtree_text(at);
            let one = archivable::archived(&self.model, at, &subtree, (&name, &path), &fresh, now);
            decided.push((at, one.map_err(|refusal| answer::failure(&refusal))?));
        }
        self.check_archives(decided.iter().map(|(_, one)| &one.change))?;
        let mut asked = Some(asked);
        let last = decided.len();
        for (count, (at, one)) in decided.into_iter().enumerate() {
            if let (Some(uid), Some(task)) = (one.uid, one.change.stamps()) {
                self.model.stamped.insert(uid, task.into());
            }
            self.leave(at);
            let request = if count + 1 == last { asked.take() } else { None };
            let Caller { via, auth } = caller;
            let event = Event { at: now.wall, by: by.clone(), via, auth, request, change: one.change };
            archiving.number = Some(self.note(first, events, event));
        }
        Ok(archiving)
    }

    /// The reply to a request to archive, after the sync.
    pub(super) fn answer_archived(&self, request: &Request, archiving: Archiving) -> Reply {
        let mut reply = Reply::ok(&request.id);
        reply.number = archiving.number.or(Some(self.last()));
        reply.applied = archiving.number.map(|_| !self.queue.iter().any(is_archiving));
        reply.tasks = Some(archiving.tasks);
        reply.notices = archiving.notices;
        reply
    }

    fn archivable(&self, call: &Call, now: &Now) -> Result<Found, Failure> {
        let Call::Archive { tasks, older_than_secs, .. } = call else { unreachable!("it is a request to archive") };
        if tasks.len() > ARCHIVE_TASKS_MAX {
            let message = format!("{} tasks are more than the {ARCHIVE_TASKS_MAX} of one request", tasks.len());
            return Err(Failure::new(Code::Usage, "too-many-tasks", message).hint("name fewer of them at a time"));
        }
        let secs = older_than_secs.or(tasks.is_empty().then_some(ARCHIVE_AGE_SECS_DEFAULT));
        let ago = |secs: u64| i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(-1_000);
        let closed_before = secs.map(|secs| now.wall.plus_ms(ago(secs)));
        let pending: HashSet<usize> = self.queue.iter().filter_map(|work| self.place_of_work(work)).collect();
        let wish = Wish { tasks, closed_before };
        archivable::find(&self.model, &wish, now, &|at| pending.contains(&at))
            .map_err(|refusal| answer::failure(&refusal))
    }

    fn place_of_work(&self, work: &Work) -> Option<usize> {
        match work {
            Work::Cookie(uid) => self.model.board.index_of(*uid),
            work => self.model.place_of(work.task()?),
        }
    }

    fn archiving(&self, found: &Found, number: Option<u64>, now: &Now) -> Archiving {
        let tasks = found.roots.iter().filter_map(|&at| self.model.task_at(at)).map(|task| self.brief(&task, now));
        let mut notices = Vec::new();
        if found.left > 0 {
            notices.push(format!("{} were left: too new, or in somebody's hands, or above an open task", found.left));
        }
        if found.is_cut {
            notices.push("there are more: repeat the command".into());
        }
        Archiving { number, tasks: tasks.collect(), notices }
    }

    /// Refuses what could not be finished: an archive that cannot be read, or that somebody is just editing.
    fn check_archives<'c>(&self, changes: impl Iterator<Item = &'c Change>) -> Result<(), Failure> {
        let files: BTreeSet<&str> = changes.filter_map(file_of).collect();
        for file in files {
            archive_file::check(&self.beside(file)).map_err(|error| archive_failure(&error))?;
        }
        Ok(())
    }

    fn beside(&self, file: &str) -> PathBuf {
        self.path().with_file_name(file)
    }

    /// The heading at `at` with all that is below it; a footer of local variables belongs to the file.
    pub(super) fn subtree_text(&self, at: usize) -> String {
        let sections = self.model.board.sections();
        let range = self.model.board.subtree(at);
        let mut text: String = sections[range.clone()].iter().map(|section| section.text.as_str()).collect();
        if range.end == sections.len() {
            text.truncate(place::footer(&text).unwrap_or(text.len()));
        }
        text
    }

    fn leave(&mut self, at: usize) {
        let uids: Vec<u64> = self.uids(self.model.board.subtree(at));
        self.model.leaving.extend(uids);
    }

    fn uids(&self, range: Range<usize>) -> Vec<u64> {
        self.model.board.sections()[range].iter().map(|section| section.uid).collect()
    }

    /// Notes at which `places` of the text, in characters from 0, somebody's cursor stands: what stands there is not
    /// swept away.
    pub fn set_visited(&mut self, places: &[u64]) {
        let window = |&place: &u64| self.model.board.section_at(place);
        let sections = places.iter().map(window).map(|at| self.model.board.sections()[at].uid);
        self.model.visited = sections.collect();
    }

    /// Puts everything that was decided to be archived into its archive. Whether all of it is there now.
    pub(super) fn fill_archives(&mut self) -> bool {
        let waiting = self.queue.iter().filter_map(|work| match work {
            Work::Event(number, event) if !self.kept.contains(number) => match &event.change {
                Change::Archived { file, entry, .. } => Some((file.clone(), *number, entry.clone())),
                _ => None,
            },
            _ => None,
        });
        let mut by_file: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        waiting.for_each(|(file, number, entry)| by_file.entry(file).or_default().push((number, entry)));
        let header = archive::header(&self.path().display().to_string());
        let mut is_done = true;
        for (file, entries) in by_file {
            let texts: Vec<&str> = entries.iter().map(|(_, entry)| entry.as_str()).collect();
            match archive_file::add(&self.beside(&file), &header, &texts) {
                Ok(()) => self.kept.extend(entries.iter().map(|(number, _)| *number)),
                Err(error) => {
                    self.notice(format!("archived tasks stay on the board: {}", chain(&error)));
                    is_done = false;
                }
            }
        }
        is_done
    }

    /// A person has changed something: where it touches what is leaving, the heading stays, and is theirs.
    pub(super) fn recall_archived(&mut self, now: &Now) {
        if self.model.leaving.is_empty() {
            return;
        }
        let mut stays: HashSet<u64> = HashSet::new();
        let mut recalled: Vec<u64> = Vec::new();
        for work in self.queue.iter().filter(|work| is_archiving(work)) {
            let Some(at) = work.task().and_then(|task| self.model.place_of(task)) else { continue };
            let uids = self.uids(self.model.board.subtree(at));
            if uids.iter().any(|uid| self.model.held.contains_key(uid)) {
                recalled.extend(work.number());
            } else {
                stays.extend(uids);
            }
        }
        self.queue.retain(|work| !work.number().is_some_and(|number| recalled.contains(&number)));
        let leaving = std::mem::replace(&mut self.model.leaving, stays);
        for uid in leaving.difference(&self.model.leaving) {
            let Some(at) = self.model.board.index_of(*uid) else { continue };
            let before = Some(self.model.board.sections()[at].clone());
            self.model.held.entry(*uid).or_insert(Held { before, changed_ms: now.boot_ms });
        }
    }

    /// After a start, or a text from outside: which headings are still to go. Those that somebody changed meanwhile are
    /// not among them; what they are instead is returned, and their events are taken out of `waiting`.
    pub(super) fn leave_again(&mut self, waiting: &mut Vec<(u64, Event)>) -> Vec<Change> {
        self.model.leaving.clear();
        let mut returned = Vec::new();
        waiting.retain(|(_, event)| {
            let Change::Archived { task, digest, .. } = &event.change else { return true };
            let Some(at) = self.model.place_of(task) else { return true };
            let is_same = self.is_file_ours || archive::digest(&self.subtree_text(at)) == *digest;
            if is_same {
                self.model
                    .leaving
                    .extend(self.model.board.sections()[self.model.board.subtree(at)].iter().map(|s| s.uid));
            } else if let Some(record) = self.model.ledger.record(task) {
                returned.push(Change::Returned { task: task.clone(), keyword: record.keyword.clone() });
            }
            is_same
        });
        returned
    }
}

/// Whether `work` takes an archived subtree off the board.
pub(super) fn is_archiving(work: &Work) -> bool {
    matches!(work, Work::Event(_, event) if file_of(&event.change).is_some())
}

fn file_of(change: &Change) -> Option<&str> {
    match change {
        Change::Archived { file, .. } => Some(file),
        _ => None,
    }
}

fn archive_failure(error: &ArchiveFileError) -> Failure {
    match error {
        ArchiveFileError::Busy { .. } => Failure::new(Code::Conflict, "archive-busy", chain(error))
            .hint("save the archive in that Emacs, then try again"),
        ArchiveFileError::File(_) | ArchiveFileError::Make { .. } => {
            Failure::new(Code::Config, "bad-archive", chain(error))
        }
    }
}
