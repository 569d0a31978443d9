//! Functions of Lisp authors in a real daemon: what they hear from every door, what they may veto, whom they keep waiting.

use crate::support::{
    daemon::Daemon,
    fleet::{Fleet, KEYWORDS},
    live::{Agent, Live},
    process::PATIENCE,
    sandbox::Sandbox,
};
use fleet::core::code::Code;
use serde_json::{Value, json};
use std::{fs, path::Path, thread, time::Duration};

/// How often a file is looked for that another process is to write.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// An event function that appends a line to the file `heard`.
fn hearing(heard: &Path) -> String {
    format!(
        "(add-hook 'fleet-event-functions (lambda (event) (write-region (format \"%d %s %s %s %s\\n\" \
         (plist-get event :number) (plist-get event :kind) (or (plist-get event :task) '-) (plist-get event :by) \
         (plist-get event :via)) nil {heard:?} t 'quiet)))"
    )
}

/// Waits until the file `heard` has a line with `words`, and returns it all.
#[track_caller]
fn heard_of(heard: &Path, words: &str) -> Vec<String> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(heard).unwrap_or_default();
        if text.contains(words) {
            return text.lines().map(str::to_owned).collect();
        }
        assert!(std::time::Instant::now() < deadline, "no {words} in {text}");
        thread::sleep(LOOK_AGAIN);
    }
}

#[test]
fn events_of_every_door_and_of_the_persons_hand_arrive_once_and_in_order() {
    let sandbox = Sandbox::new();
    let heard = sandbox.path("heard");
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let serve = format!("(fleet-serve {:?})", fleet.board());

    // A first session, which leaves nothing to tell.
    let daemon = Daemon::with_lisp(&sandbox, &["(require 'fleet)", &serve]);
    fleet.json(&["add", "Sound", "--agent", "boss", "--id", "T-0"]);
    daemon.eval("(fleet-unserve)");
    drop(daemon);
    fleet.json(&["add", "Dredge", "--agent", "boss", "--id", "T-1", "--offline"]);
    fleet.json(&["add", "Moor", "--agent", "boss", "--id", "T-2", "--offline"]);

    let daemon = Daemon::with_lisp(&sandbox, &["(require 'fleet)", &hearing(&heard), &serve]);
    fleet.json(&["claim", "T-1", "--agent", "crane", "--via", "socket"]);
    fleet.json(&["done", "T-1", "--agent", "crane", "--via", "emacsclient"]);
    let by_hand = "(with-current-buffer (fleet-board-buffer) (goto-char (point-min)) (search-forward \"PENDING Moor\") \
                   (replace-match \"SKIPPED Moor\") (save-buffer) 1)";
    assert_eq!(daemon.eval(by_hand), "1");
    let lines = heard_of(&heard, "edited");
    let told = |line: &String| line.split_once(' ').map_or(String::new(), |(_, rest)| rest.to_owned());
    let is_work = |line: &String| !line.contains("saving") && !line.contains("opened");
    let work: Vec<String> = lines.iter().map(told).filter(is_work).collect();
    let expected = [
        "added T-1 boss offline",
        "added T-2 boss offline",
        "claimed T-1 crane socket",
        "done T-1 crane emacs",
        "edited T-2 human inside",
    ];
    assert_eq!(work, expected, "{lines:?}");
    let numbers: Vec<u64> = lines.iter().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    let first = numbers[0];
    assert_eq!(numbers, (first..first + numbers.len() as u64).collect::<Vec<_>>());
    let log = fleet.json(&["log", "--limit", "1000"]);
    let of_first = log["events"].as_array().expect("events").iter().find(|event| event["number"] == first);
    assert_eq!(of_first.expect("it is there")["change"]["owner"], "offline", "nothing of the first session");
}

#[test]
fn a_slow_function_delays_no_reply_and_others_are_served_while_it_waits() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, &format!("{KEYWORDS}* PENDING TASK-1 Dredge\n* PENDING TASK-2 Moor\n"));
    let (begun, go, heard) = (sandbox.path("begun"), sandbox.path("go"), sandbox.path("heard"));
    // Waits for a file, as others wait for a network; it gives up by itself so that a failed test ends.
    let slow = format!(
        "(progn (add-hook 'fleet-event-functions (lambda (event) (when (equal (plist-get event :kind) \"claimed\") \
         (write-region \"\" nil {begun:?}) (let ((left 2000)) (while (and (not (file-exists-p {go:?})) \
         (> (setq left (1- left)) 0)) (accept-process-output nil 0.01))) \
         (write-region (plist-get event :task) nil {heard:?} t 'quiet)))) 1)"
    );
    assert_eq!(live.daemon.eval(&slow), "1");
    let mut agents = ["timmy", "ezra"].map(|name| Agent::at(&live.socket(), name));
    assert!(agents[0].ask(&json!({ "verb": "claim", "task": "TASK-1" })).ok);
    while !begun.exists() {
        thread::sleep(LOOK_AGAIN);
    }
    // The function waits now; both doors are open, and its next event waits for it.
    assert!(agents[1].ask(&json!({ "verb": "claim", "task": "TASK-2" })).ok);
    assert!(live.fleet(&["note", "TASK-2", "on it", "--agent", "ezra"]).ok);
    assert_eq!(live.daemon.eval("(length (plist-get (fleet-list) :tasks))"), "2");
    assert!(!heard.exists(), "all of this happened while the function waited");
    fs::write(&go, "").expect("written");
    live.until("both events were heard", || fs::read_to_string(&heard).is_ok_and(|text| text == "TASK-1TASK-2"));
}

#[test]
fn a_veto_reaches_the_claims_of_every_door_and_the_journal_knows_nothing_of_it() {
    let sandbox = Sandbox::new();
    let tasks = "* PENDING TASK-1 Dredge :deploy:\n* PENDING TASK-2 Moor\n";
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}#+FLEET_AGENTS: crane\n{tasks}"));
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let veto = "(progn (add-hook 'fleet-claim-veto-functions (lambda (task claim) (and (member \"deploy\" \
                (plist-get task :tags)) (format \"no deploys for %s by %s\" (plist-get claim :agent) \
                (plist-get claim :via))))) 1)";
    assert_eq!(daemon.eval(veto), "1");
    for (via, door) in [("socket", "socket"), ("emacsclient", "emacs")] {
        let refused = fleet.run(&["claim", "TASK-1", "--agent", "crane", "--via", via, "--json"]);
        assert_eq!(refused.reason(Code::Conflict), "vetoed");
        let words = format!("task `TASK-1` was vetoed: no deploys for crane by {door}");
        assert_eq!(refused.json()["error"]["message"], words);
        assert_eq!(fleet.json(&["poll", "--agent", "crane"])["tasks"][0]["name"], "TASK-1", "poll is not filtered");
        let next = fleet.json(&["claim", "--next", "--agent", "crane", "--via", via]);
        assert_eq!(next["task"]["name"], "TASK-2");
        let none = fleet.run(&["claim", "--next", "--agent", "crane", "--via", via, "--json"]);
        assert_eq!(none.reason(Code::NotFound), "nothing-ready");
        fleet.json(&["release", "TASK-2", "--agent", "crane"]);
    }
    let log = fleet.json(&["log", "--limit", "1000"]);
    let is_of_1 = |event: &&Value| event["change"]["task"] == "TASK-1";
    assert_eq!(log["events"].as_array().expect("events").iter().filter(is_of_1).count(), 0, "{log}");
    daemon.eval("(fleet-unserve)");
    let offline = fleet.json(&["claim", "TASK-1", "--agent", "crane", "--offline"]);
    assert_eq!(offline["task"]["holder"], "crane", "without Emacs there is nobody to ask");
}

#[test]
fn halt_comes_before_every_question() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}* PENDING TASK-1 Dredge\n"));
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let veto = "(progn (defvar asked 0) (add-hook 'fleet-claim-veto-functions (lambda (&rest _) (setq asked (1+ asked)) \
                nil)) 1)";
    assert_eq!(daemon.eval(veto), "1");
    fleet.json(&["halt", "storm", "--agent", "boss"]);
    for words in [["claim", "TASK-1"], ["claim", "--next"]] {
        let refused = fleet.run(&[&words[..], &["--agent", "crane", "--json"]].concat());
        assert_eq!(refused.reason(Code::Halt), "halted");
    }
    assert_eq!(daemon.eval("asked"), "0");
    // HALT may come while a function thinks.
    let halting =
        "(add-hook 'fleet-claim-veto-functions (lambda (&rest _) (setq asked (1+ asked)) (fleet-halt \"storm\") nil))";
    assert_eq!(fleet.run(&["resume", "--agent", "boss"]).code, 0);
    daemon.eval(&format!("(progn {halting} 1)"));
    let refused = fleet.run(&["claim", "--next", "--agent", "crane", "--json"]);
    assert_eq!(refused.reason(Code::Halt), "halted");
    assert_eq!(daemon.eval("asked"), "2", "both were asked before");
}

#[test]
fn many_claims_at_once_are_each_asked_about_and_each_task_has_one_holder() {
    const AGENTS: usize = 40;
    let sandbox = Sandbox::new();
    let tasks: String = (1..=AGENTS).map(|n| format!("* PENDING TASK-{n} Dredge\n")).collect();
    let live = Live::with(&sandbox, &format!("{KEYWORDS}{tasks}"));
    let veto = "(progn (defvar asked 0) (add-hook 'fleet-claim-veto-functions (lambda (task _) (setq asked (1+ asked)) \
                (accept-process-output nil 0.001) (and (equal (plist-get task :name) \"TASK-1\") \"not this one\"))) 1)";
    assert_eq!(live.daemon.eval(veto), "1");
    let socket = live.socket();
    let held: Vec<Option<String>> = thread::scope(|scope| {
        let claim = |n: usize| {
            let socket = &socket;
            scope.spawn(move || {
                let reply = Agent::at(socket, &format!("a-{n}")).ask(&json!({ "verb": "claim" }));
                reply.task.map(|task| task.name)
            })
        };
        let agents: Vec<_> = (0..AGENTS).map(claim).collect();
        agents.into_iter().map(|agent| agent.join().expect("an agent that does not panic")).collect()
    });
    let mut names: Vec<String> = held.into_iter().flatten().collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), AGENTS - 1, "all but the vetoed one, each once: {names:?}");
    assert!(!names.contains(&"TASK-1".to_owned()));
    assert_eq!(live.daemon.eval("(list fleet-hooks--depth (< asked 2000))"), "(0 t)");
}
