//! Options that every verb takes, and what they come to together with the environment.

use super::{
    fail::{Refused, usage},
    parse,
    reach::{self, Via},
};
use crate::{
    adapters::clock,
    core::{
        code::Code,
        id::{AgentName, RequestId},
        wire::{Call, Failure, Reply, Request, WIRE_VERSION},
    },
};
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// The board when neither option nor environment names one.
const BOARD_DEFAULT: &str = "/srv/fleet/workspace/dispatch.org";
/// Emacs's socket below the home directory when neither option nor environment names one.
const EMACS_SOCKET_DEFAULT: &str = ".emacs.d/server/bezalel";
/// Seconds that a request may take when nothing else is said.
const TIMEOUT_SECS_DEFAULT: u64 = 15;
/// The longest time-out that can be asked for, in seconds.
const TIMEOUT_SECS_MAX: u64 = 24 * 3600;

/// The options of every verb.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every verb")]
pub struct GlobalOptions {
    /// Print the whole reply as one line of JSON, failures too
    #[arg(long, global = true)]
    pub json: bool,
    /// Act as this agent [env: FLEET_AGENT]
    #[arg(long, global = true, value_name = "NAME", value_parser = parse::agent)]
    agent: Option<AgentName>,
    /// The board, an org file [env: DISPATCH_FILE] [default: /srv/fleet/workspace/dispatch.org]
    #[arg(long, global = true, value_name = "FILE")]
    board: Option<PathBuf>,
    /// The server socket of Emacs [env: EMACS_SOCKET] [default: ~/.emacs.d/server/bezalel]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Repeat the request that had this id; done once, it is not done again
    #[arg(long, global = true, value_name = "ID", value_parser = parse::request_id)]
    request_id: Option<RequestId>,
    /// Seconds to wait for the answer
    #[arg(long, global = true, value_name = "SECS", default_value_t = TIMEOUT_SECS_DEFAULT,
          value_parser = clap::value_parser!(u64).range(1..=TIMEOUT_SECS_MAX))]
    timeout: u64,
    /// Work on the board's file while no Emacs owns it
    #[arg(long, global = true, conflicts_with = "via")]
    offline: bool,
    /// How to reach Emacs
    #[arg(long, global = true, value_name = "WAY", value_enum, default_value_t = Via::Auto)]
    via: Via,
}

/// What the options and the environment come to; fixed for the whole run.
#[derive(Debug)]
pub struct Settings {
    /// The agent to act as.
    pub agent: Option<AgentName>,
    /// The board.
    pub board: PathBuf,
    /// The id of this run's request, the same in every retry.
    pub request_id: RequestId,
    /// How long a request may take.
    pub timeout: Duration,
    /// Whether to work on the file itself.
    pub offline: bool,
    /// Which transports may be used.
    pub via: Via,
    emacs_socket: Option<PathBuf>,
    remote: Option<String>,
}

impl Settings {
    /// Fills in from the environment `env` what the options leave open; an empty variable counts as unset.
    pub fn resolve(options: GlobalOptions, env: impl Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let agent = match (options.agent, env("FLEET_AGENT")) {
            (Some(agent), _) => Some(agent),
            (None, Some(name)) => Some(agent_from_environment(&name.to_string_lossy())?),
            (None, None) => None,
        };
        let home_socket = || env("HOME").map(|home| PathBuf::from(home).join(EMACS_SOCKET_DEFAULT));
        let socket = options.socket.or_else(|| env("EMACS_SOCKET").map(PathBuf::from)).or_else(home_socket);
        Ok(Self {
            agent,
            board: options
                .board
                .or_else(|| env("DISPATCH_FILE").map(PathBuf::from))
                .unwrap_or_else(|| BOARD_DEFAULT.into()),
            request_id: options.request_id.unwrap_or_else(clock::fresh_request_id),
            timeout: Duration::from_secs(options.timeout),
            offline: options.offline,
            via: options.via,
            // Emacs and emacsclient take a relative name for one below a directory of their own.
            emacs_socket: socket.map(|path| std::path::absolute(&path).unwrap_or(path)),
            remote: env("BEZALEL_HOST").map(|host| host.to_string_lossy().into_owned()),
        })
    }

    /// Says so when the environment asks for another host: doing the request here instead would be wrong.
    pub fn refuse_remote(&self) -> Result<(), Failure> {
        let Some(host) = &self.remote else { return Ok(()) };
        let message = format!("BEZALEL_HOST is `{host}`, but this version does not reach other hosts yet");
        let hint = "unset BEZALEL_HOST for the board on this host, or run `fleet` on that host";
        Err(Failure::new(Code::Unreachable, "remote-unsupported", message).hint(hint))
    }

    /// Emacs's server socket, absolute.
    pub fn emacs_socket(&self) -> Result<&PathBuf, Failure> {
        self.emacs_socket.as_ref().ok_or_else(|| {
            Failure::new(Code::Config, "no-home", "HOME is not set, so there is no default for Emacs's socket")
                .hint("name it with --socket or EMACS_SOCKET")
        })
    }

    /// Refuses verbs that only an agent can ask for.
    pub fn need_agent(&self) -> Result<(), Failure> {
        self.agent().map(|_| ())
    }

    /// The agent to act as, for verbs that cannot do without.
    pub fn agent(&self) -> Result<&AgentName, Failure> {
        self.agent.as_ref().ok_or_else(|| {
            usage("no-agent", "--agent is missing").hint("name yourself with --agent NAME or FLEET_AGENT")
        })
    }

    /// Sends `call` to the owner of the board and waits for a positive reply.
    pub fn ask(&self, call: Call) -> Result<Reply, Refused> {
        self.ask_by(call).map(|(reply, _)| reply)
    }

    /// As [`Settings::ask`], and by which way the reply came.
    pub fn ask_by(&self, call: Call) -> Result<(Reply, &'static str), Refused> {
        let request = Request { v: WIRE_VERSION, id: self.request_id.clone(), agent: self.agent.clone(), call };
        let refused = |failure| (Reply::refused(Some(&request.id), failure), "");
        let (reply, way) = reach::ask(self, &request).unwrap_or_else(refused);
        Refused::sort(reply).map(|reply| (reply, way))
    }
}

fn agent_from_environment(name: &str) -> Result<AgentName, Failure> {
    AgentName::new(name).map_err(|e| usage("bad-agent", format!("invalid value in FLEET_AGENT: {e}")))
}
