//! The archive beside a board: an org file that only grows, by whole entries, durably.
//!
//! It is replaced whole, like the board, so that an entry is in it or not, whatever ends this process. An entry that is
//! there already is not added again. A person who is just editing the archive in Emacs is waited for.

use super::{
    board_file::{self, BoardFileError, Encoding},
    owner::OwnerError,
};
use rustix::{
    process::{Pid, test_kill_process},
    system::uname,
};
use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Why an archive was not written. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveFileError {
    /// An Emacs holds unsaved changes of it.
    #[error("the archive `{}` is being edited by {who}", path.display())]
    Busy {
        /// The archive.
        path: PathBuf,
        /// Who edits it, as Emacs's lock file says.
        who: String,
    },
    /// It cannot be read or replaced.
    #[error("the archive cannot be used")]
    File(#[from] BoardFileError),
    /// It does not exist and cannot be made.
    #[error("the archive `{}` cannot be made", path.display())]
    Make {
        /// The archive.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Makes sure that entries can be added to the archive at `path`, as far as can be known; an absent one is fine.
pub fn check(path: &Path) -> Result<(), ArchiveFileError> {
    refuse_edited(path)?;
    match board_file::identify(path) {
        Err(BoardFileError::Place(OwnerError::Missing(_))) => Ok(()),
        other => other.map(|_| ()).map_err(Into::into),
    }
}

/// Adds those of `entries` to the archive at `path` that are not in it; a new archive begins with `header`.
///
/// Each entry begins with a headline and ends with a line feed. All are on disk when this returns. A version that
/// another program puts there in the same instant is kept in the archive's own state directory.
pub fn add(path: &Path, header: &str, entries: &[&str]) -> Result<(), ArchiveFileError> {
    refuse_edited(path)?;
    let archive = match board_file::load(path) {
        Err(BoardFileError::Place(OwnerError::Missing(_))) => {
            make(path)?;
            board_file::load(path)?
        }
        other => other?,
    };
    let mut text = archive.text;
    let before = text.len();
    for entry in entries {
        if holds(&text, entry) {
            continue;
        }
        if text.is_empty() {
            text.push_str(header);
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push('\n');
        text.push_str(entry);
    }
    if text.len() > before {
        let encoding = if before == 0 { Encoding::default() } else { archive.encoding };
        board_file::publish(path, &text, encoding, &archive.identity)?;
    }
    Ok(())
}

/// Whether `entry` stands in `text`, at the start of a line.
fn holds(text: &str, entry: &str) -> bool {
    memchr::memmem::find_iter(text.as_bytes(), entry.as_bytes()).any(|at| at == 0 || text.as_bytes()[at - 1] == b'\n')
}

/// An empty archive, for the same eyes as a new file of this user.
fn make(path: &Path) -> Result<(), ArchiveFileError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o666).open(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
            Err(ArchiveFileError::Make { path: path.into(), source: e })
        }
        _ => Ok(()),
    }
}

/// Emacs marks a file with unsaved changes by a symbolic link `.#NAME` beside it, to `USER@HOST.PID:BOOT`.
fn refuse_edited(path: &Path) -> Result<(), ArchiveFileError> {
    let Some(name) = path.file_name() else { return Ok(()) };
    let Ok(target) = fs::read_link(path.with_file_name(format!(".#{}", name.to_string_lossy()))) else { return Ok(()) };
    let who = target.to_string_lossy().into_owned();
    if is_left_behind(&who) { Ok(()) } else { Err(ArchiveFileError::Busy { path: path.into(), who }) }
}

/// Whether the process that a lock of this host names has ended.
fn is_left_behind(who: &str) -> bool {
    let (name, _) = who.rsplit_once(':').unwrap_or((who, ""));
    let Some((host, pid)) = name.split_once('@').and_then(|(_, place)| place.rsplit_once('.')) else { return false };
    let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) else { return false };
    host.as_bytes() == uname().nodename().to_bytes() && test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "* DONE One\n:PROPERTIES:\n:ID: T-1\n:END:\n";

    fn archive() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let path = dir.path().join("dispatch.org_archive");
        (dir, path)
    }

    #[test]
    fn an_entry_is_added_once_behind_what_there_is() {
        let (_dir, path) = archive();
        check(&path).expect("an archive need not exist");
        add(&path, "header\n\n", &[ENTRY]).expect("it can be made");
        let text = fs::read_to_string(&path).expect("it is there");
        assert_eq!(text, format!("header\n\n\n{ENTRY}"));
        add(&path, "header\n\n", &[ENTRY, "* DONE Two\n"]).expect("it can be written");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), format!("{text}\n* DONE Two\n"));
    }

    #[test]
    fn line_ends_and_a_missing_last_one_are_the_archives_own() {
        let (_dir, path) = archive();
        fs::write(&path, "old\nlast").expect("it can be written");
        add(&path, "header\n", &["* DONE Two\n"]).expect("it can be written");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "old\nlast\n\n* DONE Two\n");
        fs::write(&path, "old\r\nlast\r\n").expect("it can be written");
        add(&path, "header\n", &["* DONE Two\n"]).expect("it can be written");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "old\r\nlast\r\n\r\n* DONE Two\r\n");
    }

    #[test]
    fn an_archive_that_emacs_has_changed_and_not_saved_is_left_alone() {
        let (_dir, path) = archive();
        fs::write(&path, "old\n").expect("it can be written");
        let lock = path.with_file_name(".#dispatch.org_archive");
        let host = uname().nodename().to_string_lossy().into_owned();
        let lock_by = |pid: i32| {
            let _ = fs::remove_file(&lock);
            std::os::unix::fs::symlink(format!("me@{host}.{pid}:1700000000"), &lock).expect("a link can be made");
        };
        lock_by(std::process::id().cast_signed());
        assert!(matches!(check(&path), Err(ArchiveFileError::Busy { .. })));
        assert!(matches!(add(&path, "", &[ENTRY]), Err(ArchiveFileError::Busy { .. })));
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "old\n");
        lock_by(i32::MAX);
        add(&path, "", &[ENTRY]).expect("an Emacs that has died holds nothing");
    }

    #[test]
    fn what_is_no_text_is_no_archive() {
        let (dir, path) = archive();
        assert!(matches!(check(dir.path()), Err(ArchiveFileError::File(_))));
        fs::write(&path, [0xff, 0xfe, 0, 1]).expect("it can be written");
        assert!(matches!(add(&path, "", &[ENTRY]), Err(ArchiveFileError::File(BoardFileError::Encoding { .. }))));
    }
}
