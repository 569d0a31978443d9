//! Leases under a real daemon: by its own clock, through a stop of its process, and against an agent that comes back.

use crate::support::{live::Live, sandbox::Sandbox};
use fleet::core::{queue::lease::LEASE_SECS_MIN, wire::Reply};
use rustix::process::{Pid, Signal, kill_process};
use std::{thread, time::Duration};

const BOARD: &str = "#+TODO: PENDING IN_PROGRESS | DONE FAILED SKIPPED
* PENDING T-1 The task
:PROPERTIES:
:ID: T-1
:MAX_ATTEMPTS: 1
:END:
";

/// A process that stands still until this is dropped, also by a test that fails.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: Pid) -> Self {
        kill_process(pid, Signal::STOP).expect("ours");
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

fn holder(reply: &Reply) -> Option<&str> {
    reply.task.as_ref().and_then(|task| task.holder.as_ref()).map(|holder| holder.as_str())
}

#[test]
fn r7_a_daemon_that_stood_still_longer_than_a_lease_takes_no_task_away() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, BOARD);
    let lease = format!("{LEASE_SECS_MIN}s");
    let claimed = live.fleet(&["claim", "T-1", "--agent", "timmy", "--lease", &lease]);
    assert_eq!(holder(&claimed), Some("timmy"), "{:?}", claimed.error);
    let stopped = Stopped::new(live.daemon.pid());
    // Time itself is what this is about: there is no event to wait for.
    thread::sleep(Duration::from_secs(LEASE_SECS_MIN + 2));
    drop(stopped);
    let shown = live.fleet(&["show", "T-1"]);
    assert_eq!(holder(&shown), Some("timmy"), "it could not be heard, so nothing was held against it");
    assert!(shown.task.expect("the task").lease_ms.is_some_and(|ms| ms > 0));

    let renewed = live.fleet(&["renew", "T-1", "--agent", "timmy"]);
    assert!(renewed.ok && renewed.task.expect("the task").lease_ms == Some(LEASE_SECS_MIN * 1_000));
    live.until("the lease runs out while the daemon runs", || holder(&live.fleet(&["show", "T-1"])).is_none());
    live.until("the board shows it", || live.text().contains("* FAILED T-1"));
    let done = live.fleet(&["done", "T-1", "--agent", "timmy", "--token", &claimed.token.expect("one").to_string()]);
    assert!(done.ok && done.late, "{:?}", done.error);
    drop(live);
    sandbox.assert_deserted();
}

#[test]
fn r6_whoever_comes_back_after_its_lease_meets_the_token_of_the_next_holder() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, BOARD);
    let lease = format!("{LEASE_SECS_MIN}s");
    let first = live.fleet(&["claim", "T-1", "--agent", "timmy", "--lease", &lease]);
    let token = first.token.expect("a token").to_string();
    live.until("the lease runs out", || holder(&live.fleet(&["show", "T-1"])).is_none());
    assert!(live.fleet(&["requeue", "T-1", "--agent", "boss"]).ok);
    let second = live.fleet(&["claim", "T-1", "--agent", "ezra", "--lease", "none"]);
    assert_eq!((holder(&second), second.task.as_ref().and_then(|task| task.lease_ms)), (Some("ezra"), None));
    for verb in ["done", "fail", "renew", "release"] {
        let refused = live.fleet(&[verb, "T-1", "--agent", "timmy", "--token", &token]);
        assert_eq!(Live::refusal(refused), "stale-token", "{verb}");
        assert_eq!(Live::refusal(live.fleet(&[verb, "T-1", "--agent", "timmy"])), "not-holder", "{verb}");
    }
    assert_eq!(holder(&live.fleet(&["show", "T-1"])), Some("ezra"));
    assert!(live.fleet(&["done", "T-1", "--agent", "ezra"]).ok);
    drop(live);
    sandbox.assert_deserted();
}
