//! `fleet doctor`: each thing that can be wrong is named with its way out, and `--fix` mends only what it may.

use crate::support::{
    fleet::{Fleet, KEYWORDS},
    program::{Ran, Sandbox},
    sandbox::{self, lisp_dir},
};
use fleet::core::wire::{Reply, StatusInfo};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

/// The doctor with this checkout's Lisp and the Emacs of the tests.
fn doctor(sandbox: &Sandbox, args: &[&str]) -> Command {
    let mut command = sandbox.command(&[&["doctor", "--json"], args].concat());
    command.env("FLEET_LISP", lisp_dir());
    for name in ["FLEET_MODULE", "EMACS"] {
        let variable = if name == "EMACS" { "FLEET_EMACS" } else { name };
        if let Some(value) = std::env::var_os(name) {
            command.env(variable, value);
        }
    }
    command
}

/// The worst finding of `check`.
#[track_caller]
fn finding(ran: &Ran, check: &str) -> Value {
    let json = ran.json();
    let found = json["checks"].as_array().expect("checks").iter().filter(|finding| finding["check"] == check);
    let rank = |finding: &&Value| ["fine", "warning", "broken"].iter().position(|word| finding["verdict"] == *word);
    found.max_by_key(rank).unwrap_or_else(|| panic!("nothing about {check}: {json:#}")).clone()
}

/// Asserts how bad `check` is and that what is said about it contains `words`.
#[track_caller]
fn says(ran: &Ran, check: &str, verdict: &str, words: &str) {
    let finding = finding(ran, check);
    let said = format!("{} {}", finding["message"], finding["hint"]);
    assert_eq!(finding["verdict"], verdict, "{finding:#}");
    assert!(said.contains(words), "{said}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn a_board_with_a_living_daemon_is_well_and_the_exit_code_says_so() {
    let sandbox = sandbox::Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}* PENDING TASK-001 One\n"));
    assert_eq!(fleet.run(&["daemon", "start"]).code, 0);
    let well = fleet.run(&["doctor"]);
    let json = fleet.json(&["doctor"]);
    assert_eq!(fleet.run(&["daemon", "stop"]).code, 0);
    assert_eq!((well.code, well.stderr.as_str()), (0, ""), "{well:?}");
    assert!(well.stdout.ends_with("all is well\n"), "{}", well.stdout);
    let checks = json["checks"].as_array().expect("checks");
    let seen: Vec<&str> = checks.iter().filter_map(|finding| finding["check"].as_str()).collect();
    for check in ["config", "emacs", "module", "board", "write", "state", "disk", "journal", "clock", "socket", "owner"]
    {
        assert!(seen.contains(&check), "{check} was not looked at: {seen:?}");
    }
    let after = fleet.run(&["doctor"]);
    assert_eq!(after.code, 6, "nobody holds the board now: {after:?}");
    sandbox.assert_deserted();
}

#[test]
fn what_would_be_started_is_tried() {
    let sandbox = Sandbox::new();
    let missing = Ran::of(doctor(&sandbox, &[]).env("FLEET_EMACS", "/nowhere/emacs"));
    assert_eq!(missing.code, 9, "{missing:?}");
    says(&missing, "emacs", "broken", "emacs.program");

    let old = sandbox.script("old-emacs", "printf '27.2\\nt\\n0.1.0\\n'");
    says(&Ran::of(doctor(&sandbox, &[]).env("FLEET_EMACS", old)), "emacs", "broken", "28.1");
    let plain = sandbox.script("plain-emacs", "printf '28.2\\nnil\\n! no modules\\n'");
    says(&Ran::of(doctor(&sandbox, &[]).env("FLEET_EMACS", &plain)), "emacs", "broken", "--with-modules");
    let other = sandbox.script("other-emacs", "printf '30.1\\nt\\n9.9.9\\n'");
    says(&Ran::of(doctor(&sandbox, &[]).env("FLEET_EMACS", other)), "module", "broken", "9.9.9");
    let mute = sandbox.script("mute-emacs", "echo 'no display' >&2; exit 3");
    says(&Ran::of(doctor(&sandbox, &[]).env("FLEET_EMACS", mute)), "emacs", "broken", "no display");

    let no_module = Ran::of(doctor(&sandbox, &[]).env("FLEET_MODULE", sandbox.path("none.so")));
    says(&no_module, "module", "broken", "none.so");
    says(&Ran::of(doctor(&sandbox, &[]).env("FLEET_LISP", sandbox.path("bin"))), "lisp", "broken", "FLEET_LISP");
    fs::create_dir(sandbox.path("lisp")).expect("made");
    fs::write(sandbox.path("lisp/fleet.el"), "").expect("written");
    let bare = Ran::of(doctor(&sandbox, &[]).env("FLEET_LISP", sandbox.path("lisp")));
    says(&bare, "lisp", "warning", "make build");
    let clientless = Ran::of(doctor(&sandbox, &[]).env("PATH", sandbox.path("bin")).env("FLEET_EMACS", &plain));
    says(&clientless, "client", "warning", "emacsclient");
}

#[test]
fn a_configuration_that_stops_every_verb_is_a_finding_with_its_line() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("fleet.toml");
    fs::write(&file, "\ntimeout = 3\n").expect("written");
    let ran = Ran::of(doctor(&sandbox, &[]).env("FLEET_CONFIG", &file));
    assert_eq!(ran.code, 9, "{ran:?}");
    says(&ran, "config", "broken", "fleet.toml:2");
    says(&ran, "config", "broken", "timeout-secs");
}

#[test]
fn what_is_wrong_with_the_board_is_named() {
    let sandbox = Sandbox::new();
    let at = |text: &[u8]| {
        fs::write(sandbox.board(), text).expect("written");
        Ran::of(&mut doctor(&sandbox, &["--offline"]))
    };
    let well = at(b"* PENDING One\n");
    assert_eq!(well.code, 0, "{well:?}");
    let twice = b"* PENDING One\n:PROPERTIES:\n:ID: x\n:END:\n* PENDING Two\n:PROPERTIES:\n:ID: x\n:END:\n";
    says(&at(twice), "board", "warning", "x");
    let latin = at(b"* PENDING caf\xe9\n");
    assert_eq!(latin.code, 8, "{latin:?}");
    says(&latin, "board", "broken", "UTF-8");
    fs::remove_file(sandbox.board()).expect("removed");
    let gone = Ran::of(&mut doctor(&sandbox, &["--offline"]));
    assert_eq!(gone.code, 3, "{gone:?}");
    let nowhere = Ran::of(doctor(&sandbox, &["--offline"]).env("DISPATCH_FILE", "/nowhere/at/all.org"));
    assert_eq!(finding(&nowhere, "board")["verdict"], "broken");
}

#[test]
fn what_a_crash_of_emacs_left_behind_is_named() {
    let sandbox = Sandbox::new();
    let auto_save = sandbox.path("#board.org#");
    fs::write(&auto_save, "* newer\n").expect("written");
    let yesterday = SystemTime::now() - Duration::from_secs(86_400);
    let board = fs::File::options().write(true).open(sandbox.board()).expect("there");
    board.set_modified(yesterday).expect("set");
    symlink("ada@elsewhere.42:1", sandbox.path(".#board.org")).expect("linked");
    let ran = Ran::of(&mut doctor(&sandbox, &["--offline"]));
    assert_eq!(ran.code, 0, "warnings are no failure: {ran:?}");
    says(&ran, "autosave", "warning", "fleet-rescue");
    says(&ran, "lockfile", "warning", "ada@elsewhere.42:1");
    // The owner's own unsaved edits are nobody's trouble.
    fs::remove_file(sandbox.path(".#board.org")).expect("removed");
    symlink(format!("ada@here.{}:1", std::process::id()), sandbox.path(".#board.org")).expect("linked");
    sandbox.own(None);
    let own = Ran::of(&mut doctor(&sandbox, &[]));
    assert!(!own.stdout.contains("lockfile"), "{own:?}");
}

#[test]
fn a_damaged_journal_and_one_from_the_future_are_found() {
    let sandbox = sandbox::Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}* PENDING TASK-001 One\n"));
    for text in ["one", "two", "three"] {
        assert_eq!(fleet.run(&["append", text, "--agent", "timmy", "--offline"]).code, 0);
    }
    let journal = fleet.state().join("journal.jsonl");
    let whole = fs::read_to_string(&journal).expect("text");
    let well = fleet.run(&["doctor", "--offline", "--json"]);
    assert_eq!(well.code, 0, "{well:?}");
    fs::write(&journal, whole.replacen("\"two\"", "\"owt\"", 1)).expect("written");
    let damaged = fleet.run(&["doctor", "--offline", "--json"]);
    assert_eq!(damaged.code, 8, "{damaged:?}");
    assert!(damaged.json()["checks"].to_string().contains("backup"), "{damaged:?}");

    // The same journal, written by a clock that was a century ahead.
    let dir = sandbox.path("later");
    fs::create_dir_all(&dir).expect("made");
    let event = serde_json::json!({
        "at": "2126-01-01T00:00:00.000+00:00", "by": "timmy", "via": "offline", "auth": "label",
        "change": { "kind": "appended", "text": "hello" },
    });
    let (bytes, _) = fleet::core::frame::begin("board.org", 1, None, &[event.to_string()]);
    let later = Fleet::new(&sandbox, "later/board.org", KEYWORDS);
    fs::create_dir_all(later.state()).expect("made");
    fs::write(later.state().join("journal.jsonl"), bytes).expect("written");
    let ran = later.run(&["doctor", "--offline", "--json"]);
    let checks = ran.json()["checks"].clone();
    let clock = checks.as_array().expect("checks").iter().find(|finding| finding["check"] == "clock").cloned();
    assert_eq!(clock.expect("the clock was looked at")["verdict"], "warning", "{checks:#}");
}

#[test]
fn an_owner_that_keeps_silent_or_waits_for_a_restart_is_named() {
    let sandbox = Sandbox::new();
    let silent = sandbox.serve(vec![Box::new(|_, stream| drop(stream))]);
    let ran = Ran::of(&mut doctor(&sandbox, &[]));
    silent.join().expect("asked once");
    assert_eq!(ran.code, 6, "{ran:?}");
    says(&ran, "owner", "broken", "does not answer");
    fs::remove_file(sandbox.path("owner.socket")).expect("removed");

    let status = |state: &str| StatusInfo {
        version: "9.9.9".into(),
        owner: "emacs".into(),
        pid: std::process::id(),
        path: "board.org".into(),
        state: state.into(),
        detail: Some("why it is so".into()),
        number: 7,
        unapplied: 0,
        unsaved: 0,
        counts: Default::default(),
        notices: vec!["look here".into()],
    };
    for (state, verdict, code) in
        [("ok", "fine", 0), ("save-paused", "warning", 0), ("conflict", "broken", 4), ("stopped", "broken", 8)]
    {
        let status = status(state);
        let server = sandbox.serve(vec![Box::new(move |request, mut stream| {
            let reply = Reply { status: Some(status), ..Reply::ok(&request.id) };
            let json = serde_json::to_vec(&reply).expect("a reply");
            fleet::adapters::socket::write_frame(&mut stream, &json, json.len()).expect("written");
        })]);
        let ran = Ran::of(&mut doctor(&sandbox, &[]));
        server.join().expect("asked once");
        assert_eq!(ran.code, code, "{state}: {ran:?}");
        assert_eq!(finding(&ran, "queue")["verdict"], verdict, "{state}");
        says(&ran, "upgrade", "warning", "9.9.9");
        says(&ran, "notice", "warning", "look here");
        says(&ran, "server", "warning", "EMACS_SOCKET");
        fs::remove_file(sandbox.path("owner.socket")).expect("removed");
    }
}

#[test]
fn fix_takes_files_back_and_forgets_the_dead_and_nothing_else() {
    let sandbox = Sandbox::new();
    let state = sandbox.state();
    let gone = Command::new("true").spawn().and_then(|mut child| child.wait().map(|_| child.id())).expect("it ran");
    sandbox.own_as(gone, None);
    let journal = state.join("journal.jsonl");
    fs::write(&journal, fleet::core::frame::begin("board.org", 1, None, &[]).0).expect("written");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).expect("set");
    fs::set_permissions(&journal, fs::Permissions::from_mode(0o644)).expect("set");

    let look = Ran::of(&mut doctor(&sandbox, &["--offline"]));
    says(&look, "note", "warning", &gone.to_string());
    assert_eq!(finding(&look, "state")["can_fix"], true);
    assert!(state.join("owner").exists(), "looking changes nothing");
    assert_eq!((mode(&state), mode(&journal)), (0o755, 0o644), "looking changes nothing");

    let fixed = Ran::of(&mut doctor(&sandbox, &["--offline", "--fix"]));
    assert_eq!(fixed.code, 0, "{fixed:?}");
    assert_eq!((mode(&state), mode(&journal)), (0o700, 0o600));
    assert!(!state.join("owner").exists());
    let again = Ran::of(&mut doctor(&sandbox, &["--offline", "--fix"]));
    assert!(!again.stdout.contains("\"fixed\":true"), "there is nothing left to fix: {again:?}");
}

#[test]
fn fix_leaves_the_note_of_a_board_that_somebody_holds() {
    let sandbox = Sandbox::new();
    let gone = Command::new("true").spawn().and_then(|mut child| child.wait().map(|_| child.id())).expect("it ran");
    let holder = fleet::adapters::owner::OwnedDir::open(&sandbox.board(), fleet::adapters::owner::NetworkFs::Refuse);
    // A holder that has not said yet how to reach it: the note is still its predecessor's.
    sandbox.own_as(gone, None);
    let ran = Ran::of(&mut doctor(&sandbox, &["--offline", "--fix"]));
    says(&ran, "note", "warning", "--fix failed");
    assert!(sandbox.state().join("owner").exists());
    drop(holder);
}
