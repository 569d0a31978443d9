//! Processes: children that run to their end under a deadline, and others' processes watched without guessing.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use std::{
    io::{self, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Bytes of a child's error output that are kept.
const STDERR_BYTES_MAX: u64 = 64 << 10;

/// Why a child gave no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It did not start: nothing has happened.
    #[error("cannot start {program}: {source}")]
    Start {
        /// What was to be started.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// It ran longer than allowed and was killed.
    #[error("{program} did not end within {}s and was stopped", limit.as_secs())]
    TimedOut {
        /// What was started.
        program: String,
        /// How long it had.
        limit: Duration,
    },
    /// Its output could not be read.
    #[error("lost the connection to {program}: {source}")]
    Lost {
        /// What was started.
        program: String,
        /// Why.
        source: io::Error,
    },
}

/// What a child left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed, cut at the limit given.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: String,
}

/// Runs `command` with nothing to read, for at most `limit`, keeping `stdout_max` bytes of its output.
pub fn run(command: &mut Command, limit: Duration, stdout_max: u64) -> Result<Finished, RunError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let deadline = Instant::now() + limit;
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|source| RunError::Start { program: program.clone(), source })?;
    let result = collect(&mut child, deadline, stdout_max);
    if !matches!(result, Ok(Some(_))) {
        // It may have ended by itself meanwhile; the wait reaps it either way.
        let _ = child.kill();
        let _ = child.wait();
    }
    match result {
        Ok(Some(finished)) => Ok(finished),
        Ok(None) => Err(RunError::TimedOut { program, limit }),
        Err(source) => Err(RunError::Lost { program, source }),
    }
}

/// Waits for both outputs and the end of `child`; `None` when the deadline came first.
fn collect(child: &mut Child, deadline: Instant, stdout_max: u64) -> io::Result<Option<Finished>> {
    let stdout = drain(child.stdout.take().expect("piped by run"), stdout_max);
    let stderr = drain(child.stderr.take().expect("piped by run"), STDERR_BYTES_MAX);
    let left = || deadline.saturating_duration_since(Instant::now());
    let Ok(stdout) = stdout.recv_timeout(left()) else { return Ok(None) };
    let Ok(stderr) = stderr.recv_timeout(left()) else { return Ok(None) };
    let ended = Watched::open(child.id()).is_none_or(|process| process.wait(left()));
    if !ended {
        return Ok(None);
    }
    let stderr = String::from_utf8_lossy(&stderr?).trim().to_string();
    Ok(Some(Finished { status: child.wait()?, stdout: stdout?, stderr }))
}

/// Reads `from` to its end in a thread: two pipes read one after the other would block a talkative child.
fn drain(mut from: impl Read + Send + 'static, limit: u64) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (send, receive) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut kept = Vec::new();
        let result = from.by_ref().take(limit).read_to_end(&mut kept);
        let result = result.and_then(|_| io::copy(&mut from, &mut io::sink())).map(|_| kept);
        // Nobody listens any more after a time-out.
        let _ = send.send(result);
    });
    receive
}

/// A process that is not our child, held by a descriptor: its number cannot change hands meanwhile.
#[derive(Debug)]
pub struct Watched {
    process: OwnedFd,
}

impl Watched {
    /// The running process `pid`; `None` if there is none, or if it has ended and only waits to be reaped.
    pub fn open(pid: u32) -> Option<Self> {
        let pid = Pid::from_raw(pid.try_into().ok()?)?;
        let watched = Self { process: pidfd_open(pid, PidfdFlags::empty()).ok()? };
        if watched.wait(Duration::ZERO) { None } else { Some(watched) }
    }

    /// Waits until the process has ended, at most `limit`; whether it has.
    pub fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.process, PollFlags::IN)], Some(&timeout)) {
                Err(rustix::io::Errno::INTR) => {}
                ended => return ended.is_ok_and(|n| n > 0),
            }
        }
    }

    /// Asks the process to end.
    pub fn terminate(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.process, Signal::TERM)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit_ms: u64) -> Result<Finished, RunError> {
        run(Command::new("sh").args(["-c", script]), Duration::from_millis(limit_ms), 10)
    }

    #[test]
    fn a_child_that_fills_both_pipes_ends_and_its_output_is_cut() {
        let script = "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; exit 3";
        let finished = sh(script, 10_000).expect("ends");
        assert_eq!((finished.status.code(), finished.stdout.len()), (Some(3), 10));
    }

    #[test]
    fn a_child_that_does_not_end_is_killed_also_when_it_closed_its_output() {
        for script in ["exec sleep 100", "exec >&- 2>&-; exec sleep 100"] {
            assert!(matches!(sh(script, 100), Err(RunError::TimedOut { .. })), "{script}");
        }
    }

    #[test]
    fn a_missing_program_is_told_from_a_failed_one() {
        let missing = run(&mut Command::new("no-such-program-here"), Duration::from_secs(1), 1);
        assert!(matches!(missing, Err(RunError::Start { .. })));
    }

    #[test]
    fn an_ended_process_that_nobody_reaped_does_not_run() {
        let mut child = Command::new("sleep").arg("100").spawn().expect("starts");
        let watched = Watched::open(child.id()).expect("runs");
        assert!(!watched.wait(Duration::ZERO));
        watched.terminate().expect("ours");
        assert!(watched.wait(Duration::from_secs(10)));
        assert!(Watched::open(child.id()).is_none());
        child.wait().expect("reaped");
    }
}
