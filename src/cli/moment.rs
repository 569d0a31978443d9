//! Points in time as people write them: a date, a time of today, or how long ago; local time throughout.

use crate::{
    adapters::clock,
    core::{time::Stamp, wire::WAIT_MS_MAX},
};
use jiff::civil;

/// The longest way back that can be asked for, in milliseconds: a hundred years.
const AGO_MS_MAX: i64 = 100 * 366 * MS_PER_DAY;
/// A day, in milliseconds.
const MS_PER_DAY: i64 = 24 * MS_PER_HOUR;
/// An hour, in milliseconds.
const MS_PER_HOUR: i64 = 3_600_000;

/// A point in time: `2h`, `1d12h`, `2026-04-15`, `2026-04-15 10:00`, `10:00`, or RFC 3339 with an offset.
///
/// A date alone is its first moment.
pub fn moment(text: &str) -> Result<Stamp, String> {
    let text = text.trim();
    let now = clock::now().wall;
    if let Some(ms) = span_ms(text) {
        return Ok(now.plus_ms(-ms));
    }
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Ok(clock::at(stamp));
    }
    let local = civil_time(text, now.local().date()).ok_or_else(|| {
        format!("`{text}` is no time: use 2h, 3d, 10:00, 2026-04-15 or \"2026-04-15 10:00\", in local time")
    })?;
    clock::at_local(local).ok_or_else(|| format!("`{text}` is out of range"))
}

/// A length of time such as `90s`, `30m`, `2h`, `3d`, `1w` or `1d12h`, in milliseconds.
pub fn span_ms(text: &str) -> Option<i64> {
    let (mut total, mut number) = (0i64, None::<i64>);
    for c in text.chars() {
        match c.to_digit(10) {
            Some(digit) => number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(i64::from(digit))?),
            None => total = total.checked_add(number.take()?.checked_mul(unit_ms(c)?)?)?,
        }
    }
    (number.is_none() && !text.is_empty() && total <= AGO_MS_MAX).then_some(total)
}

/// For how long to wait, such as `30s`, `10m` or `1h`, in milliseconds.
pub fn wait_ms(text: &str) -> Result<u64, String> {
    let ms = span_ms(text.trim()).and_then(|ms| u64::try_from(ms).ok());
    let ms = ms.ok_or_else(|| format!("`{text}` is no length of time: use 30s, 10m, 1h"))?;
    if ms > WAIT_MS_MAX {
        return Err(format!("`{text}` is longer than a day, the longest time to wait"));
    }
    Ok(ms)
}

fn unit_ms(unit: char) -> Option<i64> {
    Some(match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => MS_PER_HOUR,
        'd' => MS_PER_DAY,
        'w' => 7 * MS_PER_DAY,
        _ => return None,
    })
}

fn civil_time(text: &str, today: civil::Date) -> Option<civil::DateTime> {
    if !text.contains('-') {
        return text.parse::<civil::Time>().ok().filter(|_| text.contains(':')).map(|time| today.to_datetime(time));
    }
    let date = || text.parse::<civil::Date>().ok().filter(|_| text.len() == 10).map(|date| date.at(0, 0, 0, 0));
    date().or_else(|| text.parse::<civil::DateTime>().ok().filter(|_| text.contains(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units_and_nothing_else() {
        let spans = ["90s", "30m", "2h", "3d", "1w", "1d12h", "0s"].map(span_ms);
        let minutes = |n: i64| Some(n * 60_000);
        assert_eq!(
            spans,
            [Some(90_000), minutes(30), minutes(120), minutes(4320), minutes(10_080), minutes(2160), Some(0)]
        );
        for bad in ["", "2", "h", "2x", "-2h", "2h3", "1.5h", "99999999999999999999d", "40000d"] {
            assert_eq!(span_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_point_in_time_is_a_date_a_time_or_a_while_ago() {
        let now = clock::now().wall.unix_ms();
        let ago = now - moment("2h").expect("a while ago").unix_ms();
        assert!((2 * MS_PER_HOUR - 1_000..=2 * MS_PER_HOUR).contains(&ago), "{ago}");
        let day = moment("2026-04-15").expect("a date");
        assert_eq!(day.local().to_string(), "2026-04-15T00:00:00", "a date is its first moment");
        assert_eq!(moment("2026-04-15 10:00"), Ok(day.plus_ms(10 * MS_PER_HOUR)));
        assert_eq!(moment("2026-04-15T10:00:30"), Ok(day.plus_ms(10 * MS_PER_HOUR + 30_000)));
        let with_offset = moment("2026-04-15T10:00:00+02:00").expect("a time with its offset");
        assert_eq!(with_offset.unix_ms(), moment("2026-04-15T08:00:00Z").expect("the same").unix_ms());
        let noon = moment("12:00").expect("a time of today").local();
        assert_eq!((noon.hour(), noon.date()), (12, clock::now().wall.local().date()));
        for bad in ["", "yesterday", "2026-13-01", "25:00", "10", "2026", "2026-04-15 ", "in 2h"] {
            let is_date_with_blank = bad.ends_with(' ');
            assert_eq!(moment(bad).is_err(), !is_date_with_blank, "{bad:?}");
        }
    }
}
