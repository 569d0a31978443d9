//! `fleet daemon logs`: the last words of an Emacs whose terminal nobody sees.

use super::place_failure;
use crate::{
    adapters::{
        emacs_daemon::{log_path, log_tail},
        owner::locate,
    },
    cli::{options::Settings, ui::Outcome},
    core::{code::Code, wire::Failure},
};
use serde_json::json;

/// Show the end of what the Emacs started by `fleet daemon start` printed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet daemon logs -n 100")]
pub struct LogsArgs {
    /// How many lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 40)]
    lines: usize,
}

/// Prints the end of the log.
pub fn run(args: LogsArgs, settings: &Settings) -> Result<Outcome, Failure> {
    let state = locate(&settings.board).map_err(place_failure)?.state;
    let text = log_tail(&state, 0, args.lines).map_err(|e| {
        let message = format!("cannot read {}: {e}", log_path(&state).display());
        Failure::new(Code::NotFound, "no-log", message).hint("`fleet daemon start` writes it")
    })?;
    let json = json!({ "v": 1, "ok": true, "lines": text.lines().collect::<Vec<_>>() });
    Ok(Outcome::value(json, text))
}
