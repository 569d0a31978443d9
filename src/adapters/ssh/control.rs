//! Where the kept connection listens: a directory that is ours alone, for whoever can use its socket is logged in.

use super::{SshError, Unconnected, left};
use rustix::{
    fs::{FlockOperation, OFlags, flock},
    process::geteuid,
};
use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The longest path of a connection's socket: ssh makes it under a name that is 17 bytes longer first, and a Unix socket
/// has 107.
pub const CONTROL_PATH_BYTES_MAX: usize = 90;
/// How often the lock is tried while another run connects.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why there is no place for a connection.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Another user could put something there, or read it.
    #[error("the directory `{}` for connections is not safe: {what}", path.display())]
    Untrusted {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It cannot be made or used.
    #[error("the directory `{}` for connections cannot be used: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    socket: PathBuf,
}

impl Place {
    /// The place of the connection `identity`: below `runtime` if its path is short enough, else below `/tmp`.
    pub fn of(runtime: Option<&Path>, identity: &str) -> Result<Self, PlaceError> {
        let name = format!("ssh-{identity}");
        let fits = |dir: &PathBuf| dir.join(&name).as_os_str().len() <= CONTROL_PATH_BYTES_MAX;
        // ssh reads `~`, `%` and `${` in this path in its own way; only the last two cannot be avoided.
        let is_plain = |dir: &PathBuf| dir.is_absolute() && !dir.to_string_lossy().contains("${");
        let preferred = runtime.map(|runtime| runtime.join("fleet")).filter(|dir| fits(dir) && is_plain(dir));
        let fallback = || PathBuf::from(format!("/tmp/fleet-{}", geteuid().as_raw()));
        let dir = preferred.unwrap_or_else(fallback);
        make_private(&dir)?;
        Ok(Self { socket: dir.join(name), dir })
    }

    /// The connection's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The socket's path as an argument of ssh, which expands `%`.
    pub fn socket_option(&self) -> OsString {
        match self.socket.to_str() {
            Some(text) => text.replace('%', "%%").into(),
            None => self.socket.clone().into(),
        }
    }

    /// Removes what a dead connection left behind.
    pub fn clear(&self) -> Result<(), PlaceError> {
        match fs::remove_file(&self.socket) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(self.failed(e)),
            _ => Ok(()),
        }
    }

    /// Keeps other runs from connecting at the same time; waits for one that does, at most until `deadline`.
    pub fn lock(&self, deadline: Instant) -> Result<File, SshError> {
        let path = self.socket.with_extension("lock");
        let nofollow = OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600).custom_flags(nofollow);
        let lock = options.open(path).map_err(|e| self.failed(e))?;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(rustix::io::Errno::WOULDBLOCK) if !left(deadline).is_zero() => {
                    thread::sleep(LOCK_PAUSE.min(left(deadline)));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let said = "another run of fleet has been connecting all the time".into();
                    return Err(SshError::Connect { why: Unconnected::TimedOut, said });
                }
                Err(e) => return Err(self.failed(e.into()).into()),
            }
        }
    }

    fn failed(&self, source: io::Error) -> PlaceError {
        PlaceError::Io { path: self.dir.clone(), source }
    }
}

/// Makes `dir` for this user alone, or checks that it is.
fn make_private(dir: &Path) -> Result<(), PlaceError> {
    let failed = |source| PlaceError::Io { path: dir.into(), source };
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(failed(e)),
        _ => {}
    }
    let found = fs::symlink_metadata(dir).map_err(failed)?;
    let refuse = |what: String| Err(PlaceError::Untrusted { path: dir.into(), what });
    if !found.is_dir() {
        return refuse("it is no directory of its own".into());
    }
    if found.uid() != geteuid().as_raw() {
        return refuse(format!("it belongs to user {}", found.uid()));
    }
    match found.mode() & 0o077 {
        0 => Ok(()),
        open => refuse(format!("others may use it (mode {:o})", 0o700 | open)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn refusal(runtime: &Path) -> String {
        Place::of(Some(runtime), "0").expect_err("no safe place").to_string()
    }

    #[test]
    fn threat_33_a_directory_that_others_can_use_or_a_link_is_refused() {
        let runtime = tempfile::tempdir_in("/tmp").expect("a directory");
        let dir = runtime.path().join("fleet");
        Place::of(Some(runtime.path()), "0").expect("a new directory is ours");
        assert_eq!(fs::metadata(&dir).expect("made").mode() & 0o777, 0o700);
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o750)).expect("ours");
        assert!(refusal(runtime.path()).contains("others may use it"));
        fs::rename(&dir, runtime.path().join("real")).expect("renamed");
        fs::set_permissions(runtime.path().join("real"), fs::Permissions::from_mode(0o700)).expect("ours");
        symlink(runtime.path().join("real"), &dir).expect("linked");
        assert!(refusal(runtime.path()).contains("no directory of its own"));
    }

    #[test]
    fn threat_33_a_directory_of_another_user_is_refused() {
        // Only root can give one away; for others `/` is not theirs either, but cannot be made.
        if geteuid().is_root() {
            let runtime = tempfile::tempdir_in("/tmp").expect("a directory");
            let dir = runtime.path().join("fleet");
            DirBuilder::new().mode(0o700).create(&dir).expect("made");
            std::os::unix::fs::chown(&dir, Some(1), None).expect("root may");
            assert!(refusal(runtime.path()).contains("belongs to user 1"));
        }
    }

    #[test]
    fn threat_33_a_place_whose_path_is_too_long_for_a_socket_is_left_for_a_shorter_one() {
        let long = PathBuf::from("/tmp").join("x".repeat(CONTROL_PATH_BYTES_MAX));
        let place = Place::of(Some(&long), "0123456789abcdef").expect("the other place");
        assert!(place.socket().starts_with("/tmp") && place.socket().as_os_str().len() <= CONTROL_PATH_BYTES_MAX);
        let relative = Place::of(Some(Path::new("run")), "0").expect("the other place");
        assert!(relative.socket().is_absolute());
    }

    #[test]
    fn who_waits_for_another_run_to_connect_gives_up_in_time() {
        let runtime = tempfile::tempdir_in("/tmp").expect("a directory");
        let place = Place::of(Some(runtime.path()), "0").expect("a place");
        let soon = || Instant::now() + Duration::from_millis(50);
        let first = place.lock(soon()).expect("nobody else has it");
        assert!(matches!(place.lock(soon()), Err(SshError::Connect { why: Unconnected::TimedOut, .. })));
        drop(first);
        place.lock(soon()).expect("it is free again");
    }
}
