//! Who holds the board, how it answers, and the journal that it writes.

use super::finding::{Cure, Finding};
use crate::{
    adapters::{
        clock, emacsclient,
        journal::JOURNAL_NAME,
        owner::{self, OwnerInfo, OwnerKind},
    },
    cli::{
        commands::daemon::{living_owner, no_answer, place_failure, rough, status_of},
        options::Settings,
    },
    core::{
        code::Code,
        frame::{self, Tail},
        queue::event::Event,
        wire::StatusInfo,
    },
};
use std::{fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

/// How long an owner may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(700);
/// The largest journal that is read whole here, in bytes; more takes longer than a look should.
const JOURNAL_BYTES_QUICK: u64 = 64 << 20;
/// How far the clock may be behind the newest event, in milliseconds.
const CLOCK_MS_MAX: i64 = 5_000;

/// Owner, its sockets, what it says, the journal and the clock.
pub(super) fn owner(settings: &Settings) -> Vec<Finding> {
    let mut findings = journal(&settings.board);
    match living_owner(&settings.board) {
        Err(failure) => findings.push(Finding::of_failure("owner", &failure)),
        Ok(None) => findings.extend(nobody(settings)),
        Ok(Some((owner, _))) => findings.extend(alive(&owner, settings)),
    }
    findings
}

fn nobody(settings: &Settings) -> Vec<Finding> {
    let message = "nobody holds the board";
    let mut findings = vec![match settings.offline {
        true => Finding::fine("owner", message),
        false => Finding::broken("owner", Code::Unreachable, message).hint("start Emacs with `fleet daemon start`"),
    }];
    if let Ok(Some(dead)) = owner::read_owner(&settings.board) {
        let message = format!("a note names process {} as owner, which has ended", dead.pid);
        findings.push(Finding::warning("note", message).cure(Cure::Forget { board: settings.board.clone() }));
    }
    findings
}

fn alive(owner: &OwnerInfo, settings: &Settings) -> Vec<Finding> {
    let up = owner.held_for(clock::now().wall.unix_ms()).map(rough).unwrap_or_else(|| "an unknown time".into());
    let told = format!("process {} ({}) holds the board for {up}", owner.pid, owner.kind.name());
    let mut findings = vec![socket(owner)];
    if owner.kind == OwnerKind::Emacs {
        findings.push(emacs_socket(settings));
    }
    let reply = status_of(owner, ANSWER_WITHIN.min(settings.timeout));
    match reply.and_then(|reply| reply.status) {
        None => findings.push(Finding::of_failure("owner", &no_answer(owner))),
        Some(status) => {
            findings.push(Finding::fine("owner", format!("{told} and answers")));
            findings.extend(said(&status));
        }
    }
    findings
}

/// Fleet's own socket is for one user.
fn socket(owner: &OwnerInfo) -> Finding {
    let Some(path) = &owner.socket else {
        return Finding::warning("socket", "the owner has no socket; only emacsclient reaches it");
    };
    match fs::symlink_metadata(path) {
        Err(e) => Finding::broken("socket", Code::Unreachable, format!("{}: {e}", path.display()))
            .hint("restart the daemon: `fleet daemon stop`, `fleet daemon start`"),
        Ok(found) if found.mode() & 0o077 != 0 => {
            Finding::warning("socket", format!("{} is open to others", path.display()))
                .cure(Cure::Protect { path: path.clone(), mode: 0o600 })
        }
        Ok(_) => Finding::fine("socket", format!("{}, private", path.display())),
    }
}

/// The socket of Emacs's own server, which `eval`, `attach` and other hosts need.
fn emacs_socket(settings: &Settings) -> Finding {
    let path = match settings.emacs_socket() {
        Ok(path) => path,
        Err(failure) => return Finding::of_failure("server", &failure),
    };
    match emacsclient::listens(&path) {
        true => Finding::fine("server", format!("Emacs listens on {}", path.display())),
        false => Finding::warning("server", format!("no Emacs listens on {}", path.display()))
            .hint("eval, attach and other hosts need it: name the right one with EMACS_SOCKET, or M-x server-start"),
    }
}

/// What the owner says about itself.
pub(super) fn said(status: &StatusInfo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours = env!("CARGO_PKG_VERSION");
    if status.version != ours {
        let message = format!("the owner runs fleet {}, this program is {ours}", status.version);
        findings.push(Finding::warning("upgrade", message).hint("restart the daemon when it suits you"));
    }
    findings.push(match (status.state.as_str(), &status.detail) {
        ("ok", _) => Finding::fine("queue", format!("{} events, {} not saved yet", status.number, status.unsaved)),
        ("stopped", detail) => {
            Finding::broken("queue", Code::Corrupt, format!("stopped: {}", detail.as_deref().unwrap_or_default()))
        }
        ("conflict", detail) => {
            Finding::broken("queue", Code::Conflict, format!("conflict: {}", detail.as_deref().unwrap_or_default()))
        }
        (state, detail) => Finding::warning("queue", format!("{state}: {}", detail.as_deref().unwrap_or_default())),
    });
    findings.extend(status.notices.iter().map(|notice| Finding::warning("notice", notice)));
    findings
}

/// The journal from start to end, and the clock against its newest event.
fn journal(board: &Path) -> Vec<Finding> {
    let place = match owner::locate(board) {
        Ok(place) => place,
        // The board's own check has said so.
        Err(error) => return vec![Finding::of_failure("journal", &place_failure(error))],
    };
    let path = place.state.join(JOURNAL_NAME);
    let Ok(found) = fs::metadata(&path) else {
        return vec![Finding::fine("journal", "none yet; the first owner begins it")];
    };
    if found.len() > JOURNAL_BYTES_QUICK {
        let message = format!("{} MiB, too large for a quick look", found.len() >> 20);
        return vec![Finding::fine("journal", message).hint("`fleet verify` reads it whole")];
    }
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) => {
            let message = format!("{} cannot be read: {e}", path.display());
            return vec![Finding::broken("journal", Code::Corrupt, message).hint("run as the user who owns the board")];
        }
    };
    let mut newest = None;
    match frame::read(&bytes, &mut |record| newest = Some(record.event.to_owned())) {
        Err(corrupt) => {
            let message = format!("{}: {corrupt}", path.display());
            let hint = "the board is as it was; keep the file for a look, and restore it from a backup";
            vec![Finding::broken("journal", Code::Corrupt, message).hint(hint)]
        }
        Ok((head, tail)) => vec![whole(head.last, tail), clock_against(newest.as_deref())],
    }
}

fn whole(last: u64, tail: Tail) -> Finding {
    match tail {
        // An owner may be writing just now.
        Tail::Clean => Finding::fine("journal", format!("{last} events, every one whole and chained")),
        _ => Finding::fine("journal", format!("{last} whole events, and an unfinished write that a start sets aside")),
    }
}

/// A clock that was set back makes the order of logs and dates misleading.
fn clock_against(newest: Option<&str>) -> Finding {
    let at = newest.and_then(|event| serde_json::from_str::<Event>(event).ok()).map(|event| event.at.unix_ms());
    let behind = at.map_or(0, |at| at - clock::now().wall.unix_ms());
    if behind > CLOCK_MS_MAX {
        let message = format!("it is {}s behind the newest event of the journal", behind / 1_000);
        return Finding::warning("clock", message).hint("set the clock: dates on the board would be wrong");
    }
    Finding::fine("clock", "not behind the journal")
}
