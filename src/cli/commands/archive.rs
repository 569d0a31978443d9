//! `fleet archive`: closed tasks leave the board for the file where Org would put them.

use crate::{
    cli::{fail::Refused, moment::span_ms, options::Settings, parse, task_text::headline, ui::Outcome},
    core::wire::{Call, Reply},
};

/// Move closed tasks from the board to its archive
///
/// Without names: all that have been closed for long enough. What is below a task goes with it; a task with an open one
/// below it stays, and so does what somebody is just editing. Tasks that wait for an archived one still count it as done.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  fleet archive --older-than 30d --dry-run\n  \
                        fleet archive --agent timmy")]
pub struct ArchiveArgs {
    /// These tasks; if one of them cannot be archived, none is
    #[arg(value_name = "TASK", value_parser = parse::task)]
    tasks: Vec<String>,
    /// Only what was closed so long ago: `12h`, `30d`, `8w` [default: 30d; for named tasks, no matter when]
    #[arg(long, value_name = "TIME", value_parser = age_secs)]
    older_than: Option<u64>,
    /// Only list what would go
    #[arg(long)]
    dry_run: bool,
}

/// Asks and prints one line per task.
pub fn run(args: ArchiveArgs, settings: &Settings) -> Result<Outcome, Refused> {
    if !args.dry_run {
        settings.need_agent()?;
    }
    let ArchiveArgs { tasks, older_than, dry_run } = args;
    let reply = settings.ask(Call::Archive { tasks, older_than_secs: older_than, dry_run })?;
    let text = text(&reply, dry_run);
    Ok(Outcome::of(&reply, text))
}

fn text(reply: &Reply, dry_run: bool) -> String {
    let verb = if dry_run { "would archive" } else { "archived" };
    match reply.tasks.as_deref() {
        None => "archived before".into(),
        Some([]) => "nothing to archive".into(),
        Some(tasks) => tasks.iter().map(|task| format!("{verb} {}\n", headline(task))).collect(),
    }
}

fn age_secs(text: &str) -> Result<u64, String> {
    let ms = span_ms(text).and_then(|ms| u64::try_from(ms).ok());
    ms.map(|ms| ms / 1_000).ok_or_else(|| format!("`{text}` is no length of time: use 12h, 30d or 8w"))
}
