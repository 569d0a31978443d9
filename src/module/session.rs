//! The one open board of this Emacs: engine, socket, and the requests that wait for the main thread.

use super::refused;
use crate::{
    adapters::{
        clock, config_file,
        owner::{OWNER_VERSION, OwnerInfo, OwnerKind},
        socket::{self, ReplyHandle, Server, SocketServer},
    },
    core::{
        code::Code,
        queue::{
            board::Window,
            event::{Auth, Via},
        },
        time::Now,
        wire::{Failure, Reply},
    },
    engine::{
        Answer, Ask, Caller, Engine, Pending, Policy, Question, Saved, Waiters, log::chain, offline::open_failure,
    },
};
use serde_json::json;
use std::{
    collections::{HashMap, VecDeque},
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
};

/// How many requests may wait for the main thread; further ones are refused.
const INBOX_MAX: usize = 4_096;
/// How many replies of this Emacs's own requests are kept for it to fetch.
const REPLIES_MAX: usize = 1_024;

/// After how many milliseconds it is looked again which of those who wait are gone.
const GONE_LOOK_MS: u64 = 1_000;

/// What a call hears that came in the middle of another.
const INTERRUPTED: &str = "Emacs was interrupted in the middle of a call of Fleet's module";

static SESSION: Mutex<Option<Session>> = Mutex::new(None);
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Who gets a reply.
enum To {
    Socket(ReplyHandle),
    Ticket(i64),
}

impl To {
    /// Whether nobody is there any more to hear the answer.
    fn is_gone(&self) -> bool {
        match self {
            To::Socket(handle) => handle.is_gone(),
            To::Ticket(_) => false,
        }
    }
}

/// A request that waits for the main thread.
struct Waiting {
    pending: Pending<To>,
    doubt: Option<Doubt>,
}

/// A claim waits for what Lisp says about this.
struct Doubt {
    question: Box<Question>,
    /// The number under which Lisp is being asked; absent until then.
    asked_as: Option<i64>,
}

/// What socket threads and the main thread share.
struct Inbox {
    waiting: Mutex<VecDeque<Waiting>>,
    rung: AtomicBool,
    doorbell: Mutex<Box<dyn Write + Send>>,
}

/// The open board.
pub(super) struct Session {
    pub(super) engine: Engine,
    inbox: Arc<Inbox>,
    /// Requests that wait until something is ready for them.
    waiters: Waiters<To>,
    /// When it was last seen which of those are gone, in ms of the boot clock.
    gone_looked_ms: u64,
    decided: Vec<(To, Answer)>,
    replies: HashMap<i64, String>,
    window: Option<Window>,
    next_ticket: i64,
    next_question: i64,
    server: Option<Server>,
}

impl Session {
    /// Opens the board and starts listening; answers JSON about it.
    pub(super) fn open(path: &Path, socket: &str, doorbell: impl Write + Send + 'static) -> Result<String, Failure> {
        let mut place = enter().ok_or_else(|| Failure::new(Code::General, "busy", INTERRUPTED))?;
        if let Some(session) = place.as_ref() {
            return Err(other_board(session.engine.path(), path));
        }
        let config = config_file::load(None, |name| std::env::var_os(name))?;
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let policy = Policy::of(&config, home.as_deref());
        let now = clock::now();
        let mut engine = Engine::open(path, OwnerKind::Emacs, policy, &now).map_err(|error| open_failure(&error))?;
        let inbox = Arc::new(Inbox {
            waiting: Mutex::default(),
            rung: AtomicBool::new(false),
            doorbell: Mutex::new(Box::new(doorbell)),
        });
        let socket = Some(socket).filter(|socket| !socket.is_empty()).map(PathBuf::from);
        let server = socket.map(|socket| listen(&socket, inbox.clone())).transpose()?;
        let info = OwnerInfo {
            v: OWNER_VERSION,
            pid: std::process::id(),
            boot_id: clock::boot_id(),
            start_time: Some(now.wall.unix_ms()),
            socket: server.as_ref().map(|server| server.path().to_owned()),
            kind: OwnerKind::Emacs,
        };
        engine.dir().publish_owner(&info).map_err(|error| Failure::new(Code::General, "owner-file", chain(&error)))?;
        let (path, number, news_from) = (engine.path(), engine.last(), engine.news_from());
        let answer =
            json!({ "ok": true, "path": path, "socket": info.socket, "number": number, "news_from": news_from });
        let (decided, replies) = (Vec::new(), HashMap::new());
        *place = Some(Self {
            engine,
            inbox,
            waiters: Waiters::default(),
            gone_looked_ms: 0,
            decided,
            replies,
            window: None,
            next_ticket: 0,
            next_question: 0,
            server,
        });
        Ok(answer.to_string())
    }

    pub(super) fn submit(&mut self, json: Vec<u8>) -> i64 {
        self.next_ticket += 1;
        let caller = Caller { via: Via::Emacs, auth: Auth::Label };
        lock(&self.inbox.waiting).push_back(Waiting::new(Ask { caller, json }, To::Ticket(self.next_ticket)));
        self.next_ticket
    }

    /// Decides what waits. With `vetoes`, claims stay in the queue while Lisp has to be asked about them.
    pub(super) fn decide(&mut self, vetoes: bool, now: &Now) -> i64 {
        self.inbox.rung.store(false, Ordering::Release);
        let waiting: Vec<Waiting> = lock(&self.inbox.waiting).drain(..).collect();
        let (mut open, asks): (Vec<Waiting>, Vec<Waiting>) =
            waiting.into_iter().partition(|waiting| waiting.is_in_doubt(vetoes));
        let asks = asks.into_iter().map(|waiting| waiting.pending).collect();
        self.drop_gone_waiters(now);
        let decided = self.waiters.decide(&mut self.engine, asks, vetoes, &To::is_gone, now);
        let count = decided.answers.len();
        self.decided.extend(decided.answers);
        let doubted = decided.open.into_iter().map(|(pending, question)| {
            let doubt = Some(Doubt { question, asked_as: None });
            Waiting { pending, doubt }
        });
        open.extend(doubted);
        let mut queue = lock(&self.inbox.waiting);
        open.into_iter().rev().for_each(|waiting| queue.push_front(waiting));
        count as i64
    }

    /// In how many milliseconds the requests that wait until something is ready must be looked at; `None` if none does.
    pub(super) fn wait_ms(&self, now: &Now) -> Option<u64> {
        self.waiters.ms_left(&self.engine, now)
    }

    /// Once in a while: a client that is gone keeps no connection because it was waiting.
    fn drop_gone_waiters(&mut self, now: &Now) {
        if now.boot_ms.saturating_sub(self.gone_looked_ms) >= GONE_LOOK_MS {
            self.gone_looked_ms = now.boot_ms;
            self.waiters.drop_gone(To::is_gone);
        }
    }

    /// The next claim about which Lisp has to be asked, as JSON; with `ticket` only that one's.
    pub(super) fn next_question(&mut self, ticket: Option<i64>) -> Option<String> {
        let mut queue = lock(&self.inbox.waiting);
        let mut asked = queue.iter_mut().filter(|waiting| waiting.is_of(ticket));
        let (caller, doubt) = asked.find_map(|waiting| {
            let doubt = waiting.doubt.as_mut().filter(|doubt| doubt.asked_as.is_none())?;
            Some((waiting.pending.ask.caller, doubt))
        })?;
        self.next_question += 1;
        doubt.asked_as = Some(self.next_question);
        let question = &doubt.question;
        let claim = json!({
            "agent": question.agent, "via": caller.via, "auth": caller.auth, "id": question.id, "named": question.is_named,
        });
        Some(json!({ "question": self.next_question, "task": question.task, "claim": claim }).to_string())
    }

    /// The answer to `question`: no veto, or why.
    pub(super) fn answer_question(&mut self, question: i64, veto: Option<&str>) {
        let mut queue = lock(&self.inbox.waiting);
        let is_it =
            |waiting: &&mut Waiting| waiting.doubt.as_ref().is_some_and(|doubt| doubt.asked_as == Some(question));
        if let Some(waiting) = queue.iter_mut().find(is_it)
            && let Some(doubt) = waiting.doubt.take()
        {
            waiting.pending.vetting.answer(doubt.question.fingerprint, veto);
        }
    }

    pub(super) fn answer(&mut self, now: &Now) {
        for (to, answer) in std::mem::take(&mut self.decided) {
            let reply = super::json(&self.engine.rendered(answer, now));
            match to {
                To::Socket(handle) => handle.send(reply.into_bytes()),
                To::Ticket(ticket) => {
                    if self.replies.len() >= REPLIES_MAX {
                        self.replies.clear();
                    }
                    self.replies.insert(ticket, reply);
                }
            }
        }
    }

    pub(super) fn take_reply(&mut self, ticket: i64) -> Option<String> {
        self.replies.remove(&ticket)
    }

    /// The characters to be read again; the next [`Session::resync`] is about them.
    pub(super) fn window(&mut self, prefix: u64, suffix: u64, total: u64) -> (u64, u64) {
        let window = self.engine.window(prefix, suffix, total);
        let chars = (window.chars.start, window.chars.end);
        self.window = Some(window);
        chars
    }

    pub(super) fn resync(&mut self, text: &str, now: &Now) {
        if let Some(window) = self.window.take() {
            self.engine.resync(&window, text, now);
        }
    }

    pub(super) fn save(&mut self, now: &Now) -> serde_json::Value {
        match self.engine.save(now) {
            Ok(saved) => {
                let foreign = match &saved {
                    Saved::Written { foreign } => foreign.clone(),
                    Saved::Same => None,
                };
                let mtime = self.engine.file().mtime_ns as i64;
                json!({ "ok": true, "written": saved != Saved::Same, "mtime_ns": mtime, "foreign": foreign })
            }
            Err(error) => json!({ "ok": false, "error": chain(&error) }),
        }
    }
}

impl Waiting {
    fn new(ask: Ask, to: To) -> Self {
        Self { pending: Pending::new(ask, to), doubt: None }
    }

    /// Whether an answer of Lisp's must come first. Without `vetoes` only one that Lisp is thinking about.
    fn is_in_doubt(&self, vetoes: bool) -> bool {
        self.doubt.as_ref().is_some_and(|doubt| vetoes || doubt.asked_as.is_some())
    }

    fn is_of(&self, ticket: Option<i64>) -> bool {
        ticket.is_none_or(|ticket| matches!(self.pending.door, To::Ticket(own) if own == ticket))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Those who only wait can be told what became of them. Nobody else is promised an answer by an owner that is gone.
        for (id, to) in self.waiters.dismiss() {
            if let To::Socket(handle) = to {
                handle.send(super::json(&Reply::refused(Some(&id), given_back())).into_bytes());
            }
        }
        lock(&self.inbox.waiting).clear();
        self.decided.clear();
        self.server.take();
    }
}

/// Runs `act` on the open board; an error in Lisp where there is none.
pub(super) fn with<T>(act: impl FnOnce(&mut Session) -> T) -> emacs::Result<T> {
    let mut place = enter().ok_or_else(|| emacs::Error::msg(INTERRUPTED))?;
    match place.as_mut() {
        Some(session) => Ok(act(session)),
        None => Err(emacs::Error::msg("no board is served in this Emacs")),
    }
}

/// The session, unless this thread is in it already.
///
/// Only the main thread comes here, so that the lock is never held by another. But Emacs answers SIGTERM with
/// `kill-emacs`, hooks and all, inside the signal handler: in the middle of one of our own calls. Waiting there would
/// be for ever; without the session Emacs ends, and what was not answered yet is as after a power cut.
fn enter() -> Option<MutexGuard<'static, Option<Session>>> {
    match SESSION.try_lock() {
        Ok(place) => Some(place),
        Err(TryLockError::Poisoned(place)) => {
            // A panic left the model in the middle of something. Lisp opens the board again, from the journal.
            SESSION.clear_poison();
            let mut place = place.into_inner();
            drop(place.take());
            Some(place)
        }
        Err(TryLockError::WouldBlock) => None,
    }
}

pub(super) fn is_open() -> bool {
    enter().is_some_and(|place| place.is_some())
}

/// Closes the board; whether there was one.
pub(super) fn close() -> bool {
    enter().is_some_and(|mut place| place.take().is_some())
}

/// A panic reaches Lisp as `rust-panic` without its words: keep them where `fleet-module.el` finds them.
pub(super) fn remember_panics() {
    std::panic::set_hook(Box::new(|info| {
        *lock(&LAST_PANIC) = Some(info.to_string());
    }));
}

/// What the last panic said.
pub(super) fn last_panic() -> Option<String> {
    lock(&LAST_PANIC).take()
}

fn listen(path: &Path, inbox: Arc<Inbox>) -> Result<Server, Failure> {
    let bound = SocketServer::bind(path).map_err(|error| Failure::new(Code::Config, "bad-socket", chain(&error)))?;
    Ok(socket::serve(bound, move |_, json, handle| {
        let caller = Caller { via: Via::Socket, auth: Auth::Uid };
        inbox.put(Waiting::new(Ask { caller, json }, To::Socket(handle)));
    }))
}

impl Inbox {
    /// Queues a request and rings, once until the main thread has come.
    fn put(&self, waiting: Waiting) {
        let mut queue = lock(&self.waiting);
        if queue.len() >= INBOX_MAX {
            drop(queue);
            if let To::Socket(handle) = waiting.pending.door {
                let busy = Failure::new(Code::General, "too-many-requests", "too many requests wait for this Emacs");
                handle.send(refused(busy.hint("try again in a moment with the same request id")).into_bytes());
            }
            return;
        }
        queue.push_back(waiting);
        drop(queue);
        if !self.rung.swap(true, Ordering::AcqRel) {
            // If the pipe is gone so is the session, and dropping the queue tells the clients.
            let _ = lock(&self.doorbell).write_all(b"!");
        }
    }
}

/// What those hear who wait when the board is given back.
fn given_back() -> Failure {
    let failure =
        Failure::new(Code::Unreachable, "board-given-back", "the owner of the board ended; nothing was claimed");
    failure.hint("ask again, with the same request id: the next owner of the board takes it")
}

fn other_board(open: &Path, wanted: &Path) -> Failure {
    let same = std::fs::canonicalize(wanted).is_ok_and(|wanted| wanted == open);
    let reason = if same { "already-served" } else { "other-board" };
    let message = format!("this Emacs already serves {}", open.display());
    Failure::new(Code::Conflict, reason, message).hint("`M-x fleet-unserve` first, or use another Emacs")
}

/// A poisoned lock only means that a panic was reported: what it guards is replaced as a whole or not at all.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
