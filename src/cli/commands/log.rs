//! `fleet log`: what happened on the board, one line per event.

mod follow;
mod table;

use crate::{
    cli::{fail::Refused, moment::moment, options::Settings, parse, ui::Outcome},
    core::{queue::event::Change, time::Stamp, wire::Call},
};
use clap::builder::PossibleValuesParser;
pub use table::Table;

/// Show what happened on the board, oldest first
///
/// Times are shown as the clock of the board's host showed them, and read in the time zone of this one.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Examples:\n  fleet log --task TASK-001 --limit 20\n  fleet log --kind failed --since 3d\n  \
                        fleet log --by timmy --after 100")]
pub struct LogArgs {
    /// Only events after this number
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// Only events of this task
    #[arg(long, value_name = "TASK", value_parser = parse::task)]
    task: Option<String>,
    /// Only events of this agent; `human` and `system` count as such
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Only events of this kind; repeat it for several
    #[arg(long = "kind", value_name = "KIND", value_parser = PossibleValuesParser::new(Change::KINDS),
          hide_possible_values = true)]
    kinds: Vec<String>,
    /// Only events since then: `2h`, `3d`, `10:00`, `2026-04-15`, `"2026-04-15 10:00"`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Stamp>,
    /// Only events before then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Stamp>,
    /// The newest this many; with --after, the first this many [default: 100]
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Go on with what happens from now on, until interrupted; with --json, a line for each event
    #[arg(long, short, conflicts_with = "until")]
    follow: bool,
    /// Show through which door each request came, and what the name rests on
    #[arg(long, short)]
    long: bool,
}

impl LogArgs {
    /// The request for what comes after `after`, or for the newest.
    fn call(&self, after: Option<u64>, limit: Option<u32>) -> Call {
        let (task, agent, kinds) = (self.task.clone(), self.by.clone(), self.kinds.clone());
        Call::Log { after, task, agent, kinds, since: self.since, until: self.until, limit }
    }
}

/// Asks and prints one line per event.
pub fn run(args: LogArgs, settings: &Settings) -> Result<Outcome, Refused> {
    if args.follow {
        return follow::run(&args, settings.json, settings);
    }
    let reply = settings.ask(args.call(args.after, args.limit))?;
    let text = Table::new(args.long).lines(reply.events.as_deref().unwrap_or_default());
    Ok(Outcome::of(&reply, text))
}

/// Prints every event after number `after` as a line of JSON; with `follow` also those to come.
pub fn stream(after: u64, follow: bool, settings: &Settings) -> Result<Outcome, Refused> {
    follow::run(
        &LogArgs { after: Some(after), limit: Some(follow::FOLLOW_EVENTS_MAX), follow, ..LogArgs::default() },
        true,
        settings,
    )
}
