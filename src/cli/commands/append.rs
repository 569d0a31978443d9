//! `fleet append`: a message of an agent on the board, not about a task.

use crate::{
    cli::{fail::Refused, options::Settings, ui::Outcome},
    core::wire::Call,
};

/// Append a status message to the board
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet append \"Deployed v2.3 to staging\" --agent timmy")]
pub struct AppendArgs {
    /// The message
    text: String,
}

/// Sends the message.
pub fn run(args: AppendArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_agent()?;
    let reply = settings.ask(Call::Append { text: args.text })?;
    Ok(Outcome::of(&reply, "appended"))
}
