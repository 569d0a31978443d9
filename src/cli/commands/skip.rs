//! `fleet skip`: the way to close what nobody shall do.

use crate::{
    cli::{fail::Refused, options::Settings, parse, task_text, ui::Outcome},
    core::wire::Call,
};

/// Close a task that nobody shall do
///
/// Tasks that wait for it may go on; `fleet requeue` opens it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet skip TASK-001 --agent timmy --reason \"no longer needed\"")]
pub struct SkipArgs {
    /// The task's name
    #[arg(value_parser = parse::task)]
    task: String,
    /// Why nobody shall do it
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: Option<String>,
}

/// Asks and prints what became of the task.
pub fn run(args: SkipArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_agent()?;
    let named = args.task.clone();
    let reply = settings.ask(Call::Skip { task: args.task, reason: args.reason })?;
    Ok(Outcome::of(&reply, task_text::changed(&reply, &named)))
}
