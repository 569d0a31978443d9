//! `fleet halt`: nobody claims anything until `fleet resume`. The file comes first, so that it works without a daemon.

use crate::{
    adapters::halt::{HaltError, HaltFile},
    cli::{
        fail::Refused,
        options::Settings,
        ui::{self, Outcome},
    },
    core::{
        code::Code,
        config::Key,
        wire::{Call, Failure, Reply},
    },
    engine::log::chain,
};
use serde_json::json;

/// Stop the fleet: no task is claimed until it is resumed
///
/// What is held can still be finished and reported. Writes the HALT file of this host, then tells the owner of the board,
/// whose answer means that every claim before it is through. Halting again renews the reason.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet halt \"investigating a runaway loop\"")]
pub struct HaltArgs {
    /// Why; several words are joined by blanks
    reason: Vec<String>,
}

/// Halts and says since when that holds.
pub fn run(args: &HaltArgs, settings: &Settings) -> Result<Outcome, Refused> {
    let reason = args.reason.join(" ");
    let file = file(settings);
    file.halt(&reason).map_err(failure)?;
    let call = Call::Halt { reason: Some(reason) };
    tell_owner(settings, call, &format!("halted by {}", shown(&file)))
}

/// The HALT file of this host.
pub(super) fn file(settings: &Settings) -> HaltFile {
    HaltFile::new(settings.config.path(Key::HaltFile, settings.home()))
}

pub(super) fn shown(file: &HaltFile) -> String {
    file.path().map(|path| path.display().to_string()).unwrap_or_default()
}

pub(super) fn failure(error: HaltError) -> Failure {
    Failure::new(Code::General, "halt-failed", chain(&error)).hint("look at that file by hand")
}

/// Tells the owner of the board; `done` holds already, so that nobody answering is no failure.
pub(super) fn tell_owner(settings: &Settings, call: Call, done: &str) -> Result<Outcome, Refused> {
    match settings.ask(call) {
        // Its banner would only repeat what was just said.
        Ok(reply) => Ok(Outcome::of(&Reply { halt: None, ..reply }, done)),
        Err(refused) if refused.failure().code == Code::Unreachable && settings.remote.is_none() => {
            ui::tell("fleet: note: nobody holds the board, so the journal does not record it");
            Ok(Outcome::value(json!({ "v": 1, "ok": true, "recorded": false }), done))
        }
        Err(refused) => Err(refused),
    }
}
