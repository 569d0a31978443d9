//! The board as a file, what lies beside it, and the disk below.

use super::finding::{Cure, Finding};
use crate::{
    adapters::{
        board_file,
        owner::{self, BoardPlace},
    },
    cli::{commands::daemon::place_failure, options::Settings},
    core::{code::Code, queue::board::Board},
};
use rustix::{
    fs::{Access, access, statvfs},
    process::geteuid,
};
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Less free space than this is worth a warning, in bytes: a save needs twice the board.
const DISK_BYTES_LOW: u64 = 256 << 20;
/// With less than this nothing can be promised any more, in bytes.
const DISK_BYTES_MIN: u64 = 16 << 20;
/// How many repeated names are listed.
const NAMES_SHOWN: usize = 5;

/// Board, directory, state, disk, and what a crash of Emacs left beside the board.
pub(super) fn board(settings: &Settings) -> Vec<Finding> {
    let place = match owner::locate(&settings.board) {
        Ok(place) => place,
        Err(error) => return vec![Finding::of_failure("board", &place_failure(error))],
    };
    let mut findings = vec![text(&place.file), directory(&place.file)];
    findings.extend(state(&place));
    findings.push(disk(&place.file));
    findings.extend(left_behind(&place.file));
    findings
}

/// What stands in the file.
fn text(file: &Path) -> Finding {
    let read = match board_file::load(file) {
        Ok(read) => read,
        Err(error) => {
            let code = if file.exists() { Code::Corrupt } else { Code::NotFound };
            let finding = Finding::broken("board", code, error.to_string());
            let hint = error.hint().unwrap_or_else(|| "`fleet daemon start --create` makes an empty one".into());
            return finding.hint(hint);
        }
    };
    let board = Board::read(&read.text);
    let tasks = board.sections().iter().filter(|section| section.state.is_some()).count();
    let repeated = board.repeated_ids();
    if !repeated.is_empty() {
        let shown: Vec<&str> = repeated.iter().take(NAMES_SHOWN).map(String::as_str).collect();
        let message = format!("{} IDs stand on the board more than once: {}", repeated.len(), shown.join(", "));
        return Finding::warning("board", message).hint("give one of each pair another ID: a copy cannot be claimed");
    }
    Finding::fine("board", format!("{}, {tasks} tasks", file.display()))
}

/// Whether the file can be replaced, as every save does.
fn directory(file: &Path) -> Finding {
    let above = file.parent().unwrap_or(Path::new("/"));
    let cannot = |what: &Path| {
        Finding::broken("write", Code::General, format!("{} cannot be written", what.display()))
            .hint("the journal keeps what was decided until it can: mend its mode, or the mount")
    };
    if access(above, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return cannot(above);
    }
    if file.exists() && access(file, Access::WRITE_OK).is_err() {
        return cannot(file);
    }
    Finding::fine("write", format!("{} and the board can be written", above.display()))
}

/// The state directory and the files in it belong to one user.
fn state(place: &BoardPlace) -> Vec<Finding> {
    let Ok(found) = fs::symlink_metadata(&place.state) else {
        return vec![Finding::fine("state", "none yet; the first owner makes it")];
    };
    let shown = place.state.display();
    if !found.is_dir() || (found.uid() != geteuid().as_raw() && !geteuid().is_root()) {
        let message = format!("{shown} is not a directory of this user");
        return vec![Finding::broken("state", Code::Config, message).hint("run as the user who owns the board")];
    }
    let mut open: Vec<(PathBuf, u32)> = vec![(place.state.clone(), 0o700)];
    open.extend(fs::read_dir(&place.state).into_iter().flatten().flatten().map(|entry| (entry.path(), 0o600)));
    let too_open =
        |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| !found.is_symlink() && found.mode() & 0o077 != 0);
    let mut findings: Vec<Finding> = open
        .into_iter()
        .filter(|(path, _)| too_open(path))
        .map(|(path, mode)| {
            Finding::warning("state", format!("{} is open to others", path.display()))
                .cure(Cure::Protect { path, mode })
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::fine("state", format!("{shown}, private")));
    }
    findings
}

fn disk(file: &Path) -> Finding {
    let above = file.parent().unwrap_or(Path::new("/"));
    let Ok(found) = statvfs(above) else {
        return Finding::warning("disk", format!("nothing is known about the disk of {}", above.display()));
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let message = format!("{} MiB free where the board lies", free >> 20);
    if free < DISK_BYTES_MIN || (found.f_files > 0 && found.f_favail == 0) {
        return Finding::broken("disk", Code::General, message)
            .hint("make room: nothing can be claimed on a full disk");
    }
    if free < DISK_BYTES_LOW {
        return Finding::warning("disk", message).hint("make room before it is full");
    }
    Finding::fine("disk", message)
}

/// The process in the target of Emacs's lock file, `USER@HOST.PID:BOOT`.
fn locked_by(holder: &str) -> Option<u32> {
    holder.split(':').next()?.rsplit('.').next()?.parse().ok()
}

/// Emacs's auto-save file and lock of the board (R12, R18); the owner's own lock is as it should be.
fn left_behind(file: &Path) -> Vec<Finding> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let auto_save = file.with_file_name(format!("#{name}#"));
    let modified = |path: &Path| fs::symlink_metadata(path).and_then(|found| found.modified()).ok();
    let mut findings = Vec::new();
    if modified(&auto_save).is_some_and(|saved| modified(file).is_some_and(|board| saved > board)) {
        findings.push(
            Finding::warning("autosave", format!("{} is newer than the board", auto_save.display()))
                .hint("a starting daemon keeps a copy; `M-x fleet-rescue` shows the difference"),
        );
    }
    let lock = file.with_file_name(format!(".#{name}"));
    let owner = owner::read_owner(file).ok().flatten().filter(|owner| owner.process().is_some());
    let is_owners = |holder: &str| owner.as_ref().is_some_and(|owner| locked_by(holder) == Some(owner.pid));
    if let Some(holder) = fs::read_link(&lock).ok().map(|holder| holder.to_string_lossy().into_owned())
        && !is_owners(&holder)
    {
        findings.push(
            Finding::warning("lockfile", format!("{holder} has unsaved edits of the board, or had when it ended"))
                .hint("saves wait while another living Emacs holds it: save or kill the buffer there"),
        );
    }
    findings
}
