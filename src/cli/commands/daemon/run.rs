//! `fleet daemon run`: this process turns into Emacs, so that whoever started it watches the right one.

use super::{launch, launch_failure};
use crate::{
    adapters::emacs_daemon,
    cli::{options::Settings, ui::Outcome},
    core::wire::Failure,
};

/// Become the Emacs that holds the board, in the foreground
///
/// For service managers; `fleet daemon start` does the same in the background. FLEET_EMACS names the Emacs to run,
/// FLEET_LISP the directory of Fleet's Lisp files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet daemon run --board /srv/fleet/workspace/dispatch.org")]
pub struct RunArgs {
    /// Load the init file of the user too
    #[arg(long)]
    init: bool,
    /// Leave the session of the caller first
    #[arg(long, hide = true)]
    detach: bool,
}

/// Replaces this process by Emacs.
pub fn run(args: RunArgs, settings: &Settings) -> Result<Outcome, Failure> {
    let launch = launch(settings, args.init)?;
    emacs_daemon::ensure_board(&launch.place.file, false).map_err(launch_failure)?;
    match launch.exec(args.detach).map_err(launch_failure)? {}
}
