//! Which of two tasks is offered first, as far as the text says.

use super::Section;
use crate::core::org;

/// Org's default priority `B`, for tasks that have none.
const PRIORITY_DEFAULT: u16 = b'B' as u16;

/// Priority, then deadline: smaller is better. Kept for every task, because a poll compares them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    priority: u16,
    /// Minutes of the local calendar, good for comparing only.
    deadline: i64,
}

impl Rank {
    /// The rank of a section's task, if it is one.
    pub(super) fn of(section: &Section) -> Option<Self> {
        section.state?;
        let (text, heading) = (section.text.as_str(), section.heading.as_ref()?);
        let priority = heading.priority.map(|span| {
            let cookie = span.of(text).trim_start_matches("[#").trim_end_matches(']');
            cookie.parse().unwrap_or_else(|_| cookie.bytes().next().map_or(PRIORITY_DEFAULT, u16::from))
        });
        let deadline = heading.planning.as_ref().and_then(|planning| planning.deadline);
        let deadline = deadline.and_then(|span| org::timestamp::parse(span.of(text))).map(|time| minutes(time.at));
        Some(Self { priority: priority.unwrap_or(PRIORITY_DEFAULT), deadline: deadline.unwrap_or(i64::MAX) })
    }
}

fn minutes(at: jiff::civil::DateTime) -> i64 {
    let days = (i64::from(at.year()) * 12 + i64::from(at.month())) * 31 + i64::from(at.day());
    (days * 24 + i64::from(at.hour())) * 60 + i64::from(at.minute())
}
