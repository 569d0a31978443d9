//! `fleet daemon status`: the owner of the board from outside, also when it does not answer.

use super::{
    info::{DaemonInfo, What},
    living_owner, no_answer, not_running, rough, status_of,
};
use crate::{
    adapters::clock,
    cli::{options::Settings, ui::Outcome},
    core::{
        code::Code,
        wire::{Failure, Reply},
    },
};
use serde_json::json;

/// Show whether the Emacs that holds the board runs and answers
///
/// Exit code 0 means that it answers, 6 that it does not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet daemon status")]
pub struct StatusArgs {}

/// Looks, asks, and prints what was found.
pub fn run(_: StatusArgs, settings: &Settings) -> Result<Outcome, Failure> {
    let Some((owner, _)) = living_owner(&settings.board)? else {
        return Err(not_running(settings));
    };
    let reply = status_of(&owner, settings.timeout);
    let up = owner.held_for(clock::now().wall.unix_ms());
    let json = match &reply {
        Some(_) => json!({ "v": 1, "ok": true, "daemon": DaemonInfo::answering(What::Running, &owner) }),
        None => {
            let daemon = DaemonInfo::silent(What::Running, &owner);
            json!({ "v": 1, "ok": false, "daemon": daemon, "error": no_answer(&owner) })
        }
    };
    let socket = owner.socket.as_ref().map_or_else(|| "none".into(), |path| path.display().to_string());
    let up = up.map_or_else(|| "an unknown time".into(), rough);
    let text = format!(
        "process  {} ({}), holds the board for {up}\nsocket   {socket}\nanswers  {}\n",
        owner.pid,
        owner.kind.name(),
        answer(reply.as_ref())
    );
    let code = if reply.is_some() { Code::Ok } else { Code::Unreachable };
    Ok(Outcome::value(json, text).with_code(code))
}

fn answer(reply: Option<&Reply>) -> String {
    match reply.map(|reply| (&reply.status, &reply.error)) {
        None => "no".into(),
        Some((Some(status), _)) => format!("yes, board {}", status.state),
        Some((None, Some(error))) => format!("yes, with an error: {}", error.message),
        Some((None, None)) => "yes".into(),
    }
}
