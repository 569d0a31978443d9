//! The one list of outcomes: exit code, Lisp error symbol and JSON name of everything that can go wrong.

use serde::{Deserialize, Serialize};

/// How a request ended, in the words that every face of Fleet uses.
///
/// The numbers are the exit codes of the `fleet` program; they are part of the protocol and never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// It worked.
    Ok,
    /// Something failed that no other code describes.
    General,
    /// The call itself is wrong: a missing argument, a malformed name, an unknown verb.
    Usage,
    /// No such task, or nothing to claim.
    NotFound,
    /// The task is held by another, in the wrong state, or the token is stale.
    Conflict,
    /// The fleet is halted.
    Halt,
    /// The daemon or the host does not answer; for a mutating verb the outcome is unknown.
    Unreachable,
    /// This caller may not do that.
    Denied,
    /// The board or the journal is damaged.
    Corrupt,
    /// The configuration, or the board's own settings, do not allow it.
    Config,
}

impl Code {
    /// Every code, in the order of the exit codes.
    pub const ALL: [Code; 10] = [
        Code::Ok,
        Code::General,
        Code::Usage,
        Code::NotFound,
        Code::Conflict,
        Code::Halt,
        Code::Unreachable,
        Code::Denied,
        Code::Corrupt,
        Code::Config,
    ];

    /// The exit code of the program, 0 to 9.
    pub fn exit(self) -> u8 {
        self as u8
    }

    /// The name in JSON replies.
    pub fn name(self) -> &'static str {
        match self {
            Code::Ok => "ok",
            Code::General => "general",
            Code::Usage => "usage",
            Code::NotFound => "not-found",
            Code::Conflict => "conflict",
            Code::Halt => "halt",
            Code::Unreachable => "unreachable",
            Code::Denied => "denied",
            Code::Corrupt => "corrupt",
            Code::Config => "config",
        }
    }

    /// What it means, in a few words for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Code::Ok => "done",
            Code::General => "failed in a way that no other code describes",
            Code::Usage => "the call is wrong",
            Code::NotFound => "no such task, or nothing to claim",
            Code::Conflict => "held by another, wrong state, stale token",
            Code::Halt => "the fleet is halted",
            Code::Unreachable => "nobody answers, or the outcome is unknown",
            Code::Denied => "this caller may not",
            Code::Corrupt => "board or journal is damaged",
            Code::Config => "the settings do not allow it",
        }
    }

    /// The Lisp error symbol, a child of `fleet-error`; `Ok` has none.
    pub fn symbol(self) -> Option<&'static str> {
        match self {
            Code::Ok => None,
            Code::General => Some("fleet-error"),
            Code::Usage => Some("fleet-usage-error"),
            Code::NotFound => Some("fleet-not-found"),
            Code::Conflict => Some("fleet-conflict"),
            Code::Halt => Some("fleet-halted"),
            Code::Unreachable => Some("fleet-unreachable"),
            Code::Denied => Some("fleet-denied"),
            Code::Corrupt => Some("fleet-corrupt"),
            Code::Config => Some("fleet-config-error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_names_and_json_agree() {
        for (n, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code.exit() as usize, n);
            assert_eq!(serde_json::to_value(code).expect("a plain enum serializes"), code.name());
        }
    }
}
