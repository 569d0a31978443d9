//! From a request to its reply: which ways lead to the owner of the board, in which order, and what may be repeated.
//!
//! A request keeps its id on every way and in every repeat, so that it is executed at most once (R22).

use super::{far, options::Settings};
use crate::{
    adapters::{
        emacsclient::{self, EmacsError},
        owner::{self, OwnerInfo},
        socket::{ClientError, SocketClient},
        ssh::Remote,
    },
    core::{
        code::Code,
        wire::{Failure, Reply, Request},
    },
    engine::{Policy, log::chain, offline},
};
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How often one way is tried again after it failed.
pub const RETRIES_MAX: u32 = 3;
/// The pause before the first retry; it doubles with each.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Seconds after which something that is not ready is asked for again, where the way to the owner cannot wait.
pub const WAIT_EVERY_SECS: u64 = 2;

/// Which transports may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Via {
    /// The configured host through ssh; without one, Fleet's own socket, else emacsclient
    Auto,
    /// Fleet's own socket only
    Socket,
    /// Emacsclient only
    Emacsclient,
    /// Emacsclient on the configured host, through ssh
    Ssh,
}

/// One way to the owner.
#[derive(Clone, Copy, Debug)]
enum Way<'a> {
    Socket,
    Emacsclient,
    Ssh(&'a Remote),
}

impl Way<'_> {
    fn name(self) -> &'static str {
        match self {
            Way::Socket => "socket",
            Way::Emacsclient => "emacsclient",
            Way::Ssh(_) => "ssh",
        }
    }
}

/// Why one attempt gave no reply.
#[derive(Debug)]
pub(super) enum Miss {
    /// There is nobody this way, and waiting does not help.
    Absent(String),
    /// The request certainly was not taken; worth another try.
    NotSent(String),
    /// The other host is there, its Emacs is not; worth another try.
    NoDaemon(String),
    /// The request may have been executed; worth another try with the same id.
    Lost(String),
    /// The request may have been executed; another try would end alike.
    Unknown(String),
    /// The time is up; the request may have been executed.
    TimedOut(String),
    /// An answer in itself.
    Final(Failure),
}

/// Gets the reply to `request`, positive or not, and the way by which it came, in the words of `--via`; a [`Failure`]
/// when nobody replied.
pub fn ask(settings: &Settings, request: &Request) -> Result<(Reply, &'static str), Failure> {
    if settings.offline {
        return Ok((offline::run(&settings.board, Policy::of(&settings.config, settings.home()), request), "offline"));
    }
    let ways: &[Way<'_>] = match (&settings.remote, settings.via) {
        (Some(remote), _) => &[Way::Ssh(remote)],
        (None, Via::Auto) => &[Way::Socket, Way::Emacsclient],
        (None, Via::Socket) => &[Way::Socket],
        (None, Via::Emacsclient) => &[Way::Emacsclient],
        (None, Via::Ssh) => unreachable!("refused when the settings were made"),
    };
    // The time to wait comes on top of the time in which an answer must come.
    let until = Instant::now() + Duration::from_millis(request.call.wait_ms().unwrap_or_default());
    loop {
        let (reply, way) = go_all(ways, settings, request, until)?;
        let is_in_vain = reply.error.as_ref().is_some_and(|error| error.reason == "nothing-ready");
        if !is_in_vain || way == Way::Socket.name() || left(until).is_zero() {
            return Ok((reply, way));
        }
        // Emacs cannot wait: its main thread would stand still.
        thread::sleep(Duration::from_secs(WAIT_EVERY_SECS).min(left(until)));
    }
}

/// Tries all ways, one after the other.
fn go_all(
    ways: &[Way<'_>],
    settings: &Settings,
    request: &Request,
    until: Instant,
) -> Result<(Reply, &'static str), Failure> {
    let mut deadline = Instant::now() + settings.timeout;
    let remote = settings.remote.as_ref();
    let mut trail = Trail { request, remote, causes: Vec::new(), in_doubt: false, host_answers: false };
    for way in ways {
        if let Some(reply) = go(*way, settings, deadline, until, &mut trail)? {
            return Ok((reply, way.name()));
        }
        if request.call.wait_ms().is_some() {
            deadline = Instant::now() + settings.timeout;
        }
    }
    Err(trail.ended(&settings.board))
}

/// Asks `owner` over its own socket, once, within `timeout`.
pub fn ask_owner(owner: &OwnerInfo, request: &Request, timeout: Duration) -> Option<Reply> {
    by_socket(owner, request, Instant::now() + timeout).ok()
}

/// Tries one way with its retries; `None` when another way may still lead there. A request that may wait until `until` has
/// that much longer than `deadline` where the way can wait.
fn go(
    way: Way<'_>,
    settings: &Settings,
    deadline: Instant,
    until: Instant,
    trail: &mut Trail,
) -> Result<Option<Reply>, Failure> {
    let deadline = if let Way::Socket = way { deadline + left(until) } else { deadline };
    for attempt in 0..=RETRIES_MAX {
        if attempt > 0 {
            thread::sleep((RETRY_PAUSE * 2u32.pow(attempt - 1)).min(left(deadline)));
        }
        if left(deadline).is_zero() {
            trail.causes.push("the time is up".into());
            return Ok(None);
        }
        let request = &with_time_left(way, trail.request, until);
        let result = match way {
            Way::Socket => find_and_ask(settings, request, deadline),
            Way::Emacsclient => by_emacsclient(settings, request, deadline),
            Way::Ssh(remote) => far::ask(remote, settings, request, deadline),
        };
        match result {
            Ok(reply) => return Ok(Some(reply)),
            Err(miss) => {
                if !trail.add(miss)? {
                    return Ok(None);
                }
            }
        }
    }
    Ok(None)
}

/// `request` with the time that it may still wait; with none where the way cannot.
fn with_time_left(way: Way<'_>, request: &Request, until: Instant) -> Request {
    let ms = u64::try_from(left(until).as_millis()).unwrap_or(u64::MAX);
    let ms = request.call.wait_ms().filter(|_| matches!(way, Way::Socket)).map(|_| ms);
    Request { call: request.call.clone().waiting(ms), ..request.clone() }
}

/// What the attempts so far came to.
struct Trail<'a> {
    request: &'a Request,
    /// The host that the request is for; `None` is this one.
    remote: Option<&'a Remote>,
    causes: Vec<String>,
    /// Some attempt may have been executed.
    in_doubt: bool,
    /// The other host was reached, whatever came of it.
    host_answers: bool,
}

impl Trail<'_> {
    /// Notes a miss; whether to try the same way again.
    fn add(&mut self, miss: Miss) -> Result<bool, Failure> {
        let (cause, doubt, again) = match miss {
            Miss::Final(failure) if self.in_doubt => return Err(self.unreachable(&failure.message)),
            Miss::Final(failure) => return Err(failure),
            Miss::TimedOut(cause) => {
                self.in_doubt = true;
                return Err(self.unreachable(&cause));
            }
            Miss::Absent(cause) => (cause, false, false),
            Miss::NotSent(cause) => (cause, false, true),
            Miss::NoDaemon(cause) => {
                self.host_answers = true;
                (cause, false, true)
            }
            Miss::Lost(cause) => (cause, true, true),
            Miss::Unknown(cause) => (cause, true, false),
        };
        self.in_doubt |= doubt;
        if !self.causes.contains(&cause) {
            self.causes.push(cause);
        }
        Ok(again)
    }

    fn ended(&self, board: &Path) -> Failure {
        let causes = self.causes.join("; ");
        if self.in_doubt {
            return self.unreachable(&causes);
        }
        if let Some(remote) = self.remote {
            return far::absent(remote, self.host_answers, &causes);
        }
        let message = format!("nobody answers for the board {}: {causes}", board.display());
        Failure::new(Code::Unreachable, "no-owner", message)
            .hint("start Emacs with `fleet daemon start`, or add --offline to work on the file without it")
    }

    /// The words for a request that was sent and not answered.
    fn unreachable(&self, cause: &str) -> Failure {
        if self.request.call.is_read() {
            let hint = match self.remote {
                Some(_) => far::READ_HINT,
                None => "try again, with a longer --timeout if Emacs is busy; `fleet daemon status` tells more",
            };
            return Failure::new(Code::Unreachable, "no-answer", cause).hint(hint);
        }
        let message = format!("outcome unknown: {cause}");
        let hint = format!("repeat with --request-id {}: what was done already is not done again", self.request.id);
        Failure::new(Code::Unreachable, "outcome-unknown", message).hint(hint)
    }
}

fn find_and_ask(settings: &Settings, request: &Request, deadline: Instant) -> Result<Reply, Miss> {
    // Looked up anew for each attempt: a restarted daemon has another socket.
    match owner::read_owner(&settings.board) {
        Err(e) => Err(Miss::Absent(chain(&e))),
        Ok(None) => Err(Miss::Absent("no Emacs has opened it".into())),
        Ok(Some(owner)) if owner.process().is_none() => {
            Err(Miss::Absent(format!("its last owner, process {}, has ended", owner.pid)))
        }
        Ok(Some(owner)) => by_socket(&owner, request, deadline),
    }
}

fn by_socket(owner: &OwnerInfo, request: &Request, deadline: Instant) -> Result<Reply, Miss> {
    let Some(path) = &owner.socket else {
        return Err(Miss::Absent(format!("its owner, process {} ({}), has no socket", owner.pid, owner.kind.name())));
    };
    let json = serde_json::to_vec(request).expect("a request holds only text and numbers");
    let answer = SocketClient::connect(path, left(deadline)).and_then(|mut client| client.ask(&json, left(deadline)));
    read_reply(&answer.map_err(miss_of_client)?, request)
}

fn read_reply(answer: &[u8], request: &Request) -> Result<Reply, Miss> {
    let Ok(reply) = serde_json::from_slice::<Reply>(answer) else {
        return Err(Miss::Unknown("what came back is no Fleet reply".into()));
    };
    match (&reply.id, &reply.error) {
        (Some(id), _) if *id == request.id => Ok(reply),
        (None, Some(e)) if e.reason == "too-many-clients" => Err(Miss::NotSent(e.message.clone())),
        (None, Some(e)) if e.code == Code::Unreachable => Err(Miss::Lost(e.message.clone())),
        (None, Some(_)) if !reply.ok => Ok(reply),
        _ => Err(Miss::Unknown("the reply belongs to another request".into())),
    }
}

fn miss_of_client(error: ClientError) -> Miss {
    let cause = error.to_string();
    match error {
        ClientError::Impostor { .. } | ClientError::OpenDirectory(_) => {
            Miss::Final(Failure::new(Code::Denied, "untrusted-socket", cause))
        }
        ClientError::Request(_) => Miss::Final(Failure::new(Code::Usage, "request-too-large", cause)),
        ClientError::PathTooLong(_) => Miss::Absent(cause),
        ClientError::Connect { .. } => Miss::NotSent(cause),
        ClientError::Lost(_) => Miss::Lost(cause),
        ClientError::Malformed(_) => Miss::Unknown(cause),
        ClientError::TimedOut => Miss::TimedOut("the owner of the board did not answer in time".into()),
    }
}

fn by_emacsclient(settings: &Settings, request: &Request, deadline: Instant) -> Result<Reply, Miss> {
    let socket = settings.emacs_socket().map_err(Miss::Final)?;
    if !socket.exists() {
        return Err(Miss::Absent(format!("there is no Emacs socket {}", socket.display())));
    }
    emacsclient::rpc(&socket, request, left(deadline)).map_err(miss_of_emacs)
}

pub(super) fn miss_of_emacs(error: EmacsError) -> Miss {
    let cause = error.to_string();
    match error {
        EmacsError::TooLarge(_) | EmacsError::Nul => {
            let failure = Failure::new(Code::Usage, "request-too-large", cause);
            Miss::Final(failure.hint("large requests need Fleet's own socket: see `fleet daemon status`"))
        }
        EmacsError::Start(_) => Miss::Absent(cause),
        EmacsError::NoServer(_) => Miss::NotSent(cause),
        EmacsError::TimedOut(_) => Miss::TimedOut(cause),
        EmacsError::Lisp(_) => Miss::Unknown(cause),
        EmacsError::Garbled(_) => Miss::Lost(cause),
    }
}

pub(super) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
