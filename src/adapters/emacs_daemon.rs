//! Starts an Emacs that holds a board: which program, with which arguments, logging where.

use super::owner::BoardPlace;
use std::{
    convert::Infallible,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
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
/// An error while a daemon starts would leave Emacs running without board and without a word: here it ends Emacs.
const START_FORM: &str = "(condition-case err (progn (setq load-prefer-newer t) (load \"fleet\") (fleet-daemon-start)) \
     (error (message \"fleet: %s\" (error-message-string err)) (kill-emacs 1)))";
/// Asks Emacs to end; what is unsaved is Lisp's business.
pub const STOP_FORM: &str = "(fleet-daemon-stop)";
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
}

impl Launch {
    /// Becomes Emacs, first leaving the caller's session if `detach`. Returns only when that fails.
    pub fn exec(&self, detach: bool) -> Result<Infallible, LaunchError> {
        make_directory(self.socket.parent().unwrap_or(Path::new("/")))?;
        if detach {
            // Fails only for a group leader, which has no terminal to lose to its parent either.
            let _ = rustix::process::setsid();
        }
        let source = self.command().exec();
        Err(LaunchError::Start { program: self.program.clone(), source })
    }

    fn command(&self) -> Command {
        let mut daemon = std::ffi::OsString::from("--fg-daemon=");
        daemon.push(&self.socket);
        let mut command = Command::new(&self.program);
        command.arg(daemon).args((!self.init).then_some("-Q"));
        command.arg("-L").arg(&self.lisp).args(["--eval", START_FORM]);
        command.env("DISPATCH_FILE", &self.place.file).env("EMACS_SOCKET", &self.socket);
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
    let file = OpenOptions::new().write(true).create_new(true).open(board);
    file.and_then(|mut file| file.write_all(NEW_BOARD.as_bytes())).map_err(failed)
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

/// The size of the log: what is written from now on begins there.
pub fn log_end(state: &Path) -> u64 {
    log_path(state).metadata().map_or(0, |meta| meta.len())
}

fn make_directory(path: &Path) -> Result<(), LaunchError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| LaunchError::Make { path: path.into(), source })
}
