//! A board with its engine, a clock that stands still, and the person in front of it. No Emacs, no waiting.

use fleet::{
    adapters::owner::OwnerKind,
    core::{
        id::{AgentName, RequestId, Token},
        queue::event::{Auth, Event, Via},
        time::{Now, Stamp},
        wire::{Call, Reply, Request, TaskInfo, WIRE_VERSION},
    },
    engine::{Ask, Caller, Engine, HeadingEdit, OpenError, Policy, Saved},
};
use std::path::PathBuf;

/// The first instant of every test: 2026-11-20 10:00 UTC.
const START_MS: i64 = 1_795_168_800_000;

/// A board in a directory of its own, its engine, and the buffer that shows it.
pub struct Desk {
    dir: tempfile::TempDir,
    pub path: PathBuf,
    pub now: Now,
    engine: Option<Engine>,
    /// What the person sees; the engine must never believe anything else.
    pub buffer: String,
    requests: u32,
    /// What the owner goes by; from the next start on.
    pub policy: Policy,
}

impl Desk {
    /// A board that holds `text`, served.
    pub fn new(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    pub fn of_bytes(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let path = dir.path().join("dispatch.org");
        std::fs::write(&path, bytes).expect("a board can be written");
        let now = Now { wall: Stamp::new(START_MS, 0), boot_ms: 1_000_000, jitter: 0 };
        let mut desk =
            Self { dir, path, now, engine: None, buffer: String::new(), requests: 0, policy: Policy::default() };
        desk.open();
        desk
    }

    /// The engine; it must be open.
    pub fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("the board is open")
    }

    pub fn try_open(&mut self) -> Result<(), OpenError> {
        self.open_as(OwnerKind::Emacs)
    }

    /// Takes the board over as `kind` of owner.
    pub fn open_as(&mut self, kind: OwnerKind) -> Result<(), OpenError> {
        let engine = Engine::open(&self.path, kind, self.policy.clone(), &self.now)?;
        self.buffer = engine.model().board.text();
        self.engine = Some(engine);
        Ok(())
    }

    /// Opens the board and applies what is pending, as a daemon does.
    pub fn open(&mut self) {
        self.try_open().expect("the board can be opened");
        self.apply();
    }

    /// The process dies: what was not saved is only in the journal.
    pub fn crash(&mut self) {
        self.engine = None;
    }

    pub fn restart(&mut self) {
        self.crash();
        self.open();
    }

    /// Time goes by.
    pub fn wait(&mut self, ms: u64) {
        self.now.boot_ms += ms;
        self.now.wall = self.now.wall.plus_ms(ms as i64);
    }

    /// Time goes by, and the owner looks at the clock every second of it as a daemon does.
    pub fn live(&mut self, ms: u64) {
        for passed in (0..ms).step_by(1_000) {
            self.wait((ms - passed).min(1_000));
            self.look();
        }
    }

    /// The owner looks at the clock: what has run out expires.
    pub fn look(&mut self) {
        let now = self.now;
        self.engine().decide(&[], &now);
        self.apply();
    }

    /// A request of `agent` under a fresh id, with all edits applied.
    pub fn ask(&mut self, agent: &str, call: Call) -> Reply {
        self.requests += 1;
        let id = format!("r{}", self.requests);
        self.ask_as(agent, &id, call)
    }

    /// The same under the id `id`.
    pub fn ask_as(&mut self, agent: &str, id: &str, call: Call) -> Reply {
        let (now, ask) = (self.now, ask(agent, id, call));
        let answers = self.engine().decide(&[ask], &now);
        self.apply();
        let mut replies: Vec<Reply> = answers
            .into_iter()
            .map(|answer| self.engine.as_ref().expect("it is open").rendered(answer, &now))
            .collect();
        replies.pop().expect("one request, one reply")
    }

    /// A request that is decided while the person is busy: nothing is applied.
    pub fn ask_while_busy(&mut self, agent: &str, call: Call) -> Reply {
        self.requests += 1;
        let (now, ask) = (self.now, ask(agent, &format!("r{}", self.requests), call));
        self.engine().handle(&[ask], &now).pop().expect("one request, one reply")
    }

    /// Makes every possible edit in the buffer.
    pub fn apply(&mut self) {
        while self.apply_one() {}
    }

    /// Makes one edit in the buffer, if one is possible.
    pub fn apply_one(&mut self) -> bool {
        let Some(edit) = self.engine().next_edit() else { return false };
        self.make(&edit);
        self.engine().confirm();
        self.agree();
        true
    }

    fn make(&mut self, edit: &HeadingEdit) {
        let at = byte(&self.buffer, edit.head);
        assert!(self.buffer[at..].starts_with(&edit.headline), "the edit is of {:?}", edit.headline);
        for change in &edit.changes {
            let at = byte(&self.buffer, change.at);
            assert!(self.buffer[at..].starts_with(&change.old), "{:?} stands at {}", change.old, change.at);
            self.buffer.replace_range(at..at + change.old.len(), &change.new);
        }
    }

    /// The person changes the whole text at will; the engine hears what its change hooks would report.
    pub fn edit(&mut self, change: impl FnOnce(&mut String)) {
        let old = self.buffer.clone();
        change(&mut self.buffer);
        let same = |(a, b): &(char, char)| a == b;
        let prefix = old.chars().zip(self.buffer.chars()).take_while(same).count();
        let most = old.chars().count().min(self.buffer.chars().count()) - prefix;
        let suffix = old.chars().rev().zip(self.buffer.chars().rev()).take(most).take_while(same).count();
        self.report(prefix as u64, suffix as u64);
    }

    /// Tells the engine that all but `prefix` and `suffix` may have changed.
    pub fn report(&mut self, prefix: u64, suffix: u64) {
        let (now, total) = (self.now, self.buffer.chars().count() as u64);
        let window = self.engine().window(prefix, suffix, total);
        let (start, end) = (byte(&self.buffer, window.chars.start), byte(&self.buffer, window.chars.end));
        let text = self.buffer[start..end].to_owned();
        self.engine().resync(&window, &text, &now);
        self.agree();
    }

    /// The person replaces `old`, which stands in the buffer, by `new`.
    #[track_caller]
    pub fn replace(&mut self, old: &str, new: &str) {
        assert!(self.buffer.contains(old), "{old:?} stands in {}", self.buffer);
        self.edit(|text| *text = text.replacen(old, new, 1));
    }

    /// The person cuts the heading that holds `part`, with all that follows it up to the next one.
    pub fn cut(&mut self, part: &str) -> String {
        let at = self.buffer.find(part).expect("it is on the board");
        let start = self.buffer[..at].rfind("\n*").map_or(0, |newline| newline + 1);
        let end = self.buffer[at..].find("\n*").map_or(self.buffer.len(), |newline| at + newline + 1);
        let section = self.buffer[start..end].to_owned();
        self.edit(|text| text.replace_range(start..end, ""));
        section
    }

    /// The person's edits rest: they become events, and what follows from them is applied.
    pub fn settle(&mut self) {
        self.wait(fleet::engine::SETTLE_MS);
        let now = self.now;
        self.engine().settle(false, &now).expect("the journal takes it");
        self.apply();
    }

    /// The buffer's text is replaced from outside: a revert, a recovery.
    pub fn replaced(&mut self, text: &str) {
        self.buffer = text.into();
        let now = self.now;
        self.engine().replaced(text, &now).expect("the journal takes it");
        self.apply();
    }

    pub fn save(&mut self) -> Saved {
        let now = self.now;
        let saved = self.engine().save(&now).expect("the board can be saved");
        self.agree();
        saved
    }

    /// The file as it is on disk.
    pub fn file(&self) -> String {
        std::fs::read_to_string(&self.path).expect("there is a board")
    }

    /// The archive as it is on disk; empty if there is none.
    pub fn archive(&self) -> String {
        std::fs::read_to_string(self.path.with_file_name("dispatch.org_archive")).unwrap_or_default()
    }

    pub fn state_dir(&self) -> PathBuf {
        let dir = std::fs::canonicalize(self.dir.path()).expect("it is there");
        dir.join(".fleet/dispatch.org")
    }

    /// Everything in the journal.
    pub fn events(&mut self) -> Vec<(u64, Event)> {
        let reply = self.ask("timmy", log(Some(0), u32::MAX));
        let numbered = reply.events.expect("a log has events").into_iter().map(|mut value| {
            let number = value["number"].as_u64().expect("an event has a number");
            value.as_object_mut().expect("an event is an object").remove("number");
            (number, serde_json::from_value(value).expect("an event can be read"))
        });
        numbered.collect()
    }

    /// What `show` says of `task`.
    #[track_caller]
    pub fn show(&mut self, task: &str) -> TaskInfo {
        let reply = self.ask("timmy", Call::Show { task: task.into() });
        reply.task.unwrap_or_else(|| panic!("{task} is shown, not {:?}", reply.error))
    }

    /// `state holder`, as short as tables want it; `?` for a task that is not there.
    pub fn state(&mut self, task: &str) -> String {
        let reply = self.ask("timmy", Call::Show { task: task.into() });
        match (reply.task, reply.error) {
            (Some(task), _) => match task.holder {
                Some(holder) => format!("{} {holder}", task.keyword),
                None => task.keyword,
            },
            (None, Some(error)) => error.reason,
            (None, None) => panic!("an answer says something"),
        }
    }

    fn agree(&mut self) {
        let text = self.engine().model().board.text();
        assert_eq!(text, self.buffer, "the engine's text is the buffer's");
        assert_eq!(self.engine().model().board.char_count(), self.buffer.chars().count() as u64);
    }
}

/// One request as it comes over the wire.
pub fn ask(agent: &str, id: &str, call: Call) -> Ask {
    let request = Request {
        v: WIRE_VERSION,
        id: RequestId::new(id).expect("an id"),
        agent: Some(AgentName::new(agent).expect("a name")),
        board: None,
        call,
    };
    let json = serde_json::to_vec(&request).expect("a request serializes");
    Ask { caller: Caller { via: Via::Socket, auth: Auth::Label }, json }
}

/// Why `reply` refuses; `ok` if it does not.
pub fn reason(reply: &Reply) -> &str {
    reply.error.as_ref().map_or("ok", |error| &error.reason)
}

pub fn claim(task: &str) -> Call {
    Call::Claim { task: Some(task.into()), tags: vec![], resume: false, lease_secs: None, wait_ms: None }
}

pub fn claim_next() -> Call {
    Call::Claim { task: None, tags: vec![], resume: false, lease_secs: None, wait_ms: None }
}

pub fn done(task: &str, token: Option<Token>) -> Call {
    Call::Done { task: task.into(), token, result: Some("it works".into()) }
}

pub fn fail(task: &str, token: Option<Token>) -> Call {
    Call::Fail { task: task.into(), token, reason: Some("no luck".into()) }
}

pub fn release(task: &str, token: Option<Token>) -> Call {
    Call::Release { task: task.into(), token, reason: None }
}

pub fn note(task: &str, token: Option<Token>) -> Call {
    Call::Note { task: task.into(), token, text: "halfway".into() }
}

pub fn renew(task: &str, token: Option<Token>) -> Call {
    Call::Renew { task: task.into(), token, lease_secs: None }
}

/// A claim that lasts `secs` without a sign of life.
pub fn claim_for(task: &str, secs: u64) -> Call {
    Call::Claim { task: Some(task.into()), tags: vec![], resume: false, lease_secs: Some(secs), wait_ms: None }
}

/// The best task, for `secs` without a sign of life.
pub fn claim_next_for(secs: u64) -> Call {
    Call::Claim { task: None, tags: vec![], resume: false, lease_secs: Some(secs), wait_ms: None }
}

pub fn skip(task: &str) -> Call {
    Call::Skip { task: task.into(), reason: None }
}

pub fn requeue(task: &str) -> Call {
    Call::Requeue { task: task.into(), reason: None }
}

pub fn archive(task: &str) -> Call {
    Call::Archive { tasks: vec![task.into()], older_than_secs: None, dry_run: false }
}

/// Archives what was closed so many days ago.
pub fn sweep(days: u64) -> Call {
    Call::Archive { tasks: vec![], older_than_secs: Some(days * 86_400), dry_run: false }
}

/// All events after a number, or the newest, at most so many.
pub fn log(after: Option<u64>, limit: u32) -> Call {
    Call::Log { after, task: None, agent: None, kinds: vec![], since: None, until: None, limit: Some(limit) }
}

pub fn add(title: &str) -> Call {
    Call::Add {
        title: title.into(),
        tags: vec![],
        priority: None,
        deadline: None,
        scheduled: None,
        body: None,
        task: None,
        blocked_by: vec![],
    }
}

fn byte(text: &str, chars: u64) -> usize {
    text.char_indices().nth(chars as usize).map_or(text.len(), |(at, _)| at)
}
