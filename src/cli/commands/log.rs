//! `fleet log`: what happened on the board, one line per event, in columns.

use crate::{
    cli::{fail::Refused, options::Settings, parse, ui::Outcome},
    core::{
        queue::event::{Change, Event},
        wire::Call,
    },
};
use serde_json::Value;

/// Columns of a line that are as wide as their widest entry: number, time, who, what, task.
const COLUMNS: usize = 5;

/// Show what happened on the board, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  fleet log --task TASK-001 --limit 20")]
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
    /// The newest this many
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

/// Asks and prints one line per event.
pub fn run(args: LogArgs, settings: &Settings) -> Result<Outcome, Refused> {
    let LogArgs { after, task, by: agent, limit } = args;
    let reply = settings.ask(Call::Log { after, task, agent, limit })?;
    let events = reply.events.as_deref().unwrap_or_default();
    Ok(Outcome::of(&reply, table(events)))
}

/// One line per event, in columns.
pub fn table(events: &[Value]) -> String {
    let rows: Vec<([String; COLUMNS], String)> = events.iter().map(row).collect();
    let mut widths = [0; COLUMNS];
    for (columns, _) in &rows {
        for (width, column) in widths.iter_mut().zip(columns) {
            *width = column.chars().count().max(*width);
        }
    }
    rows.iter().map(|(columns, rest)| format!("{}\n", line(columns, &widths, rest))).collect()
}

fn line(columns: &[String; COLUMNS], widths: &[usize; COLUMNS], rest: &str) -> String {
    let [number, others @ ..] = columns;
    let mut line = format!("{number:>width$}", width = widths[0]);
    for (column, width) in others.iter().zip(&widths[1..]) {
        line.push_str(&format!("  {column:width$}"));
    }
    line.push_str("  ");
    line.push_str(rest);
    // A line end in a text would make two events of one.
    line.trim_end().replace(['\n', '\t'], " ")
}

fn row(value: &Value) -> ([String; COLUMNS], String) {
    let number = value["number"].to_string();
    // The board's owner may be newer than this program, and know events that it does not.
    let Ok(event) = serde_json::from_value::<Event>(value.clone()) else {
        return ([number, String::new(), String::new(), String::new(), String::new()], value.to_string());
    };
    let at = event.at.local().strftime("%Y-%m-%d %H:%M:%S").to_string();
    let task = event.change.task().unwrap_or_default().to_owned();
    ([number, at, event.by.to_string(), event.change.kind().into(), task], told(&event.change))
}

/// What changed, and what was said about it.
fn told(change: &Change) -> String {
    let moved = change.transition().map(|(from, to)| format!("{from} → {to}"));
    let said = match change {
        Change::Added { heading, .. } => heading.lines().next().map(str::to_owned),
        Change::Done { result, late, .. } => joined([late.then(|| "late".into()), result.clone()]),
        Change::Failed { attempts, reason, .. } => joined([Some(format!("attempt {attempts}")), reason.clone()]),
        Change::Released { reason, .. } | Change::Skipped { reason, .. } | Change::Requeued { reason, .. } => {
            reason.clone()
        }
        Change::Noted { text, .. } | Change::Appended { text } => Some(text.clone()),
        Change::Edited { field, from, to, .. } => Some(format!("{field:?}: {} → {}", or_none(from), or_none(to))),
        Change::Removed { archived, .. } => archived.then(|| "archived".into()),
        Change::Returned { keyword, .. } => Some(keyword.clone()),
        Change::Opened { owner, pid, .. } => Some(format!("by {owner}, process {pid}")),
        Change::Saving { covers, .. } => Some(format!("up to event {covers}")),
        Change::Claimed { .. } => None,
    };
    joined([moved, said]).unwrap_or_default()
}

fn joined(parts: [Option<String>; 2]) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("  "))
}

fn or_none(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(number: u64, by: &str, change: Value) -> Value {
        let at = "2026-11-20T13:38:23.250+00:00";
        json!({ "number": number, "at": at, "by": by, "via": "socket", "auth": "label", "change": change })
    }

    #[test]
    fn events_stand_in_columns_with_what_was_said_at_the_end() {
        let (task, from, to) = ("TASK-001", "PENDING", "IN_PROGRESS");
        let claimed = json!({ "kind": "claimed", "task": task, "from": from, "to": to, "title": "t", "heading": "h" });
        let done = json!({ "kind": "done", "task": task, "from": to, "to": "DONE", "result": "two\nlines" });
        let appended = json!({ "kind": "appended", "text": "hello" });
        expect_test::expect![[r#"
             9  2026-11-20 13:38:23  timmy    claimed   TASK-001  PENDING → IN_PROGRESS
            10  2026-11-20 13:38:23  timmy    done      TASK-001  IN_PROGRESS → DONE  two lines
            11  2026-11-20 13:38:23  allegro  appended            hello
        "#]]
        .assert_eq(&table(&[event(9, "timmy", claimed), event(10, "timmy", done), event(11, "allegro", appended)]));
    }

    #[test]
    fn an_event_of_a_later_version_is_shown_as_it_is() {
        let unknown = event(7, "timmy", json!({ "kind": "sung", "task": "T" }));
        let line = table(&[unknown]);
        assert!(line.starts_with("7 ") && line.contains(r#""kind":"sung""#), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}
