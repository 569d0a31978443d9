//! What ssh is told. Ours come on the command line, where they win over every configuration file.

use super::{Remote, shown};
use sha2::{Digest as _, Sha256};
use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// Seconds of silence after which the other host is asked for a sign of life.
const ALIVE_SECS: u64 = 15;
/// Signs of life that may fail to come before the connection counts as broken.
const ALIVE_TRIES: u32 = 3;

/// What holds on every connection, whatever the user's configuration says.
const ALWAYS: [&str; 18] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=none",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "CheckHostIP=no",
    "KnownHostsCommand=none",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "Tunnel=no",
    "AddKeysToAgent=no",
    "ConnectionAttempts=1",
    "LogLevel=ERROR",
    "EscapeChar=none",
    "EnableEscapeCommandline=no",
];

/// The user's own configuration of ssh, which is read below our options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SshConfig {
    /// No file.
    None,
    /// This one.
    File(PathBuf),
}

/// A path that ssh would read as something else.
#[derive(Debug, thiserror::Error)]
#[error("the path `{}` cannot be handed to ssh: it must be absolute, without quotes, `${{` and control characters", shown(.0))]
pub struct PathRefused(pub PathBuf);

/// What tells one connection from another: those with the same text may share one.
pub(super) fn identity(remote: &Remote) -> String {
    // How long to wait, and where the socket lies, make no other connection.
    let (connect_timeout, keep) = (Duration::ZERO, Duration::ZERO);
    let terms = Remote { connect_timeout, keep, runtime_dir: None, ..remote.clone() };
    let digest = Sha256::digest(format!("{terms:?}"));
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Options of the process that keeps the connection.
pub(super) fn of_master(remote: &Remote) -> [OsString; 4] {
    let keep = format!("ControlPersist={}s", remote.keep.as_secs().max(1));
    ["-o".into(), keep.into(), "-o".into(), "RequestTTY=no".into()]
}

/// Options of every ssh, and the destination after them.
pub(super) fn of(remote: &Remote, connect_timeout: Duration) -> Result<Vec<OsString>, PathRefused> {
    let mut options: Vec<OsString> = Vec::new();
    match &remote.ssh_config {
        SshConfig::None => options.extend(["-F".into(), "none".into()]),
        SshConfig::File(path) => options.extend(["-F".into(), path.into()]),
    }
    // Rounded up: zero would mean no limit at all.
    let seconds = connect_timeout.as_millis().div_ceil(1000).max(1);
    let ours = [
        format!("ConnectTimeout={seconds}"),
        format!("ServerAliveInterval={ALIVE_SECS}"),
        format!("ServerAliveCountMax={ALIVE_TRIES}"),
        format!("HostKeyAlias={}", remote.host.known_as(remote.port)),
    ];
    let mut set = |option: OsString| options.extend(["-o".into(), option]);
    ALWAYS.iter().for_each(|option| set(option.into()));
    ours.into_iter().for_each(|option| set(option.into()));
    set(with_path("UserKnownHostsFile", &remote.known_hosts)?);
    if let Some(key) = &remote.key {
        set("IdentitiesOnly=yes".into());
        set(with_path("IdentityFile", key)?);
    }
    if let Some(port) = remote.port {
        options.extend(["-p".into(), port.to_string().into()]);
    }
    options.extend(["-l".into(), remote.user.as_str().into(), "--".into(), remote.host.as_str().into()]);
    Ok(options)
}

/// `NAME="PATH"` as ssh reads it back.
fn with_path(name: &str, path: &Path) -> Result<OsString, PathRefused> {
    let bytes = path.as_os_str().as_bytes();
    let is_misread = |b: &u8| b.is_ascii_control() || *b == b'"' || *b == b'\\';
    let text = path.to_str().filter(|text| !text.contains("${") && path.is_absolute() && !bytes.iter().any(is_misread));
    let text = text.ok_or_else(|| PathRefused(path.into()))?;
    Ok(format!("{name}=\"{}\"", text.replace('%', "%%")).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::host::{Host, User};

    fn remote() -> Remote {
        Remote {
            host: Host::new("bezalel").expect("a host"),
            user: User::new("root").expect("a user"),
            port: None,
            key: None,
            connect_timeout: Duration::from_secs(15),
            known_hosts: "/k/known 50%".into(),
            ssh_config: SshConfig::None,
            keep: Duration::from_secs(600),
            runtime_dir: None,
        }
    }

    fn text(remote: &Remote) -> String {
        let words = of(remote, Duration::from_millis(1)).expect("paths that ssh takes");
        words.iter().map(|word| word.to_str().expect("text")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_destination_comes_last_and_after_the_end_of_the_options() {
        assert!(text(&remote()).ends_with(" -l root -- bezalel"));
        assert!(text(&Remote { port: Some(2222), ..remote() }).contains("HostKeyAlias=[bezalel]:2222 "));
    }

    #[test]
    fn paths_are_quoted_and_tokens_in_them_are_not_expanded() {
        assert!(text(&remote()).contains("UserKnownHostsFile=\"/k/known 50%%\""));
        for bad in ["relative", "/a\"b", "/a\nb", "/${HOME}/k", "/a\\b"] {
            assert!(of(&Remote { key: Some(bad.into()), ..remote() }, Duration::ZERO).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_named_key_is_the_only_one_and_less_than_a_second_is_not_no_limit() {
        assert!(!text(&remote()).contains("IdentitiesOnly"));
        assert!(
            text(&Remote { key: Some("/k/id".into()), ..remote() }).contains("IdentitiesOnly=yes -o IdentityFile=")
        );
        assert!(text(&remote()).contains("ConnectTimeout=1 "));
    }

    #[test]
    fn connections_on_other_terms_are_other_connections() {
        let others = [
            Remote { port: Some(22), ..remote() },
            Remote { key: Some("/k".into()), ..remote() },
            Remote { known_hosts: "/other".into(), ..remote() },
        ];
        assert!(others.iter().all(|other| identity(other) != identity(&remote())));
        let patient = Remote { connect_timeout: Duration::from_secs(60), keep: Duration::from_secs(9), ..remote() };
        assert_eq!(identity(&patient), identity(&remote()));
    }
}
