//! Events in columns, for people.

use crate::core::queue::event::{Change, Event};
use serde_json::Value;

/// Columns that are as wide as their widest entry: number, time, who, by which door, what, task.
const COLUMNS: usize = 6;
/// The column that only the long form shows.
const DOOR: usize = 3;

/// Lines of events; columns are as wide as what they have held so far.
#[derive(Debug)]
pub struct Table {
    widths: [usize; COLUMNS],
    long: bool,
}

impl Table {
    /// An empty table; the `long` form also shows doors (R21).
    pub fn new(long: bool) -> Self {
        Self { widths: [0; COLUMNS], long }
    }

    /// One line for each of `events`.
    pub fn lines(&mut self, events: &[Value]) -> String {
        let rows: Vec<([String; COLUMNS], String)> = events.iter().map(row).collect();
        for (columns, _) in &rows {
            for (width, column) in self.widths.iter_mut().zip(columns) {
                *width = column.chars().count().max(*width);
            }
        }
        rows.iter().map(|(columns, rest)| format!("{}\n", self.line(columns, rest))).collect()
    }

    fn line(&self, columns: &[String; COLUMNS], rest: &str) -> String {
        let mut line = format!("{:>width$}", columns[0], width = self.widths[0]);
        for (place, (column, width)) in columns.iter().zip(&self.widths).enumerate().skip(1) {
            if self.long || place != DOOR {
                line.push_str(&format!("  {column:width$}"));
            }
        }
        line.push_str("  ");
        line.push_str(rest);
        // A line end in a text would make two events of one.
        line.trim_end().replace(['\n', '\t'], " ")
    }
}

fn row(value: &Value) -> ([String; COLUMNS], String) {
    let number = value["number"].to_string();
    // The board's owner may be newer than this program, and know events that it does not.
    let Ok(event) = serde_json::from_value::<Event>(value.clone()) else {
        let mut columns: [String; COLUMNS] = Default::default();
        columns[0] = number;
        return (columns, value.to_string());
    };
    let at = event.at.local().strftime("%Y-%m-%d %H:%M:%S").to_string();
    let door = format!("{}/{}", event.via.name(), event.auth.name());
    let task = event.change.task().unwrap_or_default().to_owned();
    ([number, at, event.by.to_string(), door, event.change.kind().into(), task], told(&event.change))
}

/// What changed, and what was said about it.
fn told(change: &Change) -> String {
    let moved = change.transition().map(|(from, to)| format!("{from} → {to}"));
    let said = match change {
        Change::Added { heading, .. } => heading.lines().next().map(str::to_owned),
        Change::Done { result, late, .. } => joined([late.then(|| "late".into()), result.clone()]),
        Change::Failed { attempts, reason, .. } => joined([Some(format!("attempt {attempts}")), reason.clone()]),
        Change::Expired { attempts, agent, .. } => Some(format!("attempt {attempts} of {agent}")),
        Change::Released { reason, .. } | Change::Skipped { reason, .. } | Change::Requeued { reason, .. } => {
            reason.clone()
        }
        Change::Noted { text, .. } | Change::Appended { text } => Some(text.clone()),
        Change::Edited { field, from, to, .. } => Some(format!("{field:?}: {} → {}", or_none(from), or_none(to))),
        Change::Removed { archived, .. } => archived.then(|| "archived".into()),
        Change::Returned { keyword, .. } => Some(keyword.clone()),
        Change::Opened { owner, pid, .. } => Some(format!("by {owner}, process {pid}")),
        Change::Saving { covers, .. } => Some(format!("up to event {covers}")),
        Change::Archived { file, tasks, .. } => {
            Some(if tasks.len() > 1 { format!("in {file}, with {} names", tasks.len()) } else { format!("in {file}") })
        }
        Change::Halted { reason } => Some(reason.clone()),
        Change::Claimed { .. } | Change::Renewed { .. } | Change::Resumed => None,
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
        let events = [event(9, "timmy", claimed), event(10, "timmy", done), event(11, "allegro", appended)];
        expect_test::expect![[r#"
             9  2026-11-20 13:38:23  timmy    claimed   TASK-001  PENDING → IN_PROGRESS
            10  2026-11-20 13:38:23  timmy    done      TASK-001  IN_PROGRESS → DONE  two lines
            11  2026-11-20 13:38:23  allegro  appended            hello
        "#]]
        .assert_eq(&Table::new(false).lines(&events));
        expect_test::expect![[r#"
             9  2026-11-20 13:38:23  timmy    socket/label  claimed   TASK-001  PENDING → IN_PROGRESS
            10  2026-11-20 13:38:23  timmy    socket/label  done      TASK-001  IN_PROGRESS → DONE  two lines
            11  2026-11-20 13:38:23  allegro  socket/label  appended            hello
        "#]]
        .assert_eq(&Table::new(true).lines(&events));
    }

    #[test]
    fn an_event_of_a_later_version_is_shown_as_it_is() {
        let unknown = event(7, "timmy", json!({ "kind": "sung", "task": "T" }));
        let line = Table::new(false).lines(&[unknown]);
        assert!(line.starts_with("7 ") && line.contains(r#""kind":"sung""#), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn columns_stay_where_they_were_when_more_events_come() {
        let appended = |number, by: &str| event(number, by, json!({ "kind": "appended", "text": "hello" }));
        let mut table = Table::new(false);
        let first = table.lines(&[appended(11, "allegro")]);
        let second = table.lines(&[appended(12, "bee")]);
        assert_eq!(first.find("appended"), second.find("appended"), "{first}{second}");
    }
}
