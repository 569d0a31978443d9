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

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_start_of_any_stamp_is_read() {
        let day = date(2026, 4, 15);
        for stamp in
            ["<2026-04-15>", "[2026-04-15 Wed]", "<2026-04-15 Mi. +1w -2d>", "<2026-04-15>--<2026-04-17>", "2026-04-15"]
        {
            assert_eq!(parse(stamp), Some(OrgTime { at: day.at(0, 0, 0, 0), has_time: false }), "{stamp}");
        }
        for stamp in [
            "<2026-04-15 Wed 9:05>",
            "<2026-04-15 09:05>",
            "<2026-04-15 Wed 09:05-10:00 .+2d/3d>",
            "[2026-04-15 水 09:05]--[2026-04-15 水 11:00]",
            "<2026-04-15 Wed 09:05:30>",
        ] {
            assert_eq!(parse(stamp), Some(OrgTime { at: day.at(9, 5, 0, 0), has_time: true }), "{stamp}");
        }
    }

    #[test]
    fn what_names_no_day_is_no_time() {
        for stamp in
            ["", "<>", "soon", "<2026-4-15>", "<2026-02-30>", "<2026-13-01>", "<%%(t)>", "<2026-04-1é>", "<20260415>"]
        {
            assert_eq!(parse(stamp), None, "{stamp}");
        }
        assert_eq!(parse("<2026-04-15 25:00>").map(|time| time.has_time), Some(false));
    }
}
