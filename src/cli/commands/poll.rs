//! `fleet poll`: what an agent could claim now, in lines that loops in the field take apart.

use crate::{
    cli::{fail::Refused, options::Settings, parse, task_text::headline, ui::Outcome},
    core::wire::{Call, TaskInfo},
};

/// List the tasks that are ready for an agent, best first
///
/// Prints one line per task, an arrow and then the task's name. Without a task it prints no arrow; the exit code is 0
/// either way. With --explain every other open task follows, without an arrow, and why the agent does not get it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  fleet poll --agent timmy --limit 5\n  fleet poll --agent timmy --explain")]
pub struct PollArgs {
    /// Only tasks with this tag; repeat it for several
    #[arg(long = "tag", value_name = "TAG", value_parser = parse::tag)]
    tags: Vec<String>,
    /// At most this many tasks
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Also list the open tasks that are not ready, and say why
    #[arg(long)]
    explain: bool,
}

/// Asks and prints.
pub fn run(args: PollArgs, settings: &Settings) -> Result<Outcome, Refused> {
    let reply = settings.ask(Call::Poll { tags: args.tags, limit: args.limit, explain: args.explain })?;
    let tasks = reply.tasks.as_deref().unwrap_or_default();
    let text = match (tasks, &settings.agent) {
        ([], Some(agent)) => format!("no tasks for {agent}"),
        ([], None) => "no tasks".into(),
        (tasks, _) => arrows(tasks),
    };
    Ok(Outcome::of(&reply, text))
}

/// Loops in the field split each line at its first arrow and take the rest as the task; what is not ready has none, also
/// if its title has.
pub(super) fn arrows(tasks: &[TaskInfo]) -> String {
    let line = |task: &TaskInfo| match &task.why {
        None => format!("\u{2192} {}\n", headline(task)),
        Some(why) => {
            let word = task.unready.as_deref().unwrap_or("not-ready");
            let line = format!("  {} ({word}: {})", headline(task), why.message).replace('\u{2192}', "->");
            line.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ") + "\n"
        }
    };
    tasks.iter().map(line).collect()
}
