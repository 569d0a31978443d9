//! HALT: the file stops claims, whoever made it, and nothing else (R24).

use crate::support::{
    fleet::{Fleet, KEYWORDS},
    sandbox::Sandbox,
};
use fleet::core::code::Code;
use std::{fs, path::PathBuf};

const BOARD: &str = "* PENDING TASK-001 One\n* PENDING TASK-002 Two\n";

fn board(sandbox: &Sandbox) -> Fleet<'_> {
    Fleet::new(sandbox, "dispatch.org", &format!("{KEYWORDS}{BOARD}"))
}

/// The HALT file of the sandbox's home.
fn file(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("home/.config/cross-agent-comms/HALT")
}

/// Makes the file as another program would.
fn make_file(sandbox: &Sandbox, text: &str) {
    fs::create_dir_all(file(sandbox).parent().expect("a directory")).expect("made");
    fs::write(file(sandbox), text).expect("written");
}

#[test]
fn r24_under_halt_nothing_is_claimed_and_what_is_held_can_be_finished() {
    let sandbox = Sandbox::new();
    let fleet = board(&sandbox);
    assert_eq!(fleet.run(&["daemon", "start"]).code, 0);
    fleet.json(&["claim", "TASK-001", "--agent", "timmy"]);

    let halted = fleet.run(&["halt", "a", "runaway loop"]);
    assert_eq!((halted.code, halted.stderr.as_str()), (0, ""), "{halted:?}");
    assert_eq!(fs::read_to_string(file(&sandbox)).expect("there"), "a runaway loop\n");
    for claim in [&["claim", "--next"][..], &["claim", "TASK-002"], &["claim", "TASK-001", "--request-id", "r"]] {
        let ran = fleet.run(&[claim, &["--agent", "allegro", "--json"]].concat());
        assert_eq!(ran.reason(Code::Halt), "halted", "{claim:?}");
        assert_eq!(ran.json()["halt"], "a runaway loop");
    }
    let by_lisp = fleet.run(&["claim", "--next", "--agent", "allegro", "--json", "--via", "emacsclient"]);
    assert_eq!(by_lisp.reason(Code::Halt), "halted");
    let poll = fleet.run(&["poll", "--agent", "allegro"]);
    assert_eq!((poll.code, poll.stdout.as_str()), (0, "no tasks for allegro\n"));
    assert_eq!(poll.stderr, "fleet: note: HALT: a runaway loop; `fleet resume` ends it\n");
    for reading in [&["list"][..], &["show", "TASK-002"], &["log"], &["status"], &["report", "--agent", "timmy"]] {
        let ran = fleet.run(reading);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains("HALT"), "{reading:?} says nothing: {ran:?}");
    }
    assert_eq!(fleet.run(&["note", "TASK-001", "halfway", "--agent", "timmy"]).code, 0);
    assert_eq!(fleet.run(&["done", "TASK-001", "--agent", "timmy"]).code, 0, "no work is lost");

    let resumed = fleet.run(&["resume"]);
    assert_eq!((resumed.code, resumed.stderr.as_str()), (0, ""), "{resumed:?}");
    assert!(!file(&sandbox).exists());
    assert_eq!(fleet.run(&["claim", "--next", "--agent", "allegro"]).code, 0);
    let kinds: Vec<String> =
        fleet.events().iter().map(|e| e["change"]["kind"].as_str().expect("a kind").into()).collect();
    assert_eq!(kinds.iter().filter(|kind| ["halted", "resumed"].contains(&kind.as_str())).count(), 2, "{kinds:?}");
    assert_eq!(fleet.run(&["daemon", "stop"]).code, 0);
    sandbox.assert_deserted();
}

#[test]
fn r24_a_file_that_anyone_made_halts_at_once_and_its_removal_ends_it() {
    let sandbox = Sandbox::new();
    let fleet = board(&sandbox);
    let claim = |task: &str| fleet.run(&["claim", task, "--agent", "timmy", "--offline", "--json"]);
    make_file(&sandbox, "");
    let refused = claim("TASK-001");
    assert_eq!(refused.reason(Code::Halt), "halted");
    assert_eq!(refused.json()["halt"], "", "a reason need not be given");
    fs::write(file(&sandbox), b"\xff\xfe not text").expect("written");
    assert_eq!(claim("TASK-001").code, 5);
    fs::remove_file(file(&sandbox)).expect("removed");
    fs::create_dir(file(&sandbox)).expect("a directory in its place");
    assert_eq!(claim("TASK-001").code, 5);
    let resume = fleet.run(&["resume", "--json"]);
    assert_eq!(resume.reason(Code::General), "halt-failed", "a directory is not ours to remove");
    fs::remove_dir(file(&sandbox)).expect("removed");
    assert_eq!(claim("TASK-001").code, 0);
    let homeless = fleet.command(&["claim", "TASK-002", "--agent", "timmy", "--offline"]).env_remove("HOME").output();
    assert_eq!(homeless.expect("it runs").status.code(), Some(5), "who cannot look must not go on");
}

#[test]
fn r24_an_explained_poll_says_of_each_task_that_the_fleet_is_halted() {
    let sandbox = Sandbox::new();
    let fleet = board(&sandbox);
    make_file(&sandbox, "lunch");
    let explained = fleet.run(&["poll", "--explain", "--agent", "timmy", "--offline"]);
    assert_eq!(explained.code, 0, "{explained:?}");
    assert_eq!(explained.stdout.matches("(halted: the fleet is halted: lunch)").count(), 2, "{explained:?}");
    assert!(!explained.stdout.contains('→'), "nothing is ready: {explained:?}");
}

#[test]
fn r24_halting_works_without_a_daemon_and_says_that_nothing_recorded_it() {
    let sandbox = Sandbox::new();
    let fleet = board(&sandbox);
    let halted = fleet.run(&["halt"]);
    assert_eq!(halted.code, 0, "{halted:?}");
    assert!(halted.stderr.contains("nobody holds the board"), "{halted:?}");
    assert_eq!(fleet.run(&["claim", "--next", "--agent", "timmy", "--offline"]).code, 5);
    assert_eq!(fleet.json(&["resume", "--offline"])["ok"], true);
    assert_eq!(fleet.run(&["claim", "--next", "--agent", "timmy", "--offline"]).code, 0);
}

#[test]
fn r24_a_repeated_claim_gets_its_first_reply_under_halt_too() {
    let sandbox = Sandbox::new();
    let fleet = board(&sandbox);
    let claim = ["claim", "TASK-001", "--agent", "timmy", "--offline", "--request-id", "once", "--json"];
    let token = fleet.run(&claim).json()["token"].clone();
    make_file(&sandbox, "why");
    let again = fleet.run(&claim);
    assert_eq!((again.code, &again.json()["token"]), (0, &token), "it was claimed before, and the caller should know");
}

#[test]
fn r24_the_person_halts_and_resumes_and_the_mode_line_shows_it() {
    let sandbox = Sandbox::new();
    let fleet = board(&sandbox);
    assert_eq!(fleet.run(&["daemon", "start"]).code, 0);
    let eval = |form: &str| {
        let ran = fleet.run(&["eval", form]);
        assert_eq!(ran.code, 0, "{form}: {ran:?}");
        ran.stdout.trim_end().to_owned()
    };
    assert_eq!(eval("(fleet-mode--halt)"), "nil");
    eval("(fleet-halt \"lunch\")");
    assert!(eval("(substring-no-properties (fleet-mode--halt))").contains("HALT"));
    assert_eq!(eval("(condition-case nil (fleet-claim nil \"timmy\") (fleet-halted 'halted))"), "halted");
    assert_eq!(eval("(plist-get (fleet-status) :halt)"), "\"lunch\"");
    eval("(fleet-resume)");
    assert_eq!(eval("(fleet-mode--halt)"), "nil");
    let by = fleet.events().iter().rev().take(2).map(|event| event["by"].clone()).collect::<Vec<_>>();
    assert_eq!(by, ["human", "human"]);
    assert_eq!(fleet.run(&["daemon", "stop"]).code, 0);
    sandbox.assert_deserted();
}
