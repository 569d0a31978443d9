//! One message: `<decimal length>\n<json>\n`. The length is known first, so nothing is scanned and nothing is guessed.

use std::io::{ErrorKind, Read, Write};

/// The longest header, its line end included.
pub const HEADER_BYTES_MAX: usize = 12;
/// Room made before any byte of a message has come; the length in a header is only a claim.
const FIRST_ROOM_BYTES: usize = 64 << 10;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The header is no number, too long or without end.
    #[error("the frame does not begin with its length: `{0}`")]
    Header(String),
    /// The header announces more than is allowed.
    #[error("a frame of {bytes} bytes is larger than the {limit} allowed")]
    TooLarge {
        /// What the header announced.
        bytes: usize,
        /// What is allowed here.
        limit: usize,
    },
    /// The stream ended inside a frame.
    #[error("the connection ended inside a frame, after {got} of {wanted} bytes")]
    Truncated {
        /// Bytes of the message that came.
        got: usize,
        /// Bytes that the header announced.
        wanted: usize,
    },
    /// The byte after the message is no line end: header and message disagree.
    #[error("the frame does not end after the {0} bytes that it announced")]
    End(usize),
    /// The stream failed; a passed deadline is `TimedOut` or `WouldBlock`.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
}

impl FrameError {
    /// Whether a deadline passed, as opposed to anything being wrong.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Io(e) if matches!(e.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock))
    }

    /// Whether the sender broke the format, as opposed to the stream breaking off.
    pub fn is_malformed(&self) -> bool {
        matches!(self, Self::Header(_) | Self::TooLarge { .. } | Self::End(_))
    }
}

/// Reads one message of at most `limit` bytes; `None` when the stream ends before a frame begins.
///
/// Reads the header byte by byte: give it a buffered reader.
pub fn read_frame(from: &mut impl Read, limit: usize) -> Result<Option<Vec<u8>>, FrameError> {
    let Some(wanted) = read_header(from)? else { return Ok(None) };
    if wanted > limit {
        return Err(FrameError::TooLarge { bytes: wanted, limit });
    }
    let mut message = Vec::with_capacity(wanted.min(FIRST_ROOM_BYTES));
    from.by_ref().take(wanted as u64).read_to_end(&mut message)?;
    if message.len() < wanted {
        return Err(FrameError::Truncated { got: message.len(), wanted });
    }
    match read_byte(from)? {
        Some(b'\n') => Ok(Some(message)),
        Some(_) => Err(FrameError::End(wanted)),
        None => Err(FrameError::Truncated { got: wanted, wanted }),
    }
}

/// Writes `message` as one frame, refusing more than `limit` bytes before anything is sent.
pub fn write_frame(to: &mut impl Write, message: &[u8], limit: usize) -> Result<(), FrameError> {
    if message.len() > limit {
        return Err(FrameError::TooLarge { bytes: message.len(), limit });
    }
    // Small messages leave in one packet: one system call here, one wake-up there.
    let mut frame = Vec::with_capacity(HEADER_BYTES_MAX + message.len().min(FIRST_ROOM_BYTES) + 1);
    writeln!(frame, "{}", message.len())?;
    if message.len() <= FIRST_ROOM_BYTES {
        frame.extend_from_slice(message);
        frame.push(b'\n');
        to.write_all(&frame)?;
    } else {
        to.write_all(&frame)?;
        to.write_all(message)?;
        to.write_all(b"\n")?;
    }
    Ok(to.flush()?)
}

fn read_header(from: &mut impl Read) -> Result<Option<usize>, FrameError> {
    let mut header = Vec::with_capacity(HEADER_BYTES_MAX);
    loop {
        match read_byte(from)? {
            None if header.is_empty() => return Ok(None),
            None => return Err(FrameError::Truncated { got: 0, wanted: 0 }),
            Some(b'\n') => break,
            Some(b) if b.is_ascii_digit() && header.len() + 1 < HEADER_BYTES_MAX => header.push(b),
            Some(b) => {
                header.push(b);
                return Err(bad_header(&header));
            }
        }
    }
    let text = std::str::from_utf8(&header).map_err(|_| bad_header(&header))?;
    text.parse().map(Some).map_err(|_| bad_header(&header))
}

fn bad_header(header: &[u8]) -> FrameError {
    FrameError::Header(header.escape_ascii().to_string())
}

fn read_byte(from: &mut impl Read) -> std::io::Result<Option<u8>> {
    let mut byte = [0];
    loop {
        match from.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, FrameError> {
        read_frame(&mut bytes, 100)
    }

    #[test]
    fn frames_follow_each_other_and_end_cleanly() {
        let mut stream = Vec::new();
        for message in [&b"{}"[..], b"", b"a\nb\n"] {
            write_frame(&mut stream, message, 100).expect("fits");
        }
        assert_eq!(stream, b"2\n{}\n0\n\n4\na\nb\n\n");
        let mut rest = &stream[..];
        assert_eq!(read_frame(&mut rest, 100).expect("whole"), Some(b"{}".to_vec()));
        assert_eq!(read_frame(&mut rest, 100).expect("whole"), Some(vec![]));
        assert_eq!(read_frame(&mut rest, 100).expect("whole"), Some(b"a\nb\n".to_vec()));
        assert_eq!(read_frame(&mut rest, 100).expect("ended"), None);
    }

    #[test]
    fn large_messages_survive_the_way_in_pieces() {
        let message = vec![b'x'; 3 * FIRST_ROOM_BYTES + 1];
        let mut stream = Vec::new();
        write_frame(&mut stream, &message, message.len()).expect("fits");
        assert_eq!(read_frame(&mut &stream[..], message.len()).expect("whole"), Some(message));
    }

    #[test]
    fn every_cut_inside_a_frame_is_told_from_an_end_between_frames() {
        let whole = b"5\nhello\n";
        for cut in 1..whole.len() {
            assert!(matches!(read(&whole[..cut]), Err(FrameError::Truncated { .. })), "{cut}");
        }
    }

    #[test]
    fn headers_that_are_no_length_are_refused_without_reading_on() {
        for bad in ["\n", "x\n", "-1\n", "+1\n", " 1\n", "1 \n", "1\r\n", "000000000000\n", "99999999999999999999\n"] {
            assert!(matches!(read(bad.as_bytes()), Err(FrameError::Header(_))), "{bad:?}");
        }
        assert!(matches!(read(b"\xff\xfe"), Err(FrameError::Header(_))));
    }

    #[test]
    fn an_announced_length_beyond_the_limit_is_refused_before_the_message() {
        assert!(matches!(read(b"101\n"), Err(FrameError::TooLarge { bytes: 101, limit: 100 })));
        assert!(matches!(write_frame(&mut Vec::new(), b"abc", 2), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn a_message_longer_than_announced_is_noticed() {
        assert!(matches!(read(b"2\nabc\n"), Err(FrameError::End(2))));
    }
}
