//! Another host, over one connection of OpenSSH that stays open between runs of this program.
//!
//! The first run starts a master process of `ssh`, which listens on a socket in a directory of ours and ends itself when
//! it has been idle; later runs find it there and speak to it through the `openssh` crate. The master is started here and
//! not by the crate, because the crate can neither end an `ssh` that hangs nor put `--` before the destination.
//! Commands are lists of words, each quoted for the far shell; there is no other way to run one.

mod control;
mod judge;
mod known_hosts;
mod options;

pub use control::PlaceError;
pub use known_hosts::{
    KeyError, KnownKey, PeerKeys, add as add_known, compare as compare_known, fetch as fetch_keys, list as list_known,
};
pub use options::{PathRefused, SshConfig};

use super::process::{self, Finished, RunError};
use crate::core::host::{Host, User};
use control::Place;
use openssh::{Session, Stdio};
use std::{
    ffi::OsString,
    future::Future,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest command line for the far shell, which gets it as one argument; its final NUL included.
pub const COMMAND_BYTES_MAX: usize = 128 << 10;
/// How long connecting may take before the person hears of it.
const SILENCE: Duration = Duration::from_secs(1);
/// How long to wait for a place among the commands of a connection; sshd allows ten at once.
const SESSION_PAUSE: Duration = Duration::from_millis(50);
/// How long a kept connection may take to say that it lives; its process is on this host.
const CHECK_SECS_MAX: u64 = 2;
/// Bytes of the far program's error output that are kept.
const FAR_STDERR_BYTES_MAX: u64 = 64 << 10;

/// Where to connect, as whom, and on what terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The host.
    pub host: Host,
    /// The user there.
    pub user: User,
    /// The port; `None` is what the user's ssh configuration says, else 22.
    pub port: Option<u16>,
    /// The private key; with one, no other is offered.
    pub key: Option<PathBuf>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// The file with the keys of the hosts that are trusted; no other file counts.
    pub known_hosts: PathBuf,
    /// The user's own configuration of ssh, below our options.
    pub ssh_config: SshConfig,
    /// How long an unused connection is kept open.
    pub keep: Duration,
    /// `$XDG_RUNTIME_DIR`, where the connection's socket goes if it can.
    pub runtime_dir: Option<PathBuf>,
}

/// Why a connection was not made. Nothing was run over there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unconnected {
    /// No key of the host is known.
    UnknownKey,
    /// The host shows another key than the known one.
    ChangedKey,
    /// The host does not accept us.
    Unauthorized,
    /// Nobody listens there.
    Refused,
    /// The host said nothing, or not enough, in time.
    TimedOut,
    /// The name of the host leads nowhere.
    Unresolved,
    /// There is no way to the host.
    NoRoute,
    /// Something else; trying again may help.
    Ended,
}

/// Why a command on another host gave no result.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// There is no safe place for the connection's socket.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A path that cannot be handed to ssh.
    #[error(transparent)]
    Path(#[from] PathRefused),
    /// The private key is not there.
    #[error("the ssh key `{}` cannot be read: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// `ssh` itself does not start.
    #[error(transparent)]
    NoSsh(RunError),
    /// There is no connection.
    #[error("{said}")]
    Connect {
        /// What kind of failure it was.
        why: Unconnected,
        /// What ssh said about it.
        said: String,
    },
    /// The command does not fit; nothing was sent.
    #[error("the command for the other host needs {0} bytes, less than {COMMAND_BYTES_MAX} are possible")]
    TooLong(usize),
    /// The command holds a zero byte; nothing was sent.
    #[error("a command for another host cannot hold a NUL character")]
    Nul,
    /// The connection lives but took no further command; nothing was sent.
    #[error("the connection takes no further command: {0}")]
    Busy(String),
    /// The other host has no such program.
    #[error("there is no `{0}` over there")]
    NoProgram(String),
    /// Too late; the command may still run.
    #[error("no answer within {}s", .0.as_secs())]
    TimedOut(Duration),
    /// The connection broke; the command may have run.
    #[error("the connection broke: {0}")]
    Lost(String),
}

/// Another host with the connection to it.
pub struct Ssh<'a> {
    remote: &'a Remote,
    place: Place,
    say: &'a (dyn Fn(&str) + Sync),
}

impl<'a> Ssh<'a> {
    /// Finds the place of the connection; connects nothing yet. `say` is told what takes long.
    pub fn new(remote: &'a Remote, say: &'a (dyn Fn(&str) + Sync)) -> Result<Self, SshError> {
        let place = Place::of(remote.runtime_dir.as_deref(), &options::identity(remote))?;
        Ok(Self { remote, place, say })
    }

    /// Runs the program `argv[0]` over there with nothing to read, keeping `stdout_max` bytes of its output.
    ///
    /// Blocks until it has ended, at most until `deadline`; connecting is part of that time.
    pub fn run(&self, argv: &[&str], deadline: Instant, stdout_max: u64) -> Result<Finished, SshError> {
        let limit = left(deadline);
        check_command(argv)?;
        let runtime = runtime()?;
        self.connected(&runtime, deadline)?;
        let session = self.session();
        let act = async {
            loop {
                match exchange(&session, argv, stdout_max).await {
                    // Others use the connection; nothing was sent, so the deadline is the only limit.
                    Err(SshError::Busy(_)) if left(deadline) > SESSION_PAUSE => tokio::time::sleep(SESSION_PAUSE).await,
                    result => return result,
                }
            }
        };
        runtime.block_on(within(left(deadline), act)).unwrap_or(Err(SshError::TimedOut(limit)))
    }

    /// Makes sure that the connection stands.
    pub fn connect(&self, deadline: Instant) -> Result<(), SshError> {
        self.connected(&runtime()?, deadline)
    }

    /// The command that runs `argv` over there on the terminal of the caller, over this connection if it still stands.
    pub fn interactive(&self, argv: &[&str]) -> Result<Command, SshError> {
        check_command(argv)?;
        let mut command = Command::new("ssh");
        command.arg("-t").arg("-S").arg(self.place.socket_option()).args(["-o", "ControlMaster=no"]);
        command.args(options::of(self.remote, self.remote.connect_timeout)?).arg(line(argv));
        Ok(command)
    }

    fn session(&self) -> Session {
        Session::resume_mux(self.place.socket().into(), None)
    }

    fn connected(&self, runtime: &tokio::runtime::Runtime, deadline: Instant) -> Result<(), SshError> {
        let lives = || {
            let limit = left(deadline).min(Duration::from_secs(CHECK_SECS_MAX));
            let session = self.session();
            matches!(runtime.block_on(within(limit, session.check())), Some(Ok(())))
        };
        if self.place.socket().exists() && lives() {
            return Ok(());
        }
        let _lock = self.place.lock(deadline)?;
        // Whoever held the lock before may have connected.
        if self.place.socket().exists() {
            if lives() {
                return Ok(());
            }
            self.place.clear()?;
        }
        self.launch(left(deadline).min(self.remote.connect_timeout))
    }

    /// Starts the master and waits until it is connected and in the background.
    fn launch(&self, limit: Duration) -> Result<(), SshError> {
        if let Some(key) = &self.remote.key {
            std::fs::File::open(key).map_err(|source| SshError::Key { path: key.clone(), source })?;
        }
        let mut command = Command::new("ssh");
        command.args(["-M", "-N", "-f", "-S"]).arg(self.place.socket_option());
        command.args(options::of_master(self.remote)).args(options::of(self.remote, limit)?);
        let told = format!("connecting to {} …", self.destination());
        let said = patiently(self.say, &told, || process::run(&mut command, limit, 0));
        match said {
            Ok(finished) if finished.status.success() => Ok(()),
            Ok(finished) => Err(judge::unconnected(&finished.stderr, self.remote)),
            Err(RunError::TimedOut { limit, .. }) => Err(judge::too_late(self.remote, limit)),
            Err(e) => Err(SshError::NoSsh(e)),
        }
    }

    fn destination(&self) -> String {
        format!("{}@{}", self.remote.user, self.remote.host)
    }
}

/// Runs `act`; `say` hears `words` if it takes longer than [`SILENCE`].
fn patiently<T>(say: &(dyn Fn(&str) + Sync), words: &str, act: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (done, waiting) = mpsc::channel::<()>();
        scope.spawn(move || {
            if waiting.recv_timeout(SILENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                say(words);
            }
        });
        let result = act();
        drop(done);
        result
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, SshError> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|e| SshError::Busy(format!("no event loop: {e}")))
}

/// `act`, or `None` when it takes longer than `limit`.
async fn within<T>(limit: Duration, act: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, act).await.ok()
}

async fn exchange(session: &Session, argv: &[&str], stdout_max: u64) -> Result<Finished, SshError> {
    let mut command = session.command(argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().await.map_err(|e| judge::of_session(&e, argv[0]))?;
    let stdout = child.stdout().take().expect("piped above");
    let stderr = child.stderr().take().expect("piped above");
    let (stdout, stderr) = tokio::join!(kept(stdout, stdout_max), kept(stderr, FAR_STDERR_BYTES_MAX));
    let status: ExitStatus = match child.wait().await {
        Ok(status) => status,
        // The crate takes the shell's 127 for an error of its own.
        Err(openssh::Error::Remote(_)) => ExitStatus::from_raw(127 << 8),
        Err(e) => return Err(judge::of_session(&e, argv[0])),
    };
    if status.code() == Some(127) {
        return Err(SshError::NoProgram(argv[0].into()));
    }
    let lost = |e: std::io::Error| SshError::Lost(e.to_string());
    let stderr = String::from_utf8_lossy(&stderr.map_err(lost)?).trim().to_string();
    Ok(Finished { status, stdout: stdout.map_err(lost)?, stderr })
}

/// Reads `from` to its end and keeps the first `limit` bytes.
async fn kept(mut from: impl AsyncRead + Unpin, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    (&mut from).take(limit).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(kept)
}

fn check_command(argv: &[&str]) -> Result<(), SshError> {
    assert!(!argv.is_empty(), "a command has a program");
    if argv.iter().any(|word| word.contains('\0')) {
        return Err(SshError::Nul);
    }
    match line(argv).len() {
        length if length >= COMMAND_BYTES_MAX => Err(SshError::TooLong(length)),
        _ => Ok(()),
    }
}

/// `argv` as one line for a POSIX shell, at least as long as the crate's own.
fn line(argv: &[&str]) -> OsString {
    let quoted: Vec<String> = argv.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    quoted.join(" ").into()
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// A path in the words of a message.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
