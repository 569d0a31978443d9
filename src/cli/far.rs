//! The way to the board of another host, and in which words it can be blocked.

use super::{
    options::Settings,
    reach::{Miss, miss_of_emacs},
    ui,
};
use crate::{
    adapters::{
        emacsclient::EmacsError,
        far_emacs::{self, FarError},
        ssh::{PlaceError, Remote, Ssh, SshError, Unconnected},
    },
    core::{
        code::Code,
        wire::{Failure, Reply, Request},
    },
};
use std::{
    process::Command,
    time::{Duration, Instant},
};

/// What to do when a question to another host was not answered.
pub const READ_HINT: &str =
    "try again, with a longer --timeout if that host is busy; until then work from the forge's issues";
/// What to do while another host cannot be used.
const FORGE_HINT: &str = "until it is back, take work from the forge's issues and report there";

/// What to do about a host that shows another key than before.
pub const CHANGED_HINT: &str = "somebody else may answer in its place: ask its owner by another way whether the key was \
                                changed, and compare with `fleet peer list`";

/// Asks the owner of the board on `remote`, once.
pub(super) fn ask(remote: &Remote, settings: &Settings, request: &Request, deadline: Instant) -> Result<Reply, Miss> {
    let socket = settings.far_socket().map_err(Miss::Final)?;
    let ssh = Ssh::new(remote, &ui::progress).map_err(|e| miss(remote, e.into()))?;
    far_emacs::rpc(&ssh, socket, request, deadline).map_err(|e| miss(remote, e))
}

/// Evaluates `form` in the Emacs of `remote`, once.
pub fn eval(remote: &Remote, settings: &Settings, form: &str) -> Result<String, Failure> {
    let (socket, deadline) = (settings.far_socket()?, Instant::now() + settings.timeout);
    let value = Ssh::new(remote, &ui::progress)
        .map_err(FarError::from)
        .and_then(|ssh| far_emacs::eval(&ssh, socket, form, &settings.request_id, deadline));
    value.map_err(|error| match error {
        FarError::Emacs(error @ EmacsError::Lisp(_)) => Failure::new(Code::General, "lisp-error", error.to_string()),
        error => eval_failure(remote, error),
    })
}

/// The command that shows a frame of the Emacs of `remote` in this terminal and evaluates `form` in it.
pub fn terminal(remote: &Remote, settings: &Settings, form: &str) -> Result<Command, Failure> {
    let socket = settings.far_socket()?;
    let command =
        Ssh::new(remote, &ui::progress).map_err(FarError::from).and_then(|ssh| far_emacs::terminal(&ssh, socket, form));
    command.map_err(|error| eval_failure(remote, error))
}

fn eval_failure(remote: &Remote, error: FarError) -> Failure {
    match miss(remote, error) {
        Miss::Final(failure) => failure,
        Miss::Absent(cause) | Miss::NotSent(cause) => absent(remote, false, &cause),
        Miss::NoDaemon(cause) => absent(remote, true, &cause),
        Miss::Lost(cause) | Miss::Unknown(cause) | Miss::TimedOut(cause) => {
            Failure::new(Code::Unreachable, "outcome-unknown", format!("outcome unknown: {cause}"))
        }
    }
}

/// The failure when nothing was sent: the host cannot be reached, or its Emacs is not there.
pub(super) fn absent(remote: &Remote, host_answers: bool, causes: &str) -> Failure {
    if host_answers {
        let message = format!("nobody answers for the board on {}: {causes}", remote.host);
        let hint = format!("start Emacs there with `fleet daemon start`; {FORGE_HINT}");
        return Failure::new(Code::Unreachable, "no-owner", message).hint(hint);
    }
    Failure::new(Code::Unreachable, "host-unreachable", causes).hint(FORGE_HINT)
}

/// What became of an attempt that gave no reply.
fn miss(remote: &Remote, error: FarError) -> Miss {
    match error {
        FarError::Ssh(error) => miss_of_ssh(remote, error),
        FarError::Emacs(error @ EmacsError::NoServer(_)) => Miss::NoDaemon(error.to_string()),
        FarError::Emacs(EmacsError::Lisp(said)) if said.contains("definition is void: fleet-rpc") => {
            let message = format!("the Emacs on {} has not loaded Fleet", remote.host);
            let hint = "`fleet daemon start` over there starts one that has";
            Miss::Final(Failure::new(Code::Config, "no-lisp", message).hint(hint))
        }
        FarError::Emacs(error) => miss_of_emacs(error),
    }
}

fn miss_of_ssh(remote: &Remote, error: SshError) -> Miss {
    let said = error.to_string();
    match error {
        SshError::TooLong(_) | SshError::Nul => {
            let failure = Failure::new(Code::Usage, "request-too-large", said);
            Miss::Final(failure.hint("shorten it, or run fleet on that host"))
        }
        SshError::Connect { why, .. } => unconnected(remote, why, said),
        SshError::Busy(_) => Miss::NotSent(said),
        SshError::TimedOut(limit) => Miss::TimedOut(late(remote, limit)),
        SshError::Lost(_) => Miss::Lost(said),
        error => Miss::Final(not_usable(remote, &error)),
    }
}

fn late(remote: &Remote, limit: Duration) -> String {
    format!("{} did not answer within {}s", remote.host, limit.as_secs())
}

/// What no further attempt can change.
fn not_usable(remote: &Remote, error: &SshError) -> Failure {
    let failure = |code, reason| Failure::new(code, reason, error.to_string());
    match error {
        SshError::Place(PlaceError::Untrusted { .. }) => failure(Code::Denied, "untrusted-directory")
            .hint("set XDG_RUNTIME_DIR to a directory of your own with mode 700"),
        SshError::NoProgram(program) => {
            let message = format!("{} has no `{program}` that a login by ssh finds", remote.host);
            let hint = "install Emacs there, or put it on the PATH of that account's non-interactive shell";
            Failure::new(Code::Config, "no-emacsclient", message).hint(hint)
        }
        SshError::NoSsh(_) => failure(Code::Config, "no-ssh").hint("install OpenSSH's client"),
        SshError::Key { .. } => failure(Code::Config, "no-ssh-key").hint("name another with BEZALEL_SSH_KEY"),
        _ => failure(Code::Config, "bad-ssh-path"),
    }
}

fn unconnected(remote: &Remote, why: Unconnected, said: String) -> Miss {
    let name = remote.host.as_str();
    let port = remote.port.map(|port| format!(" --port {port}")).unwrap_or_default();
    let refuse = |code, reason, hint: &str| Miss::Final(Failure::new(code, reason, said.as_str()).hint(hint));
    match why {
        Unconnected::Refused | Unconnected::Ended => Miss::NotSent(said),
        Unconnected::TimedOut | Unconnected::Unresolved | Unconnected::NoRoute => Miss::Absent(said),
        Unconnected::UnknownKey => {
            let hint = format!("ask its owner for the fingerprint, then `fleet peer add {name}{port}`");
            refuse(Code::Denied, "host-key-unknown", &hint)
        }
        Unconnected::ChangedKey => refuse(Code::Denied, "host-key-changed", CHANGED_HINT),
        Unconnected::Unauthorized => refuse(
            Code::Denied,
            "ssh-denied",
            "name the key that it accepts with BEZALEL_SSH_KEY, and the user with BEZALEL_USER",
        ),
    }
}
