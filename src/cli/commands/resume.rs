//! `fleet resume`: the end of HALT. It starts nothing by itself: agents come back when they ask again.

use super::halt::{failure, file, shown, tell_owner};
use crate::{
    cli::{fail::Refused, options::Settings, ui::Outcome},
    core::wire::Call,
};

/// Let a halted fleet go on
///
/// Removes the HALT file of this host and tells the owner of the board. Agents that stopped are not started again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet resume")]
pub struct ResumeArgs {}

/// Resumes, or says that there was nothing to end.
pub fn run(_: &ResumeArgs, settings: &Settings) -> Result<Outcome, Refused> {
    let file = file(settings);
    let was_halted = file.resume().map_err(failure)?;
    let done = if was_halted { format!("resumed: {} is gone", shown(&file)) } else { "was not halted here".into() };
    tell_owner(settings, Call::Resume, &done)
}
