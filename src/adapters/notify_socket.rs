//! The service manager that started this process, as far as sd_notify(3) knows it: readiness, state, signs of life.
//!
//! Without its variables there is nobody to tell, and nothing is done.

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with};
use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
    time::Duration,
};

/// What a service manager sets for its service, and nobody else should find in its environment.
pub const NOTIFY_VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Sends `state`, lines such as `READY=1`, to the manager that `env` names; whether there is one.
///
/// Never blocks: a manager that does not read is told nothing, and that is an error.
pub fn tell(env: impl Fn(&str) -> Option<OsString>, state: &str) -> io::Result<bool> {
    let Some(name) = env("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(false) };
    let address = address(&name)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    sendto(&socket, state.as_bytes(), SendFlags::NOSIGNAL, &address)?;
    Ok(true)
}

/// How long the manager that `env` names waits for a sign of life of process `pid`; `None` if it does not.
pub fn watchdog(env: impl Fn(&str) -> Option<OsString>, pid: u32) -> Option<Duration> {
    let number = |name| env(name).and_then(|value| value.to_str()?.parse::<u64>().ok());
    let is_for_another = env("WATCHDOG_PID").is_some() && number("WATCHDOG_PID") != Some(pid.into());
    let micros = number("WATCHDOG_USEC").filter(|micros| *micros > 0)?;
    (!is_for_another && env("NOTIFY_SOCKET").is_some()).then(|| Duration::from_micros(micros))
}

/// A path, or with `@` in front a name that lies in no file system.
fn address(name: &OsStr) -> io::Result<SocketAddrUnix> {
    Ok(match name.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        [b'/', ..] => SocketAddrUnix::new(name)?,
        _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "NOTIFY_SOCKET is no Unix socket")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    };

    fn env<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    }

    fn heard(manager: &UnixDatagram) -> String {
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).expect("a datagram");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn a_manager_is_told_at_a_path_and_at_an_abstract_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("bound");
        let name = path.to_str().expect("UTF-8");
        assert!(tell(env(&[("NOTIFY_SOCKET", name)]), "READY=1").expect("sent"));
        assert_eq!(heard(&manager), "READY=1");

        let abstract_name = format!("fleet-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).expect("a name");
        let manager = UnixDatagram::bind_addr(&address).expect("bound");
        assert!(tell(env(&[("NOTIFY_SOCKET", &format!("@{abstract_name}"))]), "WATCHDOG=1").expect("sent"));
        assert_eq!(heard(&manager), "WATCHDOG=1");
    }

    #[test]
    fn without_a_manager_nothing_is_told_and_one_that_is_gone_or_deaf_is_an_error() {
        assert!(!tell(env(&[]), "READY=1").expect("nobody to tell"));
        assert!(!tell(env(&[("NOTIFY_SOCKET", "")]), "READY=1").expect("nobody to tell"));
        assert!(tell(env(&[("NOTIFY_SOCKET", "/nowhere/notify")]), "READY=1").is_err());
        assert!(tell(env(&[("NOTIFY_SOCKET", "vsock:2:1234")]), "READY=1").is_err());
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let _deaf = UnixDatagram::bind(&path).expect("bound");
        let name = path.to_str().expect("UTF-8");
        let ended = (0..100_000).find(|_| tell(env(&[("NOTIFY_SOCKET", name)]), "WATCHDOG=1").is_err());
        assert!(ended.is_some(), "a full queue is reported, not waited for");
    }

    #[test]
    fn a_watchdog_counts_only_with_a_time_a_socket_and_for_the_process_that_it_names() {
        let watched = |more: &[(&str, &str)]| {
            let all = [&[("NOTIFY_SOCKET", "/n"), ("WATCHDOG_USEC", "2000000")], more].concat();
            watchdog(env(&all), 7)
        };
        assert_eq!(watched(&[]), Some(Duration::from_secs(2)));
        assert_eq!(watched(&[("WATCHDOG_PID", "7")]), Some(Duration::from_secs(2)));
        assert_eq!(watched(&[("WATCHDOG_PID", "8")]), None);
        assert_eq!(watched(&[("WATCHDOG_PID", "x")]), None);
        assert_eq!(watchdog(env(&[("WATCHDOG_USEC", "5")]), 7), None);
        for micros in ["0", "-1", "soon", ""] {
            assert_eq!(watchdog(env(&[("NOTIFY_SOCKET", "/n"), ("WATCHDOG_USEC", micros)]), 7), None, "{micros}");
        }
    }
}
