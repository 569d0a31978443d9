//! `fleet attach`: the board in a person's terminal, also within tmux, and clear words where that cannot be.

use crate::support::{
    daemon::Daemon,
    fleet::{Fleet, KEYWORDS},
    process::{Deadline, PATIENCE, run_within},
    pty::Pty,
    sandbox::Sandbox,
};
use fleet::core::code::Code;
use std::{process::Command, thread, time::Duration};

/// How often the screen of tmux is looked at, which has no event to wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// `fleet attach` in a shell that tells how it ended, with variables that would lead emacsclient elsewhere.
fn attach(sandbox: &Sandbox, fleet: &Fleet) -> Command {
    let inner = fleet.command(&[]);
    let mut shell = sandbox.command("sh");
    shell.args(["-c", "\"$0\" attach; echo \"left with $?\"; read -r line"]).arg(inner.get_program());
    shell.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("EMACS_SOCKET_NAME", "/nowhere/s").env("EMACS_SERVER_FILE", "/nowhere/f");
    shell.env("ALTERNATE_EDITOR", "echo another editor");
    shell
}

#[test]
fn a_person_attaches_sees_agents_at_work_and_leaves_the_daemon_running() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}* PENDING TASK-001 Dredge the quay\n"));
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let mut terminal = Pty::spawn(&sandbox, &attach(&sandbox, &fleet));
    let screen = terminal.wait_for_text("TASK-001 Dredge the quay", PATIENCE);
    assert!(screen.contains("dispatch.org") && !screen.contains("another editor"), "{screen}");
    assert!(screen.contains("\n#+TODO: PENDING"), "the frame is the board alone:\n{screen}");
    // What agents do is seen as it happens.
    assert_eq!(fleet.json(&["claim", "TASK-001", "--agent", "timmy"])["ok"], true);
    terminal.wait_for_text("IN_PROGRESS TASK-001", PATIENCE);
    terminal.type_keys("C-x C-c");
    terminal.wait_for_text("left with 0", PATIENCE);
    assert_eq!(daemon.eval("(length (frame-list))"), "1");
    assert_eq!(fleet.json(&["status"])["status"]["state"], "ok");
}

#[test]
fn attach_within_tmux_shows_the_board() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}* PENDING TASK-001 Dredge the quay\n"));
    let _daemon = Daemon::serving(&sandbox, fleet.board());
    let tmux = Tmux { sandbox: &sandbox };
    let command = attach(&sandbox, &fleet);
    let mut start = tmux.command(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24"]);
    for (name, value) in command.get_envs() {
        start.env(name, value.unwrap_or_default());
    }
    start.arg(command.get_program()).args(command.get_args());
    assert!(run_within(&mut start, PATIENCE).status.success());
    tmux.wait_for_text("TASK-001 Dredge the quay");
    run_within(&mut tmux.command(&["send-keys", "C-x", "C-c"]), PATIENCE);
    tmux.wait_for_text("left with 0");
}

/// A tmux server of its own, ended with the value.
struct Tmux<'a> {
    sandbox: &'a Sandbox,
}

impl Tmux<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut tmux = self.sandbox.command("tmux");
        tmux.env("TMUX_TMPDIR", self.sandbox.path("run")).args(["-L", "fleet-test"]).args(args);
        tmux
    }

    #[track_caller]
    fn wait_for_text(&self, text: &str) {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let shown = run_within(&mut self.command(&["capture-pane", "-p"]), PATIENCE).stdout;
            let shown = String::from_utf8_lossy(&shown).into_owned();
            if shown.contains(text) {
                return;
            }
            assert!(deadline.left().is_some(), "tmux shows\n{shown}");
            thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        // If it is gone already, all the better.
        let _ = self.command(&["kill-server"]).output();
    }
}

#[test]
fn attach_says_what_it_lacks() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let piped = fleet.run(&["attach", "--json"]);
    assert_eq!(piped.reason(Code::Usage), "no-terminal");

    let alone = Pty::spawn(&sandbox, &attach(&sandbox, &fleet));
    let screen = alone.wait_for_text("left with", PATIENCE);
    assert!(screen.contains("left with 6") && screen.contains("fleet daemon start"), "{screen}");

    // The socket of an Emacs that is not the owner: the board would not be in it.
    let _other = Daemon::bare(&sandbox, &[]);
    let owner = Sandbox::new();
    let mut serving = fleet.command(&["daemon", "start"]);
    assert!(run_within(serving.env("EMACS_SOCKET", owner.socket("o")), PATIENCE).status.success());
    let elsewhere = Pty::spawn(&sandbox, &attach(&sandbox, &fleet));
    let screen = elsewhere.wait_for_text("left with", PATIENCE);
    assert!(screen.contains("left with 9") && screen.contains("--socket"), "{screen}");
    let mut stop = fleet.command(&["daemon", "stop"]);
    assert!(run_within(stop.env("EMACS_SOCKET", owner.socket("o")), PATIENCE).status.success());
}
