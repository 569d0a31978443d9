//! The ways to a board and the life of the Emacs behind it: socket, emacsclient, start, stop, a person's init file.

use crate::support::{
    daemon::Daemon,
    fleet::{Fleet, KEYWORDS, heading_of, number, property},
    process::{PATIENCE, run_within},
    sandbox::{Sandbox, lisp_dir},
};
use fleet::core::code::Code;
use serde_json::Value;
use std::{fs, path::Path};

const TWINS: &str = "* PENDING TWIN-A Paint the buoy :crane:\n:PROPERTIES:\n:ID:       TWIN-A\n:END:\nRed.\n\
                     * PENDING TWIN-B Paint the buoy :crane:\n:PROPERTIES:\n:ID:       TWIN-B\n:END:\nRed.\n";

/// What stands in the buffer of a person who typed and did not save.
const TYPE: &str = "(with-current-buffer (fleet-board-buffer) (goto-char (point-max)) (insert \"* PENDING typed\\n\"))";
const SAVE: &str = "(with-current-buffer (fleet-board-buffer) (save-buffer))";

#[test]
fn every_verb_answers_alike_through_the_socket_and_through_emacsclient() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{TWINS}"));
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let ask = |twin: &str, via: &str, words: &[&str]| {
        let reply = fleet.json(&[words, &["--agent", "crane", "--via", via]].concat());
        without_what_must_differ(&reply, twin)
    };
    let polls = ["socket", "emacsclient"].map(|via| ask("TWIN-A", via, &["poll"]));
    assert_eq!(polls[0], polls[1]);
    assert_eq!(polls[0]["tasks"].as_array().map(Vec::len), Some(2));
    let verbs: [&[&str]; 4] = [&["claim"], &["note", "half done"], &["done", "--result", "„red“"], &["show"]];
    for verb in verbs {
        let [by_socket, by_emacsclient] = [("TWIN-A", "socket"), ("TWIN-B", "emacsclient")].map(|(twin, via)| {
            let words = [&verb[..1], &[twin], &verb[1..]].concat();
            ask(twin, via, &words)
        });
        assert_eq!(by_socket, by_emacsclient, "{verb:?}");
    }
    for via in ["socket", "emacsclient"] {
        let refused = fleet.run(&["claim", "TWIN-A", "--agent", "crane", "--via", via, "--json"]);
        assert_eq!(refused.reason(Code::Conflict), "wrong-state");
        let unknown = fleet.run(&["claim", "TWIN-C", "--agent", "crane", "--via", via, "--json"]);
        assert_eq!(unknown.reason(Code::NotFound), "unknown-task");
    }
    drop(daemon);
    sandbox.assert_deserted();
}

/// The reply as if the other twin had been asked for, at the same moment.
fn without_what_must_differ(reply: &Value, twin: &str) -> Value {
    let mut reply: Value = serde_json::from_str(&reply.to_string().replace(twin, "TWIN")).expect("JSON");
    let fields = reply.as_object_mut().expect("a reply is an object");
    for field in ["id", "number", "token"] {
        fields.remove(field);
    }
    if let Some(task) = fields.get_mut("task").and_then(Value::as_object_mut) {
        // What is left of the lease goes by the clock, and the door is what the two ways differ in.
        for field in ["token", "line", "lease_ms", "door"] {
            task.remove(field);
        }
        if let Some(properties) = task.get_mut("properties").and_then(Value::as_object_mut) {
            properties.remove("TOKEN");
            properties.remove("CLAIMED_AT");
        }
    }
    reply
}

#[test]
fn a_request_id_repeated_over_the_other_transport_returns_the_first_reply() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{TWINS}"));
    let _daemon = Daemon::serving(&sandbox, fleet.board());
    for (twin, [first, second]) in [("TWIN-A", ["socket", "emacsclient"]), ("TWIN-B", ["emacsclient", "socket"])] {
        let id = format!("claim-of-{twin}");
        let claim = |via| fleet.json(&["claim", twin, "--agent", "crane", "--request-id", &id, "--via", via]);
        let (answered, mut again) = (claim(first), claim(second));
        let fields = again.as_object_mut().expect("a reply is an object");
        assert_eq!(fields.remove("replayed"), Some(true.into()), "{twin}");
        assert_eq!(fields.remove("current"), Some(true.into()), "{twin}");
        assert_eq!(again["number"], answered["number"]);
        assert_eq!(again["token"], answered["token"]);
        assert_eq!(again["task"]["name"], answered["task"]["name"]);
        let other = fleet.run(&["done", twin, "--agent", "crane", "--request-id", &id, "--via", second, "--json"]);
        assert_eq!(other.reason(Code::Usage), "request-id-reused");
    }
    let claims = fleet.json(&["log"])["events"].as_array().expect("events").len();
    assert_eq!(claims, 3, "one start and two claims");
}

#[test]
fn eval_gives_the_value_as_lisp_prints_it_or_says_what_lisp_said() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let _daemon = Daemon::serving(&sandbox, fleet.board());
    let value = fleet.run(&["eval", "(list 1 \"zwei €\" 'drei)"]);
    assert_eq!((value.code, value.stdout.as_str()), (0, "(1 \"zwei €\" drei)\n"), "{value:?}");
    let failed = fleet.run(&["eval", "(error \"No %s\" 'quay)", "--json"]);
    assert_eq!(failed.reason(Code::General), "lisp-error");
    assert!(failed.stdout.contains("No quay"), "{failed:?}");
}

#[test]
fn a_daemon_that_was_started_is_found_and_stopped_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let started = fleet.json(&["daemon", "start"]);
    assert_eq!(started["daemon"]["what"], "started");
    let again = fleet.json(&["daemon", "start"]);
    assert_eq!(again["daemon"]["what"], "already-running");
    assert_eq!(again["daemon"]["pid"], started["daemon"]["pid"]);

    fleet.json(&["add", "Dredge", "--agent", "boss", "--id", "T-1"]);
    let offline = fleet.run(&["add", "Moor", "--agent", "boss", "--offline", "--json"]);
    assert_eq!(offline.reason(Code::Conflict), "board-owned");

    assert_eq!(fleet.json(&["daemon", "stop"])["daemon"]["what"], "stopped");
    assert!(heading_of(&fleet.text(), "T-1").is_some(), "what was added is saved:\n{}", fleet.text());
    sandbox.assert_deserted();
    for name in ["owner", "socket"] {
        assert!(!fleet.state().join(name).exists(), "{name} was left behind");
    }
    assert_eq!(fleet.json(&["daemon", "stop"])["daemon"]["what"], "not-running");
    fleet.json(&["add", "Moor", "--agent", "boss", "--offline"]);
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", "* PENDING caf\u{e9}\n");
    fs::write(fleet.board(), b"* PENDING caf\xe9\n").expect("written");
    let refused = fleet.run(&["daemon", "start"]);
    assert_eq!(refused.code, i32::from(Code::Corrupt.exit()), "{refused:?}");
    assert!(refused.stderr.starts_with("fleet: ") && refused.stderr.contains("UTF-8"), "{refused:?}");
    sandbox.assert_deserted();
    assert_eq!(fs::read(fleet.board()).expect("readable"), b"* PENDING caf\xe9\n");
}

#[test]
fn stop_refuses_while_a_person_has_unsaved_edits() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    fleet.json(&["daemon", "start"]);
    assert_eq!(fleet.run(&["eval", TYPE]).code, 0);
    let refused = fleet.run(&["daemon", "stop", "--json"]);
    assert_eq!(refused.reason(Code::Conflict), "unsaved-edits");
    assert!(refused.stdout.contains("unsaved edits of a person in `dispatch.org`\""), "{refused:?}");
    let told = fleet.run(&["daemon", "stop"]);
    assert_eq!(told.code, i32::from(Code::Conflict.exit()), "{told:?}");
    assert!(told.stderr.contains("hint: save them (C-x s) or revert them"), "{told:?}");
    assert!(!told.stderr.contains("ERROR") && !told.stderr.contains("(fleet-"), "{told:?}");
    assert!(!fleet.text().contains("typed"), "nothing is saved behind their back:\n{}", fleet.text());
    assert_eq!(fleet.run(&["eval", SAVE]).code, 0);
    let note = "(with-current-buffer (find-file-noselect \"notes.txt\") (insert \"a thought\") 1)";
    assert_eq!(fleet.run(&["eval", note]).code, 0);
    let refused = fleet.run(&["daemon", "stop", "--json"]);
    assert_eq!(refused.reason(Code::Conflict), "unsaved-edits");
    assert!(refused.stdout.contains("in `notes.txt`\""), "{refused:?}");
    let forget = "(with-current-buffer \"notes.txt\" (set-buffer-modified-p nil))";
    assert_eq!(fleet.run(&["eval", forget]).code, 0);
    assert_eq!(fleet.json(&["daemon", "stop"])["daemon"]["what"], "stopped");
    assert!(fleet.text().ends_with("* PENDING typed\n"), "{}", fleet.text());
    sandbox.assert_deserted();
}

#[test]
fn a_second_board_in_the_same_emacs_is_refused_and_the_first_one_again_is_harmless() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let other = Fleet::new(&sandbox, "other/dispatch.org", KEYWORDS);
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let refusal = daemon
        .eval(&format!("(condition-case e (fleet-serve {:?}) (fleet-conflict (format \"%S\" e)))", other.board()));
    assert!(refusal.contains("already serves") && refusal.contains("other-board"), "{refusal}");
    let again = daemon.eval(&format!("(plist-get (fleet-serve {:?}) :path)", fleet.board()));
    assert_eq!(again, format!("{:?}", fleet.board()));
    fleet.json(&["add", "Dredge", "--agent", "boss"]);
    other.json(&["add", "Moor", "--agent", "boss", "--offline"]);
}

#[test]
fn a_killed_daemons_socket_and_owner_file_stand_in_nobodys_way() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let mut daemon = Daemon::serving(&sandbox, fleet.board());
    let added = fleet.json(&["add", "Dredge", "--agent", "boss", "--id", "T-1", "--request-id", "once"]);
    daemon.kill9();
    for name in ["owner", "socket"] {
        assert!(fleet.state().join(name).exists(), "a killed daemon leaves its {name}");
    }
    let nobody = fleet.run(&["poll", "--agent", "crane", "--json"]);
    assert_eq!(nobody.reason(Code::Unreachable), "no-owner");
    let started = fleet.json(&["daemon", "start"]);
    assert_eq!(started["daemon"]["what"], "started");
    let again = fleet.json(&["add", "Dredge", "--agent", "boss", "--id", "T-1", "--request-id", "once"]);
    assert_eq!((&again["replayed"], &again["number"]), (&true.into(), &added["number"]));
    fleet.json(&["claim", "T-1", "--agent", "crane"]);
    fleet.json(&["daemon", "stop"]);
    let text = fleet.text();
    assert_eq!(property(heading_of(&text, "T-1").expect("added"), "CLAIMED_BY"), Some("crane"), "{text}");
    drop(daemon);
    sandbox.assert_deserted();
}

#[test]
fn two_lines_of_an_init_file_serve_a_board() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "home/dispatch.org", KEYWORDS);
    let daemon = Daemon::with_lisp(&sandbox, &["(require 'fleet)", "(fleet-serve \"~/dispatch.org\")"]);
    let task = fleet.json(&["add", "Dredge", "--agent", "boss"])["task"]["name"].as_str().map(str::to_owned);
    let claimed = fleet.json(&["claim", "--next", "--agent", "crane"]);
    assert_eq!(claimed["task"]["name"].as_str(), task.as_deref());
    assert_eq!(daemon.eval("(buffer-name (fleet-board-buffer))"), "\"dispatch.org\"");
}

#[test]
fn without_the_module_loading_works_and_serving_says_what_is_missing() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let missing = sandbox.path("no-module.so");
    let tried = |form: &str| {
        let form = format!("(condition-case e {form} (error (princ (format \"%S\" e))))");
        let mut emacs = sandbox.emacs();
        emacs.env("FLEET_MODULE", &missing).arg("--batch").arg("-L").arg(lisp_dir());
        let output = run_within(emacs.args(["-l", "fleet", "--eval", &form]), PATIENCE);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let refusal = tried(&format!("(fleet-serve {:?})", fleet.board()));
    assert!(refusal.starts_with("(fleet-config-error \"the native module is not at"), "{refusal}");
    assert!(refusal.contains(missing.to_str().expect("UTF-8")) && refusal.contains("make build"), "{refusal}");
    let refusal = tried("(fleet-claim \"T-1\" \"crane\")");
    assert!(refusal.starts_with("(fleet-unreachable \"no board is served in this Emacs\""), "{refusal}");
}

/// Everything of an Emacs that serving a board could change.
const TRACES: &str = "(list (mapcar #'default-value '(before-change-functions after-change-functions post-command-hook \
     pre-command-hook after-revert-hook kill-buffer-hook kill-emacs-hook find-file-hook after-save-hook \
     write-file-functions)) \
   (cl-remove-if-not (lambda (timer) (string-match-p \"fleet\" (format \"%S\" (timer--function timer)))) timer-list) \
   (mapcar #'process-name (cl-remove-if-not (lambda (p) (string-match-p \"fleet\" (process-name p))) (process-list))) \
   (let ((buffer (get-buffer \"dispatch.org\"))) (and buffer (buffer-local-value 'write-file-functions buffer))))";

#[test]
fn unserve_gives_everything_back() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let daemon = Daemon::with_lisp(&sandbox, &["(require 'fleet)"]);
    // Org adds hooks of its own when it comes to an org file for the first time.
    daemon.eval(&format!("(kill-buffer (find-file-noselect {:?}))", fleet.board()));
    let before = daemon.eval(TRACES);
    for round in 1..=2 {
        daemon.eval(&format!("(fleet-serve {:?})", fleet.board()));
        assert_ne!(daemon.eval(TRACES), before, "serving leaves traces to look for");
        fleet.json(&["add", "Dredge", "--agent", "boss"]);
        assert_eq!(daemon.eval("(fleet-unserve)"), "t");
        assert_eq!(daemon.eval(TRACES), before);
        for name in ["owner", "socket"] {
            assert!(!fleet.state().join(name).exists(), "{name} was left behind");
        }
        // Another process can own the board, and that the text is saved.
        let tasks = fleet.json(&["list", "--offline"]);
        assert_eq!(tasks["tasks"].as_array().map(Vec::len), Some(round), "{tasks}");
    }
    assert_eq!(daemon.eval("(fleet-unserve)"), "nil");
    let refused = fleet.run(&["eval", "(fleet-poll \"crane\")", "--json"]);
    assert!(refused.stdout.contains("no board is served"), "{refused:?}");
}

#[test]
fn a_board_may_have_blanks_and_any_letters_in_its_path() {
    assert_board_works("Häfen & „Kräne“/#1 (neu)/für $alle's tasks ✓.org", None);
}

#[test]
fn a_board_deep_down_is_reached_although_its_socket_cannot_be_beside_it() {
    let depth = ["a-directory-with-a-name-that-takes-a-good-part-of-a-socket-path"; 3].join("/");
    assert_board_works(&format!("{depth}/dispatch.org"), Some("run/fleet"));
}

/// Starts a daemon for a board called `name`, works through both transports, and stops it.
#[track_caller]
fn assert_board_works(name: &str, sockets: Option<&str>) {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, name, KEYWORDS);
    let started = fleet.json(&["daemon", "start"]);
    let socket = Path::new(started["daemon"]["socket"].as_str().expect("a socket"));
    let place = sockets.map_or_else(|| fleet.state(), |place| sandbox.path(place));
    assert_eq!(socket.parent(), Some(place.as_path()));
    fleet.json(&["add", "Dredge", "--agent", "boss", "--id", "T-1"]);
    let claim = fleet.json(&["claim", "T-1", "--agent", "crane", "--via", "socket"]);
    let done = fleet.json(&["done", "T-1", "--agent", "crane", "--via", "emacsclient"]);
    assert!(number(&done) > number(&claim));
    assert_eq!(fleet.json(&["daemon", "stop"])["daemon"]["what"], "stopped");
    let text = fleet.text();
    assert!(heading_of(&text, "T-1").is_some_and(|heading| heading.starts_with("* DONE Dredge\n")), "{text}");
    assert!(!socket.exists(), "the socket was left behind");
    sandbox.assert_deserted();
}
