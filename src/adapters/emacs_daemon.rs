//! Starts an Emacs that holds a board: which program, with which arguments, logging where.

use super::{config_file::CONFIG_VARIABLE, notify_socket::NOTIFY_VARIABLES, owner::BoardPlace};
use crate::core::code::Code;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Deserialize;
use std::{
    convert::Infallible,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::{
        fs::{DirBuilderExt, OpenOptionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// What a new board begins with.
const NEW_BOARD: &str = "#+TITLE: Fleet dispatch\n#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)\n";
/// The only Lisp that is passed to Emacs; the board reaches it through the environment, so nothing is ever quoted.
///
/// An error while a daemon starts would leave Emacs running without board and without a word: here it ends Emacs, which
/// says why in one line for people and in one for [`start_failure`]. The data of Fleet's own errors is a message and a
/// property list.
const START_FORM: &str = "(condition-case err (progn (setq load-prefer-newer t) (load \"fleet\") (fleet-daemon-start)) \
     (error (unwind-protect \
       (let* ((coding-system-for-write 'utf-8-unix) \
              (ours (memq 'fleet-error (get (car err) 'error-conditions))) \
              (text (if ours (format \"%s\" (cadr err)) (error-message-string err))) \
              (more (and ours (cddr err)))) \
         (message \"fleet: %s\" text) \
         (message \"fleet-start-failed: %s\" (decode-coding-string (json-serialize \
           (list :pid (emacs-pid) :symbol (symbol-name (car err)) :message text \
                 :code (or (plist-get more :code) :null) :reason (or (plist-get more :reason) :null) \
                 :hint (or (plist-get more :hint) :null))) 'utf-8))) \
       (kill-emacs 1))))";
/// What the line for [`start_failure`] begins with.
const START_FAILED: &str = "fleet-start-failed: ";
/// Asks Emacs to end; what is unsaved is Lisp's business. Answers t, or a refusal for [`super::emacsclient::refusal`].
pub const STOP_FORM: &str = "(fleet-daemon-stop-reply)";
/// The end of the log that is looked at, in bytes.
const LOG_TAIL_BYTES_MAX: u64 = 1 << 20;
/// The name of the log in a board's state directory.
const LOG_NAME: &str = "daemon.log";

/// Why Emacs could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// No Lisp files were found.
    #[error("cannot find fleet.el{}", .0.as_ref().map(|d| format!(" in {}", d.display())).unwrap_or_default())]
    NoLisp(Option<PathBuf>),
    /// The board does not exist and was not to be made.
    #[error("the board {} does not exist", .0.display())]
    NoBoard(PathBuf),
    /// A file or directory could not be made.
    #[error("cannot make {}: {source}", path.display())]
    Make {
        /// What was to be made.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Emacs, or this program in front of it, did not start.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// What was to be started.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What an Emacs said when it could not open its board.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct StartFailure {
    /// The Emacs.
    pub pid: u32,
    /// The symbol of the Lisp error.
    pub symbol: String,
    /// What was done to what.
    pub message: String,
    /// The class, if the error came as a reply.
    pub code: Option<Code>,
    /// The exact cause, if Lisp named it.
    pub reason: Option<String>,
    /// The way out.
    pub hint: Option<String>,
}

/// Everything that an Emacs for a board is started with.
#[derive(Debug)]
pub struct Launch {
    /// Emacs.
    pub program: PathBuf,
    /// The directory of fleet.el.
    pub lisp: PathBuf,
    /// The server socket of the new Emacs, absolute.
    pub socket: PathBuf,
    /// The board and its state directory.
    pub place: BoardPlace,
    /// Whether to load the person's init file.
    pub init: bool,
    /// The configuration file that the board's owner is to read, if not the usual one; absolute.
    pub config_file: Option<PathBuf>,
}

impl Launch {
    /// Becomes Emacs, first leaving the caller's session if `detach`. Returns only when that fails.
    pub fn exec(&self, detach: bool) -> Result<Infallible, LaunchError> {
        make_directory(self.socket.parent().unwrap_or(Path::new("/")))?;
        let mut command = self.command();
        if detach {
            // Fails only for a group leader, which has no terminal to lose to its parent either.
            let _ = rustix::process::setsid();
            // Who started us may be a service itself: its manager waits for its own signs of life, not for Emacs's.
            for name in NOTIFY_VARIABLES {
                command.env_remove(name);
            }
        }
        let source = command.exec();
        Err(LaunchError::Start { program: self.program.clone(), source })
    }

    fn command(&self) -> Command {
        let mut daemon = std::ffi::OsString::from("--fg-daemon=");
        daemon.push(&self.socket);
        let mut command = Command::new(&self.program);
        command.arg(daemon).args((!self.init).then_some("-Q"));
        command.arg("-L").arg(&self.lisp).args(["--eval", START_FORM]);
        command.env("DISPATCH_FILE", &self.place.file).env("EMACS_SOCKET", &self.socket);
        command.envs(self.config_file.as_ref().map(|file| (CONFIG_VARIABLE, file)));
        command
    }
}

/// The Lisp directory: `given`, else the one of the installation or source tree that `program` belongs to.
pub fn lisp_directory(given: Option<PathBuf>, program: &Path) -> Result<PathBuf, LaunchError> {
    let holds_fleet = |d: &PathBuf| d.join("fleet.el").exists() || d.join("fleet.elc").exists();
    if let Some(directory) = given {
        return if holds_fleet(&directory) { Ok(directory) } else { Err(LaunchError::NoLisp(Some(directory))) };
    }
    let beside = program.parent().unwrap_or(Path::new("/"));
    let places = ["../share/emacs/site-lisp/fleet", "../../lisp"].map(|place| beside.join(place));
    let found = places.into_iter().find(holds_fleet).ok_or(LaunchError::NoLisp(None))?;
    Ok(found.canonicalize().unwrap_or(found))
}

/// Makes sure that the board exists; a missing one is made, empty, if `create`.
pub fn ensure_board(board: &Path, create: bool) -> Result<(), LaunchError> {
    if board.exists() {
        return Ok(());
    }
    if !create {
        return Err(LaunchError::NoBoard(board.into()));
    }
    let failed = |source| LaunchError::Make { path: board.into(), source };
    if let Some(parent) = board.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    publish_new_board(board).map_err(failed)
}

/// Makes the board in one step: who starts at the same time finds none, or a whole one, which then stays.
fn publish_new_board(board: &Path) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(board.file_name().unwrap_or_default());
    name.push(format!(".new-{}", std::process::id()));
    let fresh = board.with_file_name(name);
    std::fs::write(&fresh, NEW_BOARD)?;
    match renameat_with(CWD, &fresh, CWD, board, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(e) => {
            // Ours, and of no use to anyone.
            let _ = std::fs::remove_file(&fresh);
            if e == rustix::io::Errno::EXIST { Ok(()) } else { Err(e.into()) }
        }
    }
}

/// Starts `command` in the background with its output at the end of the log in `state`.
pub fn spawn_logged(command: &mut Command, state: &Path) -> Result<Child, LaunchError> {
    make_directory(state)?;
    let path = log_path(state);
    let open = || {
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        Ok((log.try_clone()?, log))
    };
    let (out, err) = open().map_err(|source| LaunchError::Make { path: path.clone(), source })?;
    let spawned = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
    spawned.map_err(|source| LaunchError::Start { program: command.get_program().into(), source })
}

/// The log of the Emacs whose board has the state directory `state`.
pub fn log_path(state: &Path) -> PathBuf {
    state.join(LOG_NAME)
}

/// The last `lines` lines of the log, from byte `from` on.
pub fn log_tail(state: &Path, from: u64, lines: usize) -> io::Result<String> {
    let mut log = File::open(log_path(state))?;
    let end = log.metadata()?.len();
    log.seek(SeekFrom::Start(from.max(end.saturating_sub(LOG_TAIL_BYTES_MAX))))?;
    let mut bytes = Vec::new();
    log.take(LOG_TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<_> = text.lines().collect();
    Ok(all[all.len().saturating_sub(lines)..].iter().map(|line| format!("{line}\n")).collect())
}

/// What the Emacs `pid` said in the log, from byte `from` on, about its failed start.
pub fn start_failure(state: &Path, from: u64, pid: u32) -> Option<StartFailure> {
    let said = log_tail(state, from, usize::MAX).ok()?;
    let mut failures = said.lines().filter_map(|line| serde_json::from_str(line.strip_prefix(START_FAILED)?).ok());
    // Another Emacs that was started at the same time writes into the same log.
    failures.rfind(|failure: &StartFailure| failure.pid == pid)
}

/// The size of the log: what is written from now on begins there.
pub fn log_end(state: &Path) -> u64 {
    log_path(state).metadata().map_or(0, |meta| meta.len())
}

fn make_directory(path: &Path) -> Result<(), LaunchError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| LaunchError::Make { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_start_is_read_from_the_line_of_its_own_emacs() {
        let dir = tempfile::tempdir().expect("a directory");
        let line = |pid: u32, message: &str| {
            let more = "\"code\":\"conflict\",\"reason\":\"board-owned\",\"hint\":null";
            format!("{START_FAILED}{{\"pid\":{pid},\"symbol\":\"fleet-conflict\",\"message\":\"{message}\",{more}}}\n")
        };
        let log =
            format!("{}{START_FAILED}no json\nfleet: x\n{}{}", line(1, "old"), line(1, "neu ü"), line(2, "other"));
        std::fs::write(log_path(dir.path()), log).expect("written");
        let failure = start_failure(dir.path(), 0, 1).expect("found");
        assert_eq!((failure.message.as_str(), failure.code, failure.hint), ("neu ü", Some(Code::Conflict), None));
        assert_eq!(start_failure(dir.path(), 0, 3), None);
        assert_eq!(start_failure(dir.path(), log_end(dir.path()), 1), None, "of an earlier start");
        assert_eq!(start_failure(Path::new("/nowhere"), 0, 1), None);
    }

    #[test]
    fn a_new_board_replaces_none_that_came_first() {
        let dir = tempfile::tempdir().expect("a directory");
        let board = dir.path().join("b.org");
        publish_new_board(&board).expect("made");
        std::fs::write(&board, "* PENDING mine\n").expect("written");
        publish_new_board(&board).expect("left alone");
        assert_eq!(std::fs::read_to_string(&board).expect("there"), "* PENDING mine\n");
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1, "nothing else is left");
    }
}
