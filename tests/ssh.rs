//! The board of another host: a real sshd on loopback, a real daemon behind it, and the connection that is kept.

use crate::support::{
    clients::race,
    daemon::Daemon,
    fleet::{Fleet, KEYWORDS, Ran},
    process::{PATIENCE, run_within},
    pty::Pty,
    sandbox::Sandbox,
    sshd::Sshd,
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
    let offered = far.said(&["poll", "--agent", "crane"]);
    assert!(offered.contains("→ ") && offered.contains("Paint the buoy"), "{offered}");
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

#[test]
fn a_connection_whose_keeper_was_killed_is_made_anew() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    far.said(&["status"]);
    for pid in keepers(&sandbox) {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("ours");
        assert!(control_sockets(&sandbox).len() == 1, "what it listened on is still there");
    }
    far.said(&["status"]);
    assert_eq!(far.sshd.logins(), 2);
    assert_eq!(keepers(&sandbox).len(), 1);
}

#[test]
fn first_connections_at_the_same_time_are_one() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    let outputs = race(6, |_| far.command(&["status"]));
    for output in outputs {
        assert_eq!(Ran::of(output).code, 0);
    }
    assert_eq!(far.sshd.logins(), 1, "{}", far.sshd.log());
}

#[test]
fn more_runs_than_a_connection_carries_at_once_are_all_served() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    far.said(&["status"]);
    // sshd allows ten sessions on a connection; each of these takes its time.
    sandbox.write("far/before", "sleep 0.3\n");
    let outputs = race(24, |_| far.command(&["list"]));
    for output in outputs {
        assert_eq!(Ran::of(output).code, 0);
    }
    assert!(far.sshd.log().contains("no more sessions"), "the limit was met");
    assert_eq!(far.sshd.logins(), 1);
}

#[test]
fn a_connection_that_nobody_uses_ends_by_itself() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    let ran = Ran::of(run_within(far.command(&["status"]).env("BEZALEL_KEEP_SECS", "1"), PATIENCE));
    assert_eq!(ran.code, 0, "{ran:?}");
    let keeper = keepers(&sandbox);
    assert_eq!(keeper.len(), 1);
    far.sshd.until("its keeper has ended", |_| keepers(&sandbox).is_empty());
}

#[test]
fn a_daemon_that_is_down_is_told_from_a_host_that_is_down() {
    let sandbox = Sandbox::new();
    let mut far = Far::new(&sandbox);
    let no_daemon = far.run(&["claim", "T-1", "--agent", "crane", "--json"]);
    assert_eq!(no_daemon.reason(Code::Unreachable), "no-owner");
    let hint = no_daemon.json()["error"]["hint"].to_string();
    assert!(hint.contains("forge") && hint.contains("daemon start"), "{hint}");
    far.sshd.stop();
    let no_host = far.run(&["claim", "T-1", "--agent", "crane", "--json"]);
    assert_eq!(no_host.reason(Code::Unreachable), "host-unreachable");
    let error = &no_host.json()["error"];
    assert!(error["hint"].to_string().contains("forge") && error["message"].to_string().contains("refused"), "{error}");
}

#[test]
fn the_doctor_says_whether_host_and_board_answer_and_leaves_this_host_alone() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let findings = |ran: &Ran| -> Vec<(String, String)> {
        let json = ran.json();
        let text = |finding: &serde_json::Value, key: &str| finding[key].as_str().expect("text").to_owned();
        let checks = json["checks"].as_array().expect("checks").iter();
        checks.map(|finding| (text(finding, "check"), text(finding, "verdict"))).collect()
    };
    let down = far.run(&["doctor", "--json"]);
    assert_eq!(down.code, 6, "{down:?}");
    assert!(findings(&down).contains(&("host".into(), "broken".into())), "{down:?}");
    let _daemon = far.daemon();
    let well = far.run(&["doctor", "--json"]);
    assert_eq!(well.code, 0, "{well:?}");
    let well = findings(&well);
    assert!(
        well.contains(&("host".into(), "fine".into())) && well.contains(&("queue".into(), "fine".into())),
        "{well:?}"
    );
    assert!(!well.iter().any(|(check, _)| ["board", "state", "owner"].contains(&check.as_str())), "{well:?}");
}

#[test]
fn a_host_that_does_not_let_us_in_says_so() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let other = sandbox.path("other");
    sandbox.command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&other).status().expect("a key");
    let denied = Ran::of(run_within(far.command(&["poll", "--json"]).env("BEZALEL_SSH_KEY", &other), PATIENCE));
    assert_eq!(denied.reason(Code::Denied), "ssh-denied");
    std::fs::set_permissions(far.sshd.key(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    let open = far.run(&["poll", "--json"]);
    assert_eq!(open.reason(Code::Denied), "ssh-denied");
    assert!(open.stdout.contains("others may read"), "{open:?}");
    let gone = sandbox.path("gone");
    let missing = Ran::of(run_within(far.command(&["poll", "--json"]).env("BEZALEL_SSH_KEY", gone), PATIENCE));
    assert_eq!(missing.reason(Code::Config), "no-ssh-key");
    assert_eq!(far.sshd.commands(), Vec::<String>::new());
}

#[test]
fn a_host_without_emacsclient_is_a_matter_of_its_setup() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    sandbox.write("far/before", "PATH=/nowhere\nexec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"\n");
    let ran = far.run(&["poll", "--json"]);
    assert_eq!(ran.reason(Code::Config), "no-emacsclient");
    let eval = far.run(&["eval", "1", "--json"]);
    assert_eq!(eval.reason(Code::Config), "no-emacsclient");
}

#[test]
fn r22_a_request_whose_reply_was_lost_is_repeated_with_its_id_and_done_once() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    // The first command is carried out, and its answer goes nowhere.
    let lossy =
        "if [ ! -e ../far/lost ]; then : >../far/lost; /bin/sh -c \"$SSH_ORIGINAL_COMMAND\" >/dev/null; exit 0; fi\n";
    sandbox.write("far/before", lossy);
    let ran = far.run(&["claim", "T-1", "--agent", "crane", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["replayed"], true);
    let [first, second] = &far.sshd.commands()[..] else { panic!("two commands: {:?}", far.sshd.commands()) };
    assert_eq!(first, second, "the same request");
    let claims = far.fleet.events().iter().filter(|event| event["change"]["kind"] == "claimed").count();
    assert_eq!(claims, 1);
}

#[test]
fn threat_34_a_stalled_host_costs_the_time_that_was_given_and_no_more() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    far.sshd.fall_silent();
    let started = Instant::now();
    let ran = far.run(&["claim", "T-1", "--agent", "crane", "--timeout", "2"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    assert!(ran.stderr.contains("connecting to "), "who waits for more than a second hears for what: {ran:?}");
    assert!(ran.stderr.contains("forge") && !ran.stderr.contains("unknown"), "nothing was sent: {ran:?}");
    let children = keepers(&sandbox);
    assert!(children.is_empty(), "the ssh that hung is gone: {children:?}");
}

#[test]
fn a_command_that_does_not_end_leaves_the_outcome_unknown() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    sandbox.write("far/before", "sleep 300\n");
    let ran = far.run(&["claim", "T-1", "--agent", "crane", "--timeout", "3", "--request-id", "r-7", "--json"]);
    assert_eq!(ran.reason(Code::Unreachable), "outcome-unknown");
    assert!(ran.stdout.contains("--request-id r-7"), "{ran:?}");
    let read = far.run(&["poll", "--timeout", "1", "--json"]);
    assert_eq!(read.reason(Code::Unreachable), "no-answer");
}

#[test]
fn what_is_about_this_host_is_refused_while_another_is_configured() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    for args in [&["poll", "--offline"][..], &["daemon", "status"], &["poll", "--via", "socket"], &["daemon", "start"]]
    {
        let ran = far.run(&[args, &["--json"]].concat());
        assert_eq!(ran.reason(Code::Usage), "not-this-host", "{args:?}");
        assert!(ran.stdout.contains("environment BEZALEL_HOST"), "{ran:?}");
    }
    let nowhere = far.fleet.run(&["poll", "--via", "ssh", "--json"]);
    assert_eq!(nowhere.reason(Code::Usage), "no-host");
    assert_eq!(far.sshd.commands(), Vec::<String>::new());
}

#[test]
fn a_relative_socket_begins_at_the_far_home_and_is_found_there_without_a_word() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    std::fs::create_dir_all(sandbox.path("home/.emacs.d/server")).expect("made");
    std::os::unix::fs::symlink(sandbox.socket("s"), sandbox.path("home/.emacs.d/server/bezalel")).expect("linked");
    let ran = Ran::of(run_within(far.command(&["poll"]).env_remove("EMACS_SOCKET"), PATIENCE));
    assert_eq!(ran.code, 0, "{ran:?}");
    let command = far.sshd.commands().pop().expect("a command");
    assert!(command.starts_with("emacsclient -a false -s .emacs.d/server/bezalel -e "), "{command}");
}

#[test]
fn a_request_too_large_for_one_argument_is_refused_before_it_is_sent() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    let add = |bytes: usize| far.run(&["add", "Big", "--agent", "crane", "--body", &"x".repeat(bytes), "--json"]);
    let ran = far.run(&["eval", &format!("(length \"{}\")", "x".repeat(90_000)), "--json"]);
    assert_eq!(ran.json()["value"], "90000");
    assert_eq!(far.run(&["eval", &"x".repeat(100_000), "--json"]).reason(Code::Usage), "request-too-large");
    assert_eq!(add(60_000).code, 0);
    assert_eq!(far.sshd.commands().len(), 2);
}

#[test]
fn a_board_that_the_far_emacs_does_not_hold_is_not_acted_on() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    let other = sandbox.write("other.org", "* PENDING T-1 Another\n");
    for (board, code) in [(far.fleet.board(), 0), (&other, 9), (std::path::Path::new("/no/such.org"), 9)] {
        let mut command =
            far.command(&["claim", "T-1", "--agent", "crane", "--request-id", "one", "--json", "--board"]);
        let ran = Ran::of(run_within(command.arg(board), PATIENCE));
        assert_eq!(ran.code, code, "{ran:?}");
        if code != 0 {
            assert_eq!(ran.reason(Code::Config), "another-board");
        }
    }
    let relative = far.run(&["poll", "--board", "dispatch.org", "--json"]);
    assert_eq!(relative.reason(Code::Usage), "bad-board-path");
    // A link to the board is the board.
    std::os::unix::fs::symlink(far.fleet.board(), sandbox.path("link.org")).expect("linked");
    let local = Ran::of(run_within(
        far.fleet.command(&["poll", "--via", "emacsclient"]).env("DISPATCH_FILE", sandbox.path("link.org")),
        PATIENCE,
    ));
    assert_eq!(local.code, 0, "{local:?}");
    let local = Ran::of(run_within(
        far.fleet.command(&["poll", "--via", "emacsclient", "--json"]).env("DISPATCH_FILE", &other),
        PATIENCE,
    ));
    assert_eq!(local.reason(Code::Config), "another-board");
}

#[test]
fn a_terminal_is_attached_over_the_same_connection() {
    let sandbox = Sandbox::new();
    let far = Far::new(&sandbox);
    let _daemon = far.daemon();
    far.said(&["status"]);
    let mut person = Pty::spawn(&sandbox, &far.command(&["attach"]));
    person.wait_for_text("Dredge the quay", PATIENCE);
    person.type_keys("C-x C-c");
    assert!(person.ends_within(PATIENCE));
    assert_eq!(far.sshd.logins(), 1);
}

/// The processes that keep a connection open.
fn keepers(sandbox: &Sandbox) -> Vec<rustix::process::Pid> {
    let is_keeper = |pid: &rustix::process::Pid| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.starts_with(b"ssh")
    };
    sandbox.running().into_iter().filter(is_keeper).collect()
}

/// Where kept connections listen.
fn control_sockets(sandbox: &Sandbox) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(sandbox.path("run/fleet")).expect("the directory of connections");
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_none()).collect()
}
