//! `fleet add`: a new task from a title, a few facts and a body that may come from a file.

use crate::{
    cli::{
        fail::{Refused, usage},
        options::Settings,
        parse,
        ui::Outcome,
    },
    core::wire::{Call, Failure, REQUEST_BYTES_MAX},
};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Add a task at the end of the board
///
/// Prints the new task's name.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet add \"Deploy auth service\" --tag ezra --deadline 2026-04-15 --agent timmy")]
pub struct AddArgs {
    /// Its title, one line
    #[arg(value_parser = parse::title)]
    title: String,
    /// A tag; one that names an agent assigns the task. Repeat it for several
    #[arg(long = "tag", value_name = "TAG", value_parser = parse::tag)]
    tags: Vec<String>,
    /// Its priority, A to Z
    #[arg(long, value_name = "LETTER", value_parser = parse::priority)]
    priority: Option<char>,
    /// When it is due: 2026-04-15, or "2026-04-15 10:00"
    #[arg(long, value_name = "DATE")]
    deadline: Option<String>,
    /// Not offered before: 2026-04-15, or "2026-04-15 10:00"
    #[arg(long, value_name = "DATE")]
    scheduled: Option<String>,
    /// Text under the heading
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "body_file")]
    body: Option<String>,
    /// Read the text under the heading from this file, or from standard input if it is `-`
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
    /// Its ID; made up if not given
    #[arg(long, value_name = "ID", value_parser = parse::task)]
    id: Option<String>,
    /// A task that must be done before; repeat it for several
    #[arg(long, value_name = "TASK", value_parser = parse::task)]
    blocked_by: Vec<String>,
}

/// Adds the task and prints its name.
pub fn run(args: AddArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_agent()?;
    let body = match args.body_file {
        Some(file) => Some(read_body(&file)?),
        None => args.body,
    };
    let AddArgs { title, tags, priority, deadline, scheduled, id: task, blocked_by, .. } = args;
    let call = Call::Add { title, tags, priority, deadline, scheduled, body, task, blocked_by };
    let reply = settings.ask(call)?;
    let name = reply.task.as_ref().map_or("added", |task| &task.name).to_string();
    Ok(Outcome::of(&reply, name))
}

fn read_body(path: &Path) -> Result<String, Failure> {
    let failed = |e: io::Error| usage("body-file", format!("cannot read --body-file {}: {e}", path.display()));
    let source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(failed)?) };
    let mut body = String::new();
    source.take(REQUEST_BYTES_MAX as u64 + 1).read_to_string(&mut body).map_err(failed)?;
    if body.len() > REQUEST_BYTES_MAX {
        return Err(usage(
            "body-file",
            format!("--body-file {} has more than {REQUEST_BYTES_MAX} bytes", path.display()),
        ));
    }
    Ok(body)
}
