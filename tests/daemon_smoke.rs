//! The harness's own proof: a daemon in a sandbox answers, dies and comes back, and a race is a race.

use crate::support::{
    clients::race,
    daemon::Daemon,
    process::{PATIENCE, run_within, stdout_of},
    pty::Pty,
    sandbox::Sandbox,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};
use std::time::Duration;

#[test]
fn a_sandbox_hides_the_world_outside() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = stdout_of(&run_within(&mut sandbox.command("env"), PATIENCE))
        .lines()
        .filter(|line| !line.starts_with("PATH="))
        .filter(|line| !line.contains(sandbox.path("").to_str().expect("a UTF-8 path")))
        .map(str::to_owned)
        .collect();
    assert_eq!(names, ["LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC"]);
    assert!(run_within(sandbox.fleet().arg("--version"), PATIENCE).status.success());
}

#[test]
fn a_sandbox_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("board.org", "* PENDING one\n");
    assert_eq!(sandbox.read("board.org"), "* PENDING one\n");
    drop(sandbox);
    assert!(!path.exists());
}

#[test]
#[should_panic(expected = "no end of")]
fn a_program_that_hangs_is_a_failure() {
    let sandbox = Sandbox::new();
    run_within(sandbox.command("sleep").arg("1000"), Duration::from_millis(50));
}

#[test]
fn a_killed_daemon_comes_back_with_its_command_line() {
    let sandbox = Sandbox::new();
    let mut daemon = Daemon::bare(&sandbox, &["(setq berths 12)", "(message \"moored\")"]);
    assert_eq!(daemon.eval("(* 2 berths)"), "24");
    assert!(daemon.log().contains("moored"));

    let first = daemon.pid();
    daemon.eval("(setq berths 13)");
    daemon.kill9();
    daemon.restart();
    assert_ne!(daemon.pid(), first);
    assert_eq!(daemon.eval("berths"), "12");
    assert!(daemon.socket().exists());

    daemon.restart();
    assert_eq!(daemon.eval("berths"), "12");
}

#[test]
fn a_dropped_daemon_is_gone_with_its_children() {
    let sandbox = Sandbox::new();
    let daemon = Daemon::bare(&sandbox, &[]);
    let child =
        daemon.eval("(let ((process-connection-type nil)) (process-id (start-process \"s\" nil \"sleep\" \"1000\")))");
    let pid = Pid::from_raw(child.parse().expect("a process id")).expect("no process is number 0");
    let ended = [daemon.pid(), pid].map(|pid| pidfd_open(pid, PidfdFlags::empty()).expect("a running process"));
    drop(daemon);
    let patience = Timespec::try_from(PATIENCE).expect("a minute fits a timespec");
    for fd in &ended {
        assert_ne!(poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&patience)), Ok(0), "still running");
    }
}

#[test]
#[should_panic(expected = "the daemon died while it evaluated (kill-emacs)")]
fn a_daemon_that_dies_gives_no_answer() {
    let sandbox = Sandbox::new();
    Daemon::bare(&sandbox, &[]).eval("(kill-emacs)");
}

#[test]
fn a_person_types_into_the_daemons_terminal_frame() {
    let sandbox = Sandbox::new();
    let daemon = Daemon::bare(&sandbox, &[]);
    let board = sandbox.write("board.org", "");
    let mut client = sandbox.emacsclient(&daemon.socket());
    client.arg("-t").arg(&board);
    let mut terminal = Pty::spawn(&sandbox, &client);
    terminal.wait_for_text("board.org", PATIENCE);
    terminal.type_text("* PENDING dredge");
    terminal.wait_for_text("* PENDING dredge", PATIENCE);
    assert_eq!(
        daemon.eval("(with-current-buffer \"board.org\" (buffer-substring-no-properties 1 (point-max)))"),
        "\"* PENDING dredge\""
    );
}

#[test]
fn racers_start_together_and_answer_in_order() {
    let sandbox = Sandbox::new();
    // `mkdir` succeeds once, whoever comes first.
    let outputs = race(20, |i| {
        let mut command = sandbox.command("sh");
        command.args(["-c", &format!("mkdir berth && echo {i}")]);
        command
    });
    let winners: Vec<usize> = (0..20).filter(|i| outputs[*i].status.success()).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(stdout_of(&outputs[winners[0]]), format!("{}\n", winners[0]));
}
