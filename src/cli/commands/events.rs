//! `fleet events`: the journal for programs, a line of JSON for each event.

use super::log;
use crate::cli::{fail::Refused, options::Settings, ui::Outcome};

/// Print events as lines of JSON, oldest first
///
/// Each has its number: with --after the last one that was read, the rest follows and none comes twice.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  fleet events --after 100\n  fleet events --follow --after 100")]
pub struct EventsArgs {
    /// Only events after this number; without it from the first one on
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// Go on with what happens from now on, until interrupted
    #[arg(long, short)]
    follow: bool,
}

/// Asks and prints.
pub fn run(args: &EventsArgs, settings: &Settings) -> Result<Outcome, Refused> {
    log::stream(args.after.unwrap_or_default(), args.follow, settings)
}
