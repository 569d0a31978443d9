//! `fleet requeue`: the way back from a closed state.

use crate::{
    cli::{fail::Refused, options::Settings, parse, task_text, ui::Outcome},
    core::wire::Call,
};

/// Open a closed task again
///
/// Its attempts start anew.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  fleet requeue \"Migrate database schema\" --agent timmy --reason \"the fix was reverted\""
)]
pub struct RequeueArgs {
    /// The task's name
    #[arg(value_parser = parse::task)]
    task: String,
    /// Why it is opened again
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: Option<String>,
}

/// Asks and prints what became of the task.
pub fn run(args: RequeueArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_agent()?;
    let named = args.task.clone();
    let reply = settings.ask(Call::Requeue { task: args.task, reason: args.reason })?;
    Ok(Outcome::of(&reply, task_text::changed(&reply, &named)))
}
