//! Waiting for work with real clients: the daemon answers when there is something, and nobody asks in between.

use crate::support::{
    fleet::{Fleet, KEYWORDS, Ran},
    process::{Deadline, PATIENCE, finish_within},
    sandbox::Sandbox,
};
use fleet::core::code::Code;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How often it is looked whether somebody waits.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A board with a daemon; clients that the test forgets are killed at its end.
struct Hall<'a> {
    sandbox: &'a Sandbox,
    fleet: Fleet<'a>,
}

impl<'a> Hall<'a> {
    fn open(sandbox: &'a Sandbox, text: &str) -> Self {
        let fleet = Fleet::new(sandbox, "dispatch.org", &format!("{KEYWORDS}{text}"));
        assert_eq!(fleet.run(&["daemon", "start"]).code, 0);
        Self { sandbox, fleet }
    }

    fn start(&self, args: &[&str]) -> Client {
        let mut command = self.fleet.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Client(Some(command.spawn().expect("it starts")))
    }

    /// `agent` claims whatever becomes ready within `time`.
    fn waiter(&self, agent: &str, time: &str) -> Client {
        self.start(&["claim", "--next", "--agent", agent, "--wait", time, "--json"])
    }

    fn waiting(&self) -> u64 {
        self.fleet.json(&["status"])["status"]["waiting"].as_u64().expect("a number")
    }

    #[track_caller]
    fn until_waiting(&self, count: u64) {
        self.until(&format!("{count} wait"), || self.waiting() == count);
    }

    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Deadline::after(PATIENCE);
        while !holds() {
            assert!(deadline.left().is_some(), "it never came to be that {what}");
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn add(&self, id: &str) {
        self.fleet.json(&["add", &format!("Task {id}"), "--id", id, "--agent", "ezra"]);
    }

    fn close(self) {
        assert_eq!(self.fleet.run(&["daemon", "stop"]).code, 0);
        self.sandbox.assert_deserted();
    }
}

/// A running client, killed if nobody waits for its end.
struct Client(Option<Child>);

impl Client {
    fn ends(mut self) -> Ran {
        Ran::of(finish_within(self.0.take().expect("it runs"), PATIENCE + PATIENCE).expect("it ends"))
    }

    fn has_ended(&mut self) -> bool {
        self.0.as_mut().expect("it runs").try_wait().expect("our own child").is_some()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Not reaped yet, so the number is still its own.
            let _ = kill_process(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
        }
    }
}

fn task(reply: &Value) -> &str {
    reply["task"]["name"].as_str().unwrap_or_else(|| panic!("a task: {reply}"))
}

#[test]
fn of_sixteen_who_wait_one_gets_the_task_and_a_stopping_daemon_answers_the_others() {
    let sandbox = Sandbox::new();
    let hall = Hall::open(&sandbox, "");
    let mut clients: Vec<Client> = (0..16).map(|n| hall.waiter(&format!("bee-{n}"), "10m")).collect();
    hall.until_waiting(16);
    let before = Instant::now();
    hall.add("T-1");
    hall.until("one has ended", || hall.waiting() == 15);
    let deadline = Deadline::after(PATIENCE);
    let winner = loop {
        if let Some(at) = clients.iter_mut().position(Client::has_ended) {
            break clients.remove(at).ends();
        }
        assert!(deadline.left().is_some(), "nobody got the task");
        thread::sleep(LOOK_AGAIN);
    };
    assert!(before.elapsed() < PATIENCE, "long before the time to wait is over");
    assert_eq!((winner.code, task(&winner.json())), (0, "T-1"));
    assert!(winner.json()["token"].is_string());
    assert_eq!(hall.waiting(), 15, "the others go on waiting");
    assert_eq!(hall.fleet.run(&["daemon", "stop"]).code, 0);
    for client in clients {
        assert_eq!(client.ends().reason(Code::Unreachable), "board-given-back");
    }
    sandbox.assert_deserted();
}

#[test]
fn a_killed_waiter_gets_nothing_and_the_task_goes_to_the_next_one() {
    let sandbox = Sandbox::new();
    let hall = Hall::open(&sandbox, "");
    let killed = hall.waiter("bee", "10m");
    hall.until_waiting(1);
    let next = hall.waiter("ant", "10m");
    hall.until_waiting(2);
    drop(killed);
    hall.add("T-1");
    let got = next.ends();
    assert_eq!((got.code, task(&got.json())), (0, "T-1"));
    assert_eq!(hall.fleet.json(&["show", "T-1"])["task"]["holder"], "ant");
    let killed = hall.waiter("bee", "10m");
    hall.until_waiting(1);
    drop(killed);
    hall.until_waiting(0);
    hall.close();
}

#[test]
fn r24_halt_answers_all_who_wait_whoever_made_the_file() {
    let sandbox = Sandbox::new();
    let hall = Hall::open(&sandbox, "");
    let clients = [hall.waiter("bee", "10m"), hall.start(&["wait", "--for", "10m", "--json"])];
    hall.until_waiting(2);
    assert_eq!(hall.fleet.run(&["halt", "enough"]).code, 0);
    for client in clients {
        assert_eq!(client.ends().reason(Code::Halt), "halted");
    }
    let refused = hall.fleet.run(&["claim", "--next", "--agent", "bee", "--wait", "10m", "--json"]);
    assert_eq!(refused.reason(Code::Halt), "halted", "at once");
    assert_eq!(hall.fleet.run(&["resume"]).code, 0);
    let client = hall.waiter("bee", "10m");
    hall.until_waiting(1);
    let file = sandbox.path("home/.config/cross-agent-comms/HALT");
    std::fs::write(&file, "by another program").expect("written");
    assert_eq!(client.ends().reason(Code::Halt), "halted");
    std::fs::remove_file(&file).expect("removed");
    hall.close();
}

#[test]
fn the_time_to_wait_comes_on_top_of_the_time_for_an_answer() {
    let sandbox = Sandbox::new();
    let hall = Hall::open(&sandbox, "");
    for way in ["socket", "emacsclient"] {
        let before = Instant::now();
        let args = ["claim", "--next", "--agent", "bee", "--wait", "3s", "--timeout", "1", "--json", "--via", way];
        // A second for an answer is little for a busy machine, but the owner's socket needs none of it for waiting.
        let ran = hall.fleet.run(&args);
        assert_eq!(ran.reason(Code::NotFound), "nothing-ready", "{way}");
        assert!(before.elapsed() >= Duration::from_secs(3), "{way}: after {:?}", before.elapsed());
    }
    let wait = hall.fleet.run(&["wait", "--for", "1s", "--agent", "bee"]);
    assert_eq!((wait.code, wait.stdout.as_str()), (3, ""), "{wait:?}");
    let ran = hall.fleet.run(&["claim", "--next", "--agent", "bee", "--wait", "1m", "--offline", "--json"]);
    assert_eq!(ran.reason(Code::Usage), "needs-emacs");
    for bad in ["25h", "soon", "10"] {
        assert_eq!(hall.fleet.run(&["wait", "--for", bad]).code, 2, "{bad}");
    }
    hall.close();
}

#[test]
fn through_emacsclient_the_program_asks_again_under_the_same_id() {
    let sandbox = Sandbox::new();
    let hall = Hall::open(&sandbox, "");
    let eval = |form: &str| hall.fleet.run(&["eval", form]).stdout.trim_end().to_owned();
    eval(
        "(progn (defvar test-asked nil) (advice-add 'fleet-rpc :before (lambda (b) (push (fleet-rpc--id (fleet-rpc--decode b)) test-asked))) t)",
    );
    let args = ["claim", "--next", "--agent", "bee", "--wait", "10m", "--json", "--via", "emacsclient"];
    let client = hall.start(&args);
    hall.until("it was asked twice", || eval("(length test-asked)").parse::<u64>().is_ok_and(|asked| asked >= 2));
    hall.add("T-1");
    let got = client.ends();
    assert_eq!((got.code, task(&got.json())), (0, "T-1"));
    assert_eq!(eval("(length (delete-dups test-asked))"), "1");
    let error =
        eval("(condition-case e (fleet-claim nil \"bee\" :wait 10) (fleet-usage-error (plist-get (cddr e) :reason)))");
    assert_eq!(error, "\"cannot-wait\"", "Lisp would block Emacs");
    hall.close();
}

#[test]
fn a_persons_new_heading_and_the_scheduled_time_wake_those_who_wait() {
    let sandbox = Sandbox::new();
    let hall = Hall::open(&sandbox, "");
    let client = hall.start(&["wait", "--for", "10m", "--agent", "bee"]);
    hall.until_waiting(1);
    let eval = |form: &str| assert_eq!(hall.fleet.run(&["eval", form]).code, 0, "{form}");
    eval("(with-current-buffer (fleet-board-buffer) (goto-char (point-max)) (insert \"* PENDING T-1 By hand\\n\"))");
    let found = client.ends();
    assert_eq!((found.code, found.stdout.as_str()), (0, "→ T-1 By hand\n"));
    eval("(with-current-buffer (fleet-board-buffer) (save-buffer))");
    assert_eq!(hall.fleet.run(&["claim", "T-1", "--agent", "ant"]).code, 0);

    let client = hall.waiter("bee", "10m");
    hall.until_waiting(1);
    // The next full minute, by the clock of the Emacs that decides.
    eval(
        "(fleet-call \"ezra\" (list :verb \"add\" :title \"Later\" :task \"T-2\" \
         :scheduled (format-time-string \"%F %R\" (time-add nil 60))))",
    );
    assert_eq!(hall.fleet.json(&["show", "T-2"])["task"]["unready"], "scheduled");
    let got = client.ends();
    assert_eq!((got.code, task(&got.json())), (0, "T-2"));
    hall.close();
}

#[test]
fn a_veto_passes_the_task_on_to_the_next_one_who_waits() {
    let sandbox = Sandbox::new();
    let hall = Hall::open(&sandbox, "");
    let eval = |form: &str| assert_eq!(hall.fleet.run(&["eval", form]).code, 0, "{form}");
    eval(
        "(add-hook 'fleet-claim-veto-functions \
         (lambda (_task claim) (and (equal (plist-get claim :agent) \"bee\") \"not you\")))",
    );
    let bee = hall.waiter("bee", "10m");
    hall.until_waiting(1);
    let ant = hall.waiter("ant", "10m");
    hall.until_waiting(2);
    hall.add("T-1");
    let got = ant.ends();
    assert_eq!((got.code, task(&got.json())), (0, "T-1"));
    hall.until_waiting(1);
    eval("(setq fleet-claim-veto-functions nil)");
    hall.add("T-2");
    let got = bee.ends();
    assert_eq!((got.code, task(&got.json())), (0, "T-2"));
    hall.close();
}

#[test]
fn events_are_lines_of_json_that_go_on_from_a_number() {
    let sandbox = Sandbox::new();
    let hall = Hall::open(&sandbox, "");
    hall.add("T-1");
    let numbers = |args: &[&str]| -> Vec<u64> {
        let ran = hall.fleet.run(&[&["events"], args].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        let events = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        events.map(|event| event["number"].as_u64().expect("a number")).collect()
    };
    let all = numbers(&[]);
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>());
    let last = all.len() as u64;
    assert_eq!(numbers(&["--after", "1"]), all[1..]);
    assert!(numbers(&["--after", &last.to_string()]).iter().all(|number| *number > last));

    let mut follower = hall.start(&["events", "--follow", "--after", &last.to_string()]);
    let lines = BufReader::new(follower.0.as_mut().and_then(|child| child.stdout.take()).expect("piped")).lines();
    hall.add("T-2");
    let events = lines.map(|line| serde_json::from_str::<Value>(&line.expect("a line")).expect("JSON"));
    let (mut expected, mut seen) = (last + 1, Value::Null);
    for event in events {
        assert_eq!(event["number"], expected, "none is lost, none comes twice");
        expected += 1;
        if event["change"]["task"] == "T-2" {
            seen = event["change"]["kind"].clone();
            break;
        }
    }
    assert_eq!(seen, "added");
    drop(follower);
    assert_eq!(hall.fleet.run(&["events", "--follow", "--offline", "--json"]).reason(Code::Usage), "needs-emacs");
    hall.close();
}
