//! Whole histories from a seed: agents, a person who edits at will, saves, crashes, older files, reverts.
//!
//! `FLEET_TEST_RUNS` says how many histories are played; a failure names its seed, and `FLEET_TEST_SEED` plays that one.

use crate::support::desk::{self, Desk, reason};
use fleet::{
    core::queue::lease::LEASE_GAP_MS_MAX,
    core::wire::{Call, Reply, TaskInfo},
    core::{
        id::Token,
        queue::event::{Actor, Change, Event, Field},
    },
};
use std::collections::{BTreeMap, HashMap};

/// How many histories are played, each way.
const RUNS_DEFAULT: u64 = 60;
const STEPS: usize = 60;
const AGENTS: [&str; 3] = ["timmy", "allegro", "ezra"];

const BOARD: &str = "#+TITLE: Fleet dispatch
#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)

* PENDING [#A] TASK-001 Deploy auth service
:PROPERTIES:
:ID: TASK-001
:END:
Deploy it.
* Project [/]
** PENDING TASK-002 Write docs
** DONE TASK-003 Migrate schema
*** PENDING Measure it twice
SCHEDULED: <2026-01-01 Thu>
* PENDING Without name é
  #+begin_src sh
  * not a heading
  #+end_src
* IN_PROGRESS By hand
* Notes
nothing to do
";

/// What a person may do in a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Person {
    /// Sets states, cuts and pastes, adds headings: every trace of Fleet stays whole.
    Tidy,
    /// Also types and deletes anywhere, duplicates headings, takes things back.
    Wild,
}

/// Numbers from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.roll(from.len());
        from.get(at)
    }
}

struct World {
    desk: Desk,
    dice: Dice,
    person: Person,
    requests: u32,
    /// What was promised: number, agent, request id, call, token.
    promised: Vec<(u64, &'static str, String, Call, Option<Token>)>,
    tokens: HashMap<String, Vec<Token>>,
    clipboard: Vec<String>,
    undo: Vec<String>,
    /// Every text that the file ever had.
    files: Vec<String>,
    /// The text of the board is not what Fleet and the person made of it, but what somebody copied over it.
    is_foreign: bool,
}

impl World {
    fn new(seed: u64, person: Person) -> Self {
        Self {
            desk: Desk::new(BOARD),
            dice: Dice(seed),
            person,
            requests: 0,
            promised: Vec::new(),
            tokens: HashMap::new(),
            clipboard: Vec::new(),
            undo: Vec::new(),
            files: vec![BOARD.into()],
            is_foreign: false,
        }
    }

    fn tasks(&mut self) -> Vec<TaskInfo> {
        let all = Call::List { state: None, tags: vec![], holder: None, limit: None };
        self.read(all).tasks.expect("a list has tasks")
    }

    /// Asks without applying what waits.
    fn read(&mut self, call: Call) -> Reply {
        self.desk.ask_while_busy("timmy", call)
    }

    fn step(&mut self) {
        match self.dice.roll(23) {
            0..=7 => self.agent_asks(),
            8..=12 => self.person_edits(),
            13 => self.desk.apply(),
            14 => {
                self.desk.apply_one();
            }
            15 => self.desk.settle(),
            16 => {
                let ms = [10, 1_000, 4_000, 70_000, 3_600_000][self.dice.roll(5)];
                self.desk.wait(ms);
            }
            17 => self.save(),
            18 => self.crash(),
            19..=20 => self.time_goes_by(),
            21 => self.sleep(),
            _ => self.revert(),
        }
    }

    /// The owner looks at the clock once a second, for so long that some leases run out.
    fn time_goes_by(&mut self) {
        let ms = [2_000, 9_000, 40_000][self.dice.roll(3)];
        self.desk.live(ms);
    }

    /// The machine is suspended, or the owner stopped: whoever held a task holds it afterwards.
    fn sleep(&mut self) {
        let held = |world: &mut Self| {
            let tasks = world.tasks().into_iter().filter_map(|task| Some((task.name, task.holder?, task.lease_ms)));
            tasks.collect::<Vec<_>>()
        };
        // What ran out before is not to be held against it.
        let now = self.desk.now;
        self.desk.engine().decide(&[], &now);
        let before = held(self);
        self.desk.wait([LEASE_GAP_MS_MAX + 1, 3_600_000][self.dice.roll(2)]);
        let now = self.desk.now;
        self.desk.engine().decide(&[], &now);
        assert_eq!(held(self), before, "R7: time without an owner does not count");
    }

    fn agent_asks(&mut self) {
        let agent = AGENTS[self.dice.roll(AGENTS.len())];
        let call = self.call(agent);
        self.requests += 1;
        let id = format!("s{}", self.requests);
        let (now, ask) = (self.desk.now, desk::ask(agent, &id, call.clone()));
        let is_busy = self.dice.roll(3) == 0;
        let answers = self.desk.engine().decide(&[ask], &now);
        if !is_busy {
            self.desk.apply();
        }
        for answer in answers {
            let reply = self.desk.engine().rendered(answer, &now);
            let is_renewal = matches!(call, Call::Renew { .. });
            if reply.ok && !is_renewal {
                self.promise(agent, &id, call.clone(), &reply);
            }
        }
    }

    fn promise(&mut self, agent: &'static str, id: &str, call: Call, reply: &Reply) {
        if matches!(call, Call::Archive { .. }) && reply.tasks.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let number = reply.number.expect("a change has a number");
        let is_claim = matches!(call, Call::Claim { .. });
        assert_eq!(reply.token.is_some(), is_claim);
        if let (Some(token), Some(task)) = (reply.token, &reply.task) {
            let last = self.promised.iter().filter_map(|(.., token)| *token).max_by_key(|token| token.number);
            assert!(last.is_none_or(|last| last.is_before(token)), "R6: tokens grow");
            assert_eq!(task.holder.as_ref().map(|holder| holder.as_str()), Some(agent));
            self.tokens.entry(task.name.clone()).or_default().push(token);
        }
        self.promised.push((number, agent, id.into(), call, reply.token));
    }

    fn call(&mut self, agent: &str) -> Call {
        let tasks = self.tasks();
        let name = self.dice.pick(&tasks).map_or("TASK-001".into(), |task| task.name.clone());
        let held = tasks.iter().find(|task| task.holder.as_ref().is_some_and(|holder| holder.as_str() == agent));
        let mine = held.filter(|_| self.dice.roll(4) > 0).map_or(name.clone(), |task| task.name.clone());
        let tokens = self.tokens.get(&mine).cloned().unwrap_or_default();
        let token = if self.dice.roll(2) == 0 { None } else { self.dice.pick(&tokens).copied() };
        match self.dice.roll(17) {
            0 => desk::claim(&name),
            1..=2 => desk::claim_for(&name, [5, 10, 60][self.dice.roll(3)]),
            3 => desk::claim_next(),
            4 => desk::claim_next_for(5),
            16 => desk::renew(&mine, token),
            5..=6 => desk::done(&mine, token),
            7 => desk::fail(&mine, token),
            8 => desk::release(&mine, token),
            9 => desk::note(&mine, token),
            10 => desk::skip(&name),
            11 => desk::requeue(&name),
            12 => desk::add(["Look at it", "* TASK-9 x :ARCHIVE:", "again"][self.dice.roll(3)]),
            13 => desk::archive(&name),
            14 => desk::sweep(0),
            _ => Call::Append { text: "all well (#3)".into() },
        }
    }

    fn person_edits(&mut self) {
        self.undo.push(self.desk.buffer.clone());
        let choices = if self.person == Person::Wild { 9 } else { 4 };
        match self.dice.roll(choices) {
            0 => self.set_state(),
            1 => self.cut(),
            2 => self.paste(),
            3 => self.type_at_head("* PENDING Fresh by hand\n"),
            4 => self.type_anywhere(),
            5 => self.delete_anywhere(),
            6 => self.duplicate(),
            7 => self.take_back(),
            _ => self.type_at_head("*"),
        }
    }

    /// Where the headings stand that begin with a keyword, and their keywords.
    fn states(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut at = 0;
        for line in self.desk.buffer.split_inclusive('\n') {
            let stars = line.bytes().take_while(|b| *b == b'*').count();
            let word = line[stars..].split_whitespace().next().unwrap_or_default();
            let is_state = ["PENDING", "IN_PROGRESS", "DONE", "FAILED", "SKIPPED"].contains(&word);
            if stars > 0 && is_state && line[stars..].starts_with(' ') {
                found.push((at + stars + 1, word.to_owned()));
            }
            at += line.len();
        }
        found
    }

    fn set_state(&mut self) {
        let states = self.states();
        let to = ["PENDING", "IN_PROGRESS", "DONE", "SKIPPED"][self.dice.roll(4)];
        if let Some((at, from)) = self.dice.pick(&states).cloned() {
            self.desk.edit(|text| text.replace_range(at..at + from.len(), to));
        }
    }

    fn cut(&mut self) {
        let states = self.states();
        if let Some((at, _)) = self.dice.pick(&states).cloned() {
            let line = self.desk.buffer[at..].lines().next().expect("there is a line").to_owned();
            let section = self.desk.cut(&line);
            self.clipboard.push(section);
        }
    }

    fn paste(&mut self) {
        let piece = if self.person == Person::Wild { self.clipboard.last().cloned() } else { self.clipboard.pop() };
        if let Some(piece) = piece {
            self.type_at_head(&piece);
        }
    }

    fn type_at_head(&mut self, piece: &str) {
        let heads: Vec<usize> = self.desk.buffer.match_indices("\n*").map(|(at, _)| at + 1).collect();
        let at = self.dice.pick(&heads).copied().unwrap_or(self.desk.buffer.len());
        self.desk.edit(|text| text.insert_str(at, piece));
    }

    fn char_place(&mut self) -> usize {
        let places: Vec<usize> = self.desk.buffer.char_indices().map(|(at, _)| at).collect();
        self.dice.pick(&places).copied().unwrap_or(0)
    }

    fn type_anywhere(&mut self) {
        let at = self.char_place();
        let piece = ["x", "\n", "* ", ":", "é", " ", "PENDING ", ":ID: TASK-001\n"][self.dice.roll(8)];
        self.desk.edit(|text| text.insert_str(at, piece));
    }

    fn delete_anywhere(&mut self) {
        let at = self.char_place();
        let most = [1, 1, 1, 5, 40][self.dice.roll(5)];
        let length: usize = self.desk.buffer[at..].chars().take(most).map(char::len_utf8).sum();
        self.desk.edit(|text| text.replace_range(at..at + length, ""));
    }

    fn duplicate(&mut self) {
        let states = self.states();
        if let Some((at, _)) = self.dice.pick(&states).cloned() {
            let start = self.desk.buffer[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let end = self.desk.buffer[at..].find("\n*").map_or(self.desk.buffer.len(), |newline| at + newline + 1);
            let copy = self.desk.buffer[start..end].to_owned();
            self.desk.edit(|text| text.insert_str(end, &copy));
        }
    }

    fn take_back(&mut self) {
        let back = self.undo.len().saturating_sub(1 + self.dice.roll(3));
        if let Some(text) = self.undo.get(back).cloned() {
            self.desk.edit(|buffer| *buffer = text);
        }
    }

    fn save(&mut self) {
        self.desk.save();
        self.files.push(self.desk.file());
    }

    fn crash(&mut self) {
        self.desk.crash();
        match self.dice.roll(4) {
            0 => self.put_older_file(),
            1 => self.change_file(),
            _ => {}
        }
        self.desk.open();
        self.undo.clear();
        self.clipboard.clear();
        self.accept();
        self.check_promises();
    }

    fn put_older_file(&mut self) {
        let file = self.dice.pick(&self.files).expect("there was a first file").clone();
        std::fs::write(&self.desk.path, file).expect("the file can be written");
        self.is_foreign = true;
    }

    fn change_file(&mut self) {
        let text = self.desk.file().replacen("* PENDING ", "* SKIPPED ", 1);
        std::fs::write(&self.desk.path, text).expect("the file can be written");
    }

    fn revert(&mut self) {
        let file = self.desk.file();
        self.desk.replaced(&file);
        self.undo.clear();
        self.clipboard.clear();
        self.accept();
    }

    /// Where too much was undone at once, the person says that it shall be so.
    fn accept(&mut self) {
        let now = self.desk.now;
        self.desk.engine().resolve(&now).expect("the journal takes it");
        self.desk.apply();
    }

    fn check_promises(&mut self) {
        let events: BTreeMap<u64, Event> = self.desk.events().into_iter().collect();
        for (number, agent, id, call, token) in self.promised.clone() {
            let event = events.get(&number).unwrap_or_else(|| panic!("event {number} is lost"));
            assert_eq!(event.by.to_string(), agent);
            let now = self.desk.now;
            let again = self.desk.engine().handle(&[desk::ask(agent, &id, call)], &now).remove(0);
            assert_eq!((reason(&again), again.replayed, again.number), ("ok", true, Some(number)), "R5");
            assert_eq!(again.token, token, "R5: the same token");
        }
        one_holder_at_a_time(&events);
        expiry_is_of_the_running_claim(&events);
    }

    /// Everything rests and is saved; then the board is what a replay of the journal makes of it.
    fn finish(&mut self) {
        for _ in 0..2 {
            self.desk.wait(61_000);
            let now = self.desk.now;
            self.desk.engine().settle(true, &now).expect("the journal takes it");
            self.desk.apply();
            self.desk.save();
        }
        assert_eq!(self.desk.engine().pending(), 0, "nothing waits");
        if self.person == Person::Tidy && !self.is_foreign {
            self.check_markers();
        }
        self.check_archive();
        let before = self.tasks();
        let text = self.desk.buffer.clone();
        self.desk.crash();
        self.desk.try_open().expect("the board can be opened");
        assert_eq!(self.desk.engine().next_edit(), None, "a saved board needs no edit");
        assert_eq!(self.desk.buffer, text);
        // Which of two equal headings that nobody claimed yet is called the copy may differ: it does not matter.
        let sorted = |tasks: &[TaskInfo]| {
            let mut lines = summary(tasks);
            lines.sort();
            lines
        };
        assert_eq!(sorted(&self.tasks()), sorted(&before), "replay makes the same of it");
        self.check_promises();
    }

    /// A task whose last word is that it was archived is in the archive, once, and not on the board.
    fn check_archive(&mut self) {
        let events = self.desk.events();
        let archive = self.desk.archive();
        for (number, event) in &events {
            let Change::Archived { task, entry, .. } = &event.change else { continue };
            if events.iter().any(|(later, event)| later > number && event.change.task() == Some(task.as_str())) {
                continue;
            }
            assert_eq!(archive.matches(entry.as_str()).count(), 1, "R2: `{task}` of event {number} in:\n{archive}");
            if self.person == Person::Tidy && !self.is_foreign {
                assert!(!self.desk.buffer.contains(&format!(":ID: {task}\n")), "{task}: {}", self.desk.buffer);
            }
        }
    }

    /// Each event on the board has left exactly one trace.
    fn check_markers(&mut self) {
        let ids: Vec<String> = self.tasks().into_iter().map(|task| task.name).collect();
        for (number, event) in self.desk.events() {
            let is_here = match &event.change {
                Change::Added { .. } | Change::Archived { .. } => continue,
                Change::Appended { .. } => true,
                change => change.is_on_board() && change.task().is_some_and(|task| ids.iter().any(|id| id == task)),
            };
            let marker = format!("(#{number})");
            let traces = self.desk.buffer.lines().filter(|line| line.ends_with(&marker)).count();
            assert_eq!(traces, usize::from(is_here), "the trace of event {number}: {event:?}\n{}", self.desk.buffer);
        }
    }
}

fn summary(tasks: &[TaskInfo]) -> Vec<String> {
    tasks.iter().map(|task| format!("{} {} {:?} {:?}", task.name, task.keyword, task.holder, task.unready)).collect()
}

/// Between two claims of one task somebody must have ended the first.
fn one_holder_at_a_time(events: &BTreeMap<u64, Event>) {
    let mut holders: HashMap<&str, &Actor> = HashMap::new();
    for (number, event) in events {
        let Some(task) = event.change.task() else { continue };
        match &event.change {
            Change::Claimed { .. } => {
                let other = holders.insert(task, &event.by);
                assert_eq!(other, None, "event {number} claims `{task}`, which is held");
            }
            Change::Done { .. }
            | Change::Failed { .. }
            | Change::Expired { .. }
            | Change::Released { .. }
            | Change::Skipped { .. }
            | Change::Requeued { .. }
            | Change::Removed { .. }
            | Change::Returned { .. }
            | Change::Edited { field: Field::State, .. } => {
                holders.remove(task);
            }
            _ => {}
        }
    }
}

/// What expires is the claim that runs, with its token, and a late report comes after that and before the next claim.
fn expiry_is_of_the_running_claim(events: &BTreeMap<u64, Event>) {
    let mut running: HashMap<&str, (u64, &Actor)> = HashMap::new();
    let mut lapsed: HashMap<&str, &Actor> = HashMap::new();
    for (number, event) in events {
        let Some(task) = event.change.task() else { continue };
        match &event.change {
            Change::Claimed { .. } => {
                running.insert(task, (*number, &event.by));
                lapsed.remove(task);
            }
            Change::Expired { token, agent, .. } => {
                let (claim, by) = running.remove(task).unwrap_or_else(|| panic!("event {number} ends no claim"));
                assert_eq!((claim, by.to_string()), (token.number, agent.to_string()), "event {number}");
                lapsed.insert(task, by);
            }
            Change::Done { late: true, .. } | Change::Failed { late: true, .. } => {
                assert_eq!(lapsed.remove(task), Some(&event.by), "event {number} is late for nothing");
            }
            Change::Requeued { .. } => {}
            change if change.transition().is_some() => {
                running.remove(task);
                lapsed.remove(task);
            }
            _ => {}
        }
    }
}

fn play(seed: u64, person: Person) {
    let mut world = World::new(seed, person);
    for _ in 0..STEPS {
        world.step();
    }
    world.finish();
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn play_all(person: Person) {
    let seeds = match number("FLEET_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FLEET_TEST_RUNS").unwrap_or(RUNS_DEFAULT),
    };
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| play(seed, person)) {
            eprintln!("{person:?} history of FLEET_TEST_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn r2_r5_r6_r7_r10_r12_r17_r19_histories_with_a_tidy_person_keep_every_promise() {
    play_all(Person::Tidy);
}

#[test]
fn r2_r5_r6_r7_r10_r12_r17_r19_histories_with_a_wild_person_keep_every_promise() {
    play_all(Person::Wild);
}
