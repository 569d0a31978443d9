//! From an event to the smallest edit that makes the board show it. Applied twice, it changes nothing.

use crate::core::{
    edit::TextEdit,
    org::{Draft, KeywordKind, Settings, state_change},
    queue::{
        event::{Change, Event},
        ledger::Record,
    },
};

/// The title of the heading under which status messages are kept.
pub const MESSAGES_TITLE: &str = "Messages";

/// Edits one heading so that it shows `event`, which has `number` and, if it is a claim, gave `token`.
///
/// `section` is the heading with what follows it. A field that no longer holds what the event found there was changed by
/// the person since: it is left alone (R10).
pub fn to_heading(
    section: &str,
    settings: &Settings,
    number: u64,
    token: Option<&str>,
    event: &Event,
) -> Vec<TextEdit> {
    let mut draft = Draft::new(section, settings);
    let shown = draft.heading().keyword.map(|span| span.of(draft.text()).to_owned()).unwrap_or_default();
    if let Some((from, to)) = event.change.transition()
        && shown == from
    {
        draft.set_keyword(to);
    }
    let moved = event.change.transition().is_some_and(|(from, to)| shown == from || shown == to);
    set_properties(&mut draft, token, event, moved);
    if moved {
        set_closed(&mut draft, settings, event);
    }
    if let Some(entry) = log_entry(number, event) {
        draft.log(&entry, &marker(number));
    }
    draft.into_edits()
}

/// Makes a heading show what the journal says of its task, after an old copy of it came back (R19).
pub fn restore(section: &str, settings: &Settings, record: &Record) -> Vec<TextEdit> {
    let mut draft = Draft::new(section, settings);
    draft.set_keyword(&record.keyword);
    if let Some(token) = record.token {
        draft.set_property("TOKEN", &token.to_string());
    }
    match (&record.holder, record.claimed_at) {
        (Some(holder), Some(at)) => {
            draft.set_property("CLAIMED_BY", holder.as_str());
            draft.set_property("CLAIMED_AT", &at.org_inactive());
        }
        _ if settings.keywords.kind(&record.keyword) != Some(KeywordKind::Done) => {
            draft.remove_property("CLAIMED_BY");
            draft.remove_property("CLAIMED_AT");
        }
        _ => {}
    }
    if let Some(result) = &record.result {
        draft.set_property("RESULT", result);
    }
    draft.into_edits()
}

/// Updates the statistics cookie in a parent's headline.
pub fn cookie(section: &str, settings: &Settings, done: usize, total: usize) -> Vec<TextEdit> {
    let mut draft = Draft::new(section, settings);
    draft.set_cookie(done, total);
    draft.into_edits()
}

/// The line of a status message, without its newline.
pub fn message_line(number: u64, event: &Event, text: &str) -> String {
    format!("- {} {}: {text} {}", event.at.org_inactive(), event.by, marker(number))
}

/// What marks the trace of event `number` in the board's text.
pub fn marker(number: u64) -> String {
    format!("(#{number})")
}

fn set_properties(draft: &mut Draft<'_>, token: Option<&str>, event: &Event, moved: bool) {
    match &event.change {
        Change::Claimed { task, stamp, .. } => {
            if *stamp {
                draft.set_property("ID", task);
            }
            draft.set_property("CLAIMED_BY", &event.by.to_string());
            draft.set_property("CLAIMED_AT", &event.at.org_inactive());
            if let Some(token) = token {
                draft.set_property("TOKEN", token);
            }
        }
        Change::Done { result, .. } => match result {
            Some(result) => draft.set_property("RESULT", result),
            None => draft.remove_property("RESULT"),
        },
        Change::Failed { attempts, .. } => {
            draft.set_property("ATTEMPTS", &attempts.to_string());
            give_up(draft, moved);
        }
        Change::Released { .. } => give_up(draft, moved),
        Change::Skipped { task, stamp, .. } => {
            if *stamp {
                draft.set_property("ID", task);
            }
            give_up(draft, moved);
        }
        Change::Requeued { task, stamp, .. } => {
            if *stamp {
                draft.set_property("ID", task);
            }
            draft.remove_property("RESULT");
            draft.remove_property("ATTEMPTS");
            give_up(draft, moved);
        }
        Change::Added { .. }
        | Change::Noted { .. }
        | Change::Appended { .. }
        | Change::Edited { .. }
        | Change::Removed { .. }
        | Change::Returned { .. }
        | Change::Opened { .. }
        | Change::Saving { .. } => {}
    }
}

/// The task has no holder any more; its TOKEN stays, so that an old copy of the heading can be told from the task.
fn give_up(draft: &mut Draft<'_>, moved: bool) {
    if moved {
        draft.remove_property("CLAIMED_BY");
        draft.remove_property("CLAIMED_AT");
    }
}

fn set_closed(draft: &mut Draft<'_>, settings: &Settings, event: &Event) {
    let Some((_, to)) = event.change.transition() else { return };
    let is_done = settings.keywords.kind(to) == Some(KeywordKind::Done);
    if !is_done {
        draft.set_closed(None);
    } else if settings.log_done {
        draft.set_closed(Some(&event.at.org_inactive()));
    }
}

/// The log entry in org's own format: the state change, and under it who did it, why, and which event it was.
fn log_entry(number: u64, event: &Event) -> Option<String> {
    let stamp = event.at.org_inactive();
    let by = |words: &str, why: &Option<String>| {
        let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{words} {}{why} {}", event.by, marker(number))
    };
    let told = match &event.change {
        Change::Claimed { .. } => by("claimed by", &None),
        Change::Done { result, .. } => by("done by", result),
        Change::Failed { reason, attempts, .. } => by(&format!("attempt {attempts} failed for"), reason),
        Change::Released { reason, .. } => by("released by", reason),
        Change::Skipped { reason, .. } => by("skipped by", reason),
        Change::Requeued { reason, .. } => by("requeued by", reason),
        Change::Noted { text, .. } => {
            return Some(format!("Note taken on {stamp} \\\\\n{}: {text} {}", event.by, marker(number)));
        }
        _ => return None,
    };
    let (from, to) = event.change.transition()?;
    Some(format!("{} \\\\\n{told}", state_change(to, from, &stamp)))
}
