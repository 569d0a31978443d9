//! What agents add to a board: whole tasks and status messages. Their text never becomes structure.

use crate::core::{
    org::{self, safe},
    queue::{
        decide::{Decided, bad, clean, keyword, running, unused},
        event::Change,
        model::Model,
        refusal::Refusal,
        state::State,
    },
};

/// The longest ID, in bytes.
pub const ID_BYTES_MAX: usize = 64;

/// What `add` is told.
#[derive(Clone, Debug, Default)]
pub struct NewTask<'a> {
    /// The title.
    pub title: &'a str,
    /// Tags.
    pub tags: &'a [String],
    /// `A` to `Z`.
    pub priority: Option<char>,
    /// `2026-04-15` or `2026-04-15 10:00`.
    pub deadline: Option<&'a str>,
    /// The same.
    pub scheduled: Option<&'a str>,
    /// Text under the heading.
    pub body: Option<&'a str>,
    /// The ID.
    pub id: Option<&'a str>,
    /// Names of tasks that come first.
    pub blocked_by: &'a [String],
}

/// Nothing → PENDING. `fresh` becomes the ID where none is given.
pub fn add(model: &Model, new: &NewTask<'_>, fresh: &str) -> Result<Decided, Refusal> {
    running(model)?;
    let pending = keyword(model, State::Pending)?;
    let task = match new.id {
        Some(id) => checked_id(model, id)?,
        None => unused(model, fresh),
    };
    let (headline, planning) = (headline(&pending, new)?, planning(new)?);
    let (properties, body) = (properties(&task, new), body(new));
    let heading = format!("{headline}\n{planning}{properties}{body}");
    Ok(Decided::nowhere(Change::Added { task, heading }))
}

/// A status message.
pub fn append(model: &Model, text: &str) -> Result<Decided, Refusal> {
    running(model)?;
    let text = clean(Some(text)).ok_or_else(|| bad("message", "it is empty"))?;
    Ok(Decided::nowhere(Change::Appended { text }))
}

fn headline(pending: &str, new: &NewTask<'_>) -> Result<String, Refusal> {
    let title = safe::title(new.title).map_err(|error| bad("title", error))?;
    let tags = new.tags.iter().map(|tag| safe::tag(tag)).collect::<Result<Vec<_>, _>>();
    let tags = tags.map_err(|error| bad("tag", error))?;
    let priority = match new.priority {
        None => String::new(),
        Some(letter) if letter.is_ascii_uppercase() => format!("[#{letter}] "),
        Some(_) => return Err(bad("priority", "use one letter from A to Z")),
    };
    let tags = if tags.is_empty() { String::new() } else { format!(" :{}:", tags.join(":")) };
    Ok(format!("* {pending} {priority}{title}{tags}"))
}

fn planning(new: &NewTask<'_>) -> Result<String, Refusal> {
    let words = [("DEADLINE", new.deadline), ("SCHEDULED", new.scheduled)];
    let words = words.into_iter().filter_map(|(word, date)| Some((word, date?)));
    let words =
        words.map(|(word, date)| Ok(format!("{word}: {}", active(date)?))).collect::<Result<Vec<_>, Refusal>>()?;
    Ok(if words.is_empty() { String::new() } else { words.join(" ") + "\n" })
}

fn properties(task: &str, new: &NewTask<'_>) -> String {
    let blocked_by = match new.blocked_by {
        [] => String::new(),
        names => format!(":BLOCKED_BY: {}\n", safe::line(&names.join(" "))),
    };
    format!(":PROPERTIES:\n:ID:       {task}\n{blocked_by}:END:\n")
}

fn body(new: &NewTask<'_>) -> String {
    let body = safe::text(new.body.unwrap_or_default());
    if body.is_empty() { body } else { body + "\n" }
}

fn checked_id(model: &Model, id: &str) -> Result<String, Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(plain) {
        return Err(bad("id", format!("use 1 to {ID_BYTES_MAX} letters, digits and `-_.:`")));
    }
    if unused(model, id) == id { Ok(id.into()) } else { Err(Refusal::DuplicateId(id.into())) }
}

/// A date as an active time stamp. A repeater or anything else that would be lost is refused.
fn active(date: &str) -> Result<String, Refusal> {
    let bare = date.trim().trim_start_matches('<').trim_end_matches('>');
    let is_day_name = |word: &str| word.chars().all(char::is_alphabetic);
    let words = bare.split_ascii_whitespace().filter(|word| !is_day_name(word)).count();
    let time = org::timestamp::parse(&format!("<{bare}>"))
        .filter(|time| words == if time.has_time { 2 } else { 1 })
        .ok_or_else(|| bad("date", format!("`{date}` is not like 2026-04-15 or 2026-04-15 10:00")))?;
    let format = if time.has_time { "<%Y-%m-%d %a %H:%M>" } else { "<%Y-%m-%d %a>" };
    Ok(time.at.strftime(format).to_string())
}
