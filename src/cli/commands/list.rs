//! `fleet list`: the board as lines, filtered by its owner.

use crate::{
    cli::{fail::Refused, options::Settings, parse, task_text::list_line, ui::Outcome},
    core::{id::AgentName, wire::Call},
};

/// List tasks in the order of the board
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet list --state in-progress")]
pub struct ListArgs {
    /// Only tasks in this state (pending, in-progress, done, failed, skipped) or with this keyword
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only tasks with this tag; repeat it for several
    #[arg(long = "tag", value_name = "TAG", value_parser = parse::tag)]
    tags: Vec<String>,
    /// Only tasks held by this agent
    #[arg(long, value_name = "NAME", value_parser = parse::agent)]
    holder: Option<AgentName>,
    /// At most this many tasks
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

/// Asks and prints.
pub fn run(args: ListArgs, settings: &Settings) -> Result<Outcome, Refused> {
    let ListArgs { state, tags, holder, limit } = args;
    let reply = settings.ask(Call::List { state, tags, holder, limit })?;
    let tasks = reply.tasks.as_deref().unwrap_or_default();
    let text: String = tasks.iter().map(|task| format!("{}\n", list_line(task))).collect();
    Ok(Outcome::of(&reply, text))
}
