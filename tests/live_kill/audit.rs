//! Holds the journal and the board's file against what the agents were told, by a fold of its own.

use super::load::{Load, Witness};
use crate::support::{
    daemon::Daemon,
    fleet::{Fleet, headings, number, property},
    random::Random,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

/// How many slices of work the daemon may need until the buffer shows everything.
const SLICES_MAX: usize = 200;

/// One board's auditor.
pub struct Audit<'f> {
    fleet: &'f Fleet<'f>,
    /// The journal when it was last looked at.
    seen: Vec<Value>,
    audits: u32,
    repeated: u32,
    tasks: usize,
}

/// What the journal says that the heading of one task shows.
#[derive(Debug, Default)]
struct Expected {
    keyword: String,
    holder: Option<String>,
    token: Option<String>,
    result: Option<String>,
    attempts: Option<u64>,
    /// The events that left a line.
    lines: Vec<u64>,
}

impl<'f> Audit<'f> {
    pub fn new(fleet: &'f Fleet<'f>) -> Self {
        Self { fleet, seen: Vec::new(), audits: 0, repeated: 0, tasks: 0 }
    }

    /// Everything that must hold once a killed daemon is back. Nobody else may ask for anything meanwhile.
    #[track_caller]
    pub fn after_restart(&mut self, daemon: &Daemon<'_>, load: &Load<'_>, repeats: usize, random: &mut Random) {
        let witness = load.witness();
        self.journal(&witness);
        self.repeats(&witness, repeats, random);
        self.board(daemon);
        self.audits += 1;
    }

    /// Every acknowledged event is there once, every refused one is not, and what was there before still is.
    #[track_caller]
    fn journal(&mut self, witness: &Witness) {
        let events = self.fleet.events();
        assert!(events.is_sorted_by(|a, b| number(a) < number(b)), "the numbers of the journal do not grow");
        assert!(events.starts_with(&self.seen), "the journal was rewritten");
        let mut of_request: HashMap<(&str, &str), Vec<u64>> = HashMap::new();
        for event in events.iter().filter(|event| !event["request"].is_null()) {
            of_request.entry((text(&event["by"]), text(&event["request"]["id"]))).or_default().push(number(event));
        }
        for (request, numbers) in &of_request {
            assert_eq!(numbers.len(), 1, "{request:?} was carried out more than once: {numbers:?}");
        }
        for answered in &witness.answered {
            let agent = answered.agent();
            let found = of_request.get(&(agent.as_str(), answered.request.id.as_str()));
            assert_eq!(found, Some(&vec![answered.number]), "{:?} was acknowledged", answered.request);
        }
        for (agent, id) in &witness.refused {
            assert_eq!(of_request.get(&(agent.as_str(), id.as_str())), None, "{id} was refused");
        }
        assert_tokens(witness);
        for event in &events {
            assert!(event["by"] != "human", "taken for a person's edit: {event}");
        }
        self.seen = events;
    }

    /// A request that was answered is answered again alike, and changes nothing.
    #[track_caller]
    fn repeats(&mut self, witness: &Witness, count: usize, random: &mut Random) {
        let answered = &witness.answered;
        for _ in 0..count.min(answered.len()) {
            let first = &answered[random.below(answered.len() as u64) as usize];
            let reply = self.fleet.ask(&first.request).expect("an owner that answers");
            assert!(reply.ok && reply.replayed, "{:?} was answered before: {reply:?}", first.request);
            assert_eq!((reply.number, reply.token), (Some(first.number), first.token), "{reply:?}");
            self.repeated += 1;
        }
        let events = self.fleet.events();
        // The daemon itself may save meanwhile what it found unsaved.
        let asked_for: Vec<&Value> = events[self.seen.len()..].iter().filter(|event| event["by"] != "system").collect();
        assert!(asked_for.is_empty(), "a repeat left an event: {asked_for:?}");
    }

    /// The saved board shows what the journal says, every event once.
    #[track_caller]
    pub fn board(&mut self, daemon: &Daemon<'_>) {
        let all_applied =
            (0..SLICES_MAX).any(|_| daemon.eval("(progn (fleet-board--process t) (fleet--mod-pending))") == "0");
        assert!(all_applied, "the buffer does not come to show everything");
        daemon.eval("(or (not (buffer-modified-p fleet-watch--buffer)) (fleet-save-now) (error \"not saved\"))");
        let events = self.fleet.events();
        let board = self.fleet.text();
        let marked = marked_lines(&board);
        let headings = headings(&board);
        let mut tasks: BTreeMap<String, Expected> = BTreeMap::new();
        for event in &events {
            fold(&mut tasks, event);
            if event["change"]["kind"] == "appended" {
                let line = format!("{} {}", text(&event["change"]["text"]), marker(number(event)));
                let [found] = marked[&number(event)][..] else { panic!("`{line}` several times in\n{board}") };
                assert!(found.ends_with(&line), "{found} for `{line}`");
            }
        }
        for (task, expected) in &tasks {
            let heading = headings.get(task.as_str()).unwrap_or_else(|| panic!("no heading of {task} on\n{board}"));
            expected.assert_shown(task, heading, &marked);
        }
        self.tasks = tasks.len();
        self.assert_status(&events);
    }

    /// The daemon knows that there is nothing left to do.
    #[track_caller]
    fn assert_status(&self, events: &[Value]) {
        let status = &self.fleet.json(&["status"])["status"];
        assert_eq!(status["number"].as_u64(), events.last().map(number));
        let rest = [&status["state"], &status["unapplied"], &status["unsaved"]];
        assert_eq!(rest, [&Value::from("ok"), &Value::from(0), &Value::from(0)], "{status}");
    }
}

impl fmt::Display for Audit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (events, Self { audits, repeated, tasks, .. }) = (self.seen.len(), self);
        write!(f, "{audits} audits, {repeated} repeats, at the end {events} events and {tasks} tasks")
    }
}

#[track_caller]
fn assert_tokens(witness: &Witness) {
    let claims = witness.answered.iter().filter_map(|answered| Some((answered.token?, answered)));
    let mut tokens = HashSet::new();
    for (token, answered) in claims {
        assert_eq!(token.number, answered.number, "{:?}", answered.request);
        assert!(tokens.insert(token), "token {token} was given twice");
    }
}

/// Written from the protocol, not from the engine: what each verb leaves on the board.
fn fold(tasks: &mut BTreeMap<String, Expected>, event: &Value) {
    let change = &event["change"];
    let Some(task) = change["task"].as_str() else { return };
    let shown = tasks.entry(task.to_owned()).or_default();
    let give_up = |shown: &mut Expected, keyword: &str| {
        shown.keyword = keyword.into();
        shown.holder = None;
    };
    match text(&change["kind"]) {
        "added" => return shown.keyword = "PENDING".into(),
        "claimed" => {
            shown.keyword = "IN_PROGRESS".into();
            shown.holder = Some(text(&event["by"]).into());
            shown.token = Some(format!("1-{}", number(event)));
        }
        "done" => {
            shown.keyword = "DONE".into();
            shown.result = change["result"].as_str().map(Into::into);
        }
        "failed" => {
            shown.attempts = change["attempts"].as_u64();
            give_up(shown, if change["not_before"].is_null() { "FAILED" } else { "PENDING" });
        }
        "released" => give_up(shown, "PENDING"),
        "noted" => {}
        other => panic!("nobody asked for `{other}`"),
    }
    shown.lines.push(number(event));
}

impl Expected {
    #[track_caller]
    fn assert_shown(&self, task: &str, heading: &str, marked: &HashMap<u64, Vec<&str>>) {
        assert!(
            heading.starts_with(&format!("* {} ", self.keyword)),
            "{task} is {} in the journal:\n{heading}",
            self.keyword
        );
        let found = ["CLAIMED_BY", "TOKEN", "RESULT", "ATTEMPTS"].map(|key| property(heading, key).map(str::to_owned));
        let attempts = self.attempts.map(|count| count.to_string());
        assert_eq!(found, [self.holder.clone(), self.token.clone(), self.result.clone(), attempts], "{heading}");
        assert_eq!(heading.contains("CLOSED: ["), ["DONE", "FAILED"].contains(&self.keyword.as_str()), "{heading}");
        for event in &self.lines {
            let here = heading.matches(&marker(*event)).count();
            let anywhere = marked.get(event).map_or(0, Vec::len);
            assert_eq!((here, anywhere), (1, 1), "lines of event {event} in\n{heading}");
        }
        assert_eq!(heading.matches("(#").count(), self.lines.len(), "lines in\n{heading}");
    }
}

/// The lines of the board that carry the marker of an event, by its number.
fn marked_lines(board: &str) -> HashMap<u64, Vec<&str>> {
    let mut lines: HashMap<u64, Vec<&str>> = HashMap::new();
    for line in board.lines() {
        for rest in line.split("(#").skip(1) {
            let number = rest.split_once(')').and_then(|(digits, _)| digits.parse().ok());
            lines.entry(number.unwrap_or_else(|| panic!("no marker: {line}"))).or_default().push(line);
        }
    }
    lines
}

fn marker(number: u64) -> String {
    format!("(#{number})")
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
