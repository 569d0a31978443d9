//! The Emacs behind a board: start it, stop it, look at it.

mod info;
mod logs;
mod run;
mod start;
mod status;
mod stop;

use crate::{
    adapters::{
        clock,
        emacs_daemon::{self, Launch, LaunchError},
        emacsclient::{self, EmacsError},
        owner::{self, OwnerError, OwnerInfo},
        process::Watched,
    },
    cli::{fail::Refused, options::Settings, reach, ui::Outcome},
    core::{
        code::Code,
        config::Key,
        wire::{Call, Failure, Reply, Request, WIRE_VERSION},
    },
    engine::{OpenError, log::chain, offline::open_failure},
};
use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

/// Run the Emacs that holds the board
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet daemon start --create")]
pub struct DaemonArgs {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    Start(start::StartArgs),
    Stop(stop::StopArgs),
    Status(status::StatusArgs),
    Logs(logs::LogsArgs),
    Run(run::RunArgs),
}

/// Does what the order says.
pub fn run(args: DaemonArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_this_host("`fleet daemon`")?;
    let outcome = match args.order {
        Order::Start(args) => start::run(args, settings),
        Order::Stop(args) => stop::run(args, settings),
        Order::Status(args) => status::run(args, settings),
        Order::Logs(args) => logs::run(args, settings),
        Order::Run(args) => run::run(args, settings),
    };
    Ok(outcome?)
}

/// The living owner of `board` and its process.
pub(super) fn living_owner(board: &Path) -> Result<Option<(OwnerInfo, Watched)>, Failure> {
    let owner = match owner::read_owner(board) {
        // Where there is no such directory there is no owner in it.
        Err(OwnerError::MissingDirectory(_)) => None,
        other => other.map_err(place_failure)?,
    };
    Ok(owner.and_then(|owner| owner.process().map(|process| (owner, process))))
}

/// What `owner` says about itself, if it answers within `timeout`.
pub(super) fn status_of(owner: &OwnerInfo, timeout: Duration) -> Option<Reply> {
    let request =
        Request { v: WIRE_VERSION, id: clock::fresh_request_id(), agent: None, board: None, call: Call::Status };
    reach::ask_owner(owner, &request, timeout)
}

/// Nobody holds the board.
pub(super) fn not_running(settings: &Settings) -> Failure {
    let message = format!("nobody holds the board {}", settings.board.display());
    Failure::new(Code::Unreachable, "not-running", message).hint("start Emacs with `fleet daemon start`")
}

/// Makes sure that the Emacs at `socket` is the owner. The inner error: it does not say who it is.
pub(super) fn same_emacs(
    owner: &OwnerInfo,
    socket: &Path,
    timeout: Duration,
) -> Result<Result<(), EmacsError>, Failure> {
    match emacsclient::eval(socket, "(emacs-pid)", timeout) {
        Ok(pid) if pid == owner.pid.to_string() => Ok(Ok(())),
        Ok(pid) => {
            let message =
                format!("{} is the socket of process {pid}, but {} owns the board", socket.display(), owner.pid);
            Err(Failure::new(Code::Config, "another-emacs", message).hint("name the right one with --socket"))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// A living owner that keeps silent.
pub(super) fn no_answer(owner: &OwnerInfo) -> Failure {
    let message = format!("process {} ({}) owns the board but does not answer", owner.pid, owner.kind.name());
    Failure::new(Code::Unreachable, "no-answer", message).hint("see `fleet daemon logs`; `fleet daemon stop` ends it")
}

/// How Emacs would be started; refuses what cannot work.
fn launch(settings: &Settings, init: bool) -> Result<Launch, Failure> {
    let lisp =
        emacs_daemon::lisp_directory(settings.path(Key::EmacsLisp)?, &this_program()?).map_err(launch_failure)?;
    let place = owner::locate(&settings.board).map_err(place_failure)?;
    let program = settings.path(Key::EmacsProgram)?.expect("it has a default");
    let init = init || settings.config.is_on(Key::EmacsInit);
    Ok(Launch {
        program,
        lisp,
        socket: settings.emacs_socket()?,
        place,
        init,
        config_file: settings.config_file.clone(),
    })
}

/// The path of this program's file.
pub(super) fn this_program() -> Result<PathBuf, Failure> {
    env::current_exe()
        .map_err(|e| Failure::new(Code::General, "no-program", format!("cannot find this program's file: {e}")))
}

pub(super) fn place_failure(error: OwnerError) -> Failure {
    match error {
        OwnerError::Malformed { .. } | OwnerError::Io { .. } => {
            Failure::new(Code::Config, "no-owner-file", chain(&error))
        }
        other => open_failure(&OpenError::Owner(other)),
    }
}

pub(super) fn launch_failure(error: LaunchError) -> Failure {
    let message = error.to_string();
    match error {
        LaunchError::NoLisp(_) => Failure::new(Code::Config, "no-lisp", message)
            .hint("set FLEET_LISP to the directory that holds Fleet's Lisp files"),
        LaunchError::NoBoard(_) => Failure::new(Code::NotFound, "no-board", message)
            .hint("name another with --board or DISPATCH_FILE, or make an empty one with --create"),
        LaunchError::Make { .. } => Failure::new(Code::Config, "cannot-make", message),
        LaunchError::Start { .. } => Failure::new(Code::Config, "no-emacs", message)
            .hint("set FLEET_EMACS to the Emacs that shall hold the board"),
    }
}

/// How long ago, roughly: `3h12m`.
pub(super) fn rough(time: Duration) -> String {
    match time.as_secs() {
        secs @ 0..60 => format!("{secs}s"),
        secs @ 60..3600 => format!("{}m{}s", secs / 60, secs % 60),
        secs @ 3600..86_400 => format!("{}h{}m", secs / 3600, secs % 3600 / 60),
        secs => format!("{}d{}h", secs / 86_400, secs % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_two_units() {
        let told = [59, 60, 3_599, 3_600, 86_399, 90_000].map(|secs| rough(Duration::from_secs(secs)));
        assert_eq!(told, ["59s", "1m0s", "59m59s", "1h0m", "23h59m", "1d1h"]);
    }
}
