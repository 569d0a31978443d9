//! `fleet report`: what concerns one agent, for cron: from one request, and from one line of complaint when it fails.

use crate::{
    adapters::clock,
    cli::{
        commands::log::Table,
        fail::Refused,
        options::Settings,
        task_text::headline,
        ui::{Outcome, printable},
    },
    core::{
        code::Code,
        id::AgentName,
        wire::{Call, Failure, Reply, StatusInfo, TaskInfo},
    },
};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How many ready tasks are shown when nothing else is said.
const REPORT_TASKS_DEFAULT: u32 = 50;
/// What an agent does while nobody answers.
const FALL_BACK: &str = "fall back to the forge until it answers";

/// Report what concerns an agent: its tasks, the board, what happened last
///
/// Made for cron: plain text under a line with the time, nothing on standard error when all is well. Ready tasks stand
/// behind an arrow as in `fleet poll`, and nothing else does. When nobody answers, it says so in one line on standard
/// error and ends with 6: fall back to the forge. In a crontab:
///
///   */10 * * * * fleet report --agent timmy --quiet >>$HOME/fleet-report.log 2>&1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  fleet report --agent timmy")]
pub struct ReportArgs {
    /// Print nothing if the agent holds nothing and nothing is ready for it
    #[arg(long, short)]
    quiet: bool,
    /// At most this many ready tasks
    #[arg(long, value_name = "N", default_value_t = REPORT_TASKS_DEFAULT)]
    limit: u32,
    /// At most this many events, the newest
    #[arg(long, value_name = "N", default_value_t = 10)]
    events: u32,
}

/// What programs get to know.
#[derive(Debug, Serialize)]
pub struct ReportInfo<'a> {
    /// The agent.
    agent: &'a AgentName,
    /// Why the fleet is halted, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    halt: Option<&'a str>,
    /// When the report was made, RFC 3339.
    at: String,
    /// By which way the owner was reached.
    way: &'static str,
    /// The host of the owner, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    /// The board and its owner.
    status: &'a StatusInfo,
    /// What the agent holds.
    active: &'a [TaskInfo],
    /// What is ready for it, best first.
    pending: &'a [TaskInfo],
    /// Whether more is ready than `pending` has.
    more: bool,
    /// What happened last, oldest first.
    events: &'a [Value],
}

/// Asks once and prints.
pub fn run(args: ReportArgs, settings: &Settings) -> Result<Outcome, Refused> {
    let agent = settings.agent()?;
    let now = clock::now().wall;
    // One more than is shown tells whether there are more.
    let call = Call::Report { limit: Some(args.limit.saturating_add(1)), events: Some(args.events) };
    let (reply, way) = settings.ask_by(call).map_err(|refused| in_one_line(refused, agent, &now.to_string()))?;
    let Reply { tasks: Some(tasks), status: Some(status), events: Some(events), halt, .. } = &reply else {
        let failure = Failure::new(Code::General, "unexplained", "the owner of the board reported nothing");
        return Err(failure.into());
    };
    let (active, pending) = tasks.split_at(tasks.partition_point(|task| task.holder.as_ref() == Some(agent)));
    if args.quiet && tasks.is_empty() && halt.is_none() {
        return Ok(Outcome::nothing());
    }
    let more = pending.len() > args.limit as usize;
    let pending = &pending[..pending.len().min(args.limit as usize)];
    let (halt, host) = (halt.as_deref(), settings.remote.as_ref().map(|remote| remote.host.as_str()));
    let info = ReportInfo { agent, at: now.to_string(), way, host, halt, status, active, pending, more, events };
    let text = text(&info);
    Ok(Outcome::value(json!({ "v": 1, "ok": true, "report": info }), text))
}

/// The same failure; when nobody answered, all in one line that an appended log can place.
fn in_one_line(refused: Refused, agent: &AgentName, at: &str) -> Refused {
    let failure = refused.failure();
    if failure.code != Code::Unreachable {
        return refused;
    }
    let cause = printable(&failure.message).replace(['\n', '\t'], " ");
    let message = format!("{at} no report for {agent}: {cause}; {FALL_BACK}");
    Failure::new(failure.code, &failure.reason, message).into()
}

fn text(report: &ReportInfo<'_>) -> String {
    let mut text = format!("== {} report for {}\n{}", report.at, report.agent, board(report));
    for task in report.active {
        let token = task.token.map(|token| format!(" (token {token})")).unwrap_or_default();
        let _ = writeln!(text, "active   {}{token}", headline(task));
    }
    for line in Table::new(false).lines(report.events).lines() {
        let _ = writeln!(text, "recent   {line}");
    }
    // Loops in the field take every arrow for a task: only ready ones may have one.
    let mut text = text.replace('\u{2192}', "->");
    for task in report.pending {
        let _ = writeln!(text, "\u{2192} {}", headline(task));
    }
    if report.more {
        let _ = writeln!(text, "more is ready: fleet poll --agent {}", report.agent);
    }
    text
}

/// Who answered by which way, how the board is, how many tasks there are.
fn board(report: &ReportInfo<'_>) -> String {
    let ReportInfo { status, way, host, .. } = report;
    let host = host.map(|host| format!(" to {host}")).unwrap_or_default();
    let StatusInfo { owner, pid, version, .. } = status;
    let mut text = format!("owner    {owner}, process {pid}, fleet {version}, by {way}{host}\n");
    if let Some(reason) = report.halt {
        let _ = writeln!(text, "HALT     {}", if reason.is_empty() { "no reason was given" } else { reason });
    }
    let _ = writeln!(text, "board    {} ({})", status.path, status.state);
    for remark in status.detail.iter().chain(&status.notices) {
        let _ = writeln!(text, "notice   {}", remark.replace('\n', " "));
    }
    let counts: Vec<_> = status.counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
    let _ = writeln!(text, "tasks    {}", if counts.is_empty() { "none".into() } else { counts.join(", ") });
    let _ = writeln!(text, "mine     {} active, {} ready", report.active.len(), ready(report));
    text
}

fn ready(report: &ReportInfo<'_>) -> String {
    let more = if report.more { "more than " } else { "" };
    format!("{more}{}", report.pending.len())
}
