//! Points in time as values. The rules never ask a clock: `Now` comes in with each call.

use jiff::{Timestamp, civil, tz::Offset};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;

/// A wall-clock instant in milliseconds together with the local offset that held then.
///
/// The offset is kept so that the org time stamp of an event comes out the same on every replay.
/// Written as RFC 3339 with milliseconds: `2026-11-20T10:00:00.000+01:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    unix_ms: i64,
    offset_secs: i32,
}

/// The daemon's idea of now, handed to every decision.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Wall-clock time, for what people read and for SCHEDULED.
    pub wall: Stamp,
    /// CLOCK_BOOTTIME in milliseconds, for everything that measures a duration.
    pub boot_ms: u64,
    /// A random number for jitter, 0 to 65,535.
    pub jitter: u16,
}

impl Stamp {
    /// The instant `unix_ms` milliseconds after 1970, shown with an offset of `offset_secs` east of UTC.
    ///
    /// Values outside what a calendar can show are clamped to its ends.
    pub fn new(unix_ms: i64, offset_secs: i32) -> Self {
        let ends = (Timestamp::MIN.as_millisecond() + 86_400_000, Timestamp::MAX.as_millisecond() - 86_400_000);
        Self { unix_ms: unix_ms.clamp(ends.0, ends.1), offset_secs: offset_secs.clamp(-86_399, 86_399) }
    }

    /// The instant at which a clock with this stamp's offset shows `local`.
    pub fn at_local(self, local: civil::DateTime) -> Self {
        match self.offset().to_timestamp(local) {
            Ok(instant) => Self::new(instant.as_millisecond(), self.offset_secs),
            Err(_) => self,
        }
    }

    /// Milliseconds since 1970-01-01T00:00Z.
    pub fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// The same clock `ms` milliseconds later.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self::new(self.unix_ms.saturating_add(ms), self.offset_secs)
    }

    /// What the local clock showed.
    pub fn local(self) -> civil::DateTime {
        let instant = Timestamp::from_millisecond(self.unix_ms).expect("clamped by new");
        self.offset().to_datetime(instant)
    }

    /// An inactive org time stamp, `[2026-11-20 Fri 10:00]`, with the English day name that org accepts in every locale.
    pub fn org_inactive(self) -> String {
        format!("[{}]", self.local().strftime("%Y-%m-%d %a %H:%M"))
    }

    /// How far the local clock is ahead of UTC, in seconds.
    pub fn offset_secs(self) -> i32 {
        self.offset_secs
    }

    fn offset(self) -> Offset {
        Offset::from_seconds(self.offset_secs).expect("clamped by new")
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, secs) = if self.offset_secs < 0 { ('-', -self.offset_secs) } else { ('+', self.offset_secs) };
        let local = self.local();
        write!(f, "{}.{:03}", local.strftime("%Y-%m-%dT%H:%M:%S"), local.millisecond())?;
        write!(f, "{sign}{:02}:{:02}", secs / 3600, secs / 60 % 60)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let pieces = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(&text).map_err(D::Error::custom)?;
        let offset = match pieces.offset() {
            Some(jiff::fmt::temporal::PiecesOffset::Numeric(numeric)) => numeric.offset(),
            _ => Offset::UTC,
        };
        let local = pieces.date().to_datetime(pieces.time().unwrap_or_default());
        let instant = offset.to_timestamp(local).map_err(D::Error::custom)?;
        Ok(Self::new(instant.as_millisecond(), offset.seconds()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_json_with_its_offset() {
        for offset in [0, 3600, -5 * 3600 - 1800] {
            let stamp = Stamp::new(1_795_168_800_123, offset);
            let json = serde_json::to_string(&stamp).expect("a stamp serializes");
            assert_eq!(serde_json::from_str::<Stamp>(&json).expect("and parses back"), stamp, "{json}");
        }
    }

    #[test]
    fn an_org_stamp_shows_the_local_time_of_its_offset() {
        let stamp = Stamp::new(0, 3600);
        assert_eq!(stamp.org_inactive(), "[1970-01-01 Thu 01:00]");
        assert_eq!(stamp.to_string(), "1970-01-01T01:00:00.000+01:00");
    }

    #[test]
    fn a_local_time_is_read_with_the_offset_of_the_stamp() {
        let stamp = Stamp::new(0, 7200);
        assert_eq!(stamp.at_local(stamp.local()), stamp);
    }
}
