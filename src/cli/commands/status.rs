//! `fleet status`: the board as its owner sees it; `fleet daemon status` looks at the owner from outside.

use crate::{
    cli::{fail::Refused, options::Settings, ui::Outcome},
    core::wire::{Call, Reply, StatusInfo},
};
use std::fmt::Write as _;

/// Show how the board and its owner are
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet status")]
pub struct StatusArgs {}

/// Asks and prints.
pub fn run(_: StatusArgs, settings: &Settings) -> Result<Outcome, Refused> {
    let reply = settings.ask(Call::Status)?;
    let text = reply.status.as_ref().map(|status| text(&reply, status)).unwrap_or_default();
    Ok(Outcome::of(&reply, text))
}

fn text(reply: &Reply, status: &StatusInfo) -> String {
    let mut text = format!("board    {} ({})\n", status.path, status.state);
    if let Some(detail) = &status.detail {
        let _ = writeln!(text, "         {detail}");
    }
    if let Some(reason) = &reply.halt {
        let _ = writeln!(text, "HALT     {}", if reason.is_empty() { "no reason was given" } else { reason });
    }
    let _ = writeln!(text, "owner    {}, process {}, fleet {}", status.owner, status.pid, status.version);
    let _ = write!(text, "journal  {} events", status.number);
    for (count, what) in [(status.unapplied, "not in the buffer yet"), (status.unsaved, "not in the file yet")] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    let counts: Vec<_> = status.counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
    let _ = writeln!(text, "\ntasks    {}", if counts.is_empty() { "none".into() } else { counts.join(", ") });
    for notice in status.notices.iter().filter(|notice| !reply.notices.contains(notice)) {
        let _ = writeln!(text, "notice   {notice}");
    }
    text
}
