//! Waiting for programs, never without an end: a hang in what we test is a failure, not a stuck test run.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, OwnedFd},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open},
};
use std::{
    fs,
    os::unix::process::CommandExt,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for something that takes milliseconds on a quiet machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A point in time until which waiting makes sense.
#[derive(Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    pub fn after(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// What is left; `None` when it is over.
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// A child that leads a process group of its own, so that what it started goes with it.
pub struct Group {
    child: Child,
    pid: Pid,
    /// Readable once the child has ended.
    ended: OwnedFd,
}

impl Group {
    pub fn spawn(command: &mut Command) -> Self {
        Self::adopt(command.process_group(0).spawn().unwrap_or_else(|err| panic!("cannot start {command:?}: {err}")))
    }

    /// Takes over a child that already leads a group, or will at once.
    pub fn adopt(child: Child) -> Self {
        let pid = Pid::from_child(&child);
        let ended = pidfd_open(pid, PidfdFlags::empty()).expect("a descriptor of our own child");
        Self { child, pid, ended }
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The child and all that it started.
    pub fn everyone(&self) -> Vec<Pid> {
        [vec![self.pid], descendants(self.pid)].concat()
    }

    /// Waits until the child has ended, one of `events` is readable, or `patience` is over. True if it has ended.
    pub fn ends_within<'a>(&'a self, events: impl IntoIterator<Item = &'a OwnedFd>, patience: Duration) -> bool {
        let mut fds = vec![PollFd::new(&self.ended, PollFlags::IN)];
        fds.extend(events.into_iter().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)));
        let patience = Timespec::try_from(patience).expect("a patience that fits a timespec");
        match poll(&mut fds, Some(&patience)) {
            Ok(_) | Err(Errno::INTR) => fds[0].revents().contains(PollFlags::IN),
            Err(err) => panic!("poll: {err}"),
        }
    }

    /// Kills the child and all that it started outright, as a power cut would, and reaps the child.
    pub fn kill9(&mut self) {
        // Emacs gives each of its children a session of its own, so the group is not everything.
        let started = descendants(self.pid);
        // The child is not reaped yet or was reaped by the `wait` below; only then can the group be gone.
        match kill_process_group(self.pid, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(err) => panic!("cannot kill process group {:?}: {err}", self.pid),
        }
        for pid in started {
            let _ = kill_process(pid, Signal::KILL);
        }
        self.child.wait().expect("a child of ours can be waited for");
    }
}

/// The processes that `pid` started, and those that they started.
fn descendants(pid: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let numbers: Vec<i32> = lists.flat_map(|list| list.split(' ').flat_map(str::parse).collect::<Vec<_>>()).collect();
    let children: Vec<Pid> = numbers.into_iter().filter_map(Pid::from_raw).collect();
    children.iter().flat_map(|child| [vec![*child], descendants(*child)].concat()).collect()
}

impl Drop for Group {
    fn drop(&mut self) {
        // After a reap the number may be someone else's.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill9();
        }
    }
}

/// Runs `command` to its end and collects what it says; kills it and panics when `patience` is over.
#[track_caller]
pub fn run_within(command: &mut Command, patience: Duration) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn().unwrap_or_else(|err| panic!("cannot start {command:?}: {err}"));
    finish_within(child, patience).unwrap_or_else(|| panic!("no end of {command:?} within {patience:?}"))
}

/// The output of a group's leader, or `None` after `patience`, when the group has been killed.
pub fn finish_within(child: Child, patience: Duration) -> Option<Output> {
    let pid = Pid::from_child(&child);
    let (send, receive) = mpsc::channel();
    let reader = thread::spawn(move || send.send(child.wait_with_output()));
    let output = receive.recv_timeout(patience);
    if output.is_err() {
        // The reader has not reaped it, so the number is still its own.
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let _ = reader.join();
    Some(output.ok()?.expect("pipes that can be read to their end"))
}

/// What `output` says on standard output, for a program that must have succeeded.
#[track_caller]
pub fn stdout_of(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout.clone()).expect("UTF-8 output")
}
