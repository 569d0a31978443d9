//! Waiting for work without asking again: who gets what, when, and that nobody sleeps beside a ready task.
//!
//! Everything here is on virtual time, in the engine; `live_wait.rs` has real clients.

use crate::support::{
    desk::{self, Desk, reason},
    random::Random,
};
use fleet::{
    core::{
        id::AgentName,
        queue::{event::Via, ready},
        wire::{Call, Reply, WAIT_MS_MAX},
    },
    engine::{Pending, WAITERS_MAX, Waiters},
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

const TODO: &str = "#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)\n";
const HOUR_MS: u64 = 3_600_000;
/// How many histories the property is tried on, unless FLEET_TEST_RUNS says otherwise.
const RUNS_DEFAULT: u64 = 40;
const STEPS: usize = 50;

/// A desk with those who wait at it; whoever was answered is found by the name of their door.
struct Hall {
    desk: Desk,
    waiters: Waiters<String>,
    replies: BTreeMap<String, Reply>,
    gone: HashSet<String>,
}

impl Hall {
    fn new(text: &str) -> Self {
        let desk = Desk::new(&format!("{TODO}{text}"));
        Self { desk, waiters: Waiters::default(), replies: BTreeMap::new(), gone: HashSet::new() }
    }

    /// As Emacs does it: decide, edit, answer, and again while those who wait must be looked at.
    fn take(&mut self, asks: Vec<Pending<String>>) {
        let mut asks = Some(asks);
        for _ in 0..8 {
            let (now, gone) = (self.desk.now, self.gone.clone());
            let is_gone = |door: &String| gone.contains(door);
            let asks = asks.take().unwrap_or_default();
            let decided = self.waiters.decide(self.desk.engine(), asks, false, &is_gone, &now);
            assert!(decided.open.is_empty(), "nobody is asked");
            self.desk.apply();
            for (door, answer) in decided.answers {
                let reply = self.desk.engine().rendered(answer, &now);
                assert!(self.replies.insert(door.clone(), reply).is_none(), "{door} was answered twice");
            }
            if self.waiters.ms_left(self.desk.engine(), &now) != Some(0) {
                return;
            }
        }
        panic!("those who wait are looked at without end");
    }

    /// `agent` asks under the id `door`.
    fn ask(&mut self, agent: &str, door: &str, call: Call) {
        self.take(vec![Pending::new(desk::ask(agent, door, call), door.into())]);
    }

    fn look(&mut self) {
        self.take(vec![]);
    }

    /// What was said to `door`: the task, why not, or nothing yet.
    fn heard(&self, door: &str) -> String {
        match self.replies.get(door) {
            None => "waits".into(),
            Some(Reply { task: Some(task), .. }) => task.name.clone(),
            Some(Reply { tasks: Some(tasks), .. }) => format!("{} ready", tasks.len()),
            Some(reply) => format!("! {}", reason(reply)),
        }
    }

    fn heard_all(&self, doors: &[&str]) -> Vec<String> {
        doors.iter().map(|door| self.heard(door)).collect()
    }

    fn ms_left(&mut self) -> Option<u64> {
        let now = self.desk.now;
        self.waiters.ms_left(self.desk.engine(), &now)
    }
}

fn claim_waiting(ms: u64) -> Call {
    desk::claim_next().waiting(Some(ms))
}

fn add(id: &str, tags: &[&str]) -> Call {
    let Call::Add { title, priority, deadline, scheduled, body, blocked_by, .. } = desk::add(&format!("Task {id}"))
    else {
        unreachable!("it is an add");
    };
    let tags = tags.iter().map(|tag| (*tag).into()).collect();
    Call::Add { title, tags, priority, deadline, scheduled, body, task: Some(id.into()), blocked_by }
}

#[test]
fn a_waiter_gets_the_task_that_is_added_later() {
    let mut hall = Hall::new("");
    hall.ask("timmy", "w", claim_waiting(HOUR_MS));
    assert_eq!((hall.heard("w").as_str(), hall.ms_left()), ("waits", Some(HOUR_MS)));
    hall.ask("ezra", "a", add("T-1", &[]));
    assert_eq!(hall.heard("w"), "T-1");
    assert_eq!((hall.desk.state("T-1").as_str(), hall.ms_left()), ("IN_PROGRESS timmy", None));
    assert!(hall.replies["w"].token.is_some(), "a claim like any other");
}

#[test]
fn of_many_who_wait_the_first_who_may_have_the_task_gets_it_and_the_others_go_on_waiting() {
    let mut hall = Hall::new("");
    hall.ask(
        "allegro",
        "tagged",
        Call::Claim { task: None, tags: vec!["x".into()], resume: false, lease_secs: None, wait_ms: Some(HOUR_MS) },
    );
    hall.ask("allegro", "first", claim_waiting(HOUR_MS));
    hall.ask("timmy", "second", claim_waiting(HOUR_MS));
    hall.ask("timmy", "third", claim_waiting(HOUR_MS));
    hall.ask("ezra", "a", add("T-1", &["timmy"]));
    let doors = ["tagged", "first", "second", "third"];
    assert_eq!(hall.heard_all(&doors), ["waits", "waits", "T-1", "waits"], "assigned to timmy");
    hall.ask("ezra", "b", add("T-2", &[]));
    assert_eq!(hall.heard_all(&doors), ["waits", "T-2", "T-1", "waits"]);
    assert_eq!(hall.waiters.len(), 2);
}

#[test]
fn a_task_that_becomes_ready_in_a_batch_is_theirs_who_waited() {
    let mut hall = Hall::new("* PENDING T-1 One\n* PENDING T-2 Two\n:PROPERTIES:\n:BLOCKED_BY: T-1\n:END:\n");
    hall.ask("ezra", "c", desk::claim("T-1"));
    hall.ask("timmy", "w", claim_waiting(HOUR_MS));
    let late = Pending::new(desk::ask("allegro", "late", desk::claim_next()), "late".into());
    let done = Pending::new(desk::ask("ezra", "d", desk::done("T-1", None)), "d".into());
    hall.take(vec![done, late]);
    assert_eq!(hall.heard_all(&["w", "late"]), ["T-2", "! nothing-ready"]);
}

#[test]
fn time_alone_wakes_whoever_waits() {
    let mut hall = Hall::new("* PENDING T-1 One\n* PENDING T-2 Two\nSCHEDULED: <2026-11-20 Fri 10:10>\n");
    hall.ask("ezra", "c", desk::claim("T-1"));
    hall.ask("timmy", "w1", claim_waiting(HOUR_MS));
    hall.ask("timmy", "w2", claim_waiting(HOUR_MS));
    assert_eq!(hall.ms_left(), Some(600_000), "the scheduled time");
    hall.ask("ezra", "f", desk::fail("T-1", None));
    assert_eq!(hall.ms_left(), Some(30_000), "the end of the backoff");
    hall.desk.wait(29_999);
    hall.look();
    assert_eq!(hall.heard("w1"), "waits");
    hall.desk.wait(1);
    assert_eq!(hall.ms_left(), Some(0));
    hall.look();
    assert_eq!(hall.heard_all(&["w1", "w2"]), ["T-1", "waits"]);
    assert_eq!(hall.ms_left(), Some(570_000));
    hall.desk.wait(570_000);
    hall.look();
    assert_eq!(hall.heard("w2"), "T-2");
}

#[test]
fn a_clock_that_is_set_does_not_let_anybody_oversleep() {
    let mut hall = Hall::new("* PENDING T-1 One :allegro:\nSCHEDULED: <2026-11-20 Fri 09:30>\n");
    hall.ask("timmy", "t", claim_waiting(4 * HOUR_MS));
    hall.desk.now.wall = hall.desk.now.wall.plus_ms(-(HOUR_MS as i64));
    hall.ask("allegro", "w", claim_waiting(4 * HOUR_MS));
    assert_eq!(hall.ms_left(), Some(HOUR_MS / 2), "it is scheduled ahead again");
    hall.desk.now.wall = hall.desk.now.wall.plus_ms(HOUR_MS as i64);
    assert_eq!(hall.ms_left(), Some(0));
    hall.look();
    assert_eq!(hall.heard("w"), "T-1");
}

#[test]
fn when_the_time_is_over_nothing_was_ready() {
    let mut hall = Hall::new("");
    hall.ask("timmy", "w", claim_waiting(1_000));
    hall.ask("timmy", "l", Call::Wait { tags: vec![], wait_ms: Some(2_000) });
    hall.ask("timmy", "at-once", claim_waiting(0));
    assert_eq!(hall.heard("at-once"), "! nothing-ready");
    hall.desk.wait(999);
    hall.look();
    assert_eq!((hall.heard("w").as_str(), hall.ms_left()), ("waits", Some(1)));
    hall.desk.wait(1);
    hall.look();
    assert_eq!(hall.heard_all(&["w", "l"]), ["! nothing-ready", "waits"]);
    hall.desk.wait(1_000);
    hall.ask("ezra", "a", add("T-1", &[]));
    assert_eq!(hall.heard("l"), "! nothing-ready", "too late: its time was over before");
}

#[test]
fn wait_tells_what_is_ready_and_takes_nothing() {
    let mut hall = Hall::new("");
    let wait =
        |tags: &[&str]| Call::Wait { tags: tags.iter().map(|tag| (*tag).into()).collect(), wait_ms: Some(HOUR_MS) };
    hall.ask("timmy", "w1", wait(&[]));
    hall.ask("timmy", "w2", wait(&[]));
    hall.ask("timmy", "docs", wait(&["docs"]));
    hall.ask("ezra", "a", add("T-1", &[]));
    assert_eq!(hall.heard_all(&["w1", "w2", "docs"]), ["1 ready", "1 ready", "waits"]);
    assert_eq!(hall.desk.state("T-1"), "PENDING");
    hall.ask("timmy", "w3", wait(&[]));
    assert_eq!(hall.heard("w3"), "1 ready", "at once");
}

#[test]
fn wait_answers_with_what_was_ready_also_if_another_takes_it_in_the_same_batch() {
    let mut hall = Hall::new("");
    hall.ask("timmy", "w", Call::Wait { tags: vec![], wait_ms: Some(HOUR_MS) });
    hall.ask("timmy", "c", claim_waiting(HOUR_MS));
    hall.ask("ezra", "a", add("T-1", &[]));
    assert_eq!(hall.heard_all(&["w", "c"]), ["1 ready", "T-1"]);
}

#[test]
fn a_persons_edit_wakes_those_who_wait_once_it_rests() {
    let mut hall = Hall::new("* Notes\n");
    hall.ask("timmy", "w", claim_waiting(HOUR_MS));
    hall.desk.edit(|text| text.push_str("* PENDING T-1 By hand\n"));
    hall.look();
    assert_eq!(hall.heard("w"), "waits", "the person is still at it");
    hall.desk.settle();
    assert_eq!(hall.ms_left(), Some(0));
    hall.look();
    assert_eq!(hall.heard("w"), "T-1");
}

#[test]
fn an_edit_that_changes_nothing_gives_the_task_back_to_those_who_wait() {
    let mut hall = Hall::new("* PENDING T-1 One\nbody\n");
    hall.desk.replace("body", "prose");
    hall.ask("timmy", "w", claim_waiting(HOUR_MS));
    assert_eq!(hall.heard("w"), "waits", "its heading is under a person's hands");
    let before = hall.desk.engine().last();
    hall.desk.settle();
    assert_eq!(hall.desk.engine().last(), before, "no event tells of it");
    hall.look();
    assert_eq!(hall.heard("w"), "T-1");
}

#[test]
fn whoever_is_gone_gets_nothing_and_the_next_one_does() {
    let mut hall = Hall::new("");
    hall.ask("timmy", "w1", claim_waiting(HOUR_MS));
    hall.ask("allegro", "w2", claim_waiting(HOUR_MS));
    hall.gone.insert("w1".into());
    hall.ask("ezra", "a", add("T-1", &[]));
    assert_eq!(hall.heard_all(&["w1", "w2"]), ["waits", "T-1"]);
    assert!(hall.waiters.is_empty(), "and nobody waits for the gone one");
    hall.desk.wait(2 * HOUR_MS);
    hall.look();
    assert_eq!(hall.heard("w1"), "waits");
}

#[test]
fn a_repeat_of_a_request_that_waits_takes_its_place() {
    let mut hall = Hall::new("");
    let again = |hall: &mut Hall, door: &str, ms| {
        let ask = desk::ask("timmy", "same", claim_waiting(ms));
        hall.take(vec![Pending::new(ask, door.into())]);
    };
    again(&mut hall, "lost", HOUR_MS);
    hall.ask("allegro", "other", claim_waiting(HOUR_MS));
    again(&mut hall, "repeat", HOUR_MS / 2);
    assert_eq!(hall.heard_all(&["lost", "repeat"]), ["! outcome-unknown", "waits"]);
    hall.ask("ezra", "a", add("T-1", &[]));
    assert_eq!(hall.heard_all(&["repeat", "other"]), ["T-1", "waits"], "the place of the first one");
    again(&mut hall, "after", 1);
    assert_eq!(hall.heard("after"), "T-1");
    assert!(hall.replies["after"].replayed, "how long it would wait is no part of what it wants");
    assert_eq!(hall.replies["after"].token, hall.replies["repeat"].token);
}

#[test]
fn no_more_than_a_bound_can_wait_and_the_next_one_hears_why() {
    let mut hall = Hall::new("");
    for n in 0..WAITERS_MAX {
        hall.ask("timmy", &format!("w{n}"), claim_waiting(HOUR_MS));
    }
    hall.ask("timmy", "more", claim_waiting(HOUR_MS));
    assert_eq!(hall.heard("more"), "! too-many-waiters");
    hall.gone.insert("w7".into());
    hall.ask("timmy", "again", claim_waiting(HOUR_MS));
    assert_eq!(hall.heard("again"), "waits", "the place of one that is gone is free");
    assert_eq!(hall.waiters.len(), WAITERS_MAX);
}

#[test]
fn only_a_socket_can_wait_and_only_for_whatever_is_ready() {
    let mut hall = Hall::new("* PENDING T-1 One\n");
    hall.ask("timmy", "long", claim_waiting(WAIT_MS_MAX + 1));
    hall.ask("timmy", "named", desk::claim("T-1").waiting(Some(1)));
    for (door, via) in [("lisp", Via::Emacs), ("offline", Via::Offline)] {
        let mut ask = desk::ask("timmy", door, claim_waiting(1));
        ask.caller.via = via;
        hall.take(vec![Pending::new(ask, door.into())]);
    }
    let refused = ["! wait-too-long", "! cannot-wait", "! cannot-wait", "! cannot-wait"];
    assert_eq!(hall.heard_all(&["long", "named", "lisp", "offline"]), refused);
    assert_eq!(hall.desk.state("T-1"), "PENDING");
}

/// Nobody sleeps beside a task that they could have, and time will wake them for the next one.
#[track_caller]
fn check_no_lost_wake_up(hall: &mut Hall, asleep: &BTreeMap<String, (&str, u64)>, seed: u64) {
    let now = hall.desk.now;
    for (door, (agent, _)) in asleep.iter().filter(|(door, _)| !hall.gone.contains(*door)) {
        let name = AgentName::new(agent).expect("a name");
        let model = hall.desk.engine().model();
        let ready = ready::next(model, &name, &[], &now).map(|task| task.section.title().to_owned());
        assert_eq!(ready, None, "seed {seed}: {agent} sleeps at {door} beside a ready task");
    }
}

#[test]
fn nobody_ever_sleeps_beside_a_ready_task_whatever_happens_in_which_order() {
    let runs = std::env::var("FLEET_TEST_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS_DEFAULT);
    let (mut served, mut slept) = (0, 0);
    for seed in 0..runs {
        let mut random = Random::new(seed);
        let mut hall = Hall::new("* Notes\n");
        let mut asleep: BTreeMap<String, (&str, u64)> = BTreeMap::new();
        let mut claimed: BTreeSet<String> = BTreeSet::new();
        for step in 0..STEPS {
            let agent = ["timmy", "allegro", "ezra"][random.below(3) as usize];
            let door = format!("d{step}");
            let held: Vec<(String, String)> = claimed
                .iter()
                .filter_map(|task| Some((task.clone(), hall.desk.state(task).strip_prefix("IN_PROGRESS ")?.to_owned())))
                .collect();
            let mine = held.get(random.below(held.len().max(1) as u64) as usize).cloned();
            match (random.below(12), mine) {
                (0..=3, _) => {
                    let ms = 1 + random.below(90_000);
                    asleep.insert(door.clone(), (agent, hall.desk.now.boot_ms + ms));
                    hall.ask(agent, &door, claim_waiting(ms));
                }
                (4, _) => hall.ask("human-like", &door, add(&format!("T-{step}"), &[])),
                (5, _) => hall.ask("human-like", &door, add(&format!("T-{step}"), &[agent])),
                (6, Some((task, holder))) => hall.ask(&holder, &door, desk::done(&task, None)),
                (7, Some((task, holder))) => hall.ask(&holder, &door, desk::fail(&task, None)),
                (8, Some((task, holder))) => hall.ask(&holder, &door, desk::release(&task, None)),
                (9, _) => {
                    let line = format!("* PENDING H-{step} By hand\n");
                    hall.desk.edit(|text| text.push_str(&line));
                    if random.below(2) == 0 {
                        hall.desk.settle();
                    }
                }
                (10, _) if !asleep.is_empty() => {
                    let at = random.below(asleep.len() as u64) as usize;
                    hall.gone.extend(asleep.keys().nth(at).cloned());
                }
                _ => hall.desk.wait(random.below(40_000)),
            }
            // What Emacs does: it looks when it is told to, and not otherwise.
            while hall.ms_left().is_some_and(|ms| ms == 0) {
                hall.look();
            }
            asleep.retain(|door, _| {
                let is_asleep = !hall.replies.contains_key(door);
                served += u32::from(hall.heard(door).contains('-') && !hall.heard(door).starts_with('!'));
                is_asleep
            });
            claimed.extend(hall.replies.values().filter_map(|reply| Some(reply.task.as_ref()?.name.clone())));
            slept += asleep.len();
            check_no_lost_wake_up(&mut hall, &asleep, seed);
            let now = hall.desk.now.boot_ms;
            let over = asleep.iter().find(|(door, (_, until))| *until <= now && !hall.gone.contains(*door));
            assert!(over.is_none(), "seed {seed}: {over:?} waits though its time is over");
        }
    }
    assert!(served > 30 && slept > 100, "too quiet a test: {served} served, {slept} slept");
}
