//! Emacs through its own client program. Requests and replies are base64 in one Lisp string, so nothing needs quoting.
//!
//! The exit status of emacsclient proves nothing (it is 0 when Emacs dies under the request): only a whole reply with
//! the request's own id counts.

use super::process::{Finished, RunError, run};
use crate::core::{
    id::RequestId,
    wire::{Failure, REPLY_BYTES_MAX, Reply, Request},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use std::{ffi::OsStr, io, path::Path, process::Command, time::Duration};

/// The longest single argument that Linux passes to a program, its final NUL included.
const ARGUMENT_BYTES_MAX: usize = 128 << 10;
/// The most that is read of an answer: a reply in base64 with its quotes.
pub(super) const ANSWER_BYTES_MAX: u64 = (REPLY_BYTES_MAX as u64).div_ceil(3) * 4 + 16;
/// Variables that make emacsclient talk to something else than the socket it is told, or start an editor.
const MISLEADING_VARIABLES: [&str; 3] = ["ALTERNATE_EDITOR", "EMACS_SOCKET_NAME", "EMACS_SERVER_FILE"];
/// How emacsclient says that nobody listens on the socket.
const NO_SERVER: [&str; 4] = ["can't find socket", "can't connect", "error accessing socket", "... too long"];

/// Why Emacs gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum EmacsError {
    /// The form does not fit into one argument; nothing was sent.
    #[error("the request needs {0} bytes as an argument of emacsclient, less than {ARGUMENT_BYTES_MAX} are possible")]
    TooLarge(usize),
    /// The form holds a zero byte, which no argument can; nothing was sent.
    #[error("a Lisp form for Emacs cannot hold a NUL character")]
    Nul,
    /// The program does not start; nothing was sent.
    #[error(transparent)]
    Start(RunError),
    /// No Emacs listens on the socket; nothing was sent.
    #[error("no Emacs answers on its socket: {0}")]
    NoServer(String),
    /// Too late; Emacs may still do what it was asked.
    #[error("Emacs did not answer within {}s", .0.as_secs())]
    TimedOut(Duration),
    /// Emacs answered with an error of its own.
    #[error("Emacs reported: {0}")]
    Lisp(String),
    /// Emacs ended, or answered something else; it may have done what it was asked.
    #[error("{0}")]
    Garbled(String),
}

impl EmacsError {
    /// Whether Emacs certainly never saw the request.
    pub fn not_sent(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::Nul | Self::Start(_) | Self::NoServer(_))
    }
}

/// Sends `request` to `fleet-rpc` in the Emacs at `socket` and returns its reply.
pub fn rpc(socket: &Path, request: &Request, timeout: Duration) -> Result<Reply, EmacsError> {
    let answer = eval(socket, &rpc_form(request), timeout)?;
    read_reply(&answer, &request.id)
}

/// The Lisp form that carries `request`: one call with one string, in which nothing needs quoting.
pub(super) fn rpc_form(request: &Request) -> String {
    let json = serde_json::to_vec(request).expect("a request holds only text and numbers");
    format!("(fleet-rpc \"{}\")", BASE64.encode(json))
}

/// Evaluates the Lisp `form` in the Emacs at `socket` and returns its value as Emacs prints it.
pub fn eval(socket: &Path, form: &str, timeout: Duration) -> Result<String, EmacsError> {
    if form.len() >= ARGUMENT_BYTES_MAX {
        return Err(EmacsError::TooLarge(form.len()));
    }
    if form.contains('\0') {
        return Err(EmacsError::Nul);
    }
    let mut command = client(socket);
    command.args(["-e", "--"]).arg(OsStr::new(form));
    match run(&mut command, timeout, ANSWER_BYTES_MAX) {
        Ok(finished) => judge(finished),
        Err(RunError::TimedOut { limit, .. }) => Err(EmacsError::TimedOut(limit)),
        Err(e @ RunError::Start { .. }) => Err(EmacsError::Start(e)),
        Err(e @ RunError::Lost { .. }) => Err(EmacsError::Garbled(e.to_string())),
    }
}

/// The client that makes a frame of the Emacs at `socket` in the caller's terminal, and evaluates `form` in it. The
/// value is not printed: it would stand in the middle of the frame.
pub fn terminal(socket: &Path, form: &str) -> Command {
    let mut command = client(socket);
    command.args(["-t", "-u", "-e", "--"]).arg(form);
    command
}

/// The client for the Emacs at `socket` and no other.
fn client(socket: &Path) -> Command {
    let mut command = Command::new("emacsclient");
    command.arg("-s").arg(socket);
    for variable in MISLEADING_VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// Whether something accepts connections on `socket`: a file that a dead Emacs left behind does not.
pub fn listens(socket: &Path) -> bool {
    match std::os::unix::net::UnixStream::connect(socket) {
        Ok(_) => true,
        Err(e) => !matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound),
    }
}

fn judge(finished: Finished) -> Result<String, EmacsError> {
    check(&finished)?;
    let stdout = String::from_utf8(finished.stdout);
    let stdout = stdout.map_err(|_| EmacsError::Garbled("Emacs answered no valid UTF-8".into()))?;
    match stdout.trim_end_matches('\n') {
        "" => Err(EmacsError::Garbled("Emacs ended before it answered".into())),
        value => Ok(value.into()),
    }
}

/// What emacsclient itself reports. Its success means only that its output is worth a look.
pub(super) fn check(finished: &Finished) -> Result<(), EmacsError> {
    let Finished { status, stderr, .. } = finished;
    // Other programs may have complained before, over there.
    let error = stderr.match_indices("*ERROR*: ").find(|(at, _)| stderr[..*at].ends_with('\n') || *at == 0);
    if let Some((at, sign)) = error {
        return Err(EmacsError::Lisp(stderr[at + sign.len()..].into()));
    }
    let is_absence = |line: &&str| line.contains("emacsclient: ") && NO_SERVER.iter().any(|sign| line.contains(sign));
    match stderr.lines().find(is_absence) {
        Some(line) if !status.success() => Err(EmacsError::NoServer(excerpt(line))),
        _ if status.success() => Ok(()),
        _ => Err(EmacsError::Garbled(format!("emacsclient failed ({status}): {}", first_line(stderr)))),
    }
}

fn read_reply(answer: &str, id: &RequestId) -> Result<Reply, EmacsError> {
    let garbled = |what: &str| EmacsError::Garbled(format!("Emacs answered {what}: `{}`", excerpt(answer)));
    let reply = decoded(answer).ok_or_else(|| garbled("no Fleet reply"))?;
    // A reply without id is Fleet's word that the request could not even be read.
    let ours = reply.id.as_ref().map_or(!reply.ok, |answered| answered == id);
    if ours { Ok(reply) } else { Err(garbled("another request")) }
}

/// The refusal in `answer`, what [`eval`] returned, if it is one: a reply in base64, as `fleet-rpc` answers.
pub fn refusal(answer: &str) -> Option<Failure> {
    decoded(answer)?.error
}

/// The reply that `answer` is, a Lisp string in base64, to whatever request.
pub(super) fn decoded(answer: &str) -> Option<Reply> {
    let inner = answer.strip_prefix('"')?.strip_suffix('"')?;
    serde_json::from_slice(&BASE64.decode(inner).ok()?).ok()
}

fn first_line(text: &str) -> String {
    excerpt(text.lines().next().unwrap_or("no message"))
}

/// As much of `text` as a message repeats.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RequestId {
        RequestId::new(text).expect("valid")
    }

    fn quoted(reply: &Reply) -> String {
        format!("\"{}\"", BASE64.encode(serde_json::to_vec(reply).expect("plain")))
    }

    #[test]
    fn only_a_whole_reply_with_our_id_counts() {
        let reply = Reply::ok(&id("r1"));
        let whole = quoted(&reply);
        assert_eq!(read_reply(&whole, &id("r1")).expect("ours"), reply);
        let half = &whole[..whole.len() / 2];
        for bad in ["nil", "t", "\"\"", "\"bm8=\"", half, &format!("{whole}{whole}")] {
            assert!(matches!(read_reply(bad, &id("r1")), Err(EmacsError::Garbled(_))), "{bad}");
        }
        assert!(read_reply(&whole, &id("r2")).is_err());
        let anonymous = Reply { id: None, ..reply };
        assert!(read_reply(&quoted(&anonymous), &id("r1")).is_err(), "a success without id is nobody's");
    }

    #[test]
    fn a_form_too_long_for_an_argument_is_refused_before_anything_starts() {
        let form = "x".repeat(ARGUMENT_BYTES_MAX);
        let refused = eval(Path::new("/nowhere"), &form, Duration::from_secs(1));
        assert!(matches!(refused, Err(EmacsError::TooLarge(_))));
        assert!(refused.is_err_and(|e| e.not_sent()));
    }
}
