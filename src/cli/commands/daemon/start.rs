//! `fleet daemon start`: one Emacs for the board, whoever else starts one at the same time.

use super::{
    info::{DaemonInfo, What},
    launch, launch_failure, living_owner, no_answer, place_failure, status_of, this_program,
};
use crate::{
    adapters::{
        emacs_daemon::{self, Launch, StartFailure, log_end, log_path, log_tail, start_failure},
        emacsclient,
        owner::{self, OwnerInfo, OwnerKind},
        process::Watched,
    },
    cli::{
        options::Settings,
        ui::{self, Outcome},
    },
    core::{code::Code, wire::Failure},
};
use std::{
    path::Path,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

/// How long a new Emacs may take to open the board.
const START_SECS_MAX: u64 = 60;
/// How long a start may take before the person is told what it waits for.
const QUIET: Duration = Duration::from_secs(1);
/// The pause between two looks at a starting Emacs.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the Emacs of another start that came first may take to answer.
const RIVAL_SECS_MAX: u64 = 5;
/// How long an owner may take to answer one look.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Lines of the log that explain a failed start.
const LOG_LINES: usize = 10;

/// Start an Emacs in the background that holds the board
///
/// Returns when it answers. Does nothing if one runs already. FLEET_EMACS names the Emacs to run, FLEET_LISP the
/// directory of Fleet's Lisp files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet daemon start --create")]
pub struct StartArgs {
    /// Load the init file of the user too
    #[arg(long)]
    init: bool,
    /// Make an empty board if there is none
    #[arg(long)]
    create: bool,
}

/// Starts Emacs unless it runs, and waits for its first answer.
pub fn run(args: StartArgs, settings: &Settings) -> Result<Outcome, Failure> {
    if let Some((owner, _)) = living_owner(&settings.board)? {
        return already(&owner, settings);
    }
    emacs_daemon::ensure_board(&settings.board, args.create).map_err(launch_failure)?;
    let launch = launch(settings, args.init)?;
    let log_from = log_end(&launch.place.state);
    let mut command = Command::new(this_program()?);
    command.arg("--board").arg(&launch.place.file).arg("--socket").arg(&launch.socket);
    if let Some(file) = &launch.config_file {
        command.arg("--config").arg(file);
    }
    command.args(["daemon", "run", "--detach"]).args(args.init.then_some("--init"));
    let mut child = emacs_daemon::spawn_logged(&mut command, &launch.place.state).map_err(launch_failure)?;
    wait(&mut child, &launch, log_from)
}

fn already(owner: &OwnerInfo, settings: &Settings) -> Result<Outcome, Failure> {
    if owner.kind != OwnerKind::Emacs {
        let message = format!("process {} ({}) owns the board at the moment", owner.pid, owner.kind.name());
        return Err(Failure::new(Code::Conflict, "owned", message).hint("try again when it has ended"));
    }
    match status_of(owner, settings.timeout) {
        Some(_) => Ok(DaemonInfo::answering(What::AlreadyRunning, owner).outcome()),
        None => Err(no_answer(owner)),
    }
}

/// Waits until the new Emacs answers, ends, or has had its time.
fn wait(child: &mut Child, launch: &Launch, log_from: u64) -> Result<Outcome, Failure> {
    let place = &launch.place;
    let began = Instant::now();
    let mut told = false;
    while began.elapsed() < Duration::from_secs(START_SECS_MAX) {
        let owner = owner::read_owner(&place.file).map_err(place_failure)?;
        let serves = |owner: &OwnerInfo| owner.pid == child.id() && status_of(owner, ANSWER_WITHIN).is_some();
        // Emacs opens its own socket after the board's; `fleet eval` and `fleet daemon stop` need it.
        if let Some(owner) = owner.filter(serves).filter(|_| emacsclient::listens(&launch.socket)) {
            return Ok(DaemonInfo::answering(What::Started, &owner).outcome());
        }
        let ended = Watched::open(child.id()).is_none_or(|process| process.wait(LOOK_EVERY));
        if ended {
            return after_end(child, launch, log_from);
        }
        if !told && began.elapsed() > QUIET {
            ui::tell(&format!("fleet: waiting for Emacs, process {}, to open {}", child.id(), place.file.display()));
            told = true;
        }
    }
    let message = format!("Emacs, process {}, does not answer after {START_SECS_MAX}s; it still runs", child.id());
    Err(Failure::new(Code::Unreachable, "slow-start", message)
        .hint("see `fleet daemon logs` and `fleet daemon status`"))
}

/// What the end of a starting Emacs means: it lost against another start, it said why, or nobody knows.
fn after_end(child: &mut Child, launch: &Launch, log_from: u64) -> Result<Outcome, Failure> {
    let place = &launch.place;
    let Some(said) = start_failure(&place.state, log_from, child.id()) else {
        return Err(ended_early(child, &place.state, log_from));
    };
    // Reaps it; how it ended is told by what it said.
    let _ = child.wait();
    let failure = told(said, &place.state);
    if failure.reason != "board-owned" {
        return Err(failure);
    }
    match rival(launch)? {
        Some(owner) => Ok(DaemonInfo::answering(What::AlreadyRunning, &owner).outcome()),
        None => Err(failure),
    }
}

/// The Emacs that another start made at the same time, once it answers; as with our own, its socket should too.
fn rival(launch: &Launch) -> Result<Option<OwnerInfo>, Failure> {
    let began = Instant::now();
    let mut answering = None;
    while began.elapsed() < Duration::from_secs(RIVAL_SECS_MAX) {
        match living_owner(&launch.place.file)? {
            Some((owner, _)) if owner.kind != OwnerKind::Emacs => return Ok(None),
            Some((owner, _)) if status_of(&owner, ANSWER_WITHIN).is_some() => answering = Some(owner),
            // It has the lock and has not said yet how to reach it, or is about to answer.
            _ => {}
        }
        if answering.is_some() && emacsclient::listens(&launch.socket) {
            break;
        }
        thread::sleep(LOOK_EVERY);
    }
    // The other start may have named another socket for its Emacs.
    Ok(answering)
}

/// What Lisp said, in the words of a reply. An error that is not Fleet's own is one of Lisp.
fn told(said: StartFailure, state: &Path) -> Failure {
    let by_symbol = Code::ALL.into_iter().find(|code| code.symbol() == Some(&said.symbol));
    let Some(code) = said.code.or(by_symbol) else {
        let message = format!("Lisp failed while Emacs started: {}", said.message);
        let hint = format!("the whole log is {}", log_path(state).display());
        return Failure::new(Code::General, "lisp-error", message).hint(hint);
    };
    let reason = said.reason.as_deref().unwrap_or("start-failed");
    let failure = Failure::new(code, reason, said.message);
    match said.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn ended_early(child: &mut Child, state: &Path, log_from: u64) -> Failure {
    let status = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
    let said = log_tail(state, log_from, LOG_LINES).unwrap_or_default();
    let message = format!("Emacs ended while starting ({status})\n{}", said.trim_end());
    let hint = format!("the whole log is {}", log_path(state).display());
    Failure::new(Code::Unreachable, "ended-early", message.trim_end()).hint(hint)
}
