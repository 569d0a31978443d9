//! Org time stamps, read leniently: only the date and the time of day matter to a rule.

use jiff::civil::{Date, DateTime, Time};

/// The start of a time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrgTime {
    /// The local date and time; midnight where the stamp names only a day.
    pub at: DateTime,
    /// Whether the stamp names a time of day.
    pub has_time: bool,
}

/// Reads `<2026-04-15>`, `[2026-04-15 Wed 10:00]`, `<2026-04-15 Wed 10:00-11:00 +1w -2d>` or the first of a range.
///
/// Day names in any language, repeaters and delays are passed over; a day that no calendar has gives `None`.
pub fn parse(stamp: &str) -> Option<OrgTime> {
    let inner = stamp.trim().trim_start_matches(['<', '[']);
    let inner = inner.split([']', '>']).next()?;
    let date = read_date(inner.get(..10)?)?;
    let time = inner[10..].split_ascii_whitespace().find_map(read_time);
    Some(OrgTime { at: date.to_datetime(time.unwrap_or_default()), has_time: time.is_some() })
}

fn read_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let year = number(parts.next()?, 4..=4)?;
    let month = number(parts.next()?, 2..=2)?;
    let day = number(parts.next()?, 2..=2)?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// `10:00` at the start of a word, as in `10:00-11:30`.
fn read_time(word: &str) -> Option<Time> {
    let (hour, rest) = word.split_once(':')?;
    let hour = i8::try_from(number(hour, 1..=2)?).ok()?;
    let minute = i8::try_from(number(rest.get(..2)?, 2..=2)?).ok()?;
    Time::new(hour, minute, 0, 0).ok()
}

fn number(digits: &str, length: std::ops::RangeInclusive<usize>) -> Option<i16> {
    let plain = length.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}
