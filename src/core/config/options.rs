//! The one list of options: names, variables, units, defaults and meanings.

use super::Origin;
use crate::core::{
    host::{Host, User},
    id::{AGENT_BYTES_MAX, AgentName, RESERVED_NAMES},
    queue::lease::LEASE_SECS_MAX,
};
use std::{ffi::OsStr, path::Path};

/// The longest time that can be configured, in seconds: a day.
pub const CONFIG_SECS_MAX: u64 = 24 * 3_600;

/// The highest limit of tasks per agent that can be configured.
pub const CLAIMS_CONFIG_MAX: u64 = 10_000;

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Who asks.
    Agent,
    /// The board.
    Board,
    /// The file whose existence stops the fleet.
    HaltFile,
    /// How long a request may take.
    TimeoutSecs,
    /// Which transports may be used.
    Via,
    /// The server socket of Emacs, on the host where that Emacs runs.
    EmacsSocket,
    /// The Emacs that `fleet daemon` starts.
    EmacsProgram,
    /// The directory of Fleet's Lisp files.
    EmacsLisp,
    /// Whether that Emacs loads the person's init file.
    EmacsInit,
    /// The host of the daemon.
    RemoteHost,
    /// The user there.
    RemoteUser,
    /// The port of its SSH server.
    RemotePort,
    /// The private key to log in with.
    RemoteSshKey,
    /// How long connecting may take.
    RemoteSshTimeoutSecs,
    /// The host keys that are trusted.
    RemoteKnownHosts,
    /// The person's own SSH configuration.
    RemoteSshConfig,
    /// How long an unused connection is kept open.
    RemoteKeepSecs,
    /// Whether a holder must show its token.
    PolicyRequireToken,
    /// How long a claim lasts without a sign of life.
    PolicyLeaseSecs,
    /// How many tasks an agent may hold at once.
    PolicyClaimsMax,
    /// Whether a board may lie on a network file system.
    PolicyNetworkFileSystem,
}

/// What an option may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An agent's name.
    Agent,
    /// An absolute path, or one that begins with `~/`.
    Path,
    /// A path, or the name of a program that is looked for in PATH.
    Program,
    /// As [`Kind::Path`], or `none`.
    PathOrNone,
    /// The name or address of a host.
    Host,
    /// The name of a user.
    User,
    /// A whole number of this unit, between two bounds.
    Number {
        /// The unit, empty for a pure number.
        unit: &'static str,
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// Everything that is fixed about an option.
#[derive(Debug)]
pub struct ConfigOption {
    /// Which one.
    pub key: Key,
    /// Its name in the file, with its table: `remote.host`.
    pub name: &'static str,
    /// The environment variable that overrides the file.
    pub variable: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// What it holds when nobody says anything; empty for nothing.
    pub default: &'static str,
    /// What it means, one sentence without period.
    pub meaning: &'static str,
}

const SECS: Kind = Kind::Number { unit: "seconds", min: 1, max: CONFIG_SECS_MAX };

/// Every option, in the order in which people meet them.
pub const OPTIONS: [ConfigOption; 21] = [
    ConfigOption {
        key: Key::Agent,
        name: "agent",
        variable: "FLEET_AGENT",
        kind: Kind::Agent,
        default: "",
        meaning: "the agent to act as",
    },
    ConfigOption {
        key: Key::Board,
        name: "board",
        variable: "DISPATCH_FILE",
        kind: Kind::Path,
        default: "/srv/fleet/workspace/dispatch.org",
        meaning: "the board, an org file",
    },
    ConfigOption {
        key: Key::HaltFile,
        name: "halt-file",
        variable: "FLEET_HALT_FILE",
        kind: Kind::Path,
        default: "~/.config/cross-agent-comms/HALT",
        meaning: "the file whose existence stops the fleet; `fleet halt` writes it",
    },
    ConfigOption {
        key: Key::TimeoutSecs,
        name: "timeout-secs",
        variable: "FLEET_TIMEOUT_SECS",
        kind: SECS,
        default: "15",
        meaning: "how long a request may take, retries included",
    },
    ConfigOption {
        key: Key::Via,
        name: "via",
        variable: "FLEET_VIA",
        kind: Kind::Choice(&["auto", "socket", "emacsclient", "ssh"]),
        default: "auto",
        meaning: "how to reach Emacs: the remote host or Fleet's own socket first, or one way only",
    },
    ConfigOption {
        key: Key::EmacsSocket,
        name: "emacs.socket",
        variable: "EMACS_SOCKET",
        kind: Kind::Path,
        default: "~/.emacs.d/server/bezalel",
        meaning: "the server socket of the Emacs that holds the board, on its own host",
    },
    ConfigOption {
        key: Key::EmacsProgram,
        name: "emacs.program",
        variable: "FLEET_EMACS",
        kind: Kind::Program,
        default: "emacs",
        meaning: "the Emacs that `fleet daemon` starts",
    },
    ConfigOption {
        key: Key::EmacsLisp,
        name: "emacs.lisp",
        variable: "FLEET_LISP",
        kind: Kind::Path,
        default: "",
        meaning: "the directory of Fleet's Lisp files; without it they are looked for near the program",
    },
    ConfigOption {
        key: Key::EmacsInit,
        name: "emacs.init",
        variable: "FLEET_EMACS_INIT",
        kind: Kind::Switch,
        default: "false",
        meaning: "whether that Emacs loads your init file",
    },
    ConfigOption {
        key: Key::RemoteHost,
        name: "remote.host",
        variable: "BEZALEL_HOST",
        kind: Kind::Host,
        default: "",
        meaning: "the host whose daemon holds the board; without it the board is on this host",
    },
    ConfigOption {
        key: Key::RemoteUser,
        name: "remote.user",
        variable: "BEZALEL_USER",
        kind: Kind::User,
        default: "root",
        meaning: "the user to log in as there",
    },
    ConfigOption {
        key: Key::RemotePort,
        name: "remote.port",
        variable: "BEZALEL_SSH_PORT",
        kind: Kind::Number { unit: "", min: 1, max: 65_535 },
        default: "",
        meaning: "the port of its SSH server; without it your SSH configuration's, else 22",
    },
    ConfigOption {
        key: Key::RemoteSshKey,
        name: "remote.ssh-key",
        variable: "BEZALEL_SSH_KEY",
        kind: Kind::Path,
        default: "",
        meaning: "the only private key to log in with; without it those that ssh would take",
    },
    ConfigOption {
        key: Key::RemoteSshTimeoutSecs,
        name: "remote.ssh-timeout-secs",
        variable: "BEZALEL_SSH_TIMEOUT",
        kind: SECS,
        default: "15",
        meaning: "how long connecting may take",
    },
    ConfigOption {
        key: Key::RemoteKnownHosts,
        name: "remote.known-hosts",
        variable: "BEZALEL_KNOWN_HOSTS",
        kind: Kind::Path,
        default: "~/.config/fleet/known_hosts",
        meaning: "the only host keys that are trusted, filled by `fleet peer add`",
    },
    ConfigOption {
        key: Key::RemoteSshConfig,
        name: "remote.ssh-config",
        variable: "BEZALEL_SSH_CONFIG",
        kind: Kind::PathOrNone,
        default: "~/.ssh/config",
        meaning: "your SSH configuration, for jump hosts and the like, or none; Fleet's own settings come first",
    },
    ConfigOption {
        key: Key::RemoteKeepSecs,
        name: "remote.keep-secs",
        variable: "BEZALEL_KEEP_SECS",
        kind: SECS,
        default: "600",
        meaning: "how long a connection that nobody uses is kept open",
    },
    ConfigOption {
        key: Key::PolicyRequireToken,
        name: "policy.require-token",
        variable: "FLEET_REQUIRE_TOKEN",
        kind: Kind::Switch,
        default: "false",
        meaning: "whether done, fail, renew, release and note must show the claim's token; read by the board's owner",
    },
    ConfigOption {
        key: Key::PolicyLeaseSecs,
        name: "policy.lease-secs",
        variable: "FLEET_LEASE_SECS",
        // Long enough for an agent that never renews; what it reports later than that still counts while nobody else
        // has claimed the task. Short enough that the task of a dead agent is tried again the same day.
        kind: Kind::Number { unit: "seconds", min: 0, max: LEASE_SECS_MAX },
        default: "3600",
        meaning: "how long a claim lasts without a sign of life unless it says otherwise, 0 for ever; read by the board's owner",
    },
    ConfigOption {
        key: Key::PolicyClaimsMax,
        name: "policy.claims-max",
        variable: "FLEET_CLAIMS_MAX",
        kind: Kind::Number { unit: "tasks", min: 0, max: CLAIMS_CONFIG_MAX },
        default: "0",
        meaning: "how many tasks an agent may hold where the board does not say, 0 for any number; read by the board's owner",
    },
    ConfigOption {
        key: Key::PolicyNetworkFileSystem,
        name: "policy.network-file-system",
        variable: "FLEET_NETWORK_FILE_SYSTEM",
        kind: Kind::Switch,
        default: "false",
        meaning: "whether the board may lie on NFS, CIFS, 9p or FUSE, whose locks may not hold; read by its owner",
    },
];

impl Key {
    /// What is fixed about this option.
    pub fn option(self) -> &'static ConfigOption {
        &OPTIONS[self as usize]
    }

    /// The option of that name in the file.
    pub fn named(name: &str) -> Option<Self> {
        OPTIONS.iter().find(|option| option.name == name).map(|option| option.key)
    }
}

impl Kind {
    /// What a value must be, if `value` is not: `must be …`. Paths of the command line and the environment may be
    /// relative, to where the command runs.
    pub(super) fn check(self, value: &OsStr, origin: &Origin) -> Result<(), String> {
        let text = value.to_str().ok_or("must be valid UTF-8");
        let holds = match self {
            Self::PathOrNone if value == "none" => true,
            Self::Path | Self::PathOrNone if matches!(origin, Origin::File { .. }) => {
                Path::new(value).is_absolute() || Path::new(value).starts_with("~")
            }
            Self::Path | Self::PathOrNone | Self::Program => !value.is_empty(),
            Self::Host => Host::new(text?).is_ok(),
            Self::User => User::new(text?).is_ok(),
            Self::Agent => AgentName::new(text?).is_ok(),
            Self::Number { min, max, .. } => text?.parse().is_ok_and(|number| (min..=max).contains(&number)),
            Self::Switch => ["true", "false"].contains(&text?),
            Self::Choice(words) => words.contains(&text?),
        };
        if holds { Ok(()) } else { Err(self.expectation()) }
    }

    /// `must be …`.
    pub(super) fn expectation(self) -> String {
        match self {
            Self::Agent => format!(
                "must be 1 to {AGENT_BYTES_MAX} of a-z, 0-9, `_` and `-`, and not {}",
                RESERVED_NAMES.join(", ")
            ),
            Self::Path => "must be an absolute path, or one that begins with `~/`".into(),
            Self::Program => "must be a program".into(),
            Self::PathOrNone => "must be an absolute path, one that begins with `~/`, or none".into(),
            Self::Host => "must be the name or the address of a host".into(),
            Self::User => "must be the name of a user".into(),
            Self::Number { unit: "", min, max } => format!("must be a number from {min} to {max}"),
            Self::Number { unit, min, max } => format!("must be a number of {unit} from {min} to {max}"),
            Self::Switch => "must be true or false".into(),
            Self::Choice(words) => format!("must be one of {}", words.join(", ")),
        }
    }
}
