//! From an event to the smallest edit that makes the board show it. Applied twice, it changes nothing.

use crate::core::{
    edit::TextEdit,
    id::AgentName,
    org::{Draft, KeywordKind, Settings, Span, state_change},
    queue::{
        board::Section,
        event::{Change, Event, MovedStamp},
        ledger::Record,
    },
    time::Stamp,
};

/// The title of the heading under which status messages are kept.
pub const MESSAGES_TITLE: &str = "Messages";

/// How much of an event a heading is made to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Its ID, its token and its line in the log: what it changed was changed again since.
    Trace,
}

/// How much of event `number`, which gave or had `record`, the heading must still show (R10).
pub fn extent(heading: &Section, number: u64, record: Option<&Record>) -> Extent {
    let Some(record) = record.filter(|record| record.last_transition > number) else { return Extent::Whole };
    let token = record.token.map(|token| token.to_string());
    let is_final = heading.keyword() == Some(&record.keyword) && heading.property("TOKEN") == token.as_deref();
    if record.overruled > number || (is_final && record.token.is_some()) { Extent::Trace } else { Extent::Whole }
}

/// Edits one heading so that it shows `event`, which has `number` and, if it is the task's latest claim, gave `token`.
///
/// `section` is the heading with what follows it. A field that no longer holds what the event found there was changed by
/// the person since: it is left alone (R10).
pub fn to_heading(
    section: &str,
    settings: &Settings,
    number: u64,
    token: Option<&str>,
    event: &Event,
    extent: Extent,
) -> Vec<TextEdit> {
    let mut draft = Draft::new(section, settings);
    if let Some(task) = event.change.stamps() {
        draft.set_property("ID", task);
    }
    if extent == Extent::Whole {
        show(&mut draft, settings, event);
    }
    if let Some(token) = token {
        draft.set_property("TOKEN", token);
    }
    if let Some(entry) = log_entry(number, event) {
        draft.log(&entry, &marker(number));
    }
    draft.into_edits()
}

fn show(draft: &mut Draft<'_>, settings: &Settings, event: &Event) {
    let shown = draft.heading().keyword.map(|span| span.of(draft.text()).to_owned()).unwrap_or_default();
    // Where the board has lost the keyword that the event found, no heading can show that it is still so; what a person
    // set since is an event of its own, and known.
    let lost = |from: &str| !shown.is_empty() && settings.keywords.kind(from).is_none();
    let moved = event.change.transition().is_some_and(|(from, to)| shown == from || shown == to || lost(from));
    if let Some((_, to)) = event.change.transition().filter(|_| moved) {
        draft.set_keyword(to);
    }
    set_properties(draft, event, moved);
    if moved {
        set_closed(draft, settings, event);
        come_again(draft, settings, event);
    }
}

/// A task that repeats gets its next dates, and goes on as if nobody had tried it yet.
fn come_again(draft: &mut Draft<'_>, settings: &Settings, event: &Event) {
    let Change::Done { repeat: Some(repeat), .. } = &event.change else { return };
    if let Some(MovedStamp { from, to }) = &repeat.scheduled {
        draft.move_scheduled(from, to.as_deref());
    }
    if let Some(MovedStamp { from, to }) = &repeat.deadline {
        draft.move_deadline(from, to.as_deref());
    }
    draft.remove_property("ATTEMPTS");
    give_up(draft, true);
    // As in Org, a task whose time is kept is told when it came last, whatever it logs otherwise.
    if settings.log_repeat || draft.text().lines().any(|line| line.trim_start().starts_with("CLOCK: ")) {
        draft.set_property("LAST_REPEAT", &event.at.org_inactive());
    }
}

/// Makes a heading show what the journal says of `task`, after an old copy of it came back (R19).
pub fn restore(section: &str, settings: &Settings, task: &str, record: &Record) -> Vec<TextEdit> {
    let mut draft = Draft::new(section, settings);
    let is_closed = settings.keywords.kind(&record.keyword) == Some(KeywordKind::Done);
    draft.set_keyword(&record.keyword);
    if draft.heading().property(draft.text(), "ID").is_none() {
        draft.set_property("ID", task);
    }
    if let Some(token) = record.token {
        draft.set_property("TOKEN", &token.to_string());
    }
    match (&record.holder, record.claimed_at) {
        (Some(holder), Some(at)) => {
            draft.set_property("CLAIMED_BY", holder.as_str());
            draft.set_property("CLAIMED_AT", &at.org_inactive());
        }
        _ if !is_closed => give_up(&mut draft, true),
        _ => {}
    }
    if record.attempts > 0 {
        draft.set_property("ATTEMPTS", &record.attempts.to_string());
    }
    show_poison(&mut draft, &record.poison);
    if let Some(result) = &record.result {
        draft.set_property("RESULT", result);
    }
    restore_stamps(&mut draft, record);
    if let Some(at) = record.moved_at.filter(|_| !record.is_by_hand()) {
        restore_closed(&mut draft, settings, is_closed, at);
    }
    draft.into_edits()
}

fn restore_stamps(draft: &mut Draft<'_>, record: &Record) {
    let planning = draft.heading().planning.clone().unwrap_or_default();
    let shown = |span: Option<Span>| span.map(|span| span.of(draft.text()).to_owned());
    let (scheduled, deadline) = (shown(planning.scheduled), shown(planning.deadline));
    if let (Some(shown), Some(replanned)) = (scheduled, &record.scheduled)
        && replanned.is_behind(&shown)
    {
        draft.move_scheduled(&shown, replanned.is.as_deref());
    }
    if let (Some(shown), Some(replanned)) = (deadline, &record.deadline)
        && replanned.is_behind(&shown)
    {
        draft.move_deadline(&shown, replanned.is.as_deref());
    }
}

fn restore_closed(draft: &mut Draft<'_>, settings: &Settings, is_closed: bool, at: Stamp) {
    let is_stamped = draft.heading().planning.as_ref().is_some_and(|planning| planning.closed.is_some());
    match (is_closed, is_stamped) {
        (true, false) if settings.log_done => draft.set_closed(Some(&at.org_inactive())),
        (false, true) => draft.set_closed(None),
        _ => {}
    }
}

/// Updates the statistics cookie in a parent's headline.
pub fn cookie(section: &str, settings: &Settings, done: usize, total: usize) -> Vec<TextEdit> {
    let mut draft = Draft::new(section, settings);
    draft.set_cookie(done, total);
    draft.into_edits()
}

/// Whether a line of `text` shows that event `number` has left its trace there.
pub fn shows(text: &str, number: u64) -> bool {
    let marker = marker(number);
    // What an agent wrote may look like a marker, but ours is the last word of its line.
    text.lines().any(|line| line.trim_end().ends_with(&marker))
}

/// The line of a status message, without its newline.
pub fn message_line(number: u64, event: &Event, text: &str) -> String {
    format!("- {} {}: {text} {}", event.at.org_inactive(), event.by, marker(number))
}

/// What marks the trace of event `number` in the board's text.
pub fn marker(number: u64) -> String {
    format!("(#{number})")
}

fn set_properties(draft: &mut Draft<'_>, event: &Event, moved: bool) {
    match &event.change {
        Change::Claimed { .. } => {
            draft.set_property("CLAIMED_BY", &event.by.to_string());
            draft.set_property("CLAIMED_AT", &event.at.org_inactive());
        }
        Change::Done { result, .. } => {
            match result {
                Some(result) => draft.set_property("RESULT", result),
                None => draft.remove_property("RESULT"),
            }
            show_poison(draft, &[]);
        }
        Change::Failed { attempts, poison, .. } | Change::Expired { attempts, poison, .. } => {
            draft.set_property("ATTEMPTS", &attempts.to_string());
            show_poison(draft, poison);
            give_up(draft, moved);
        }
        Change::Released { .. } | Change::Skipped { .. } => give_up(draft, moved),
        Change::Requeued { .. } => {
            draft.remove_property("RESULT");
            draft.remove_property("ATTEMPTS");
            show_poison(draft, &[]);
            give_up(draft, moved);
        }
        Change::Added { .. }
        | Change::Renewed { .. }
        | Change::Noted { .. }
        | Change::Appended { .. }
        | Change::Edited { .. }
        | Change::Removed { .. }
        | Change::Returned { .. }
        | Change::Archived { .. }
        | Change::Opened { .. }
        | Change::Saving { .. }
        | Change::Halted { .. }
        | Change::Resumed => {}
    }
}

/// POISON names the agents that failed at a task which nobody shall try again.
fn show_poison(draft: &mut Draft<'_>, agents: &[AgentName]) {
    if agents.is_empty() {
        draft.remove_property("POISON");
    } else {
        draft.set_property("POISON", &poison(agents));
    }
}

/// The value of the property POISON.
pub fn poison(agents: &[AgentName]) -> String {
    agents.iter().map(AgentName::as_str).collect::<Vec<_>>().join(" ")
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
        Change::Expired { attempts, agent, .. } => {
            format!("attempt {attempts} expired for {agent} {}", marker(number))
        }
        Change::Released { reason, .. } => by("released by", reason),
        Change::Skipped { reason, .. } => by("skipped by", reason),
        Change::Requeued { reason, .. } => by("requeued by", reason),
        Change::Noted { text, .. } => {
            return Some(format!("Note taken on {stamp} \\\\\n{}: {text} {}", event.by, marker(number)));
        }
        _ => return None,
    };
    let (from, to) = event.change.told()?;
    Some(format!("{} \\\\\n{told}", state_change(to, from, &stamp)))
}

#[cfg(test)]
mod tests;
