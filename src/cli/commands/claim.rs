//! `fleet claim`: a named task or the best one, printed whole so that the agent can start.

use crate::{
    cli::{
        fail::{Refused, usage},
        moment,
        options::Settings,
        parse, task_text,
        ui::Outcome,
    },
    core::wire::{Call, Reply},
};

/// Take a task, or the best one that is ready
///
/// Prints the whole task. Exit code 3 with --next means that nothing is ready, or was in the time to wait; 4 that the task is held by another.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("which").required(true).args(["task", "next"]),
    after_help = "Examples:\n  fleet claim TASK-001 --agent timmy\n  fleet claim --next --agent timmy --tag docs\n  \
                  fleet claim --next --agent timmy --wait 10m"
)]
pub struct ClaimArgs {
    /// The task's name, as poll prints it
    #[arg(value_parser = parse::task)]
    task: Option<String>,
    /// Take the best task that is ready
    #[arg(long)]
    next: bool,
    /// With --next: only tasks with this tag; repeat it for several
    #[arg(long = "tag", value_name = "TAG", value_parser = parse::tag, conflicts_with = "task")]
    tags: Vec<String>,
    /// Return the running claim if the agent holds the task already
    #[arg(long, conflicts_with = "next")]
    resume: bool,
    /// How long the claim lasts without a sign of life: 30m, 2h, or none for ever [default: the owner's policy.lease-secs]
    #[arg(long, value_name = "DURATION", value_parser = parse::lease)]
    lease: Option<u64>,
    /// With --next: if nothing is ready, wait for so long until something is: 30s, 10m, 1h
    #[arg(long, value_name = "DURATION", value_parser = moment::wait_ms, conflicts_with = "task")]
    wait: Option<u64>,
}

/// Claims and prints the task.
pub fn run(args: ClaimArgs, settings: &Settings) -> Result<Outcome, Refused> {
    settings.need_agent()?;
    let ClaimArgs { task, tags, resume, lease: lease_secs, wait: wait_ms, .. } = args;
    if wait_ms.is_some() && settings.offline {
        return Err(usage("needs-emacs", "--wait needs a running Emacs: with --offline nobody changes anything").into());
    }
    let reply = settings.ask(Call::Claim { task, tags, resume, lease_secs, wait_ms })?;
    let text = text(&reply);
    Ok(Outcome::of(&reply, text))
}

fn text(reply: &Reply) -> String {
    let whole = reply.task.as_ref().map_or_else(|| "claimed".into(), task_text::whole);
    match (reply.replayed, reply.current) {
        (true, Some(false)) => format!("{whole}\nThis claim was answered before and holds no longer.\n"),
        _ => whole,
    }
}
