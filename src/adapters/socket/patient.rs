//! A stream whose every read and write ends by a deadline.

use rustix::net::{RecvFlags, SendFlags};
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// Reads and writes `stream` until `deadline`, then fails with `TimedOut`.
pub(super) struct Patient<'a> {
    pub stream: &'a UnixStream,
    pub deadline: Instant,
}

impl Patient<'_> {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        Ok(rustix::net::recv(self.stream, into, RecvFlags::empty())?.0)
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        // Inside `emacs --batch` a SIGPIPE would end Emacs.
        Ok(rustix::net::send(self.stream, from, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
