//! `fleet release`: the end of a claim that counts as nothing.

use crate::{
    cli::{fail::Refused, options::Settings, parse, task_text, ui::Outcome},
    core::{id::Token, wire::Call},
};

/// Give a task back untried
///
/// It is offered again at once, and the attempt does not count.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet release TASK-001 --agent timmy --reason \"needs a human\"")]
pub struct ReleaseArgs {
    /// The task's name
    #[arg(value_parser = parse::task)]
    task: String,
    /// Why it is given back
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: Option<String>,
    /// The token that the claim returned; fences off a late writer
    #[arg(long, value_name = "TOKEN", value_parser = parse::token)]
    token: Option<Token>,
}

/// Asks and prints what became of the task.
pub fn run(args: ReleaseArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_agent()?;
    let named = args.task.clone();
    let reply = settings.ask(Call::Release { task: args.task, token: args.token, reason: args.reason })?;
    Ok(Outcome::of(&reply, task_text::changed(&reply, &named)))
}
