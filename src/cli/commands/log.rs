use crate::{
    cli::{fail::Refused, options::Settings, parse, ui::Outcome},
    core::wire::Call,
};
use serde_json::Value;

/// Fields that open the line of an event, in this order, if it has them.
const FIRST_FIELDS: [&str; 7] = ["number", "n", "at", "event", "kind", "by", "task"];

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
    let text: String = events.iter().map(|event| format!("{}\n", line(event))).collect();
    Ok(Outcome::of(&reply, text))
}

fn line(event: &Value) -> String {
    let Value::Object(fields) = event else { return event.to_string() };
    let first = FIRST_FIELDS.iter().filter_map(|name| fields.get(*name)).map(word);
    let rest = fields.iter().filter(|(name, _)| !FIRST_FIELDS.contains(&name.as_str()));
    first.chain(rest.map(|(name, value)| format!("{name}={}", word(value)))).collect::<Vec<_>>().join(" ")
}

/// A value as one word where it can be one, else as JSON.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"') => {
            text.clone()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_it_holds() {
        let event = serde_json::json!({"at": "10:00", "n": 4, "text": "two\nlines", "x": {"y": [1]}});
        assert_eq!(line(&event), r#"4 10:00 text="two\nlines" x={"y":[1]}"#);
    }
}
