//! Repeaters in time stamps: when a task that is done comes again, as `org-auto-repeat-maybe` has it.

use super::timestamp;
use crate::core::time::Stamp;
use jiff::{Span, ToSpan as _, civil::DateTime, tz::TimeZone};

/// How many intervals of hours or days `++` tries one by one; what lies further back is passed over in one leap.
const REPEAT_STEPS_MAX: i64 = 1_000;
/// How many minutes `org-time-stamp-rounding-minutes` is.
const ROUNDING: i64 = 5;

/// Where a repeater counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// `+1w`: the stamp's own date.
    Date,
    /// `++1w`: the stamp's own date, as often as it takes to lie ahead.
    Ahead,
    /// `.+1w`: today, or now where it counts hours.
    Today,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Minute,
    Hour,
    Day,
    Month,
    Year,
}

/// `stamp`, one or a range of two, as it reads after its task was done at `now`; `None` if it does not repeat.
///
/// A repeater that no calendar can follow is none: an interval of 0, or of hours where the stamp names no hour. `zone`
/// says which hours a clock never shows.
pub fn next(stamp: &str, now: Stamp, zone: &TimeZone) -> Option<String> {
    let mut found = String::new();
    let (mut rest, mut repeats) = (stamp, false);
    while let Some(start) = rest.find('<') {
        let length = rest[start..].find('>')? + 1;
        let piece = &rest[start..start + length];
        let moved = piece_after(piece, now, zone);
        repeats |= moved.is_some();
        found.push_str(&rest[..start]);
        found.push_str(moved.as_deref().unwrap_or(piece));
        rest = &rest[start + length..];
    }
    found.push_str(rest);
    repeats.then_some(found)
}

fn piece_after(piece: &str, now: Stamp, zone: &TimeZone) -> Option<String> {
    let inner = &piece[1..piece.len() - 1];
    let (from, count, letter) = repeater(inner)?;
    let (count, unit) = match letter {
        b'h' => (count, Unit::Hour),
        b'd' => (count, Unit::Day),
        b'w' => (count.checked_mul(7)?, Unit::Day),
        b'm' => (count, Unit::Month),
        _ => (count, Unit::Year),
    };
    let time = timestamp::parse(piece)?;
    if count == 0 || (unit == Unit::Hour && !time.has_time) {
        return None;
    }
    let mut moving = Moving { at: time.at, has_time: time.has_time, extra: extra(inner).to_owned(), zone };
    match (from, unit) {
        (From::Date, _) => {}
        (From::Today, Unit::Hour) => {
            let minutes = (now.unix_ms() - moving.unix_ms()?).div_euclid(60_000);
            moving.change(minutes, Unit::Minute)?;
        }
        (From::Today, _) => {
            let days = now.local().date().since(moving.at.date()).ok()?.get_days();
            moving.change(days.into(), Unit::Day)?;
        }
        (From::Ahead, _) => moving.come_ahead(count, unit, now)?,
    }
    moving.extra = without_first_delay(&moving.extra);
    moving.change(count, unit)?;
    Some(moving.stamp())
}

/// A stamp on its way to another date.
struct Moving<'z> {
    at: DateTime,
    has_time: bool,
    /// What follows date and time: the end of a range of hours, repeaters, delays.
    extra: String,
    zone: &'z TimeZone,
}

impl Moving<'_> {
    /// Moves the stamp as `org-timestamp-change` does: on the calendar and the clock on the wall. Days that a month does
    /// not have run over into the next one, hours that a clock
    /// passes over come later, and of an hour that it shows twice the second counts.
    fn change(&mut self, count: i64, unit: Unit) -> Option<()> {
        let at = match unit {
            Unit::Minute => self.at.checked_add(Span::new().try_minutes(count).ok()?).ok()?,
            Unit::Hour => self.at.checked_add(Span::new().try_hours(count).ok()?).ok()?,
            Unit::Day => self.at.checked_add(Span::new().try_days(count).ok()?).ok()?,
            Unit::Month => months_later(self.at, count)?,
            Unit::Year => months_later(self.at, count.checked_mul(12)?)?,
        };
        let shown = self.zone.to_ambiguous_zoned(at).later().ok()?.datetime();
        self.at = if self.has_time { shown } else { shown.date().to_datetime(jiff::civil::Time::midnight()) };
        if matches!(unit, Unit::Minute | Unit::Hour) {
            self.extra = end_moved(&self.extra, count, unit);
        }
        Some(())
    }

    /// Moves the stamp to the last of its dates from which one more interval leads into the future.
    fn come_ahead(&mut self, count: i64, unit: Unit, now: Stamp) -> Option<()> {
        let interval = match unit {
            Unit::Hour => count.checked_mul(3_600_000),
            Unit::Day => count.checked_mul(86_400_000),
            Unit::Minute | Unit::Month | Unit::Year => None,
        };
        if let Some(intervals) =
            interval.map(|ms| (now.unix_ms() - self.at_ms()) / ms).filter(|n| *n > REPEAT_STEPS_MAX)
        {
            self.change(count.checked_mul(intervals - REPEAT_STEPS_MAX)?, unit)?;
        }
        // The calendar ends.
        while {
            self.change(count, unit)?;
            self.unix_ms()? <= now.unix_ms()
        } {}
        self.change(-count, unit)
    }

    fn unix_ms(&self) -> Option<i64> {
        Some(self.zone.to_ambiguous_zoned(self.at).later().ok()?.timestamp().as_millisecond())
    }

    /// As [`Self::unix_ms`], good enough for counting intervals.
    fn at_ms(&self) -> i64 {
        self.unix_ms().unwrap_or(i64::MAX)
    }

    fn stamp(&self) -> String {
        let format = if self.has_time { "%Y-%m-%d %a %H:%M" } else { "%Y-%m-%d %a" };
        format!("<{}{}>", self.at.strftime(format), self.extra)
    }
}

fn months_later(at: DateTime, count: i64) -> Option<DateTime> {
    let first = at.with().day(1).build().ok()?;
    let month = first.checked_add(Span::new().try_months(count).ok()?).ok()?;
    month.checked_add((i64::from(at.day()) - 1).days()).ok()
}

/// The first repeater in `inner`, the text between the brackets: where it counts from, how many, of what.
fn repeater(inner: &str) -> Option<(From, i64, u8)> {
    let bytes = inner.as_bytes();
    for plus in memchr::memchr_iter(b'+', bytes).filter(|&plus| plus > 10) {
        let digits = bytes[plus + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        let letter = bytes.get(plus + 1 + digits).copied().filter(|b| b"hdwmy".contains(b));
        let (Some(letter), true) = (letter, digits > 0) else { continue };
        let from = match bytes[plus - 1] {
            b'+' => From::Ahead,
            b'.' => From::Today,
            _ => From::Date,
        };
        return Some((from, inner[plus + 1..plus + 1 + digits].parse().ok()?, letter));
    }
    None
}

/// What Org carries over when it writes a stamp anew: the end of a range of hours, and the repeaters and delays that
/// nothing else stands between.
fn extra(inner: &str) -> &str {
    let starts = inner.char_indices().map(|(at, _)| at).filter(|&at| at >= 10);
    starts.map(|at| &inner[at..]).find(|tail| is_extra(tail)).unwrap_or("")
}

fn is_extra(tail: &str) -> bool {
    let mut rest = end_of_range(tail).map_or(tail, |_| &tail[6..]);
    while !rest.is_empty() {
        let word = rest.trim_start_matches(' ');
        let signs = &word[..word.len() - word.trim_start_matches(['.', '+', '-']).len()];
        let known = ["+", "-", "++", "+-", ".+", ".-", "-+", "--", "+-+", "+--", ".-+", ".--"].contains(&signs);
        let Some(after) = interval(&word[signs.len()..]).filter(|_| known && word.len() < rest.len()) else {
            return false;
        };
        rest = after.strip_prefix('/').and_then(interval).unwrap_or(after);
    }
    true
}

/// What follows `2d` in `text`.
fn interval(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < text.len()).then(|| rest.strip_prefix(['h', 'd', 'w', 'm', 'y']))?
}

/// The hour and the minute of `-11:30` at the start of `extra`.
fn end_of_range(extra: &str) -> Option<(i64, i64)> {
    let bytes = extra.as_bytes().get(..6)?;
    let shape = bytes[0] == b'-' && bytes[3] == b':' && (b'0'..=b'2').contains(&bytes[1]);
    let digits = bytes[2].is_ascii_digit() && (b'0'..=b'5').contains(&bytes[4]) && bytes[5].is_ascii_digit();
    (shape && digits).then(|| Some((extra[1..3].parse().ok()?, extra[4..6].parse().ok()?)))?
}

/// `extra` after the hour of the stamp moved: as in Org, the end of the range goes along by hours, but not by minutes,
/// which only move it one step of rounding.
fn end_moved(extra: &str, count: i64, unit: Unit) -> String {
    let Some((mut hour, mut minute)) = end_of_range(extra) else { return extra.to_owned() };
    match unit {
        Unit::Hour => hour += count,
        _ => {
            let over = minute % ROUNDING;
            minute += match (over, count.signum()) {
                (0, sign) => ROUNDING * sign,
                (over, 1) => ROUNDING - over,
                (over, sign) => ROUNDING - over + ROUNDING * sign,
            };
        }
    }
    hour += minute.div_euclid(60);
    format!("-{:02}:{:02}{}", hour.rem_euclid(24), minute.rem_euclid(60), &extra[6..])
}

/// Without delays like ` --2d`, which hold for one time only.
fn without_first_delay(extra: &str) -> String {
    let mut kept = String::new();
    let mut rest = extra;
    while let Some(at) = rest.find(" --") {
        let after = interval(&rest[at + 3..]);
        kept.push_str(&rest[..if after.is_some() { at } else { at + 3 }]);
        rest = after.unwrap_or(&rest[at + 3..]);
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20 10:07 UTC, a Friday.
    const NOW_MS: i64 = 1_795_169_220_000;

    fn after(stamp: &str) -> Option<String> {
        next(stamp, Stamp::new(NOW_MS, 0), &TimeZone::UTC)
    }

    #[test]
    fn each_kind_of_repeater_counts_from_its_own_day() {
        for (stamp, then) in [
            ("<2026-11-04 Wed +1w>", "<2026-11-11 Wed +1w>"),
            ("<2026-11-04 Wed ++1w>", "<2026-11-25 Wed ++1w>"),
            ("<2026-11-04 Wed .+1w>", "<2026-11-27 Fri .+1w>"),
            ("<2026-11-20 ++1d>", "<2026-11-21 Sat ++1d>"),
            ("<2026-11-20 Fri 9:00 +2h>", "<2026-11-20 Fri 11:00 +2h>"),
            ("<2026-11-20 Fri 08:30 ++2h>", "<2026-11-20 Fri 10:30 ++2h>"),
            ("<2026-11-20 Fri 08:30 .+2h>", "<2026-11-20 Fri 12:07 .+2h>"),
            ("<2026-01-31 Sat +1m -3d>", "<2026-03-03 Tue +1m -3d>"),
            ("<2024-02-29 Thu +1y>", "<2025-03-01 Sat +1y>"),
            ("<1970-01-01 Thu 10:00 ++1h>", "<2026-11-20 Fri 11:00 ++1h>"),
            ("<2026-11-20 Fri 10:00-11:30 +1w>", "<2026-11-27 Fri 10:00-11:30 +1w>"),
            ("<2026-11-18 Wed .+2d/3d --1d>", "<2026-11-22 Sun .+2d/3d>"),
            ("<2026-11-18 Wed +1w>--<2026-11-19 Thu +1w>", "<2026-11-25 Wed +1w>--<2026-11-26 Thu +1w>"),
        ] {
            assert_eq!(after(stamp).as_deref(), Some(then), "{stamp}");
        }
    }

    #[test]
    fn what_cannot_repeat_does_not() {
        for stamp in [
            "<2026-11-20 Fri>",
            "[2026-11-20 Fri +1w]",
            "<2026-11-20 Fri +0d>",
            "<2026-11-20 Fri +2h>",
            "<2026-11-20 Fri +1x>",
            "<2026-11-20 Fri -1w>",
            "<2026-11-20 Fri +99999999999999999999d>",
            "<2026-11-20 Fri +99999999999y>",
            "<2026-02-30 +1w>",
            "<%%(diary-float t 4 2) +1w>",
            "<2026-11-20",
            "",
        ] {
            assert_eq!(after(stamp), None, "{stamp}");
        }
    }
}
