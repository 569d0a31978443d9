//! The Emacs of another host: emacsclient over there, through the kept connection.
//!
//! What comes back may be mixed with what the far account's shell prints when it starts. So a reply is one whole line
//! that is nothing but the reply to this very request, and anything else is an error.

use super::{
    emacsclient::{ANSWER_BYTES_MAX, EmacsError, check, decoded, excerpt, rpc_form},
    process::Finished,
    ssh::{Ssh, SshError},
};
use crate::core::{
    id::RequestId,
    wire::{Reply, Request},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use std::{process::Command, time::Instant};

/// Why the Emacs over there gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum FarError {
    /// Emacsclient was not run, or not to its end.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// It was, and this is what came of it.
    #[error(transparent)]
    Emacs(#[from] EmacsError),
}

/// Sends `request` to `fleet-rpc` in the Emacs at `socket` over there and returns its reply.
pub fn rpc(ssh: &Ssh<'_>, socket: &str, request: &Request, deadline: Instant) -> Result<Reply, FarError> {
    let finished = client(ssh, socket, &rpc_form(request), deadline)?;
    Ok(find_reply(&finished.stdout, &request.id)?)
}

/// Evaluates the Lisp `form` in the Emacs at `socket` over there and returns its value as Emacs prints it. `id` tells
/// this answer from everything else that is printed.
pub fn eval(ssh: &Ssh<'_>, socket: &str, form: &str, id: &RequestId, deadline: Instant) -> Result<String, FarError> {
    let mark = BASE64.encode(id.as_str());
    let finished = client(ssh, socket, &packed(form, &mark), deadline)?;
    Ok(find_value(&finished.stdout, &mark)?)
}

/// The command that makes a frame of the Emacs at `socket` over there in the caller's terminal, and evaluates `form` in
/// it.
pub fn terminal(ssh: &Ssh<'_>, socket: &str, form: &str) -> Result<Command, FarError> {
    Ok(ssh.interactive(&["emacsclient", "-a", "false", "-s", socket, "-t", "-u", "-e", "--", form])?)
}

/// The words of emacsclient over there. `-a false` so that no alternate editor of the far account starts.
pub fn argv<'a>(socket: &'a str, form: &'a str) -> [&'a str; 7] {
    ["emacsclient", "-a", "false", "-s", socket, "-e", form]
}

/// Lisp that evaluates `form` and packs value or error so that they can be told from whatever else is printed.
fn packed(form: &str, mark: &str) -> String {
    let form = BASE64.encode(form);
    format!(
        "(let ((fleet--far (condition-case failed (cons \"value\" (pp-to-string (eval (car (read-from-string \
         (decode-coding-string (base64-decode-string \"{form}\") 'utf-8-unix t))) t))) \
         (error (cons \"error\" (error-message-string failed)))))) \
         (format \"{mark} %s %s\" (car fleet--far) \
         (base64-encode-string (encode-coding-string (cdr fleet--far) 'utf-8-unix t) t)))"
    )
}

fn client(ssh: &Ssh<'_>, socket: &str, form: &str, deadline: Instant) -> Result<Finished, FarError> {
    let finished = ssh.run(&argv(socket, form), deadline, ANSWER_BYTES_MAX)?;
    check(&finished)?;
    Ok(finished)
}

/// The one line that is the reply to `id`. Without one, the one line that says that the request could not be read.
fn find_reply(stdout: &[u8], id: &RequestId) -> Result<Reply, EmacsError> {
    let replies: Vec<Reply> = lines(stdout).filter_map(decoded).collect();
    let mut ours: Vec<&Reply> = replies.iter().filter(|reply| reply.id.as_ref() == Some(id)).collect();
    if ours.is_empty() {
        ours = replies.iter().filter(|reply| reply.id.is_none() && !reply.ok).collect();
    }
    match ours[..] {
        [reply] => Ok(reply.clone()),
        [] => Err(garbled("no Fleet reply", stdout)),
        _ => Err(garbled("several replies to one request", stdout)),
    }
}

fn find_value(stdout: &[u8], mark: &str) -> Result<String, EmacsError> {
    let mut found = lines(stdout).filter_map(|line| {
        let answer = line.strip_prefix('"')?.strip_suffix('"')?;
        let (kind, coded) = answer.strip_prefix(mark)?.strip_prefix(' ')?.split_once(' ')?;
        Some((kind, String::from_utf8(BASE64.decode(coded).ok()?).ok()?))
    });
    match (found.next(), found.next()) {
        (Some(("value", text)), None) => Ok(text.trim_end_matches('\n').into()),
        (Some(("error", text)), None) => Err(EmacsError::Lisp(text)),
        (None, _) => Err(garbled("no value", stdout)),
        _ => Err(garbled("several values", stdout)),
    }
}

/// Whole lines only: what an ended program left without a line feed is not one.
fn lines(stdout: &[u8]) -> impl Iterator<Item = &str> {
    let whole = stdout.iter().rposition(|b| *b == b'\n').map_or(0, |last| last + 1);
    stdout[..whole].split(|b| *b == b'\n').filter_map(|line| str::from_utf8(line).ok())
}

fn garbled(what: &str, stdout: &[u8]) -> EmacsError {
    match String::from_utf8_lossy(stdout).trim() {
        "" => EmacsError::Garbled("Emacs over there ended before it answered".into()),
        text => EmacsError::Garbled(format!("the other host answered {what}: `{}`", excerpt(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{code::Code, wire::Failure};

    fn id(id: &str) -> RequestId {
        RequestId::new(id).expect("an id")
    }

    fn line(reply: &Reply) -> String {
        format!("\"{}\"", BASE64.encode(serde_json::to_string(reply).expect("text")))
    }

    fn found(stdout: &str) -> Option<Reply> {
        find_reply(stdout.as_bytes(), &id("mine")).ok()
    }

    #[test]
    fn threat_31_a_reply_is_found_in_noise_or_not_at_all() {
        let mine = Reply::ok(&id("mine"));
        let reply = line(&mine);
        for noise in ["Welcome!\n", "\u{1b}[2J\u{1b}]0;x\u{7}\n", "\n\n\"QUJD\"\n", "\"\n", "{\"ok\":true}\n"] {
            assert_eq!(found(&format!("{noise}{reply}\n{noise}")), Some(mine.clone()), "{noise:?}");
        }
        let spoiled = ["banner: ", "\u{1b}[0m", " ", "\r"];
        for noise in spoiled {
            assert_eq!(found(&format!("{noise}{reply}\n")), None, "{noise:?} before");
            assert_eq!(found(&format!("{reply}{noise}\n")), None, "{noise:?} after");
        }
        assert_eq!(found(&reply), None, "without its end");
        assert_eq!(found(&format!("{reply}\n{reply}\n")), None, "twice");
        assert_eq!(found(&format!("{}\n", line(&Reply::ok(&id("other"))))), None, "another's");
    }

    #[test]
    fn threat_31_a_request_that_could_not_be_read_is_answered_without_id() {
        let unread = Reply::refused(None, Failure::new(Code::Usage, "bad-request", "no"));
        let mine = Reply::ok(&id("mine"));
        assert_eq!(found(&format!("x\n{}\n", line(&unread))), Some(unread.clone()));
        assert_eq!(found(&format!("{}\n{}\n", line(&unread), line(&mine))), Some(mine));
        let positive = Reply { ok: true, error: None, ..unread };
        assert_eq!(found(&format!("{}\n", line(&positive))), None);
    }

    #[test]
    fn threat_31_a_value_is_found_in_noise_or_not_at_all() {
        let value = |text: &str| find_value(text.as_bytes(), "bQ==").map_err(|e| e.to_string());
        let coded = BASE64.encode("(1 \"zwei €\")\n");
        assert_eq!(value(&format!("hi\n\"bQ== value {coded}\"\nbye\n")), Ok("(1 \"zwei €\")".into()));
        assert_eq!(value(&format!("\"bQ== error {coded}\"\n")).map_err(|e| e.contains("zwei")), Err(true));
        for bad in [format!("hi\"bQ== value {coded}\"\n"), format!("\"eA== value {coded}\"\n"), "42\n".into()] {
            assert!(value(&bad).is_err(), "{bad}");
        }
    }
}
