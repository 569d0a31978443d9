//! A person types into the board while eight agents work on it, and notices nothing (R14–R16).
//!
//! The same keys go into the same board twice: with agents around, and alone. After every command both runs must agree
//! on the person's text and place, down to the bottom of the undo history.

use crate::support::{
    live::{Agent, Live},
    process::PATIENCE,
    pty::Pty,
    sandbox::Sandbox,
};
use serde_json::json;
use std::{
    env,
    fmt::Write as _,
    path::Path,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long the person types while agents work, in seconds, unless FLEET_TEST_TYPING_SECS says otherwise.
const TYPING_SECS: u64 = 60;
const AGENTS: usize = 8;
const TASKS_PER_AGENT: usize = 3;
/// Every so many claims an agent adds a task, so that the end of the board moves as well.
const CLAIMS_PER_ADD: usize = 40;
/// How many keys are typed between two looks at whether the bottom of the history is reached.
const UNDOS_PER_LOOK: usize = 20;
/// The rounds that are typed on the planted bug.
const ROUNDS_WITH_SHIFT: usize = 1;

/// The keys of round `n`. The pieces that the person works on lie between the agents' tasks.
fn round(n: usize) -> String {
    let stolen = 1 + (n * 5) % (AGENTS * TASKS_PER_AGENT);
    let mut keys = format!(
        "M-< C-s Pier SPC one RET C-e RET eels SPC seen SPC r{n} RET half SPC a SPC li C-_ C-_ M-C-_ ne RET
         M-< C-s Pier SPC two RET C-e M-RET PENDING SPC New SPC berth SPC r{n} RET with SPC bollards
         M-< C-s New SPC berth SPC r{n} RET C-c C-t d C-c C-t i C-c , a C-_ C-_ C-_ M-C-_
         M-< C-s Pier SPC two RET C-x n s M-> RET inside SPC the SPC narrows C-x n w
         M-< C-s AG-{stolen:02} RET C-a C-c C-x C-w M-< C-s Pier SPC three RET C-a C-y
         M-< C-s Pier SPC one RET C-a TAB C-e SPC fo TAB TAB
         M-< C-s eels RET M-DEL worms C-k C-y C-_ C-_ SPC alive
         M-< C-s Pier SPC two RET C-a M-x org-move-subtree-down RET "
    );
    if n % 2 == 1 {
        let _ = write!(
            keys,
            "M-< C-s Pier SPC two RET C-a M-x org-move-subtree-up RET C-x C-s
             M-< C-s New SPC berth SPC r{n} RET C-a C-c C-x C-w "
        );
    }
    keys
}

/// Single keys: words are taken apart.
fn strokes(keys: &str) -> Vec<String> {
    let is_one =
        |key: &str| key.starts_with("C-") || key.starts_with("M-") || matches!(key, "RET" | "TAB" | "SPC" | "DEL");
    let apart = |key: &str| match is_one(key) {
        true => vec![key.to_owned()],
        false => key.chars().map(String::from).collect(),
    };
    keys.split_ascii_whitespace().flat_map(apart).collect()
}

fn board() -> String {
    let mut board = String::from(
        "#+TITLE: Fleet dispatch\n#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)\n\
         #+STARTUP: logdrawer showeverything\n\n",
    );
    let piers = ["one", "two", "three", "four"];
    for n in 1..=AGENTS * TASKS_PER_AGENT {
        let _ = writeln!(board, "* PENDING AG-{n:02} dredge\nMind the eels of AG{n}.");
        if n % 6 == 0 {
            let _ = writeln!(board, "* PENDING Pier {}\nplanks\nnails", piers[n / 6 - 1]);
        }
    }
    board
}

/// How much the agents have done, for the person to wait for.
#[derive(Default)]
struct Bustle {
    replies: Mutex<u64>,
    more: Condvar,
    over: AtomicBool,
}

impl Bustle {
    fn count(&self) {
        *self.replies.lock().expect("nobody panics with it") += 1;
        self.more.notify_all();
    }

    /// Waits until an agent has got another reply.
    fn wait(&self) {
        let replies = self.replies.lock().expect("nobody panics with it");
        let before = *replies;
        let waited = self.more.wait_timeout_while(replies, PATIENCE, |now| *now == before);
        assert!(!waited.expect("nobody panics with it").1.timed_out(), "the agents do nothing any more");
    }
}

/// Sends the agents home, also from a test that fails.
struct EndOf<'b>(&'b Bustle);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
    }
}

/// Claims, notes and ends the tasks of agent `number` until the bustle is over. What is refused is tried again later.
fn work(socket: &Path, number: usize, bustle: &Bustle) {
    let mut agent = Agent::at(socket, &format!("agent{number}"));
    let tasks: Vec<String> = (0..TASKS_PER_AGENT).map(|n| format!("AG-{:02}", 1 + number + n * AGENTS)).collect();
    for (count, task) in tasks.iter().cycle().enumerate() {
        if bustle.over.load(Ordering::Acquire) {
            return;
        }
        let ending = match count % 4 {
            0 => json!({ "verb": "done", "task": task, "result": format!("dry at {count}") }),
            1 => json!({ "verb": "note", "task": task, "text": format!("sounded {count} fathoms") }),
            _ => json!({ "verb": "release", "task": task }),
        };
        let mut ask = |call: &serde_json::Value| {
            agent.ask(call);
            bustle.count();
        };
        ask(&json!({ "verb": "claim", "task": task }));
        ask(&ending);
        ask(&json!({ "verb": "release", "task": task }));
        ask(&json!({ "verb": "requeue", "task": task }));
        if count % CLAIMS_PER_ADD == CLAIMS_PER_ADD - 1 {
            ask(&json!({ "verb": "add", "title": format!("ADDED-{number}-{count} look for wrecks") }));
        }
    }
}

/// What a run left: one record per command, and the number of steps down to the bottom of the history.
struct Record {
    commands: Vec<String>,
    undone: usize,
    rounds: usize,
}

/// Types rounds until `enough` says so, then undoes everything.
fn type_rounds(live: &Live<'_>, bustle: Option<&Bustle>, enough: impl Fn(usize) -> bool) -> Record {
    let mut person = live.person();
    live.daemon.eval(&format!("(typing-begin {:?})", live.sandbox.path("records")));
    let press = |person: &mut Pty, key: &str| {
        person.type_keys(key);
        if let Some(bustle) = bustle {
            bustle.wait();
        }
    };
    let mut rounds = 0;
    while !enough(rounds) {
        for key in strokes(&round(rounds)) {
            press(&mut person, &key);
        }
        live.keys_are_read();
        rounds += 1;
    }
    while live.daemon.eval("typing-bottom") == "nil" {
        for _ in 0..UNDOS_PER_LOOK {
            press(&mut person, "C-_");
        }
        live.keys_are_read();
    }
    let undone = live.daemon.eval("typing-undone").parse().expect("a number");
    let records = live.sandbox.read("records");
    Record { commands: records.split('\x0c').skip(1).map(str::to_owned).collect(), undone, rounds }
}

fn at_work(sandbox: &Sandbox) -> Live<'_> {
    let live = Live::with(sandbox, &board());
    live.daemon.eval(&format!("(load {:?})", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/typing.el")));
    live
}

/// The run with agents.
fn type_among_agents(live: &Live<'_>, enough: impl Fn(usize) -> bool) -> Record {
    let bustle = Bustle::default();
    thread::scope(|scope| {
        let _over = EndOf(&bustle);
        for number in 0..AGENTS {
            let (socket, bustle) = (live.socket(), &bustle);
            scope.spawn(move || work(&socket, number, bustle));
        }
        type_rounds(live, Some(&bustle), enough)
    })
}

fn type_alone(rounds: usize) -> Record {
    let sandbox = Sandbox::new();
    type_rounds(&at_work(&sandbox), None, |done| done == rounds)
}

/// Where two runs first differ, or `None`.
fn difference(alone: &Record, among: &Record) -> Option<String> {
    let differ = alone.commands.iter().zip(&among.commands).position(|(a, b)| a != b);
    let lengths = (alone.commands.len(), among.commands.len());
    match differ {
        Some(n) => Some(format!(
            "command {n} of {lengths:?}, lines that only one run has, alone and among agents:\n{}\nbefore that, alone:\n{}",
            only_in_one(&alone.commands[n], &among.commands[n]),
            alone.commands[n.saturating_sub(1)]
        )),
        None if lengths.0 != lengths.1 => Some(format!("{lengths:?} commands")),
        None if alone.undone != among.undone => Some(format!("{} and {} undo steps", alone.undone, among.undone)),
        None => None,
    }
}

fn only_in_one(alone: &str, among: &str) -> String {
    let missing = |from: &str, sign: char, other: &str| -> String {
        from.lines().filter(|line| !other.lines().any(|o| o == *line)).map(|line| format!("{sign} {line}\n")).collect()
    };
    missing(alone, '-', among) + &missing(among, '+', alone)
}

/// Every task of the agents stands on the board once, in the state that the journal has decided.
#[track_caller]
fn assert_claims_are_shown(live: &Live<'_>) {
    live.until("nothing waits for the buffer", || live.status().unapplied == 0);
    let text = live.text();
    let tasks = live.fleet(&["list", "--limit", "10000"]).tasks.expect("a list");
    for n in 1..=AGENTS * TASKS_PER_AGENT {
        let name = format!("AG-{n:02}");
        let task = tasks.iter().find(|task| task.title.starts_with(&name)).unwrap_or_else(|| panic!("no {name}"));
        let headline = format!("* {} {}", task.keyword, task.title);
        assert_eq!(text.lines().filter(|line| line.contains(&format!(" {}", task.title))).count(), 1, "{name}\n{text}");
        assert!(text.lines().any(|line| line == headline), "no line `{headline}` in\n{text}");
    }
}

#[test]
fn keys_typed_among_agents_leave_what_they_leave_alone_r16() {
    let secs =
        env::var("FLEET_TEST_TYPING_SECS").ok().map(|secs| secs.parse().expect("seconds")).unwrap_or(TYPING_SECS);
    let sandbox = Sandbox::new();
    let live = at_work(&sandbox);
    let begun = Instant::now();
    let among = type_among_agents(&live, |_| begun.elapsed() >= Duration::from_secs(secs));
    let alone = type_alone(among.rounds);
    eprintln!("{} rounds, {} commands, {} undo steps", among.rounds, among.commands.len(), among.undone);
    if let Some(difference) = difference(&alone, &among) {
        panic!("{} rounds: {difference}", among.rounds);
    }
    assert!(among.undone > 20 * among.rounds, "{} steps are too few to mean anything", among.undone);
    let last = among.commands.last().expect("commands");
    assert!(!last.contains("New berth") && last.contains("* PENDING Pier four\nplanks\nnails\n"), "{last}");
    assert_claims_are_shown(&live);
}

#[test]
fn the_typing_test_tells_a_plain_shift_from_r16() {
    let sandbox = Sandbox::new();
    let live = at_work(&sandbox);
    live.daemon.eval("(typing-plant-shift)");
    let among = type_among_agents(&live, |done| done == ROUNDS_WITH_SHIFT);
    let alone = type_alone(ROUNDS_WITH_SHIFT);
    assert!(difference(&alone, &among).is_some(), "shifting positions went unnoticed");
}
