//! The other host as it is configured: which one, and on what terms ssh connects.

use super::options::no_home;
use crate::{
    adapters::ssh::{Remote, SshConfig},
    core::{
        code::Code,
        config::{Config, Key, Origin},
        host::Host,
        wire::Failure,
    },
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// The host whose Emacs holds the board; `None` is this one.
pub fn configured(
    config: &Config,
    home: Option<&Path>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Remote>, Failure> {
    config.host().map(|host| to(host, config, home, env)).transpose()
}

/// `host` on the terms of `config`.
pub fn to(
    host: Host,
    config: &Config,
    home: Option<&Path>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Remote, Failure> {
    let path = |key: Key| path(key, config, home);
    let secs = |key: Key| Duration::from_secs(config.number(key).expect("it has a default"));
    Ok(Remote {
        host,
        user: config.user().expect("it has a default"),
        port: config.number(Key::RemotePort).and_then(|port| port.try_into().ok()),
        key: path(Key::RemoteSshKey)?,
        connect_timeout: secs(Key::RemoteSshTimeoutSecs),
        known_hosts: known_hosts(config, home, &env)?,
        ssh_config: ssh_config(config, path(Key::RemoteSshConfig)?)?,
        keep: secs(Key::RemoteKeepSecs),
        runtime_dir: directory("XDG_RUNTIME_DIR", &env),
    })
}

/// The file of trusted host keys: where it is configured, else `fleet/known_hosts` in the person's configuration directory.
pub fn known_hosts(
    config: &Config,
    home: Option<&Path>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, Failure> {
    match directory("XDG_CONFIG_HOME", env).filter(|_| is_default(config, Key::RemoteKnownHosts)) {
        Some(directory) => Ok(directory.join("fleet/known_hosts")),
        None => Ok(path(Key::RemoteKnownHosts, config, home)?.expect("it has a default")),
    }
}

fn path(key: Key, config: &Config, home: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    match (config.setting(key), config.path(key, home)) {
        (Some(_), None) => Err(no_home(key)),
        (_, path) => Ok(path.map(|path| std::path::absolute(&path).unwrap_or(path))),
    }
}

/// A directory of the XDG kind; a relative one counts as unset.
fn directory(name: &str, env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    env(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The person's own file need not exist, one that was named must.
fn ssh_config(config: &Config, path: Option<PathBuf>) -> Result<SshConfig, Failure> {
    if config.text(Key::RemoteSshConfig) == Some("none") {
        return Ok(SshConfig::None);
    }
    match path {
        Some(path) if path.is_file() => Ok(SshConfig::File(path)),
        Some(path) if !is_default(config, Key::RemoteSshConfig) => {
            let message = format!("there is no SSH configuration `{}`", path.display());
            let hint = "name another with remote.ssh-config or BEZALEL_SSH_CONFIG, or say none";
            Err(Failure::new(Code::Config, "no-ssh-config", message).hint(hint))
        }
        _ => Ok(SshConfig::None),
    }
}

fn is_default(config: &Config, key: Key) -> bool {
    config.setting(key).is_none_or(|setting| setting.origin == Origin::Default)
}
