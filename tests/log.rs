//! The audit trail: what can be asked of it, and following it while it grows.

use crate::support::{
    daemon::Daemon,
    desk::{self, Desk, reason},
    fleet::{Fleet, KEYWORDS},
    process::{Deadline, Group, PATIENCE},
    sandbox::Sandbox,
};
use fleet::core::{code::Code, wire::Call};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    process::{ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

const BOARD: &str =
    "* PENDING T-1 One\n:PROPERTIES:\n:ID: T-1\n:END:\n* PENDING T-2 Two\n:PROPERTIES:\n:ID: T-2\n:END:\n";

fn kinds_of(desk: &mut Desk, change: impl Fn(&mut Call)) -> Vec<String> {
    let mut call = desk::log(None, 1_000);
    change(&mut call);
    let events = desk.ask("timmy", call).events.expect("a log");
    let kind = |event: &Value| event["change"]["kind"].as_str().expect("a kind").to_owned();
    events.iter().map(kind).filter(|kind| kind != "opened").collect()
}

#[test]
fn events_are_chosen_by_kind_and_time() {
    let mut desk = Desk::new(BOARD);
    desk.ask("timmy", desk::claim("T-1"));
    desk.wait(60_000);
    let noon = desk.now.wall;
    desk.ask("ezra", desk::claim("T-2"));
    desk.ask("timmy", desk::done("T-1", None));
    desk.wait(60_000);
    let later = desk.now.wall;
    desk.ask("ezra", desk::release("T-2", None));
    let set = |wanted: &'static [&str], from, to| {
        move |call: &mut Call| {
            let Call::Log { kinds, since, until, .. } = call else { unreachable!("it is a log") };
            (*kinds, *since, *until) = (wanted.iter().map(|kind| (*kind).into()).collect(), from, to);
        }
    };
    assert_eq!(kinds_of(&mut desk, set(&[], None, None)), ["claimed", "claimed", "done", "released"]);
    assert_eq!(kinds_of(&mut desk, set(&["done", "released"], None, None)), ["done", "released"]);
    assert_eq!(kinds_of(&mut desk, set(&[], Some(noon), Some(later))), ["claimed", "done"], "until is exclusive");
    assert_eq!(kinds_of(&mut desk, set(&["claimed"], Some(noon), None)), ["claimed"]);
    let mut unknown = desk::log(None, 1);
    set(&["sung"], None, None)(&mut unknown);
    let refused = desk.ask("timmy", unknown);
    assert_eq!(reason(&refused), "unknown-kind");
    assert!(refused.error.and_then(|error| error.hint).is_some_and(|hint| hint.contains("claimed")));
}

#[test]
fn a_kind_that_does_not_exist_is_answered_with_the_nearest_one() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{BOARD}"));
    let typo = fleet.run(&["log", "--kind", "claimd"]);
    assert_eq!(typo.code, 2);
    assert!(typo.stderr.contains("'claimed'"), "{}", typo.stderr);
    let time = fleet.run(&["log", "--since", "yesterday"]);
    assert!(time.code == 2 && time.stderr.contains("local time"), "{}", time.stderr);
    let offline = fleet.run(&["log", "--follow", "--offline", "--json"]);
    assert_eq!(offline.reason(Code::Usage), "needs-emacs");
}

#[test]
fn r21_the_long_form_shows_the_door_and_what_the_name_rests_on() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{BOARD}"));
    assert_eq!(fleet.run(&["claim", "T-1", "--agent", "crane", "--offline"]).code, 0);
    let shown = |more: &[&str]| fleet.run(&[&["log", "--offline", "--kind", "claimed"], more].concat()).stdout;
    assert!(shown(&["--long"]).contains("crane  offline/label  claimed  T-1"), "{}", shown(&["--long"]));
    assert!(!shown(&[]).contains("offline/label"), "{}", shown(&[]));
    assert_eq!(shown(&["--since", "1h"]).lines().count(), 1);
    assert_eq!(shown(&["--until", "1h"]), "");
}

#[test]
fn r21_show_says_through_which_door_the_holder_came_while_there_is_one() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}* PENDING TASK-001 One\n"));
    let offline = |args: &[&str]| fleet.json(&[args, &["--agent", "timmy", "--offline"]].concat());
    offline(&["claim", "TASK-001"]);
    assert_eq!(offline(&["show", "TASK-001"])["task"]["door"], "offline/label");
    let shown = fleet.run(&["show", "TASK-001", "--offline"]);
    assert!(shown.stdout.contains("door        offline/label\n"), "{shown:?}");
    offline(&["release", "TASK-001"]);
    assert_eq!(offline(&["show", "TASK-001"])["task"]["door"], serde_json::Value::Null);
}

/// A `fleet log --follow` and what it prints.
struct Follower {
    /// Ends it with the value.
    _group: Group,
    lines: Receiver<String>,
    complaints: Receiver<String>,
}

impl Follower {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group_of_its_own()
            .spawn()
            .expect("it starts");
        let lines = read(child.stdout.take().expect("piped"));
        let complaints = read(child.stderr.take().expect("piped"));
        Self { _group: Group::adopt(child), lines, complaints }
    }

    #[track_caller]
    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("an event comes");
        serde_json::from_str(&line).expect("a line is an event")
    }

    /// The next event of an agent's verb.
    #[track_caller]
    fn next_of(&self, kind: &str) -> Value {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let event = self.next();
            if event["change"]["kind"] == kind {
                return event;
            }
            assert!(deadline.left().is_some(), "no {kind} comes");
        }
    }
}

fn read(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

trait OwnGroup {
    fn process_group_of_its_own(&mut self) -> &mut Self;
}

impl OwnGroup for Command {
    fn process_group_of_its_own(&mut self) -> &mut Self {
        use std::os::unix::process::CommandExt as _;
        self.process_group(0)
    }
}

#[test]
fn following_shows_each_event_once_also_across_a_killed_daemon() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{BOARD}"));
    let mut daemon = Daemon::serving(&sandbox, fleet.board());
    let follower = Follower::start(fleet.command(&["log", "--follow", "--json", "--after", "0"]));
    assert_eq!(follower.next()["number"], 1, "what is there comes first");
    assert_eq!(fleet.run(&["claim", "T-1", "--agent", "crane"]).code, 0);
    let claimed = follower.next_of("claimed");
    assert_eq!((&claimed["by"], &claimed["via"]), (&"crane".into(), &"socket".into()));
    daemon.kill9();
    let complaint = follower.complaints.recv_timeout(PATIENCE).expect("it says that nobody answers");
    assert!(complaint.contains("waiting for the owner"), "{complaint}");
    daemon.restart();
    let complaint = follower.complaints.recv_timeout(PATIENCE).expect("and that somebody does again");
    assert!(complaint.contains("is back"), "{complaint}");
    assert_eq!(fleet.run(&["done", "T-1", "--agent", "crane"]).code, 0);
    let mut numbers = vec![claimed["number"].as_u64().expect("a number")];
    loop {
        let event = follower.next();
        numbers.push(event["number"].as_u64().expect("a number"));
        if event["change"]["kind"] == "done" {
            break;
        }
    }
    let first = numbers[0];
    assert_eq!(numbers, (first..first + numbers.len() as u64).collect::<Vec<_>>(), "none is lost, none comes twice");
    drop(follower);
    drop(daemon);
    sandbox.assert_deserted();
}

#[test]
fn following_ends_with_its_reader_although_nothing_happens() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{BOARD}"));
    let _daemon = Daemon::serving(&sandbox, fleet.board());
    let mut command = fleet.command(&["log", "-f", "--after", "0"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group_of_its_own().spawn().expect("it starts");
    let mut reader: BufReader<ChildStdout> = BufReader::new(child.stdout.take().expect("piped"));
    let follower = Group::adopt(child);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    assert!(line.contains("opened"), "{line}");
    drop(reader);
    assert!(follower.ends_within([], PATIENCE), "it sees that nobody reads");
}
