//! What ssh says when it fails, sorted. Its exit status is 255 for everything.

use super::{Remote, SshError, Unconnected};
use std::time::Duration;

/// What is repeated of ssh's words, in characters.
const SAID_CHARS: usize = 400;

/// Signs of each failure, the more telling ones first.
const SIGNS: [(&str, Unconnected); 15] = [
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Unconnected::ChangedKey),
    ("has changed and you have requested strict checking", Unconnected::ChangedKey),
    ("host key is known for", Unconnected::UnknownKey),
    ("Host key verification failed", Unconnected::UnknownKey),
    ("Permission denied", Unconnected::Unauthorized),
    ("Too many authentication failures", Unconnected::Unauthorized),
    ("Could not resolve hostname", Unconnected::Unresolved),
    ("Connection refused", Unconnected::Refused),
    ("Connection timed out", Unconnected::TimedOut),
    ("Operation timed out", Unconnected::TimedOut),
    ("timed out during", Unconnected::TimedOut),
    ("Timeout, server", Unconnected::TimedOut),
    ("No route to host", Unconnected::NoRoute),
    ("Network is unreachable", Unconnected::NoRoute),
    ("Host is down", Unconnected::NoRoute),
];

/// Why the master did not connect, from what it wrote to its standard error.
pub(super) fn unconnected(stderr: &str, remote: &Remote) -> SshError {
    let why = why(stderr);
    let said = match why {
        Unconnected::UnknownKey => format!("the key of {} is not known", name(remote)),
        Unconnected::ChangedKey => format!("{} shows another key than the known one", name(remote)),
        Unconnected::Unauthorized if stderr.contains("bad permissions") => {
            format!("{} does not let `{}` in: ssh takes no key that others may read", name(remote), remote.user)
        }
        Unconnected::Unauthorized => format!("{} does not let `{}` in: {}", name(remote), remote.user, last(stderr)),
        _ => format!("{} cannot be reached: {}", name(remote), last(stderr)),
    };
    SshError::Connect { why, said }
}

fn why(stderr: &str) -> Unconnected {
    SIGNS.iter().find(|(sign, _)| stderr.contains(sign)).map_or(Unconnected::Ended, |(_, why)| *why)
}

/// The master was still connecting after `limit`.
pub(super) fn too_late(remote: &Remote, limit: Duration) -> SshError {
    let said = format!("{} cannot be reached: no connection within {}s", name(remote), limit.as_secs_f32().ceil());
    SshError::Connect { why: Unconnected::TimedOut, said }
}

/// What the crate says about `program`, which was to run over a living connection.
pub(super) fn of_session(error: &openssh::Error, program: &str) -> SshError {
    use openssh::Error;
    let said = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    match error {
        Error::Remote(_) => SshError::NoProgram(program.into()),
        Error::InvalidCommand => SshError::Nul,
        // The mux client's own type is not exported; these are the words of a request that the master turned down.
        Error::SshMux(_) if said.contains("Server refused the request") => SshError::Busy(said),
        Error::RemoteProcessTerminated => {
            SshError::Lost("the command was ended by a signal, or the host went away".into())
        }
        _ => SshError::Lost(said),
    }
}

fn name(remote: &Remote) -> String {
    remote.host.known_as(remote.port)
}

/// The last line that says something, without what would steer a terminal.
fn last(stderr: &str) -> String {
    let line = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("ssh gave no reason");
    let harmless = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    line.chars().take(SAID_CHARS).map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_is_sorted_by_its_most_telling_line() {
        let table = [
            ("ssh: Could not resolve hostname h: Name or service not known", Unconnected::Unresolved),
            ("ssh: connect to host h port 22: No route to host", Unconnected::NoRoute),
            ("ssh: connect to host h port 22: Connection timed out", Unconnected::TimedOut),
            ("Connection timed out during banner exchange\nConnection to h port 22 timed out", Unconnected::TimedOut),
            ("No ED25519 host key is known for h and you have requested strict checking.", Unconnected::UnknownKey),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                Unconnected::ChangedKey,
            ),
            ("root@h: Permission denied (publickey).", Unconnected::Unauthorized),
            ("kex_exchange_identification: Connection closed by remote host", Unconnected::Ended),
            ("", Unconnected::Ended),
        ];
        for (said, expected) in table {
            assert_eq!(why(said), expected, "{said}");
        }
        assert_eq!(last("\u{1b}[2Jlast\n \n"), "\u{fffd}[2Jlast");
    }
}
