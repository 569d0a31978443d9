//! `fleet daemon start`: one Emacs for the board, whoever else starts one at the same time.

use super::{launch, launch_failure, living_owner, place_failure, status_of, this_program};
use crate::{
    adapters::{
        emacs_daemon::{self, log_end, log_path, log_tail},
        owner::{self, BoardPlace, OwnerInfo, OwnerKind},
        process::Watched,
    },
    cli::{
        options::Settings,
        ui::{self, Outcome},
    },
    core::{code::Code, wire::Failure},
};
use serde_json::json;
use std::{
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

/// How long a new Emacs may take to open the board.
const START_SECS_MAX: u64 = 60;
/// How long a start may take before the person is told what it waits for.
const QUIET: Duration = Duration::from_secs(1);
/// The pause between two looks at a starting Emacs.
const LOOK_EVERY: Duration = Duration::from_millis(50);
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
    command.args(["daemon", "run", "--detach"]).args(args.init.then_some("--init"));
    let mut child = emacs_daemon::spawn_logged(&mut command, &launch.place.state).map_err(launch_failure)?;
    let owner = wait(&mut child, &launch.place, log_from)?;
    Ok(running("started", &owner))
}

fn already(owner: &OwnerInfo, settings: &Settings) -> Result<Outcome, Failure> {
    if owner.kind != OwnerKind::Emacs {
        let message = format!("process {} ({}) owns the board at the moment", owner.pid, owner.kind.name());
        return Err(Failure::new(Code::Conflict, "owned", message).hint("try again when it has ended"));
    }
    match status_of(owner, settings.timeout) {
        Some(_) => Ok(running("already running", owner)),
        None => {
            let message = format!("Emacs, process {}, owns the board but does not answer", owner.pid);
            Err(Failure::new(Code::Unreachable, "no-answer", message)
                .hint("see `fleet daemon logs`; `fleet daemon stop` ends it"))
        }
    }
}

fn running(what: &str, owner: &OwnerInfo) -> Outcome {
    let json = json!({ "v": 1, "ok": true, "daemon": { "what": what, "pid": owner.pid, "socket": owner.socket } });
    Outcome::value(json, format!("{what}: Emacs, process {}", owner.pid))
}

/// Waits until the new Emacs answers, ends, or has had its time.
fn wait(child: &mut Child, place: &BoardPlace, log_from: u64) -> Result<OwnerInfo, Failure> {
    let began = Instant::now();
    let mut told = false;
    while began.elapsed() < Duration::from_secs(START_SECS_MAX) {
        let owner = owner::read_owner(&place.file).map_err(place_failure)?;
        if let Some(owner) = owner.filter(|o| o.pid == child.id() && status_of(o, ANSWER_WITHIN).is_some()) {
            return Ok(owner);
        }
        let ended = Watched::open(child.id()).is_none_or(|process| process.wait(LOOK_EVERY));
        if ended {
            return Err(ended_early(child, &place.state, log_from));
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

fn ended_early(child: &mut Child, state: &Path, log_from: u64) -> Failure {
    let status = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
    let said = log_tail(state, log_from, LOG_LINES).unwrap_or_default();
    let message = format!("Emacs ended while starting ({status})\n{}", said.trim_end());
    let hint = format!("the whole log is {}", log_path(state).display());
    Failure::new(Code::Unreachable, "ended-early", message.trim_end()).hint(hint)
}
