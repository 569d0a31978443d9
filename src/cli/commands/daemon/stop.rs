//! `fleet daemon stop`: asks first, then signals; never kills.

use super::{
    info::{DaemonInfo, What},
    living_owner, same_emacs,
};
use crate::{
    adapters::{
        emacs_daemon::STOP_FORM,
        emacsclient::{self, EmacsError},
        owner::{OwnerInfo, OwnerKind},
        process::Watched,
    },
    cli::{
        options::Settings,
        ui::{self, Outcome},
    },
    core::{code::Code, wire::Failure},
};
use std::time::Duration;

/// How long Emacs may take to end after it was asked.
const STOP_SECS_MAX: u64 = 30;
/// How long Emacs may take to end after SIGTERM.
const TERM_SECS_MAX: u64 = 15;

/// Stop the Emacs that holds the board
///
/// Asks it to end; if it does not, sends SIGTERM, upon which Emacs keeps what is unsaved in its auto-save files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet daemon stop")]
pub struct StopArgs {}

/// Stops the owner of the board and waits for its end.
pub fn run(_: StopArgs, settings: &Settings) -> Result<Outcome, Failure> {
    let Some((owner, process)) = living_owner(&settings.board)? else {
        return Ok(DaemonInfo::nobody().outcome());
    };
    if owner.kind != OwnerKind::Emacs {
        let message = format!("process {} ({}) owns the board, not an Emacs", owner.pid, owner.kind.name());
        return Err(Failure::new(Code::Conflict, "owned", message).hint("it ends by itself"));
    }
    let asked = ask_to_end(&owner, settings)?;
    if asked && process.wait(Duration::from_secs(STOP_SECS_MAX)) {
        return Ok(DaemonInfo::silent(What::Stopped, &owner).outcome());
    }
    terminate(&owner, &process)?;
    Ok(DaemonInfo::silent(What::Terminated, &owner).outcome())
}

/// Whether Emacs heard the order; a refusal that Lisp gave is passed on.
fn ask_to_end(owner: &OwnerInfo, settings: &Settings) -> Result<bool, Failure> {
    let socket = settings.emacs_socket()?;
    if same_emacs(owner, &socket, settings.timeout)?.is_err() {
        return Ok(false);
    }
    match emacsclient::eval(&socket, STOP_FORM, settings.timeout) {
        Err(EmacsError::Lisp(error)) => {
            let message = format!("Emacs refuses to stop: {error}");
            Err(Failure::new(Code::General, "stop-refused", message))
        }
        Ok(answer) => emacsclient::refusal(&answer).map_or(Ok(true), Err),
        // It ends in the middle of its answer: there is none to judge.
        Err(_) => Ok(true),
    }
}

fn terminate(owner: &OwnerInfo, process: &Watched) -> Result<(), Failure> {
    ui::tell(&format!("fleet: Emacs, process {}, does not end by itself; sending SIGTERM", owner.pid));
    let failed = |message| Failure::new(Code::General, "not-stopped", message);
    process.terminate().map_err(|e| failed(format!("cannot signal process {}: {e}", owner.pid)))?;
    if process.wait(Duration::from_secs(TERM_SECS_MAX)) {
        return Ok(());
    }
    let message = format!("Emacs, process {}, still runs {TERM_SECS_MAX}s after SIGTERM", owner.pid);
    Err(failed(message).hint("it may be busy: look at its display and at `fleet daemon logs`, then try again"))
}
