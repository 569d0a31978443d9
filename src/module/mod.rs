//! The Emacs dynamic module: convert, call, convert. No decisions.
//!
//! Every function here is `fleet--mod-NAME` in Lisp; `fleet-board.el` is the only caller. One board is open at a time
//! (R8). No lock is held while Lisp runs: a function takes what it needs, calls the engine, lets go, and converts.

mod crash;
mod session;

use crate::{
    adapters::{clock, notify_socket},
    core::wire::{Failure, Reply},
    engine::log::chain,
};
use emacs::{Env, IntoLisp, Result, Value, defun};
use session::{Session, with};
use std::path::Path;

emacs::plugin_is_GPL_compatible!();

/// Registers the functions. Starts nothing.
#[emacs::module(name = "fleet-module", defun_prefix = "fleet--mod", separator = "-", mod_in_name = false)]
fn init(_: &Env) -> Result<()> {
    session::remember_panics();
    Ok(())
}

/// The version of the module.
#[defun]
fn version() -> Result<String> {
    Ok(env!("CARGO_PKG_VERSION").into())
}

/// What the last panic in the module said, once.
#[defun]
fn last_panic() -> Result<Option<String>> {
    Ok(session::last_panic())
}

/// Takes over the board PATH; answers JSON.
///
/// SOCKET is where to listen, empty for nowhere. PIPE is the pipe process whose filter is called when requests wait.
///
/// (fn PATH SOCKET PIPE)
#[defun]
fn open(env: &Env, path: String, socket: String, pipe: Value<'_>) -> Result<String> {
    let doorbell = env.open_channel(pipe)?;
    let opened = Session::open(Path::new(&path), &socket, doorbell);
    Ok(match opened {
        Ok(info) => info,
        Err(failure) => json(&Reply::refused(None, failure)),
    })
}

/// Gives the board back. The text is not saved by this.
#[defun]
fn close() -> Result<bool> {
    Ok(session::close())
}

/// Whether a board is open.
#[defun]
fn is_open() -> Result<bool> {
    Ok(session::is_open())
}

/// Why the fleet is halted, perhaps an empty string; nil if it is not, or no board is open. Looks at the file itself.
#[defun]
fn halted() -> Result<Option<String>> {
    with(|session| session.engine.halted())
}

/// Puts the JSON request REQUEST of this Emacs in the queue; answers its ticket.
///
/// (fn REQUEST)
#[defun]
fn submit(request: String) -> Result<i64> {
    with(|session| session.submit(request.into_bytes()))
}

/// Decides everything in the queue and makes it durable. Answers how many requests there were. With VETOES, claims stay
/// in the queue until `answer-question` was called for what `next-question` answers.
///
/// (fn VETOES)
#[defun]
fn decide(vetoes: Value<'_>) -> Result<i64> {
    let vetoes = vetoes.is_not_nil();
    with(|session| session.decide(vetoes, &clock::now()))
}

/// The next question whether a claim may have a task, once, as JSON (`question`, `task`, `claim`), or nil; with TICKET
/// only that request's.
///
/// (fn TICKET)
#[defun]
fn next_question(ticket: Option<i64>) -> Result<Option<String>> {
    with(|session| session.next_question(ticket))
}

/// Answers QUESTION: the claim may have the task, or with the string VETO why not.
///
/// (fn QUESTION VETO)
#[defun]
fn answer_question(question: i64, veto: Option<String>) -> Result<()> {
    with(|session| session.answer_question(question, veto.as_deref()))
}

/// The number of the last event that is durable.
#[defun]
fn durable() -> Result<i64> {
    with(|session| session.engine.durable() as i64)
}

/// At most LIMIT durable events after number AFTER, as a JSON array, or `error` in an object.
///
/// (fn AFTER LIMIT)
#[defun]
fn news(after: i64, limit: i64) -> Result<String> {
    let limit = u32::try_from(limit.max(0)).unwrap_or(u32::MAX);
    with(|session| match session.engine.news(after.max(0) as u64, limit) {
        Ok(events) => serde_json::Value::from(events).to_string(),
        Err(failure) => serde_json::json!({ "error": failure.message }).to_string(),
    })
}

/// Words the replies of what was decided, and sends those that came through the socket.
#[defun]
fn answer() -> Result<()> {
    with(|session| session.answer(&clock::now()))
}

/// The reply to TICKET, once.
///
/// (fn TICKET)
#[defun]
fn take_reply(ticket: i64) -> Result<Option<String>> {
    with(|session| session.take_reply(ticket))
}

/// The next edit of the text: `[HEAD HEADLINE ((POS OLD NEW) ...) MOVED]`, or nil. Positions are the buffer's. MOVED is
/// (FROM . TO) if the edit shows that an agent changed the keyword.
#[defun]
fn next_edit(env: &Env) -> Result<Value<'_>> {
    let Some(edit) = with(|session| session.engine.next_edit())? else { return ().into_lisp(env) };
    let mut changes = Vec::with_capacity(edit.changes.len());
    for change in edit.changes {
        changes.push(env.list((position(change.at), change.old, change.new))?);
    }
    let changes = env.list(&changes[..])?;
    let moved = match edit.moved {
        Some((from, to)) => env.cons(from, to)?,
        None => ().into_lisp(env)?,
    };
    env.vector((position(edit.head), edit.headline, changes, moved))
}

/// Tells that the edit of `next-edit` was made.
#[defun]
fn confirm() -> Result<()> {
    with(|session| session.engine.confirm())
}

/// How many pieces of work wait for the text.
#[defun]
fn pending() -> Result<i64> {
    with(|session| session.engine.pending() as i64)
}

/// In how many milliseconds the requests that wait until something is ready must be looked at by `decide`; 0 is now, nil
/// if there are none.
#[defun]
fn wait_ms() -> Result<Option<i64>> {
    with(|session| session.wait_ms(&clock::now()).map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)))
}

/// Which text must be read again, as (BEG . END), when all between the first PREFIX and the last SUFFIX of TOTAL
/// characters may have changed.
///
/// (fn PREFIX SUFFIX TOTAL)
#[defun]
fn window(env: &Env, prefix: i64, suffix: i64, total: i64) -> Result<Value<'_>> {
    let (prefix, suffix, total) = (prefix.max(0) as u64, suffix.max(0) as u64, total.max(0) as u64);
    let (start, end) = with(|session| session.window(prefix, suffix, total))?;
    env.cons(position(start), position(end))
}

/// Takes over TEXT, which stands in the window now.
///
/// (fn TEXT)
#[defun]
fn resync(text: String) -> Result<()> {
    with(|session| session.resync(&text, &clock::now()))
}

/// Takes over TEXT, the whole buffer, whose changes nobody reported. Answers whether anything was different.
///
/// (fn TEXT)
#[defun]
fn resync_all(text: String) -> Result<bool> {
    with(|session| {
        let differs = session.engine.model().board.text() != text;
        if differs {
            session.engine.resync_all(&text, &clock::now());
        }
        differs
    })
}

/// Takes over TEXT, which replaced the old text as a whole (R19). Answers nil, or what went wrong.
///
/// (fn TEXT)
#[defun]
fn replaced(text: String) -> Result<Option<String>> {
    with(|session| session.engine.replaced(&text, &clock::now()).err())
}

/// Turns the person's edits that rest into events, with ALL every edit. Answers the milliseconds until the next may
/// rest, nil if none waits, or a string that says what went wrong.
///
/// (fn ALL)
#[defun]
fn settle<'e>(env: &'e Env, all: Value<'_>) -> Result<Value<'e>> {
    let all = all.is_not_nil();
    match with(|session| session.engine.settle(all, &clock::now()))? {
        Ok(Some(ms)) => (ms as i64).into_lisp(env),
        Ok(None) => ().into_lisp(env),
        Err(why) => why.into_lisp(env),
    }
}

/// Notes at which PLACES, a vector of positions from 0, somebody's cursor stands.
///
/// (fn PLACES)
#[defun]
fn set_visited(places: emacs::Vector<'_>) -> Result<()> {
    let places = (0..places.len()).map(|at| places.get::<i64>(at).map(|place| place.max(0) as u64));
    let places = places.collect::<Result<Vec<u64>>>()?;
    with(|session| session.engine.set_visited(&places))
}

/// How many characters the engine believes the buffer to have.
#[defun]
fn char_count() -> Result<i64> {
    with(|session| session.engine.model().board.char_count() as i64)
}

/// Writes the board's file. Answers JSON: `written`, `mtime_ns`, `foreign`, or `error` and `hint`.
#[defun]
fn save() -> Result<String> {
    with(|session| session.save(&clock::now()).to_string())
}

/// Whether the file on disk is not the one that was last read or written here; a string says why that is unknown.
#[defun]
fn file_foreign(env: &Env) -> Result<Value<'_>> {
    match with(|session| session.engine.is_file_foreign())? {
        Ok(is_foreign) => is_foreign.into_lisp(env),
        Err(error) => chain(&error).into_lisp(env),
    }
}

/// Takes the file on disk as the new base, after its text came in by `replaced`. Answers nil, or what went wrong.
#[defun]
fn adopt_file() -> Result<Option<String>> {
    with(|session| session.engine.adopt_file().err().map(|error| chain(&error)))
}

/// Says WHY the file is not being written at the moment; empty if it is.
///
/// (fn WHY)
#[defun]
fn set_paused(why: String) -> Result<()> {
    with(|session| session.engine.set_paused(Some(why).filter(|why| !why.is_empty())))
}

/// Keeps the sentence TEXT for `status`.
///
/// (fn TEXT)
#[defun]
fn notice(text: String) -> Result<()> {
    with(|session| session.engine.notice(text))
}

/// How the board is, in a line for a service manager.
#[defun]
fn summary() -> Result<String> {
    with(|session| session.engine.summary())
}

/// Tells the service manager that started this Emacs, if one did, STATE: lines such as `READY=1`. Answers whether there
/// is one.
///
/// (fn STATE)
#[defun]
fn notify(state: String) -> Result<bool> {
    Ok(notify_socket::tell(|name| std::env::var_os(name), &state)?)
}

/// After how many seconds without a sign of life that manager ends this Emacs; nil if it does not.
#[defun]
fn watchdog() -> Result<Option<f64>> {
    let patience = notify_socket::watchdog(|name| std::env::var_os(name), std::process::id());
    Ok(patience.map(|patience| patience.as_secs_f64()))
}

/// Accepts a text that undid much at once (R19). Answers nil if there was nothing to accept, t, or what went wrong.
#[defun]
fn resolve(env: &Env) -> Result<Value<'_>> {
    match with(|session| session.engine.resolve(&clock::now()))? {
        Ok(accepted) => accepted.into_lisp(env),
        Err(why) => why.into_lisp(env),
    }
}

/// Checks journal and file of the board PATH, served here or not: (SOUND . REPORT), the report in words.
///
/// (fn PATH)
#[defun]
fn verify(env: &Env, path: String) -> Result<Value<'_>> {
    let (is_sound, report) = crate::engine::verify::in_words(Path::new(&path));
    env.cons(is_sound, report)
}

/// Kills this Emacs the way a power cut would, when the journal comes to PHASE (`before-write`, `after-write` or
/// `after-sync`) for the COUNTth time from now. For tests of what survives that. With `term-` in front of PHASE, tells
/// this Emacs to end instead; with `panic-`, panics.
///
/// (fn PHASE COUNT)
#[defun]
fn crash_at(phase: String, count: i64) -> Result<bool> {
    with(|session| crash::arm(&mut session.engine, &phase, count))
}

/// A position in the buffer from a count of characters.
fn position(chars: u64) -> i64 {
    chars as i64 + 1
}

fn json(reply: &Reply) -> String {
    serde_json::to_string(reply).expect("a reply serializes: its maps have string keys")
}

fn refused(failure: Failure) -> String {
    json(&Reply::refused(None, failure))
}
