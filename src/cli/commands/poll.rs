//! `fleet poll`: what an agent could claim now, in lines that loops in the field take apart.

use crate::{
    cli::{fail::Refused, options::Settings, parse, task_text::headline, ui::Outcome},
    core::wire::{Call, TaskInfo},
};

/// List the tasks that are ready for an agent, best first
///
/// Prints one line per task, an arrow and then the task's name. Without a task it prints no arrow; the exit code is 0
/// either way.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet poll --agent timmy --limit 5")]
pub struct PollArgs {
    /// Only tasks with this tag; repeat it for several
    #[arg(long = "tag", value_name = "TAG", value_parser = parse::tag)]
    tags: Vec<String>,
    /// At most this many tasks
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

/// Asks and prints.
pub fn run(args: PollArgs, settings: &Settings) -> Result<Outcome, Refused> {
    let reply = settings.ask(Call::Poll { tags: args.tags, limit: args.limit })?;
    let tasks = reply.tasks.as_deref().unwrap_or_default();
    let text = match (tasks, &settings.agent) {
        ([], Some(agent)) => format!("no tasks for {agent}"),
        ([], None) => "no tasks".into(),
        (tasks, _) => arrows(tasks),
    };
    Ok(Outcome::of(&reply, text))
}

/// Loops in the field split each line at its first arrow and take the rest as the task.
pub(super) fn arrows(tasks: &[TaskInfo]) -> String {
    tasks.iter().map(|task| format!("\u{2192} {}\n", headline(task))).collect()
}
