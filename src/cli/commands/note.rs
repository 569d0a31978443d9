//! `fleet note`: progress on a task, told while it is worked on.

use crate::{
    cli::{fail::Refused, options::Settings, parse, ui::Outcome},
    core::{id::Token, wire::Call},
};

/// Add a progress line to a task's log
///
/// Nothing else about the task changes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet note TASK-001 \"staging is up\" --agent timmy")]
pub struct NoteArgs {
    /// The task's name
    #[arg(value_parser = parse::task)]
    task: String,
    /// The line
    text: String,
    /// The token that the claim returned; fences off a late writer
    #[arg(long, value_name = "TOKEN", value_parser = parse::token)]
    token: Option<Token>,
}

/// Asks and prints what became of the task.
pub fn run(args: NoteArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_agent()?;
    let named = args.task.clone();
    let reply = settings.ask(Call::Note { task: args.task, token: args.token, text: args.text })?;
    Ok(Outcome::of(&reply, format!("noted on {named}")))
}
