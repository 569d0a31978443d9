//! The clocks and the random numbers of this machine.

use crate::core::{
    id::RequestId,
    time::{Now, Stamp},
};
use rustix::{
    rand::{GetRandomFlags, getrandom},
    time::{ClockId, clock_gettime},
};

/// The time on every clock, and fresh jitter.
pub fn now() -> Now {
    let wall = jiff::Zoned::now();
    let boot = clock_gettime(ClockId::Boottime);
    let boot_ms = boot.tv_sec.unsigned_abs() * 1000 + boot.tv_nsec.unsigned_abs() / 1_000_000;
    Now {
        wall: Stamp::new(wall.timestamp().as_millisecond(), wall.offset().seconds()),
        boot_ms,
        jitter: u16::from_ne_bytes(random()),
    }
}

/// The moment at which a clock in this machine's time zone shows `local`; `None` where no calendar does.
pub fn at_local(local: jiff::civil::DateTime) -> Option<Stamp> {
    local.to_zoned(jiff::tz::TimeZone::system()).ok().map(|zoned| at(zoned.timestamp()))
}

/// `moment` with the offset that this machine's time zone has then.
pub fn at(moment: jiff::Timestamp) -> Stamp {
    let zoned = moment.to_zoned(jiff::tz::TimeZone::system());
    Stamp::new(moment.as_millisecond(), zoned.offset().seconds())
}

/// The time zone of this machine, as this process was started in it.
pub fn zone() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::system()
}

/// What the kernel calls this run of the machine; empty where it does not tell.
pub fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim_end().to_owned()
}

/// A request id that nobody has used before: 128 random bits in lower-case hex.
pub fn fresh_request_id() -> RequestId {
    let id = format!("{:032x}", u128::from_ne_bytes(random()));
    RequestId::new(&id).expect("hex digits are a request id")
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = getrandom(&mut bytes[..], GetRandomFlags::empty());
    assert_eq!(filled, Ok(N), "the kernel answers small requests for random bytes whole");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_never_goes_back() {
        let (first, second) = (now(), now());
        assert!(first.boot_ms > 0 && second.boot_ms >= first.boot_ms);
        assert!(first.wall.unix_ms() > 1_700_000_000_000);
    }

    #[test]
    fn request_ids_differ() {
        assert_ne!(fresh_request_id(), fresh_request_id());
        assert_eq!(fresh_request_id().as_str().len(), 32);
    }
}
