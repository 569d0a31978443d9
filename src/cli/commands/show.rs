//! `fleet show`: everything about one task.

use crate::{
    cli::{fail::Refused, options::Settings, parse, task_text, ui::Outcome},
    core::wire::Call,
};

/// Show one task whole
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet show TASK-001")]
pub struct ShowArgs {
    /// The task's name
    #[arg(value_parser = parse::task)]
    task: String,
}

/// Asks and prints.
pub fn run(args: ShowArgs, settings: &Settings) -> Result<Outcome, Refused> {
    let reply = settings.ask(Call::Show { task: args.task })?;
    let text = reply.task.as_ref().map(task_text::whole).unwrap_or_default();
    Ok(Outcome::of(&reply, text))
}
