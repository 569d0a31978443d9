//! `fleet renew`: a sign of life from the holder of a task.

use crate::{
    cli::{fail::Refused, options::Settings, parse, task_text, ui::Outcome},
    core::{id::Token, wire::Call},
};

/// Tell that you still work on a task
///
/// The lease of the claim begins anew; a note does the same. Without a sign of life the task is taken away when the lease
/// has run out, which counts as a failed attempt.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  fleet renew TASK-001 --agent timmy\n  fleet renew TASK-001 --agent timmy --lease 3h"
)]
pub struct RenewArgs {
    /// The task's name
    #[arg(value_parser = parse::task)]
    task: String,
    /// How long the lease is from now on: 30m, 2h, or none for ever; as before if absent
    #[arg(long, value_name = "DURATION", value_parser = parse::lease)]
    lease: Option<u64>,
    /// The token that the claim returned; fences off a late writer
    #[arg(long, value_name = "TOKEN", value_parser = parse::token)]
    token: Option<Token>,
}

/// Asks and prints how much is left.
pub fn run(args: RenewArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_agent()?;
    let named = args.task.clone();
    let reply = settings.ask(Call::Renew { task: args.task, token: args.token, lease_secs: args.lease })?;
    let left = match reply.task.as_ref().and_then(|task| task.lease_ms) {
        Some(ms) => format!("{} left", task_text::length(ms)),
        None => "it does not run out".into(),
    };
    let text = format!("renewed {named}: {left}");
    Ok(Outcome::of(&reply, text))
}
