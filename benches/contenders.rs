//! The ways to a task, each timed where its caller waits.

use crate::support::{
    daemon::Daemon,
    process::{PATIENCE, run_within, stdout_of},
    sandbox::Sandbox,
};
use fleet::{
    adapters::{clock, journal::Phase, owner::OwnerKind, socket::SocketClient},
    core::queue::event::{Auth, Via},
    engine::{Ask, Caller, Engine, Policy},
};
use rustix::fs::fdatasync;
use std::{
    cell::Cell,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// How many tasks a poll asks for.
const POLL_LIMIT: u32 = 10;

/// What is done to a task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    Claim,
    Done,
    Poll,
}

/// A task that is fresh for its contender, and the agent that its tag names.
pub struct Task {
    pub id: String,
    pub agent: String,
}

impl Act {
    pub const ALL: [Act; 3] = [Act::Claim, Act::Done, Act::Poll];

    pub fn verb(self) -> &'static str {
        match self {
            Act::Claim => "claim",
            Act::Done => "done",
            Act::Poll => "poll",
        }
    }

    /// The request as the wire has it.
    fn request(self, task: &Task, id: u64) -> Vec<u8> {
        let call = match self {
            Act::Claim | Act::Done => serde_json::json!({ "verb": self.verb(), "task": task.id }),
            Act::Poll => serde_json::json!({ "verb": "poll", "limit": POLL_LIMIT }),
        };
        let id = format!("bench-{id}-{}", self.verb());
        serde_json::to_vec(&serde_json::json!({ "v": 1, "id": id, "agent": task.agent, "call": call })).expect("JSON")
    }

    fn form(self, task: &Task) -> String {
        match self {
            Act::Claim | Act::Done => format!("(fleet-{} \"{}\" {})", self.verb(), task.id, self.rest(task)),
            Act::Poll => format!("(fleet-poll \"{}\" :limit {POLL_LIMIT})", task.agent),
        }
    }

    fn rest(self, task: &Task) -> String {
        let result = if self == Act::Done { "nil " } else { "" };
        format!("{result}\"{}\"", task.agent)
    }
}

/// A way to get things done.
pub trait Contender {
    /// Does `act` to `task` and says how long its caller waited.
    fn time(&mut self, act: Act, task: &Task) -> Duration;

    /// How much of the last time was one write and its sync, where that can be told apart.
    fn synced(&self) -> Option<Duration> {
        None
    }
}

/// What any durable answer costs: one record written and synced.
pub struct Disk {
    pub file: File,
    pub end: u64,
    pub record: Vec<u8>,
}

thread_local! {
    static WRITING: Cell<Option<Instant>> = const { Cell::new(None) };
    static SYNCED: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// The engine on a file, no Emacs.
pub struct Alone {
    pub engine: Engine,
    pub count: u64,
}

/// A function called in the daemon, timed in Lisp.
pub struct Lisp<'a, 'b> {
    pub daemon: &'a Daemon<'b>,
    pub plain: bool,
}

/// Fleet's socket, one connection kept open.
pub struct Socket {
    pub client: SocketClient,
    pub count: u64,
}

/// A process per request: the program, or emacsclient.
pub struct Process<'a> {
    pub sandbox: &'a Sandbox,
    pub board: PathBuf,
    pub server: PathBuf,
    pub by_emacsclient: bool,
}

fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = act();
    (value, start.elapsed())
}

#[track_caller]
fn expect_ok(reply: &[u8]) {
    let text = String::from_utf8_lossy(reply);
    assert!(text.contains("\"ok\":true"), "refused: {text}");
}

impl Disk {
    /// Writes and syncs one record.
    pub fn write(&mut self) -> Duration {
        let ((), time) = timed(|| {
            self.file.write_all_at(&self.record, self.end).expect("written");
            fdatasync(&self.file).expect("synced");
        });
        self.end += self.record.len() as u64;
        time
    }
}

impl Alone {
    /// Takes the board at `path` over.
    pub fn open(path: &Path) -> Self {
        let mut engine = Engine::open(path, OwnerKind::Offline, Policy::default(), &clock::now())
            .expect("a board that can be owned");
        engine.apply_all();
        engine.observe_journal(|phase| match phase {
            Phase::BeforeWrite => WRITING.set(Some(Instant::now())),
            Phase::AfterWrite => {}
            Phase::AfterSync => SYNCED.set(WRITING.get().map(|start| start.elapsed())),
        });
        Self { engine, count: 0 }
    }
}

impl Contender for Alone {
    fn time(&mut self, act: Act, task: &Task) -> Duration {
        let caller = Caller { via: Via::Offline, auth: Auth::Label };
        self.count += 1;
        let asks = [Ask { caller, json: act.request(task, self.count) }];
        let (replies, time) = timed(|| self.engine.handle(&asks, &clock::now()));
        assert!(replies[0].ok, "refused: {:?}", replies[0].error);
        self.engine.apply_all();
        time
    }

    fn synced(&self) -> Option<Duration> {
        SYNCED.take()
    }
}

impl Contender for Lisp<'_, '_> {
    fn time(&mut self, act: Act, task: &Task) -> Duration {
        let function = match (self.plain, act) {
            (true, _) => format!("#'plain-{}", act.verb()),
            (false, Act::Claim) => "#'fleet-claim".into(),
            (false, Act::Done) => "(lambda (task agent) (fleet-done task nil agent))".into(),
            (false, Act::Poll) => format!("(lambda (_ agent) (fleet-poll agent :limit {POLL_LIMIT}))"),
        };
        seconds(&self.daemon.eval(&format!("(plain-time {function} \"{}\" \"{}\")", task.id, task.agent)))
    }
}

impl Contender for Socket {
    fn time(&mut self, act: Act, task: &Task) -> Duration {
        self.count += 1;
        let request = act.request(task, 1_000_000 + self.count);
        let (reply, time) = timed(|| self.client.ask(&request, PATIENCE).expect("an answer"));
        expect_ok(&reply);
        time
    }
}

impl Process<'_> {
    fn command(&self, act: Act, task: &Task) -> Command {
        if self.by_emacsclient {
            let mut command = self.sandbox.emacsclient(&self.server);
            command.args(["-e", &act.form(task)]);
            return command;
        }
        let mut command = self.sandbox.fleet();
        command.env("DISPATCH_FILE", &self.board).args([act.verb(), "--agent", &task.agent]);
        match act {
            Act::Claim | Act::Done => command.arg(&task.id),
            Act::Poll => command.args(["--limit", &POLL_LIMIT.to_string()]),
        };
        command
    }
}

impl Contender for Process<'_> {
    fn time(&mut self, act: Act, task: &Task) -> Duration {
        let mut command = self.command(act, task);
        let (output, time) = timed(|| run_within(&mut command, PATIENCE));
        let said = stdout_of(&output);
        assert!(!said.starts_with("*ERROR*"), "refused: {said}");
        time
    }
}

/// Saves the board now, so that no timer does it while something is measured; how long that took.
pub fn save(daemon: &Daemon<'_>) -> Duration {
    seconds(&daemon.eval("(prog1 (plain-time (lambda () (fleet-save-now))) (fleet-save-cancel))"))
}

/// The number that Lisp printed.
fn seconds(printed: &str) -> Duration {
    Duration::from_secs_f64(printed.parse().unwrap_or_else(|_| panic!("no number: {printed}")))
}
