//! Where a board's owner is: reads the `owner` file beside the board's journal, never writes it.

use super::process::Watched;
use serde::Deserialize;
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The largest owner file that is read; a real one has a few hundred bytes.
const OWNER_BYTES_MAX: u64 = 64 << 10;
/// Changes with every boot of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Why it cannot be said who owns a board.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// There is no such board, or its directory cannot be entered.
    #[error("cannot find the board {}: {source}", path.display())]
    Board {
        /// The board as it was named.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The owner file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The owner file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The owner file holds something else.
    #[error("{} is not an owner file: {source}", path.display())]
    Format {
        /// The owner file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

/// Who said last that it owns the board; it may be dead.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Owner {
    /// Its process.
    pub pid: i32,
    /// The boot in which that process id means something.
    pub boot_id: String,
    /// Where it answers, if it does.
    pub socket: Option<PathBuf>,
    /// `emacs` or `offline`.
    pub kind: String,
    /// When it took the board.
    #[serde(skip)]
    pub since: Option<SystemTime>,
}

impl Owner {
    /// The owner's process if it still runs.
    ///
    /// A process id may have been given to another process since; the board's lock decides, this only says whom to ask.
    pub fn process(&self) -> Option<Watched> {
        let this_boot = std::fs::read_to_string(BOOT_ID).is_ok_and(|id| id.trim() == self.boot_id.trim());
        if this_boot { Watched::open(self.pid) } else { None }
    }
}

/// The real path of a board: links followed, also when the file itself does not exist yet.
pub fn real_path(board: &Path) -> Result<PathBuf, LocateError> {
    let failed = |source| LocateError::Board { path: board.into(), source };
    match board.canonicalize() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let absolute = std::path::absolute(board).map_err(failed)?;
            let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else { return Err(failed(e)) };
            Ok(parent.canonicalize().map_err(failed)?.join(name))
        }
        other => other.map_err(failed),
    }
}

/// The directory of everything that Fleet keeps beside the board at `real`, which [`real_path`] returned.
pub fn state_directory(real: &Path) -> PathBuf {
    let name = real.file_name().map_or_else(OsString::new, OsString::from);
    real.parent().unwrap_or(Path::new("/")).join(".fleet").join(name)
}

/// What the owner file of `board` says; `None` if there is none.
pub fn owner(board: &Path) -> Result<Option<Owner>, LocateError> {
    let path = state_directory(&real_path(board)?).join("owner");
    let (text, since) = match read(&path) {
        Ok(read) => read,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LocateError::Read { path, source }),
    };
    let owner: Owner = serde_json::from_slice(&text).map_err(|source| LocateError::Format { path, source })?;
    Ok(Some(Owner { since, ..owner }))
}

fn read(path: &Path) -> io::Result<(Vec<u8>, Option<SystemTime>)> {
    use io::Read as _;
    let file = std::fs::File::open(path)?;
    let since = file.metadata()?.modified().ok();
    let mut text = Vec::new();
    file.take(OWNER_BYTES_MAX).read_to_end(&mut text)?;
    Ok((text, since))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board_with_owner(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let board = dir.path().join("b.org");
        std::fs::write(&board, "").expect("written");
        let state = state_directory(&real_path(&board).expect("exists"));
        std::fs::create_dir_all(&state).expect("made");
        std::fs::write(state.join("owner"), text).expect("written");
        (dir, board)
    }

    #[test]
    fn a_board_without_owner_file_has_no_owner_and_a_damaged_one_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(owner(&dir.path().join("b.org")).expect("readable"), None);
        assert!(matches!(owner(&dir.path().join("no/b.org")), Err(LocateError::Board { .. })));
        let (_dir, board) = board_with_owner("{");
        assert!(matches!(owner(&board), Err(LocateError::Format { .. })));
    }

    #[test]
    fn a_link_leads_to_the_owner_of_the_real_board() {
        let (dir, board) = board_with_owner(r#"{"pid":1,"boot_id":"x","socket":"/s","kind":"emacs","later":1}"#);
        let link = dir.path().join("link.org");
        std::os::unix::fs::symlink(&board, &link).expect("linked");
        let found = owner(&link).expect("readable").expect("there");
        assert_eq!((found.pid, found.socket), (1, Some("/s".into())));
    }

    #[test]
    fn a_process_of_another_boot_does_not_live() {
        let pid = std::process::id() as i32;
        let boot_id = std::fs::read_to_string(BOOT_ID).expect("linux");
        let mut owner = Owner { pid, boot_id, socket: None, kind: "emacs".into(), since: None };
        assert!(owner.process().is_some());
        owner.boot_id = "another".into();
        assert!(owner.process().is_none());
    }
}
