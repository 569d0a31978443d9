//! Tasks that come again: what `done` makes of one whose DEADLINE or SCHEDULED has a repeater.
//!
//! Only the planning line counts. Org also looks for repeaters in the text below, but that text is not a verb's to change.

use crate::core::{
    org::{KeywordKind, repeater},
    queue::{
        decide,
        event::{MovedStamp, Repeat},
        model::{Model, Task},
        refusal::Refusal,
        state::State,
    },
    time::Now,
};

/// How `task` goes on once it gets the closed keyword `closed`; `None` if it does not repeat.
pub(super) fn repeat(model: &Model, task: &Task<'_>, closed: &str, now: &Now) -> Option<Repeat> {
    let moved = |stamp: Option<&str>| {
        let from = stamp?;
        let to = repeater::next(from, now.wall, &model.zone)?;
        Some(MovedStamp { from: from.into(), to: Some(to) })
    };
    let (deadline, mut scheduled) = (moved(task.deadline()), moved(task.scheduled()));
    if deadline.is_none() && scheduled.is_none() {
        return None;
    }
    // As in Org, a day of beginning that does not repeat is over.
    if let (None, Some(from)) = (&scheduled, task.scheduled()) {
        scheduled = Some(MovedStamp { from: from.into(), to: None });
    }
    Some(Repeat { keyword: closed.into(), deadline, scheduled })
}

/// The keyword of `task` when it comes again: its REPEAT_TO_STATE if that is open, else PENDING.
pub(super) fn keyword_after(model: &Model, task: &Task<'_>) -> Result<String, Refusal> {
    let keywords = &model.board.settings().keywords;
    let chosen = task.section.property("REPEAT_TO_STATE");
    match chosen.filter(|word| keywords.kind(word) == Some(KeywordKind::Todo)) {
        Some(word) => Ok(word.into()),
        None => decide::keyword(model, State::Pending),
    }
}
