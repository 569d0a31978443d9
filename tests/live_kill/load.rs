//! Agents that work while the daemon dies under them, and what they were told.

use crate::support::{
    fleet::{Fleet, Ran, request},
    process::{Deadline, PATIENCE, run_within},
    random::Random,
};
use fleet::core::{
    code::Code,
    id::Token,
    wire::{Call, Reply, Request},
};
use std::{
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, Scope},
};

/// Agents that ask over the socket.
const SOCKET_AGENTS: usize = 4;
/// Agents that run the program for each request.
const PROGRAM_AGENTS: usize = 1;
const AGENTS: usize = SOCKET_AGENTS + PROGRAM_AGENTS;

/// A request that was answered with yes.
#[derive(Clone)]
pub struct Answered {
    pub request: Request,
    pub number: u64,
    pub token: Option<Token>,
}

impl Answered {
    pub fn agent(&self) -> String {
        self.request.agent.as_ref().expect("an agent asked").to_string()
    }
}

/// What all agents were told.
#[derive(Clone, Default)]
pub struct Witness {
    pub answered: Vec<Answered>,
    /// Refused: agent and request id.
    pub refused: Vec<(String, String)>,
}

#[derive(Default)]
struct State {
    witness: Witness,
    /// How often the daemon has come back.
    returns: u32,
    cut_off: usize,
    stopping: bool,
    /// An agent was told something that it could not believe, and gave up.
    failed: bool,
    lost: u32,
    found_done: u32,
    found_undone: u32,
}

/// The agents of one board.
pub struct Load<'f> {
    fleet: &'f Fleet<'f>,
    state: Mutex<State>,
    changed: Condvar,
}

/// Lets the agents finish what they do and end, also when the test fails.
pub struct Stop<'l>(&'l Load<'l>);

/// Ends the waiting of everybody else when an agent fails.
struct FailWhenPanicking<'l>(&'l Load<'l>);

impl<'f> Load<'f> {
    pub fn new(fleet: &'f Fleet<'f>) -> Self {
        Self { fleet, state: Mutex::default(), changed: Condvar::new() }
    }

    pub fn start<'s>(&'s self, scope: &'s Scope<'s, '_>, seed: u64) {
        for place in 0..AGENTS {
            scope.spawn(move || {
                let failing = FailWhenPanicking(self);
                Agent::new(self, place, seed).work();
                drop(failing);
            });
        }
    }

    pub fn stop_when_dropped(&self) -> Stop<'_> {
        Stop(self)
    }

    /// What was answered so far.
    pub fn witness(&self) -> Witness {
        self.lock().witness.clone()
    }

    /// Waits for `count` more answers.
    #[track_caller]
    pub fn wait_for_answers(&self, count: u64) {
        let before = self.lock().witness.answered.len();
        self.wait("more answers", |state| state.witness.answered.len() >= before + count as usize);
    }

    /// Waits until every agent has noticed that the daemon is gone.
    #[track_caller]
    pub fn wait_until_everybody_is_cut_off(&self) {
        self.wait("an end of all requests", |state| state.cut_off == AGENTS);
    }

    /// Tells the agents that the daemon is back.
    pub fn go_on(&self) {
        self.lock().returns += 1;
        self.changed.notify_all();
    }

    /// Asserts that the load was one: answers got lost, and some of them had been carried out.
    pub fn assert_was_worth_it(&self, kills: u32) {
        let state = self.lock();
        assert!(state.lost >= kills, "only {} answers were lost", state.lost);
        assert!(kills < 10 || state.found_done > 0, "no lost answer was of a request that had been carried out");
        assert!(kills < 10 || state.found_undone > 0, "no lost answer was of a request that had not been carried out");
    }

    #[track_caller]
    fn wait(&self, what: &str, is_there: impl Fn(&State) -> bool) {
        let deadline = Deadline::after(PATIENCE);
        let mut state = self.lock();
        while !is_there(&state) {
            assert!(!state.failed, "an agent failed while others waited for {what}");
            let left = deadline.left().unwrap_or_else(|| panic!("no {what} within {PATIENCE:?}"));
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn returns(&self) -> u32 {
        self.lock().returns
    }

    /// Waits until the daemon has come back more often than `returns` times; false if the test is over.
    fn wait_for_return(&self, returns: u32) -> bool {
        self.lock().cut_off += 1;
        self.changed.notify_all();
        self.wait("daemon", |state| state.returns > returns || state.stopping);
        let mut state = self.lock();
        state.cut_off -= 1;
        state.returns > returns
    }

    fn note(&self, request: &Request, reply: &Reply, lost: u32) {
        let mut state = self.lock();
        state.lost += lost;
        if lost > 0 && reply.ok {
            *if reply.replayed { &mut state.found_done } else { &mut state.found_undone } += 1;
        }
        let (request, token) = (request.clone(), reply.token);
        if reply.ok {
            let number = reply.number.expect("a positive reply has a number");
            state.witness.answered.push(Answered { request, number, token });
        } else {
            let agent = request.agent.as_ref().expect("an agent asked").to_string();
            state.witness.refused.push((agent, request.id.to_string()));
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.lock().stopping = true;
        self.0.changed.notify_all();
    }
}

impl Drop for FailWhenPanicking<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().failed = true;
            self.0.changed.notify_all();
        }
    }
}

impl fmt::Display for Load<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let State { lost, found_done, found_undone, .. } = *state;
        let (answered, refused) = (state.witness.answered.len(), state.witness.refused.len());
        write!(f, "{answered} requests done, {refused} refused, {lost} answers lost: ")?;
        write!(f, "{found_done} had been carried out, {found_undone} had not")
    }
}

/// One agent: adds tasks, claims the next one, works on it, gives it away.
struct Agent<'l> {
    load: &'l Load<'l>,
    name: String,
    by_program: bool,
    random: Random,
    held: Option<(String, Token)>,
    count: u32,
}

impl<'l> Agent<'l> {
    fn new(load: &'l Load<'l>, place: usize, seed: u64) -> Self {
        let by_program = place >= SOCKET_AGENTS;
        let name = format!("{}-{place}", if by_program { "program" } else { "socket" });
        let random = Random::new(seed.wrapping_add(place as u64));
        Self { load, name, by_program, random, held: None, count: 0 }
    }

    fn work(&mut self) {
        while !self.load.lock().stopping {
            self.count += 1;
            let call = self.next_call();
            let request = request(&self.name, &format!("{}/{}", self.name, self.count), call);
            let Some(reply) = self.ask_until_answered(&request) else { return };
            self.learn(&request.call, &reply);
        }
    }

    fn next_call(&mut self) -> Call {
        let (roll, count) = (self.random.below(20), self.count);
        let Some((task, token)) = self.held.clone() else {
            return match roll {
                0 => Call::Append { text: format!("{} has nothing to do ✓ {count}", self.name) },
                1..8 => add(format!("Quay № {count} of {}", self.name)),
                _ => Call::Claim { task: None, tags: Vec::new(), resume: false, lease_secs: None, wait_ms: None },
            };
        };
        let token = Some(token);
        match roll {
            0..9 => Call::Note { task, token, text: format!("* step {count} of „{}“", self.name) },
            9..16 => Call::Done { task, token, result: (roll < 14).then(|| format!("result {count}")) },
            16..18 => Call::Release { task, token, reason: None },
            _ => Call::Fail { task, token, reason: Some(format!("tide {count}")) },
        }
    }

    /// Repeats the request, under the same id, until somebody answers; `None` if the test is over.
    fn ask_until_answered(&mut self, request: &Request) -> Option<Reply> {
        let mut lost = 0;
        loop {
            let returns = self.load.returns();
            if let Some(reply) = self.ask(request) {
                self.load.note(request, &reply, lost);
                return Some(reply);
            }
            lost += 1;
            if !self.load.wait_for_return(returns) {
                return None;
            }
        }
    }

    /// `None` if nobody knows what became of the request.
    fn ask(&mut self, request: &Request) -> Option<Reply> {
        let reply = if self.by_program { self.ask_by_program(request) } else { self.load.fleet.ask(request).ok()? };
        let is_unknown = reply.error.as_ref().is_some_and(|error| error.code == Code::Unreachable);
        (!is_unknown).then_some(reply)
    }

    fn ask_by_program(&mut self, request: &Request) -> Reply {
        let via = if self.random.below(4) == 0 { "auto" } else { "socket" };
        let mut command = self.load.fleet.command(&["--json", "--timeout", "60", "--via", via]);
        command.args(["--agent", &self.name, "--request-id", request.id.as_str()]).args(arguments(&request.call));
        serde_json::from_value(Ran::of(run_within(&mut command, PATIENCE)).json()).expect("a reply")
    }

    /// Asserts that the reply is one that an agent who does nothing wrong can get.
    fn learn(&mut self, call: &Call, reply: &Reply) {
        let nothing_ready =
            matches!(call, Call::Claim { .. }) && reply.error.as_ref().is_some_and(|e| e.code == Code::NotFound);
        assert!(reply.ok || nothing_ready, "{} asked {call:?} and heard {reply:?}", self.name);
        match call {
            Call::Claim { .. } if reply.ok => {
                let task = reply.task.as_ref().unwrap_or_else(|| panic!("a claim without task: {reply:?}"));
                self.held = Some((task.name.clone(), reply.token.expect("a claim has a token")));
            }
            Call::Done { .. } | Call::Release { .. } | Call::Fail { .. } => self.held = None,
            _ => {}
        }
    }
}

fn add(title: String) -> Call {
    Call::Add {
        title,
        tags: Vec::new(),
        priority: None,
        deadline: None,
        scheduled: None,
        body: Some("Soundings first.\n* not a heading".into()),
        task: None,
        blocked_by: Vec::new(),
    }
}

/// The words of the command line for `call`.
fn arguments(call: &Call) -> Vec<String> {
    let mut words = vec![call.verb().to_owned()];
    let mut option = |name: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("--{name}={value}")));
    };
    match call {
        Call::Add { title, body, .. } => {
            option("body", body.clone());
            words.push(title.clone());
        }
        Call::Claim { .. } => words.push("--next".into()),
        Call::Append { text } => words.push(text.clone()),
        Call::Note { task, token, text } => {
            option("token", token.map(|token| token.to_string()));
            words.extend([task.clone(), text.clone()]);
        }
        Call::Done { task, token, result } => {
            option("token", token.map(|token| token.to_string()));
            option("result", result.clone());
            words.push(task.clone());
        }
        Call::Release { task, token, reason } | Call::Fail { task, token, reason } => {
            option("token", token.map(|token| token.to_string()));
            option("reason", reason.clone());
            words.push(task.clone());
        }
        other => unreachable!("the agents do not ask {other:?}"),
    }
    words
}
