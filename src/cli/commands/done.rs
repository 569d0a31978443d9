//! `fleet done`: the end of a claim that everyone hopes for.

use crate::{
    cli::{fail::Refused, options::Settings, parse, task_text, ui::Outcome},
    core::{id::Token, wire::Call},
};

/// Report a task as done
///
/// Only its holder can; without a token the owner cannot tell a late writer from the present one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet done TASK-001 --agent timmy --result \"Merged PR #456\"")]
pub struct DoneArgs {
    /// The task's name
    #[arg(value_parser = parse::task)]
    task: String,
    /// What came out, kept with the task
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    result: Option<String>,
    /// The token that the claim returned; fences off a late writer
    #[arg(long, value_name = "TOKEN", value_parser = parse::token)]
    token: Option<Token>,
}

/// Asks and prints what became of the task.
pub fn run(args: DoneArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_agent()?;
    let named = args.task.clone();
    let reply = settings.ask(Call::Done { task: args.task, token: args.token, result: args.result })?;
    Ok(Outcome::of(&reply, task_text::changed(&reply, &named)))
}
