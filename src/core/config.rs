//! The configuration: which options there are, what they may hold, and which source wins.
//!
//! Every option stands in [`OPTIONS`] once, with its name in `fleet.toml`, its environment variable, its default and
//! what it means; reading, `fleet config` and the documents are held against that list. A value is checked where it
//! comes in, so that whoever asks for one later cannot fail.

mod file;
mod options;

use crate::core::{
    host::{Host, User},
    id::AgentName,
};
pub use file::{CONFIG_BYTES_MAX, FileError, read_file, template};
pub use options::{CONFIG_SECS_MAX, ConfigOption, Key, Kind, OPTIONS};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

/// Where a value came from; a later variant wins over an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The file, in this line.
    File {
        /// Its path.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The option's environment variable.
    Environment(&'static str),
    /// An option of the command line.
    CommandLine(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine(name) => write!(f, "option {name}"),
        }
    }
}

/// A value that its option cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {name} {wrong}, but it is {value}")]
pub struct BadValue {
    /// Where it came from.
    pub origin: Origin,
    /// The option's name.
    pub name: &'static str,
    /// What it should have been: `must be …`.
    pub wrong: String,
    /// The value, quoted, or what it is.
    pub value: String,
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value as it was written.
    pub value: OsString,
    /// Its source.
    pub origin: Origin,
}

/// What all sources together say. Options that nobody set and that have no default are absent.
#[derive(Clone, Debug, Default)]
pub struct Config {
    settings: BTreeMap<Key, Setting>,
}

impl Config {
    /// The defaults, `file` over them, the environment over both; an empty variable counts as unset.
    pub fn gather(file: Config, env: impl Fn(&str) -> Option<OsString>) -> Result<Self, BadValue> {
        let mut config = Self::default();
        for option in OPTIONS.iter().filter(|option| !option.default.is_empty()) {
            config.set(option.key, option.default.into(), Origin::Default)?;
        }
        config.settings.extend(file.settings);
        for option in &OPTIONS {
            if let Some(value) = env(option.variable).filter(|value| !value.is_empty()) {
                config.set(option.key, value, Origin::Environment(option.variable))?;
            }
        }
        Ok(config)
    }

    /// Sets one option, whatever it held.
    pub fn set(&mut self, key: Key, value: OsString, origin: Origin) -> Result<(), BadValue> {
        let option = key.option();
        if let Err(wrong) = option.kind.check(&value, &origin) {
            let value = format!("`{}`", value.to_string_lossy());
            return Err(BadValue { origin, name: option.name, wrong, value });
        }
        self.settings.insert(key, Setting { value, origin });
        Ok(())
    }

    /// An option with its source.
    pub fn setting(&self, key: Key) -> Option<&Setting> {
        self.settings.get(&key)
    }

    /// An option as text.
    pub fn text(&self, key: Key) -> Option<&str> {
        self.setting(key)?.value.to_str()
    }

    /// A path, its `~/` replaced by `home`; `None` also when it needs a home and there is none.
    pub fn path(&self, key: Key, home: Option<&Path>) -> Option<PathBuf> {
        let path = Path::new(&self.setting(key)?.value);
        match path.strip_prefix("~") {
            Ok(rest) => Some(home?.join(rest)),
            Err(_) => Some(path.into()),
        }
    }

    /// A number.
    pub fn number(&self, key: Key) -> Option<u64> {
        self.text(key)?.parse().ok()
    }

    /// A switch; off when nobody set it.
    pub fn is_on(&self, key: Key) -> bool {
        self.text(key) == Some("true")
    }

    /// The host of the board; `None` is this one.
    pub fn host(&self) -> Option<Host> {
        Host::new(self.text(Key::RemoteHost)?).ok()
    }

    /// The user on that host.
    pub fn user(&self) -> Option<User> {
        User::new(self.text(Key::RemoteUser)?).ok()
    }

    /// An agent's name.
    pub fn agent(&self) -> Option<AgentName> {
        AgentName::new(self.text(Key::Agent)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
    }

    #[test]
    fn options_stand_in_the_order_of_their_keys_with_defaults_that_they_can_hold() {
        for (n, option) in OPTIONS.iter().enumerate() {
            assert_eq!(option.key as usize, n, "{}", option.name);
            assert_eq!(Key::named(option.name), Some(option.key));
            if !option.default.is_empty() {
                let origin = Origin::File { path: "f".into(), line: 1 };
                assert_eq!(option.kind.check(option.default.as_ref(), &origin), Ok(()), "{}", option.name);
            }
        }
    }

    #[test]
    fn environment_wins_over_the_file_and_the_file_over_the_default() {
        let text = "board = \"/a.org\"\ntimeout-secs = 3\n";
        let file = read_file(text, Path::new("/f")).expect("valid");
        let config = Config::gather(file, env(&[("DISPATCH_FILE", "b.org"), ("EMACS_SOCKET", "")])).expect("valid");
        let shown = |key: Key| {
            let Setting { value, origin } = config.setting(key).expect("set");
            format!("{} ({origin})", value.display())
        };
        assert_eq!(shown(Key::Board), "b.org (environment DISPATCH_FILE)");
        assert_eq!(shown(Key::TimeoutSecs), "3 (/f:2)");
        assert_eq!(shown(Key::EmacsSocket), "~/.emacs.d/server/bezalel (default)", "an empty variable is unset");
        assert_eq!(config.setting(Key::RemoteHost), None);
    }

    #[test]
    fn a_value_that_an_option_cannot_hold_is_refused_with_its_source() {
        let table: &[(&str, &str, &str)] = &[
            ("FLEET_AGENT", "Bad Name", "must be 1 to 32 of a-z, 0-9, `_` and `-`"),
            ("FLEET_AGENT", "human", "not human, system, fleet, gate"),
            ("FLEET_TIMEOUT_SECS", "0", "must be a number of seconds from 1 to 86400"),
            ("FLEET_TIMEOUT_SECS", "2h", "must be a number of seconds from 1 to 86400"),
            ("BEZALEL_SSH_PORT", "65536", "must be a number from 1 to 65535"),
            ("FLEET_VIA", "pigeon", "must be one of auto, socket, emacsclient, ssh"),
            ("FLEET_REQUIRE_TOKEN", "yes", "must be true or false"),
            ("BEZALEL_HOST", "-oProxyCommand=id", "must be the name or the address of a host"),
            ("BEZALEL_USER", "root@x", "must be the name of a user"),
        ];
        for (variable, value, expected) in table {
            let env = |name: &str| (name == *variable).then(|| OsString::from(value));
            let error = Config::gather(Config::default(), env).expect_err(value).to_string();
            assert!(error.starts_with(&format!("environment {variable}: ")) && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_tilde_is_the_home_and_only_at_the_head_of_a_path() {
        let config = Config::gather(Config::default(), env(&[("DISPATCH_FILE", "/srv/~/x.org")])).expect("valid");
        let home = Some(Path::new("/people/ada"));
        assert_eq!(config.path(Key::EmacsSocket, home), Some("/people/ada/.emacs.d/server/bezalel".into()));
        assert_eq!(config.path(Key::EmacsSocket, None), None);
        assert_eq!(config.path(Key::Board, None), Some("/srv/~/x.org".into()));
    }
}
