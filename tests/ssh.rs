//! The board of another host: a real sshd on loopback, a real daemon behind it, and the connection that is kept.

use crate::support::{
    daemon::Daemon,
    fleet::{Fleet, KEYWORDS, Ran, heading_of, property},
    process::{PATIENCE, run_within},
    sandbox::Sandbox,
    sshd::{HOST, Sshd},
};
use fleet::core::code::Code;
use std::{
    process::Command,
    time::{Duration, Instant},
};

const TASKS: &str = "* PENDING T-1 Paint the buoy :crane:\n* PENDING T-2 Dredge the quay\n* PENDING T-3 Moor\n";

/// A board on the host `bezalel`.
pub struct Far<'a> {
    pub sandbox: &'a Sandbox,
    pub sshd: Sshd<'a>,
    pub fleet: Fleet<'a>,
}

impl<'a> Far<'a> {
    pub fn new(sandbox: &'a Sandbox) -> Self {
        let fleet = Fleet::new(sandbox, "dispatch.org", &format!("{KEYWORDS}{TASKS}"));
        Self { sandbox, sshd: Sshd::start(sandbox), fleet }
    }

    pub fn daemon(&self) -> Daemon<'a> {
        Daemon::serving(self.sandbox, self.fleet.board())
    }

    /// The program on another host, whose configuration names this one.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.fleet();
        self.sshd.aim(&mut command).args(args).env("EMACS_SOCKET", self.sandbox.socket("s"));
        command
    }

    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(run_within(&mut self.command(args), PATIENCE))
    }

    /// What the program prints, which must have succeeded.
    #[track_caller]
    pub fn said(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.stdout
    }
}

#[test]
fn a_task_is_claimed_noted_and_done_on_another_host() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    assert!(far.said(&["poll", "--agent", "crane"]).contains("→ Paint the buoy"));
    let claimed = far.said(&["claim", "T-1", "--agent", "crane"]);
    assert!(claimed.contains("Paint the buoy"), "{claimed}");
    far.said(&["done", "T-1", "--agent", "crane", "--result", "„red“ & dry"]);
    assert!(far.said(&["log"]).contains("T-1"));
    assert_eq!(far.said(&["eval", "(list 1 \"zwei €\" 'drei)"]), "(1 \"zwei €\" drei)\n");
    let failed = far.run(&["eval", "(error \"No %s\" 'quay)", "--json"]);
    assert_eq!(failed.reason(Code::General), "lisp-error");
    assert!(failed.stdout.contains("No quay"), "{failed:?}");
    let shown = far.said(&["show", "T-1", "--json"]);
    assert!(shown.contains("„red“ & dry"), "{shown}");
    assert_eq!(far.sshd.logins(), 1, "one connection serves every run:\n{}", far.sshd.log());
    assert_eq!(far.sshd.commands().len(), 7, "each run is one command: {:?}", far.sshd.commands());
}
