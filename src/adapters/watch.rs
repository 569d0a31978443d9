//! Waiting until something happens in a directory, or until whoever reads our output has enough of it.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, OwnedFd},
    fs::inotify,
    io::Errno,
};
use std::{io, mem::MaybeUninit, path::Path, time::Duration};

/// Bytes of reports that are taken from the kernel at a time.
const REPORT_BYTES: usize = 4_096;

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Something was written in the directory, or the time is up: worth a look.
    Look,
    /// Nobody reads standard output any more.
    ReaderGone,
}

/// Eyes on a directory: a hint that a look is worth while, never a promise that there is something to see.
#[derive(Debug)]
pub struct Watch {
    /// Absent where the directory cannot be watched: then only the time counts.
    reports: Option<OwnedFd>,
}

impl Watch {
    /// Watches what is written, made or moved in `directory`, as far as that can be.
    pub fn of(directory: &Path) -> Self {
        Self { reports: reports_of(directory).ok() }
    }

    /// Eyes on nothing: every wait lasts its time.
    pub fn blind() -> Self {
        Self { reports: None }
    }

    /// Whether the directory is watched.
    pub fn sees(&self) -> bool {
        self.reports.is_some()
    }

    /// Waits for a report, for at most `limit`. What was reported before counts too.
    pub fn wait(&self, limit: Duration) -> Woken {
        let stdout = io::stdout();
        // Nothing is asked of the output: the kernel says by itself when its reader is gone.
        let mut fds = vec![PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty())];
        fds.extend(self.reports.iter().map(|reports| PollFd::new(reports, PollFlags::IN)));
        let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
        match poll(&mut fds, Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => {}
            // Without poll there is still time.
            Err(_) => std::thread::sleep(Duration::from_secs(limit.tv_sec.unsigned_abs().min(1))),
        }
        let is_gone = fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
        drop(fds);
        self.forget_reports();
        if is_gone { Woken::ReaderGone } else { Woken::Look }
    }

    /// One look answers all reports that have come in.
    fn forget_reports(&self) {
        let Some(reports) = &self.reports else { return };
        let mut buffer = [MaybeUninit::uninit(); REPORT_BYTES];
        let mut reader = inotify::Reader::new(reports, &mut buffer);
        while reader.next().is_ok() {}
    }
}

fn reports_of(directory: &Path) -> Result<OwnedFd, Errno> {
    use inotify::WatchFlags;
    let reports = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    inotify::add_watch(&reports, directory, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO)?;
    Ok(reports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_write_ends_the_wait_once_and_without_eyes_time_does() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let watch = Watch::of(dir.path());
        let start = Instant::now();
        std::fs::write(dir.path().join("journal.jsonl"), "a").expect("a file can be written");
        assert_eq!(watch.wait(LONG), Woken::Look);
        assert!(watch.sees() && start.elapsed() < LONG, "it did not wait for the time to pass");
        let (start, short) = (Instant::now(), Duration::from_millis(30));
        watch.wait(short);
        assert!(start.elapsed() >= short, "one write is one report");
        let blind = Watch::of(&dir.path().join("none"));
        let start = Instant::now();
        assert_eq!((blind.sees(), blind.wait(short)), (false, Woken::Look));
        assert!(start.elapsed() >= short);
    }
}
