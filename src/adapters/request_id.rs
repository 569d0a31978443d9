//! Fresh request ids from the kernel's random numbers.

use crate::core::id::RequestId;
use rustix::rand::{GetRandomFlags, getrandom};
use std::{fmt::Write as _, io};

/// Random bytes in an id: enough that two of a fleet's lifetime never meet.
const ID_BYTES: usize = 16;

/// A request id that nobody else has.
pub fn fresh() -> io::Result<RequestId> {
    let mut random = [0u8; ID_BYTES];
    let got = getrandom(&mut random, GetRandomFlags::empty())?;
    // The kernel serves up to 256 bytes whole.
    assert_eq!(got, ID_BYTES);
    let mut text = String::with_capacity(2 * ID_BYTES);
    for byte in random {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    Ok(RequestId::new(&text).expect("32 hexadecimal digits are a request id"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_differ() {
        assert_ne!(super::fresh().expect("random"), super::fresh().expect("random"));
    }
}
