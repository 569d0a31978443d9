//! What `fleet daemon start` comes to with a real Emacs: one daemon for many starts, and Fleet's own words when it fails.

use crate::support::{
    clients::race,
    fleet::{Fleet, KEYWORDS, Ran},
    process::{PATIENCE, run_within},
    sandbox::{Sandbox, lisp_dir, module},
};
use fleet::{
    adapters::owner::{NetworkFs, OwnedDir},
    core::code::Code,
};
use std::{fs, os::unix::fs::symlink};

/// Runs the failing start and returns its error, once it is sure that no Emacs is left.
#[track_caller]
fn refusal(sandbox: &Sandbox, ran: &Ran, code: Code) -> serde_json::Value {
    assert_eq!(ran.code, i32::from(code.exit()), "{ran:?}");
    sandbox.assert_deserted();
    ran.json()["error"].clone()
}

#[test]
fn a_start_without_the_module_is_a_matter_of_configuration_and_names_the_way_out() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let lisp = sandbox.path("lisp");
    fs::create_dir(&lisp).expect("a directory in the sandbox");
    for entry in fs::read_dir(lisp_dir()).expect("the Lisp of this checkout").flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "el") {
            symlink(entry.path(), lisp.join(entry.file_name())).expect("a link in the sandbox");
        }
    }
    let mut start = fleet.command(&["daemon", "start", "--json"]);
    let ran = Ran::of(run_within(start.env("FLEET_LISP", &lisp).env_remove("FLEET_MODULE"), PATIENCE));
    let error = refusal(&sandbox, &ran, Code::Config);
    assert_eq!(error["reason"], "start-failed");
    assert!(error["message"].as_str().is_some_and(|text| text.starts_with("the native module is not at")), "{error}");
    assert!(error["hint"].as_str().is_some_and(|text| text.contains("make build")), "{error}");
}

#[test]
fn a_start_on_a_damaged_journal_says_so_in_the_words_of_a_reply() {
    module();
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "häfen.org", KEYWORDS);
    for title in ["one", "two", "three"] {
        fleet.json(&["add", title, "--agent", "boss", "--offline"]);
    }
    let journal = fleet.state().join("journal.jsonl");
    let mut bytes = fs::read(&journal).expect("a journal");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&journal, &bytes).expect("a damaged journal");
    let offline = fleet.run(&["status", "--offline", "--json"]);
    let told = fleet.run(&["daemon", "start", "--json"]);
    let error = refusal(&sandbox, &told, Code::Corrupt);
    assert_eq!(error["reason"], "journal-unreadable");
    assert_eq!(error, offline.json()["error"], "the same words as without Emacs");
    assert_eq!(fs::read(&journal).expect("a journal"), bytes, "nothing is changed");
}

#[test]
fn a_start_on_a_board_that_another_process_owns_is_a_conflict() {
    module();
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let owned = OwnedDir::open(fleet.board(), NetworkFs::Refuse).expect("nobody else owns it");
    let error = refusal(&sandbox, &fleet.run(&["daemon", "start", "--json"]), Code::Conflict);
    assert_eq!(error["reason"], "board-owned");
    let me = format!("process {}", std::process::id());
    assert!(error["message"].as_str().is_some_and(|text| text.contains(&me)), "{error}");
    drop(owned);
}

#[test]
fn lisp_that_does_not_load_is_an_error_of_lisp_and_leaves_no_emacs() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    sandbox.write("fleet.el", "(car 'quay)");
    let mut start = fleet.command(&["daemon", "start", "--json"]);
    let ran = Ran::of(run_within(start.env("FLEET_LISP", sandbox.path("")), PATIENCE));
    let error = refusal(&sandbox, &ran, Code::General);
    assert_eq!(error["reason"], "lisp-error");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("quay")), "{error}");
}

#[test]
fn starts_at_the_same_moment_end_with_one_daemon_and_all_succeed() {
    module();
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    fs::remove_file(fleet.board()).expect("a board in the sandbox");
    let outputs = race(2, |_| fleet.command(&["daemon", "start", "--create", "--json"]));
    let mut said: Vec<_> = outputs.into_iter().map(Ran::of).collect();
    assert!(said.iter().all(|ran| ran.code == 0), "{said:?}");
    said.sort_by_key(|ran| ran.json()["daemon"]["what"].to_string());
    let [late, early] = [said[0].json(), said[1].json()].map(|json| json["daemon"].clone());
    assert_eq!((&late["what"], &early["what"]), (&"already-running".into(), &"started".into()));
    assert_eq!(late["pid"], early["pid"]);
    assert_eq!(fleet.json(&["daemon", "status"])["daemon"]["pid"], early["pid"]);
    // Emacs's own compiler may run beside it.
    let command = |pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let daemons = sandbox.running().into_iter().map(command).filter(|line| line.contains("--fg-daemon")).count();
    assert_eq!(daemons, 1, "the loser is gone");
    assert!(fleet.text().starts_with("#+TITLE: "), "{}", fleet.text());
    assert_eq!(fleet.json(&["daemon", "stop"])["daemon"]["what"], "stopped");
    sandbox.assert_deserted();
}
