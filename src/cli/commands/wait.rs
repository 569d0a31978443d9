//! `fleet wait`: sleeps until there is work, and takes none of it.

use super::poll;
use crate::{
    cli::{
        fail::{Refused, usage},
        moment,
        options::Settings,
        parse,
        ui::Outcome,
    },
    core::wire::{Call, WAIT_MS_MAX},
};

/// Wait until a task is ready for an agent, and list it as poll does
///
/// Claims nothing: another agent may be faster. Exit code 3 means that nothing was ready in that time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet wait --agent timmy --for 10m")]
pub struct WaitArgs {
    /// Only tasks with this tag; repeat it for several
    #[arg(long = "tag", value_name = "TAG", value_parser = parse::tag)]
    tags: Vec<String>,
    /// Wait for so long: 30s, 10m, 1h [default: a day]
    #[arg(long = "for", value_name = "DURATION", value_parser = moment::wait_ms)]
    wait: Option<u64>,
}

/// Waits and prints.
pub fn run(args: WaitArgs, settings: &Settings) -> Result<Outcome, Refused> {
    if settings.offline {
        return Err(usage("needs-emacs", "`wait` needs a running Emacs: with --offline nobody changes anything").into());
    }
    let reply = settings.ask(Call::Wait { tags: args.tags, wait_ms: Some(args.wait.unwrap_or(WAIT_MS_MAX)) })?;
    let text = poll::arrows(reply.tasks.as_deref().unwrap_or_default());
    Ok(Outcome::of(&reply, text))
}
