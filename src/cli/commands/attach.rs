//! `fleet attach`: this terminal turns into a frame of the Emacs that holds the board.

use super::daemon::{living_owner, not_running, same_emacs};
use crate::{
    adapters::{emacsclient, owner::OwnerKind},
    cli::{
        fail::{Refused, usage},
        far,
        options::Settings,
        ui::Outcome,
    },
    core::{
        code::Code,
        wire::{Call, Failure},
    },
};
use std::{
    env,
    io::{self, IsTerminal},
    os::unix::process::CommandExt,
    process::Command,
};

/// Shows the board in the frame that is made for the caller.
const SHOW_FORM: &str = "(fleet-daemon-attach)";
/// Terminal types in which nothing can be drawn.
const TERMS_TOO_POOR: [&str; 3] = ["", "dumb", "unknown"];

/// Open the board in this terminal, in the Emacs that holds it
///
/// `C-x C-c` leaves it again; the daemon goes on. The exit code is then that of emacsclient. Works in tmux, and with the
/// board of another host.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet attach")]
pub struct AttachArgs {}

/// Replaces this process by emacsclient, or by ssh with one at its far end.
pub fn run(_: AttachArgs, settings: &Settings) -> Result<Outcome, Refused> {
    check_terminal(io::stdin().is_terminal() && io::stdout().is_terminal(), env::var("TERM").ok().as_deref())?;
    let mut client = client(settings)?;
    let source = client.exec();
    let message = format!("cannot start {}: {source}", client.get_program().display());
    Err(Failure::new(Code::Config, "no-emacsclient", message).hint("install emacsclient, or put it on PATH").into())
}

/// The client that shows the board of `settings`; refuses where it would show something else, or nothing.
fn client(settings: &Settings) -> Result<Command, Refused> {
    if settings.offline {
        return Err(usage("needs-emacs", "attach needs a running Emacs; --offline has none").into());
    }
    let Some(remote) = &settings.remote else { return Ok(client_here(settings)?) };
    // Connects, and hears whether that Emacs has this board: what it says is better than what a terminal would show.
    settings.ask(Call::Status)?;
    Ok(far::terminal(remote, settings, SHOW_FORM)?)
}

fn client_here(settings: &Settings) -> Result<Command, Failure> {
    let (owner, _) = living_owner(&settings.board)?.ok_or_else(|| not_running(settings))?;
    if owner.kind != OwnerKind::Emacs {
        let message = format!("process {} ({}) owns the board, not an Emacs", owner.pid, owner.kind.name());
        return Err(Failure::new(Code::Conflict, "owned", message).hint("try again when it has ended"));
    }
    let socket = settings.emacs_socket()?;
    same_emacs(&owner, &socket, settings.timeout)?.map_err(|error| {
        let message = format!("the Emacs that holds the board, process {}, does not answer: {error}", owner.pid);
        let hint = "name its server socket with --socket; if Emacs is busy, try again with a longer --timeout";
        Failure::new(Code::Unreachable, "no-emacs", message).hint(hint)
    })?;
    Ok(emacsclient::terminal(&socket, SHOW_FORM))
}

/// Refuses what would leave Emacs without a place to draw.
fn check_terminal(is_terminal: bool, term: Option<&str>) -> Result<(), Failure> {
    if !is_terminal {
        let hint = "run it in a terminal; with ssh, ask for one by `ssh -t`";
        return Err(usage("no-terminal", "attach needs a terminal as its input and output").hint(hint));
    }
    let term = term.unwrap_or_default();
    if TERMS_TOO_POOR.contains(&term) {
        let message = format!("nothing can be drawn in a terminal of the type `{term}`");
        return Err(usage("no-terminal", message).hint("set TERM to what the terminal is, such as xterm-256color"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_that_can_be_drawn_in_is_attached() {
        assert!(check_terminal(true, Some("screen-256color")).is_ok());
        for (is_terminal, term) in [(false, Some("xterm")), (true, None), (true, Some("")), (true, Some("dumb"))] {
            let failure = check_terminal(is_terminal, term).expect_err("refused");
            assert_eq!((failure.code, failure.reason.as_str()), (Code::Usage, "no-terminal"), "{term:?}");
        }
    }
}
