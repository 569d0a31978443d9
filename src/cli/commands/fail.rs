//! `fleet fail`: the end of a claim that counts as an attempt.

use crate::{
    cli::{fail::Refused, options::Settings, parse, task_text, ui::Outcome},
    core::{id::Token, wire::Call},
};

/// Give a task back as failed
///
/// It is offered again later, until its attempts are used up; then it is FAILED.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet fail TASK-001 --agent timmy --reason \"tests do not pass\"")]
pub struct FailArgs {
    /// The task's name
    #[arg(value_parser = parse::task)]
    task: String,
    /// Why it failed
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: Option<String>,
    /// The token that the claim returned; fences off a late writer
    #[arg(long, value_name = "TOKEN", value_parser = parse::token)]
    token: Option<Token>,
}

/// Asks and prints what became of the task.
pub fn run(args: FailArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_agent()?;
    let named = args.task.clone();
    let reply = settings.ask(Call::Fail { task: args.task, token: args.token, reason: args.reason })?;
    Ok(Outcome::of(&reply, task_text::changed(&reply, &named)))
}
