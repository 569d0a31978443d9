//! The daemon as a service: it says when it is ready, lives visibly while its main thread does, and says when it stops.

use crate::support::{
    daemon::Daemon,
    fleet::{Fleet, KEYWORDS},
    process::{Deadline, Group, PATIENCE, run_within},
    sandbox::{Sandbox, module},
};
use rustix::process::{Signal, kill_process};
use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// How long the manager of these tests has patience; signs of life come twice as often.
const WATCHDOG: Duration = Duration::from_millis(600);

/// As much of a service manager as an Emacs meets.
struct Manager<'a> {
    socket: UnixDatagram,
    fleet: Fleet<'a>,
    service: Group,
}

impl<'a> Manager<'a> {
    /// Starts `fleet daemon run` as a service; `watched` is the WATCHDOG_PID, where it is not the service's own.
    fn start(sandbox: &'a Sandbox, watched: Option<&str>) -> Self {
        module();
        let fleet = Fleet::new(sandbox, "dispatch.org", &format!("{KEYWORDS}* PENDING TASK-001 One\n"));
        let path = sandbox.path("run/notify");
        let socket = UnixDatagram::bind(&path).expect("a socket in the sandbox");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        // The shell becomes the service, so that its number is known before the service runs.
        let command = fleet.command(&[]);
        let mut shell = sandbox.command("sh");
        shell.args(["-c", "export WATCHDOG_PID=${WATCHED:-$$}; exec \"$0\" daemon run"]).arg(command.get_program());
        for (name, value) in command.get_envs() {
            shell.env(name, value.expect("only set variables"));
        }
        shell.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        shell.envs(watched.map(|pid| ("WATCHED", pid)));
        let log = fs::File::create(sandbox.path("service.log")).expect("a log");
        shell.stdin(Stdio::null()).stdout(log.try_clone().expect("a copy")).stderr(log);
        let service = Group::spawn(&mut shell);
        Self { socket, fleet, service }
    }

    /// The next message; `None` if there is none within `patience`.
    fn hears(&self, patience: Duration) -> Option<String> {
        let mut bytes = [0; 512];
        self.socket.set_read_timeout(Some(patience)).expect("a time-out");
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).expect("text"))
    }

    /// Waits for a message with the line `line`.
    #[track_caller]
    fn waits_for(&self, line: &str) -> String {
        let deadline = Deadline::after(PATIENCE);
        while let Some(left) = deadline.left() {
            if let Some(heard) = self.hears(left).filter(|heard| heard.lines().any(|said| said.starts_with(line))) {
                return heard;
            }
        }
        panic!("never heard {line}");
    }

    /// Everything that was said so far.
    fn drain(&self) {
        while self.hears(Duration::from_millis(1)).is_some() {}
    }

    fn client(&self, sandbox: &Sandbox, form: &str) -> Command {
        let mut client = sandbox.emacsclient(&sandbox.socket("s"));
        client.args(["-e", form]);
        client
    }
}

#[test]
fn a_service_is_ready_lives_visibly_only_while_its_main_thread_does_and_says_when_it_stops() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, None);
    manager.waits_for("READY=1");
    let status = manager.waits_for("WATCHDOG=1");
    assert!(status.contains("STATUS=board ok: 1 pending"), "{status}");
    (0..3).for_each(|_| drop(manager.waits_for("WATCHDOG=1")));

    let fifo = sandbox.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a fifo");
    let mut blocking = manager.client(&sandbox, &format!("(call-process \"cat\" {:?})", fifo));
    let blocked = Group::spawn(blocking.stdout(Stdio::null()));
    // Opens as soon as the notebook's program reads, and with it Emacs's main thread waits.
    let writer = fs::File::options().write(true).open(&fifo).expect("a reader");
    manager.drain();
    assert_eq!(manager.hears(WATCHDOG * 2), None, "a blocked main thread gives no sign of life");
    drop(writer);
    manager.waits_for("WATCHDOG=1");
    assert!(blocked.ends_within([], PATIENCE));

    assert_eq!(manager.fleet.json(&["claim", "TASK-001", "--agent", "timmy"])["ok"], true);
    manager.waits_for("STATUS=board ok: 1 in-progress");
    assert_eq!(manager.fleet.json(&["daemon", "stop"])["daemon"]["what"], "stopped");
    manager.waits_for("STOPPING=1");
    assert!(manager.service.ends_within([], PATIENCE));
    sandbox.assert_deserted();
}

#[test]
fn what_a_notebook_starts_does_not_inherit_the_managers_variables() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, None);
    manager.waits_for("WATCHDOG=1");
    let mut ask = manager.client(&sandbox, "(shell-command-to-string \"env; echo seen\")");
    let output = run_within(&mut ask, PATIENCE);
    let seen = String::from_utf8(output.stdout).expect("text");
    assert!(seen.contains("seen") && seen.contains("DISPATCH_FILE="), "{seen}");
    assert!(!seen.contains("NOTIFY_SOCKET") && !seen.contains("WATCHDOG_"), "{seen}");
}

#[test]
fn a_terminated_service_keeps_what_a_person_typed_and_did_not_save() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, None);
    manager.waits_for("READY=1");
    let typed = "(with-current-buffer (fleet-board-buffer) (goto-char (point-max)) (insert \"* PENDING typed\\n\"))";
    assert!(run_within(&mut manager.client(&sandbox, typed), PATIENCE).status.success());
    kill_process(manager.service.pid(), Signal::TERM).expect("our own child");
    manager.waits_for("STOPPING=1");
    assert!(manager.service.ends_within([], PATIENCE));
    let kept = fs::read_to_string(sandbox.path("#dispatch.org#")).expect("an auto-save file");
    assert!(kept.contains("* PENDING typed"), "{kept}");
    assert!(!manager.fleet.text().contains("typed"), "it is not saved behind the person's back");
}

#[test]
fn a_watchdog_of_another_process_is_left_to_that_process() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, Some("1"));
    manager.waits_for("READY=1");
    let mut ask = manager.client(&sandbox, "(fleet--mod-watchdog)");
    let output = run_within(&mut ask, PATIENCE);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nil\n");
}

#[test]
fn a_daemon_that_no_manager_started_tells_nobody_and_has_no_timer() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let daemon = Daemon::serving(&sandbox, fleet.board());
    assert_eq!(daemon.eval("(list fleet-daemon--beat (fleet--mod-notify \"READY=1\"))"), "(nil nil)");
    assert_eq!(daemon.eval("(memq 'fleet-daemon--stopping kill-emacs-hook)"), "nil");
}

#[test]
fn a_start_in_the_background_of_a_service_does_not_speak_for_that_service() {
    module();
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let path = sandbox.path("run/notify");
    let socket = UnixDatagram::bind(&path).expect("a socket in the sandbox");
    let mut start = fleet.command(&["daemon", "start"]);
    assert!(run_within(start.env("NOTIFY_SOCKET", &path), PATIENCE).status.success());
    assert_eq!(fleet.json(&["daemon", "stop"])["ok"], true);
    socket.set_nonblocking(true).expect("a socket");
    assert!(socket.recv(&mut [0; 64]).is_err(), "nothing was said");
    sandbox.assert_deserted();
}

#[test]
fn the_unit_is_one_that_systemd_understands() {
    let sandbox = Sandbox::new();
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("share/systemd/fleet-daemon.service");
    let text = fs::read_to_string(unit).expect("the unit");
    let bin = Path::new(env!("CARGO_BIN_EXE_fleet")).parent().expect("a directory");
    let unit = sandbox.write("fleet-daemon.service", &text.replace("@BINDIR@", bin.to_str().expect("UTF-8")));
    let mut verify = sandbox.command("systemd-analyze");
    verify.args(["--user", "--man=no", "verify"]).arg(&unit);
    let probe = sandbox.command("systemd-analyze").arg("--version").output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("not checked by systemd: there is no systemd-analyze here");
        return;
    }
    let output = run_within(&mut verify, PATIENCE);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{}: {said}", output.status);
    let broken = sandbox.write("fleet-daemon.service", &text.replace("WatchdogSec=15min", "WatchdogSec=soon"));
    let output = run_within(sandbox.command("systemd-analyze").args(["--user", "verify"]).arg(broken), PATIENCE);
    assert!(!output.stderr.is_empty(), "systemd would have said so");
}
