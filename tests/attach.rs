//! `fleet attach`: the board in a person's terminal, also within tmux, and clear words where that cannot be.

use crate::{
    ssh::Far,
    support::{
        daemon::Daemon,
        fleet::{Fleet, KEYWORDS},
        process::{Deadline, PATIENCE, run_within},
        pty::Pty,
        sandbox::Sandbox,
    },
};
use fleet::{
    adapters::{
        clock,
        owner::{NetworkFs, OwnedDir, OwnerInfo, OwnerKind},
    },
    core::code::Code,
};
use std::{fs, os::unix::fs::PermissionsExt, process::Command, thread, time::Duration};

/// How often the screen of tmux is looked at, which has no event to wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// `fleet attach` for the board of `fleet`.
fn attach(sandbox: &Sandbox, fleet: &Fleet) -> Command {
    in_a_shell(sandbox, &fleet.command(&[]))
}

/// The program's `attach` in a shell that tells how it ended, with variables that would lead emacsclient elsewhere.
fn in_a_shell(sandbox: &Sandbox, inner: &Command) -> Command {
    let mut shell = sandbox.command("sh");
    shell.args(["-c", "\"$0\" attach; echo \"left with $?\"; read -r line"]).arg(inner.get_program());
    shell.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("EMACS_SOCKET_NAME", "/nowhere/s").env("EMACS_SERVER_FILE", "/nowhere/f");
    shell.env("ALTERNATE_EDITOR", "echo another editor");
    shell
}

#[test]
fn a_person_attaches_sees_agents_at_work_and_leaves_the_daemon_running_unasked() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}* PENDING TASK-001 Dredge the quay\n"));
    let daemon = Daemon::serving(&sandbox, fleet.board());
    // What agents do stays unsaved for as long as this test looks.
    daemon.eval("(setq fleet-save-delay 1000)");
    let mut terminal = Pty::spawn(&sandbox, &attach(&sandbox, &fleet));
    let screen = terminal.wait_for_text("TASK-001 Dredge the quay", PATIENCE);
    assert!(screen.contains("dispatch.org") && !screen.contains("another editor"), "{screen}");
    assert!(screen.contains("\n#+TODO: PENDING"), "the frame is the board alone:\n{screen}");
    assert_eq!(fleet.json(&["claim", "TASK-001", "--agent", "timmy"])["ok"], true);
    terminal.wait_for_text("IN_PROGRESS TASK-001", PATIENCE);
    terminal.type_keys("C-x C-c");
    terminal.wait_for_text("left with 0", PATIENCE);
    assert_eq!(daemon.eval("(length (frame-list))"), "1");
    assert_eq!(fleet.json(&["status"])["status"]["state"], "ok");
}

#[test]
fn a_person_who_leaves_with_unsaved_edits_is_asked_and_with_saved_ones_is_not() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let mut terminal = Pty::spawn(&sandbox, &attach(&sandbox, &fleet));
    terminal.wait_for_text("#+TODO", PATIENCE);
    terminal.type_keys("M-> ");
    terminal.type_text("* PENDING Mine");
    terminal.type_keys("C-x C-c");
    terminal.wait_for_text("Save file", PATIENCE);
    terminal.type_keys("n");
    terminal.wait_for_text("left with 0", PATIENCE);
    assert_eq!(daemon.eval("(fleet-board-person-dirty-p)"), "t");
    assert!(!fleet.text().contains("Mine"), "no is no: {}", fleet.text());

    let mut terminal = Pty::spawn(&sandbox, &attach(&sandbox, &fleet));
    terminal.wait_for_text("* PENDING Mine", PATIENCE);
    terminal.type_keys("C-x C-s");
    terminal.wait_for_text("Wrote", PATIENCE);
    assert!(fleet.text().contains("* PENDING Mine"), "{}", fleet.text());
    terminal.type_keys("C-x C-c");
    terminal.wait_for_text("left with 0", PATIENCE);
    assert_eq!(
        daemon.eval("(progn (fleet-unserve) (with-current-buffer \"dispatch.org\" buffer-save-without-query))"),
        "nil"
    );
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

#[test]
fn the_client_gets_the_terminal_the_owners_socket_and_nothing_that_misleads_it() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let mut owned = OwnedDir::open(fleet.board(), NetworkFs::Refuse).expect("nobody else owns it");
    let pid = std::process::id();
    let boot_id = clock::boot_id();
    let owner = OwnerInfo { v: 1, pid, boot_id, start_time: None, socket: None, kind: OwnerKind::Emacs };
    owned.publish_owner(&owner).expect("it can be written");
    // Says who it is when asked; as a client in the terminal, what it was given.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *'(emacs-pid)') echo {pid}; exit;; esac\n\
         [ -t 0 ] && [ -t 1 ] && echo terminal\nshift 2\necho \"given $*\"\n\
         env | grep -E 'ALTERNATE_EDITOR|EMACS_S.*(NAME|FILE)'\nexit 7\n"
    );
    let client = sandbox.write("bin/emacsclient", &script);
    fs::set_permissions(client, fs::Permissions::from_mode(0o755)).expect("an executable file");
    let terminal = Pty::spawn(&sandbox, &attach(&sandbox, &fleet));
    let screen = terminal.wait_for_text("left with", PATIENCE);
    let shown: Vec<&str> = screen.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(shown, ["terminal", "given -t -u -e -- (fleet-daemon-attach)", "left with 7"], "{screen}");
}

#[test]
fn the_board_of_another_host_is_attached_over_the_kept_connection() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let shell = in_a_shell(&sandbox, &far.command(&[]));
    let alone = Pty::spawn(&sandbox, &shell);
    let screen = alone.wait_for_text("left with", PATIENCE);
    assert!(screen.contains("left with 6") && screen.contains("fleet daemon start"), "{screen}");

    let daemon = far.daemon();
    let mut terminal = Pty::spawn(&sandbox, &shell);
    terminal.wait_for_text("T-1 Paint the buoy", PATIENCE);
    terminal.type_keys("C-x C-c");
    terminal.wait_for_text("left with 0", PATIENCE);
    let report = far.said(&["report", "--agent", "crane"]);
    assert!(report.contains(", by ssh to bezalel\n"), "{report}");
    assert_eq!(far.sshd.logins(), 1, "one connection for everything:\n{}", far.sshd.log());
    assert_eq!(daemon.eval("(length (frame-list))"), "1");
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
