//! An Emacs daemon in a sandbox: started, asked, killed and started again.

use super::{
    process::{Deadline, Group, PATIENCE, run_within, stdout_of},
    sandbox::{Sandbox, lisp_dir, module},
};
use rustix::{
    fd::OwnedFd,
    fs::inotify,
    process::{Pid, Signal, kill_process},
};
use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

/// How long a socket file may be there before its owner listens; `bind` and `listen` are two calls.
const LISTEN_GAP: Duration = Duration::from_millis(20);

/// A running daemon, killed with the value. Its log is shown if the test panics.
pub struct Daemon<'a> {
    sandbox: &'a Sandbox,
    args: Vec<OsString>,
    board: Option<PathBuf>,
    group: Group,
}

impl<'a> Daemon<'a> {
    /// Starts a bare daemon, which also evaluates `forms`.
    pub fn bare(sandbox: &'a Sandbox, forms: &[&str]) -> Self {
        let args = forms.iter().flat_map(|form| ["--eval".into(), (*form).into()]).collect();
        Self::start(sandbox, args, None)
    }

    /// Starts a bare daemon that finds this checkout's Lisp and module, and evaluates `forms`.
    pub fn with_lisp(sandbox: &'a Sandbox, forms: &[&str]) -> Self {
        let forms = forms.iter().flat_map(|form| ["--eval".into(), (*form).into()]);
        let args = ["-L".into(), lisp_dir().into()].into_iter().chain(forms).collect();
        Self::start(sandbox, args, None)
    }

    /// Starts a daemon with this checkout's Lisp and module that serves `board`.
    pub fn serving(sandbox: &'a Sandbox, board: &Path) -> Self {
        module();
        let args = [
            "--eval".into(),
            "(setq load-prefer-newer t)".into(),
            "-L".into(),
            lisp_dir().into(),
            "-l".into(),
            "fleet".into(),
            "--eval".into(),
        ];
        let args = args.into_iter().chain(["(fleet-daemon-start)".into()]).collect();
        Self::start(sandbox, args, Some(board.to_owned()))
    }

    fn start(sandbox: &'a Sandbox, args: Vec<OsString>, board: Option<PathBuf>) -> Self {
        let group = launch(sandbox, &args, board.as_deref());
        let daemon = Self { sandbox, args, board, group };
        daemon.wait_until_ready();
        daemon
    }

    /// The socket of its server.
    pub fn socket(&self) -> PathBuf {
        self.sandbox.socket("s")
    }

    pub fn pid(&self) -> Pid {
        self.group.pid()
    }

    /// What it has written to its standard output and error.
    pub fn log(&self) -> String {
        fs::read_to_string(log_path(self.sandbox)).unwrap_or_default()
    }

    /// The client program for its server.
    pub fn client(&self) -> Command {
        self.sandbox.emacsclient(&self.socket())
    }

    /// Evaluates `form` through emacsclient and returns the printed value.
    /// An answer is a value on standard output: emacsclient also exits with 0 when the daemon dies under it.
    #[track_caller]
    pub fn eval(&self, form: &str) -> String {
        let output = run_within(self.client().args(["-e", form]), PATIENCE);
        let value = stdout_of(&output).trim_end().to_owned();
        assert!(!value.is_empty(), "the daemon died while it evaluated {form}");
        value
    }

    /// Waits until it has ended by itself, `event` is readable, or `patience` is over. True if it has ended.
    pub fn ends_within(&self, event: Option<&OwnedFd>, patience: Duration) -> bool {
        self.group.ends_within(event, patience)
    }

    /// Ends it as a power cut would.
    pub fn kill9(&mut self) {
        self.group.kill9();
    }

    /// Starts it again, after asking it to leave if it still runs. What a killed one left behind stays where it is.
    pub fn restart(&mut self) {
        if !self.group.ends_within([], Duration::ZERO) {
            kill_process(self.pid(), Signal::TERM).expect("a signal for our own child");
            assert!(self.group.ends_within([], PATIENCE), "the daemon does not end on SIGTERM:\n{}", self.log());
        }
        self.group = launch(self.sandbox, &self.args, self.board.as_deref());
        self.wait_until_ready();
    }

    /// Emacs opens its server last, so a connection means that everything on its command line is done.
    fn wait_until_ready(&self) {
        let created = watch(&self.sandbox.path("run"));
        let deadline = Deadline::after(PATIENCE);
        while UnixStream::connect(self.socket()).is_err() {
            let left = deadline.left().unwrap_or_else(|| panic!("no daemon within {PATIENCE:?}:\n{}", self.log()));
            // A socket file without a listener is a killed daemon's, or a moment old.
            let patience = if self.socket().exists() { LISTEN_GAP.min(left) } else { left };
            assert!(!self.group.ends_within([&created], patience), "the daemon ended:\n{}", self.log());
        }
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- log of the daemon\n{}---", self.log());
        }
    }
}

fn log_path(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("daemon.log")
}

fn launch(sandbox: &Sandbox, args: &[OsString], board: Option<&Path>) -> Group {
    let log = File::options().create(true).append(true).open(log_path(sandbox)).expect("a log in the sandbox");
    let mut name = OsString::from("--fg-daemon=");
    name.push(sandbox.socket("s"));
    let mut command = sandbox.emacs();
    command.arg(name).args(args).stdin(std::process::Stdio::null());
    command.stdout(log.try_clone().expect("a second descriptor of the log")).stderr(log);
    if let Some(board) = board {
        command.env("DISPATCH_FILE", board);
    }
    Group::spawn(&mut command)
}

/// A descriptor that becomes readable when something is created in `directory`.
fn watch(directory: &Path) -> OwnedFd {
    let events = inotify::init(inotify::CreateFlags::CLOEXEC).expect("an inotify descriptor");
    inotify::add_watch(&events, directory, inotify::WatchFlags::CREATE).expect("a watch on the sandbox");
    events
}
