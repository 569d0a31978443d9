//! Options that every verb takes, and what they come to together with the environment.

use super::{
    fail::{Refused, usage},
    parse,
    reach::{self, Via},
    remote,
};
use crate::{
    adapters::{
        clock,
        config_file::{self, ConfigError},
        ssh::Remote,
    },
    core::{
        code::Code,
        config::{BadValue, CONFIG_SECS_MAX, Config, ConfigOption, Key, Origin, Setting},
        host::Host,
        id::{AgentName, RequestId},
        wire::{Call, Failure, Reply, Request, WIRE_VERSION},
    },
};
use clap::ValueEnum as _;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

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
    /// Seconds to wait for the answer [env: FLEET_TIMEOUT_SECS] [default: 15]
    #[arg(long, global = true, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=CONFIG_SECS_MAX))]
    timeout: Option<u64>,
    /// Work on the board's file while no Emacs owns it
    #[arg(long, global = true, conflicts_with = "via")]
    offline: bool,
    /// How to reach Emacs [env: FLEET_VIA] [default: auto]
    #[arg(long, global = true, value_name = "WAY", value_enum)]
    via: Option<Via>,
    /// The configuration file [env: FLEET_CONFIG] [default: ~/.config/fleet/fleet.toml, else /etc/fleet/fleet.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What options, environment and configuration file come to; fixed for the whole run.
#[derive(Debug)]
pub struct Settings {
    /// The agent to act as.
    pub agent: Option<AgentName>,
    /// The board.
    pub board: PathBuf,
    /// Whether the answer is for programs.
    pub json: bool,
    /// The id of this run's request, the same in every retry.
    pub request_id: RequestId,
    /// How long a request may take.
    pub timeout: Duration,
    /// Whether to work on the file itself.
    pub offline: bool,
    /// Which transports may be used.
    pub via: Via,
    /// The host whose Emacs holds the board; `None` is this one.
    pub remote: Option<Remote>,
    /// The configuration file that was named on the command line, absolute.
    pub config_file: Option<PathBuf>,
    /// Everything that can be configured, with where it came from.
    pub config: Config,
    home: Option<PathBuf>,
}

impl Settings {
    /// Reads the configuration, with the environment `env` over the file and `options` over both.
    pub fn resolve(options: GlobalOptions, env: impl Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        let config_file = options.config.as_deref().map(absolute);
        let mut config = config_file::load(config_file.as_deref(), &env)?;
        options.overlay(&mut config).map_err(ConfigError::from)?;
        let home = env("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let remote = remote::configured(&config, home.as_deref(), &env)?;
        let via = config.text(Key::Via).and_then(|word| Via::from_str(word, false).ok());
        Ok(Self {
            agent: config.agent(),
            board: config.path(Key::Board, home.as_deref()).ok_or_else(|| no_home(Key::Board))?,
            json: options.json,
            request_id: options.request_id.unwrap_or_else(clock::fresh_request_id),
            timeout: Duration::from_secs(config.number(Key::TimeoutSecs).expect("it has a default")),
            offline: options.offline,
            via: via.expect("the choices are the transports"),
            remote,
            config_file,
            config,
            home,
        })
    }

    /// Refuses ways that do not lead to the host that is configured: doing the request elsewhere would be wrong.
    pub fn check_host(&self) -> Result<(), Failure> {
        match (&self.remote, self.via) {
            (None, Via::Ssh) => Err(usage("no-host", "--via ssh needs a host, and none is configured")
                .hint("name it with BEZALEL_HOST or remote.host in fleet.toml")),
            (None, _) => Ok(()),
            (Some(_), _) if self.offline => Err(self.not_this_host("--offline")),
            (Some(_), Via::Socket) => Err(self.not_this_host("--via socket")),
            (Some(_), Via::Emacsclient) => Err(self.not_this_host("--via emacsclient")),
            (Some(_), Via::Auto | Via::Ssh) => Ok(()),
        }
    }

    /// Refuses `what`, which works on this host only, when another one is configured.
    pub fn need_this_host(&self, what: &str) -> Result<(), Failure> {
        if self.remote.is_some() { Err(self.not_this_host(what)) } else { Ok(()) }
    }

    fn not_this_host(&self, what: &str) -> Failure {
        let host = self.config.setting(Key::RemoteHost);
        let host = host.map(|Setting { value, origin }| format!("`{}` ({origin})", value.display()));
        let message = format!("{what} is about this host, but the board is on {}", host.unwrap_or_default());
        usage("not-this-host", message).hint("run it there, or unset BEZALEL_HOST for the board on this host")
    }

    /// The person's home directory, if HOME says where.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Emacs's server socket on the other host, where a relative path begins at the home directory.
    pub fn far_socket(&self) -> Result<&str, Failure> {
        let path = self.config.text(Key::EmacsSocket);
        let path = path.ok_or_else(|| usage("bad-socket-path", "the path of Emacs's socket is not UTF-8"))?;
        Ok(path.strip_prefix("~/").unwrap_or(path))
    }

    /// `host` on the terms that are configured, the port apart, which belongs to the configured host only.
    pub fn remote_to(&self, host: Host, port: Option<u16>) -> Result<Remote, Failure> {
        let own = self.config.host().as_ref() == Some(&host);
        let remote = remote::to(host, &self.config, self.home.as_deref(), |name| std::env::var_os(name))?;
        Ok(Remote { port: port.or(remote.port.filter(|_| own)), ..remote })
    }

    /// The file of trusted host keys.
    pub fn known_hosts(&self) -> Result<PathBuf, Failure> {
        remote::known_hosts(&self.config, self.home.as_deref(), |name| std::env::var_os(name))
    }

    /// A configured path; `None` if there is none.
    pub fn path(&self, key: Key) -> Result<Option<PathBuf>, Failure> {
        match (self.config.path(key, self.home.as_deref()), self.config.setting(key)) {
            (None, Some(_)) => Err(no_home(key)),
            (path, _) => Ok(path),
        }
    }

    /// Emacs's server socket, absolute: Emacs and emacsclient take a relative name for one below a directory of theirs.
    pub fn emacs_socket(&self) -> Result<PathBuf, Failure> {
        Ok(absolute(&self.path(Key::EmacsSocket)?.expect("it has a default")))
    }

    /// The board as the owner is told it; `None` if nobody named one, and whichever that Emacs has will do.
    fn named_board(&self) -> Result<Option<String>, Failure> {
        let named = self.config.setting(Key::Board).filter(|board| board.origin != Origin::Default);
        let Some(Setting { value, origin }) = named else { return Ok(None) };
        let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| bad_board(origin, "is not UTF-8"));
        match &self.remote {
            None => text(&absolute(&self.board)).map(Some),
            Some(_) if Path::new(value).is_absolute() => text(Path::new(value)).map(Some),
            Some(_) => Err(bad_board(origin, "is not absolute, and the board is on another host")
                .hint("name the board by its absolute path there")),
        }
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
        let (id, agent, board) = (self.request_id.clone(), self.agent.clone(), self.named_board()?);
        let request = Request { v: WIRE_VERSION, id, agent, board, call };
        let refused = |failure| (Reply::refused(Some(&request.id), failure), "");
        let (reply, way) = reach::ask(self, &request).unwrap_or_else(refused);
        Refused::sort(reply).map(|reply| (reply, way))
    }
}

impl GlobalOptions {
    /// Puts what was said on the command line over the rest.
    fn overlay(&self, config: &mut Config) -> Result<(), BadValue> {
        let via = self.via.and_then(|via| via.to_possible_value()).map(|word| word.get_name().into());
        let said: [(Key, &str, Option<OsString>); 5] = [
            (Key::Agent, "--agent", self.agent.as_ref().map(|name| name.as_str().into())),
            (Key::Board, "--board", self.board.as_ref().map(Into::into)),
            (Key::EmacsSocket, "--socket", self.socket.as_ref().map(Into::into)),
            (Key::TimeoutSecs, "--timeout", self.timeout.map(|secs| secs.to_string().into())),
            (Key::Via, "--via", via),
        ];
        for (key, option, value) in said {
            if let Some(value) = value {
                config.set(key, value, Origin::CommandLine(option))?;
            }
        }
        Ok(())
    }
}

fn bad_board(origin: &Origin, what: &str) -> Failure {
    usage("bad-board-path", format!("the board's path ({origin}) {what}"))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

/// A path that has to lie somewhere although there is no home.
pub(super) fn no_home(key: Key) -> Failure {
    let ConfigOption { name, variable, .. } = key.option();
    Failure::new(Code::Config, "no-home", format!("HOME is not set, and {name} lies below it"))
        .hint(format!("set {variable} to an absolute path"))
}
