//! How tasks look to people.

use crate::core::wire::{FailureInfo, Reply, TaskInfo};
use std::fmt::Write as _;

/// `NAME [#A] Title :tags:`, without the name's repetition at the head of the title.
pub fn headline(task: &TaskInfo) -> String {
    let mut line = task.name.clone();
    if let Some(priority) = &task.priority {
        let _ = write!(line, " [#{priority}]");
    }
    let title = title_after_name(task);
    if !title.is_empty() {
        let _ = write!(line, " {title}");
    }
    if !task.tags.is_empty() {
        let _ = write!(line, " :{}:", task.tags.join(":"));
    }
    // Whatever somebody's line reader takes for a line end would make two tasks of one.
    line.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ")
}

/// The title, or what follows the name where the title begins with it.
fn title_after_name(task: &TaskInfo) -> &str {
    match task.title.strip_prefix(&task.name) {
        Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => rest.trim_start(),
        _ => &task.title,
    }
}

/// The headline after its keyword, with what else a list should show.
pub fn list_line(task: &TaskInfo) -> String {
    let mut line = format!("{:<11} {}", task.keyword, headline(task));
    if let Some(holder) = &task.holder {
        let _ = write!(line, " ({holder})");
    }
    if let Some(why) = &task.unready {
        let _ = write!(line, " ({why})");
    }
    line
}

/// The whole task: headline, one line per fact, then the body.
pub fn whole(task: &TaskInfo) -> String {
    let mut text = format!("{}\n", headline(task));
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name:<12}{value}");
        }
    };
    fact("state", Some(task.keyword.clone()));
    fact("holder", task.holder.as_ref().map(ToString::to_string));
    fact("door", task.door.clone());
    fact("token", task.token.map(|token| token.to_string()));
    fact("lease", task.lease_ms.map(|ms| format!("{} left", length(ms))));
    fact("attempts", (task.attempts > 0).then(|| task.attempts.to_string()));
    fact("deadline", task.deadline.clone());
    fact("scheduled", task.scheduled.clone());
    fact("not before", task.not_before.clone());
    fact("not ready", task.unready.clone());
    fact("result", task.result.clone());
    fact("line", task.line.map(|line| line.to_string()));
    fact("poison", task.poison.then(|| "too many agents failed at it; requeue lets agents try again".into()));
    for (n, FailureInfo { agent, at, cause, reason }) in task.failures.iter().enumerate() {
        let name = if n == 0 { "failures" } else { "" };
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        fact(name, Some(format!("{at} {agent} {cause}{reason}")));
    }
    for (name, value) in &task.properties {
        fact(&format!("{name}:"), Some(value.clone()));
    }
    if let Some(body) = task.body.as_ref().map(|b| b.trim_end()).filter(|b| !b.is_empty()) {
        let _ = write!(text, "\n{body}\n");
    }
    text
}

/// A length of time as people say it, whole seconds or more: `59s`, `12m 30s`, `2h 5m`, `3d 4h`.
pub fn length(ms: u64) -> String {
    let secs = ms / 1_000;
    let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs}s"),
        (0, 0, _) => format!("{minutes}m {}s", secs % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// One line on what a request did to a task: `TASK-001 is now DONE`.
pub fn changed(reply: &Reply, named: &str) -> String {
    let mut line = match &reply.task {
        Some(task) => format!("{} is now {}", task.name, task.keyword),
        None => format!("{named}: accepted"),
    };
    if let (true, Some(task)) = (reply.repeats, &reply.task) {
        let next = [("scheduled", &task.scheduled), ("deadline", &task.deadline)];
        let next = next.into_iter().filter_map(|(word, stamp)| Some(format!(", {word} {}", stamp.as_ref()?)));
        let _ = write!(line, " again{}", next.collect::<String>());
    }
    let remarks = [
        (reply.replayed, "answered before"),
        (reply.late, "late, but accepted"),
        (reply.board.as_deref() == Some("missing"), "its heading is not on the board at the moment"),
    ];
    for (_, remark) in remarks.into_iter().filter(|(applies, _)| *applies) {
        let _ = write!(line, " ({remark})");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str, title: &str) -> TaskInfo {
        TaskInfo { name: name.into(), title: title.into(), ..TaskInfo::default() }
    }

    #[test]
    fn a_length_of_time_has_two_units_at_most() {
        let lengths = [0, 59_999, 60_000, 3_600_000 - 1, 7_500_000, 273_600_000].map(length);
        assert_eq!(lengths, ["0s", "59s", "1m 0s", "59m 59s", "2h 5m", "3d 4h"]);
    }

    #[test]
    fn a_headline_begins_with_the_name_and_does_not_say_it_twice() {
        let deploy =
            TaskInfo { priority: Some("A".into()), tags: vec!["x".into(), "y".into()], ..task("T-1", "T-1 Deploy") };
        assert_eq!(headline(&deploy), "T-1 [#A] Deploy :x:y:");
        assert_eq!(headline(&task("Fix it", "Fix it")), "Fix it");
        assert_eq!(headline(&task("0197", "Fix\nit\u{2028}now\u{85}!")), "0197 Fix it now !");
        assert_eq!(headline(&task("T-1", "T-10 Deploy")), "T-1 T-10 Deploy", "the name is another word");
    }
}
