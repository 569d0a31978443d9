//! Who owns a board: its state directory, the lock in it, and the note that tells clients how to reach the owner (R8).
//!
//! The state of the board `dir/dispatch.org` lies in `dir/.fleet/dispatch.org/`, where `dir` is the real directory after
//! all symbolic links. The lock file there is never unlinked: who deletes a lock file while another waits for it makes
//! two owners. This module knows places and processes, nothing of what is stored.

use super::{clock, process::Watched};
use rustix::{
    fs::{FlockOperation, OFlags, flock, fstatfs},
    process::geteuid,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// The directory beside a board that holds the state of all boards of that directory.
pub const STATE_DIR: &str = ".fleet";
/// The version of the `owner` file.
pub const OWNER_VERSION: u32 = 1;
/// The largest `owner` file that is read.
const OWNER_BYTES_MAX: u64 = 64 << 10;
const LOCK_NAME: &str = "lock";
const OWNER_NAME: &str = "owner";

/// File systems on which a lock or a rename may not mean what it says, by the magic number of statfs(2).
const NETWORK_FILE_SYSTEMS: [(u32, &str); 10] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00c3_6400, "Ceph"),
    (0x564c, "NCP"),
];

/// Why a board cannot be located or owned.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// There is no such file.
    #[error("the board `{}` does not exist", .0.display())]
    Missing(PathBuf),
    /// There is not even the directory.
    #[error("the directory of the board `{}` does not exist", .0.display())]
    MissingDirectory(PathBuf),
    /// The path names a directory.
    #[error("the board `{}` is a directory", .0.display())]
    Directory(PathBuf),
    /// The path names a FIFO, a socket or a device.
    #[error("the board `{}` is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// A file name that Emacs would open on another host or through a helper.
    #[error("the board `{}` is remote", .0.display())]
    Remote(PathBuf),
    /// A file that Emacs would decrypt.
    #[error("the board `{}` is encrypted", .0.display())]
    Encrypted(PathBuf),
    /// A file system on which a lock does not hold.
    #[error("the board `{}` lies on {kind}, where locks cannot be relied on", path.display())]
    NetworkFileSystem {
        /// The board.
        path: PathBuf,
        /// The name of the file system.
        kind: &'static str,
    },
    /// The state directory belongs to someone else, who could put anything in it.
    #[error("the state directory `{}` belongs to user {uid}", path.display())]
    ForeignState {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Another process owns the board.
    #[error("the board `{}` is owned by {}", path.display(), owner_name(*pid))]
    Owned {
        /// The board.
        path: PathBuf,
        /// The owner, if it said so.
        pid: Option<u32>,
    },
    /// The `owner` file cannot be understood.
    #[error("the owner file `{}` is malformed", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The operating system refused.
    #[error("{action} `{}` failed", path.display())]
    Io {
        /// What was being done, such as `opening`.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl OwnerError {
    /// The way out, where there is one to name.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            OwnerError::Missing(_) => "create it, or name another file",
            OwnerError::MissingDirectory(_) => "create the directory, or name another file",
            OwnerError::Directory(_) | OwnerError::NotAFile(_) => "name the org file itself",
            OwnerError::Remote(_) => "run fleet on the host where the file lies",
            OwnerError::Encrypted(_) => "keep the board in a plain org file",
            OwnerError::NetworkFileSystem { .. } => {
                "move the board to a local disk, or allow network file systems in the configuration"
            }
            OwnerError::ForeignState { .. } => "run as that user, or keep the board in a directory of your own",
            OwnerError::Owned { .. } => "send the request to the owner instead",
            OwnerError::Malformed { .. } | OwnerError::Io { .. } => return None,
        })
    }
}

/// Whether boards on network file systems are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFs {
    /// The default.
    Refuse,
    /// The operator said that locks and renames hold there.
    Allow,
}

/// A board's places, after all symbolic links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardPlace {
    /// The board itself.
    pub file: PathBuf,
    /// Its state directory, which may not exist yet.
    pub state: PathBuf,
}

/// Which kind of process owns a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnerKind {
    /// The module in an Emacs.
    Emacs,
    /// A `fleet` program, for one command.
    Offline,
}

impl OwnerKind {
    /// The word in the owner file.
    pub fn name(self) -> &'static str {
        match self {
            OwnerKind::Emacs => "emacs",
            OwnerKind::Offline => "offline",
        }
    }
}

/// What the owner of a board tells about itself in the file `owner`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerInfo {
    /// [`OWNER_VERSION`].
    pub v: u32,
    /// Its process id.
    pub pid: u32,
    /// The run of the machine in which that process id means something.
    pub boot_id: String,
    /// When it took the board, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<i64>,
    /// Where it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// What it is.
    pub kind: OwnerKind,
}

impl OwnerInfo {
    /// The owner's process if it still runs.
    ///
    /// A process id may have been given to another process since; the board's lock decides, this only says whom to ask.
    pub fn process(&self) -> Option<Watched> {
        let this_boot = self.boot_id == clock::boot_id();
        if this_boot { Watched::open(self.pid) } else { None }
    }

    /// How long it has held the board at the time `now`, in ms since 1970, if it said since when.
    pub fn held_for(&self, now: i64) -> Option<Duration> {
        let since = self.start_time?;
        u64::try_from(now - since).ok().map(Duration::from_millis)
    }
}

/// The state directory of a board, locked by this process until this value is dropped.
#[derive(Debug)]
pub struct OwnedDir {
    place: BoardPlace,
    published: bool,
    lock: File,
}

impl OwnedDir {
    /// Makes this process the owner of `board`.
    pub fn open(board: &Path, network: NetworkFs) -> Result<Self, OwnerError> {
        let place = locate(board)?;
        check_board(&place.file, network)?;
        make_state_dir(&place.state)?;
        let path = place.state.join(LOCK_NAME);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let nofollow = OFlags::NOFOLLOW.bits().cast_signed();
        let lock = options.custom_flags(nofollow).open(&path).map_err(io_error("opening", &path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => sign(&lock).map_err(io_error("writing", &path))?,
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(OwnerError::Owned { path: place.file, pid: signature(&lock) });
            }
            Err(e) => return Err(io_error("locking", &path)(e.into())),
        }
        Ok(Self { place, published: false, lock })
    }

    /// The board's real path.
    pub fn board(&self) -> &Path {
        &self.place.file
    }

    /// The board's file name, as the journal's header records it.
    pub fn board_name(&self) -> String {
        self.place.file.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The state directory.
    pub fn state_dir(&self) -> &Path {
        &self.place.state
    }

    /// Tells clients how to reach this owner; replaces what was told before.
    pub fn publish_owner(&mut self, info: &OwnerInfo) -> Result<(), OwnerError> {
        let path = self.place.state.join(OWNER_NAME);
        let fresh = self.place.state.join("owner.new");
        let json =
            serde_json::to_string(info).map_err(|source| OwnerError::Malformed { path: path.clone(), source })?;
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&fresh).map_err(io_error("creating", &fresh))?;
        writeln!(file, "{json}").map_err(io_error("writing", &fresh))?;
        fs::rename(&fresh, &path).map_err(io_error("writing", &path))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for OwnedDir {
    /// Takes the note back while the lock is still held; a note that stays behind names a dead process.
    fn drop(&mut self) {
        if self.published {
            let _ = fs::remove_file(self.place.state.join(OWNER_NAME));
        }
        // A child that was forked just now and has not yet become its program holds the lock open too: closing ours
        // would not end it before that.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

/// What the owner of `board` last told about itself; `None` if there is no owner.
///
/// The note outlives an owner that was killed: only an answer from its socket proves that it lives. Works for a board
/// whose file is gone at the moment.
pub fn read_owner(board: &Path) -> Result<Option<OwnerInfo>, OwnerError> {
    let path = locate(board)?.state.join(OWNER_NAME);
    let mut json = String::new();
    match File::open(&path).and_then(|file| file.take(OWNER_BYTES_MAX).read_to_string(&mut json)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_error("reading", &path)(e)),
        Ok(_) => serde_json::from_str(&json).map(Some).map_err(|source| OwnerError::Malformed { path, source }),
    }
}

/// Removes the note of an owner that has ended, under the lock: while one lives nothing is touched.
pub fn forget_dead(board: &Path) -> Result<(), OwnerError> {
    // The lock is what counts here, not where the board lies.
    let owned = OwnedDir::open(board, NetworkFs::Allow)?;
    let path = owned.place.state.join(OWNER_NAME);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("removing", &path)(e)),
        _ => Ok(()),
    }
}

/// Where `board` and its state really lie. The file need not exist, its directory must.
pub fn locate(board: &Path) -> Result<BoardPlace, OwnerError> {
    refuse_emacs_names(board)?;
    let file = match fs::canonicalize(board) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => canonical_missing(board)?,
        other => other.map_err(io_error("locating", board))?,
    };
    let (Some(dir), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(OwnerError::Directory(file));
    };
    let state = dir.join(STATE_DIR).join(name);
    Ok(BoardPlace { state, file })
}

/// Makes the state directory `dir` and its parent, durably and for this user alone.
pub(super) fn make_state_dir(dir: &Path) -> Result<(), OwnerError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error("creating", dir))?;
    let found = fs::symlink_metadata(dir).map_err(io_error("reading", dir))?;
    let me = geteuid();
    if !found.is_dir() || (found.uid() != me.as_raw() && !me.is_root()) {
        return Err(OwnerError::ForeignState { path: dir.into(), uid: found.uid() });
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(io_error("protecting", dir))?;
    }
    // A power cut must not take the directory away from under a journal that was synced: every name on the way to it.
    for above in dir.ancestors().skip(1).take(2) {
        File::open(above).and_then(|above| above.sync_all()).map_err(io_error("syncing", above))?;
    }
    Ok(())
}

/// Names that Emacs does not read as the local file that they seem to be.
fn refuse_emacs_names(board: &Path) -> Result<(), OwnerError> {
    let bytes = board.as_os_str().as_encoded_bytes();
    let first = bytes.strip_prefix(b"/").and_then(|rest| rest.split(|&b| b == b'/').next());
    if first.is_some_and(|first| first.iter().position(|&b| b == b':').is_some_and(|colon| colon > 0)) {
        return Err(OwnerError::Remote(board.into()));
    }
    if board.extension().is_some_and(|extension| extension == "gpg") {
        return Err(OwnerError::Encrypted(board.into()));
    }
    Ok(())
}

fn canonical_missing(board: &Path) -> Result<PathBuf, OwnerError> {
    let name = board.file_name().ok_or_else(|| OwnerError::Missing(board.into()))?;
    let dir = match board.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    match fs::canonicalize(dir) {
        Ok(dir) => Ok(dir.join(name)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(OwnerError::MissingDirectory(board.into())),
        Err(e) => Err(io_error("locating", board)(e)),
    }
}

fn check_board(file: &Path, network: NetworkFs) -> Result<(), OwnerError> {
    refuse_emacs_names(file)?;
    let found = match fs::metadata(file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(OwnerError::Missing(file.into())),
        other => other.map_err(io_error("reading", file))?,
    };
    if found.is_dir() {
        return Err(OwnerError::Directory(file.into()));
    }
    if !found.is_file() {
        return Err(OwnerError::NotAFile(file.into()));
    }
    let open = File::open(file).map_err(io_error("opening", file))?;
    let magic = fstatfs(&open).map_err(|e| io_error("reading the file system of", file)(e.into()))?.f_type;
    let kind = NETWORK_FILE_SYSTEMS.iter().find(|(number, _)| i64::from(*number) == magic as i64 & 0xffff_ffff);
    match kind {
        Some((_, kind)) if network == NetworkFs::Refuse => {
            Err(OwnerError::NetworkFileSystem { path: file.into(), kind })
        }
        _ => Ok(()),
    }
}

/// Writes our process id into the lock file that we hold.
fn sign(lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0)
}

fn signature(lock: &File) -> Option<u32> {
    let mut digits = [0; 16];
    let length = lock.read_at(&mut digits, 0).ok()?;
    std::str::from_utf8(&digits[..length]).ok()?.trim_end().parse().ok()
}

fn owner_name(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> OwnerError + use<'a> {
    move |source| OwnerError::Io { action, path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let path = dir.path().join("dispatch.org");
        fs::write(&path, "* PENDING a\n").expect("a file can be written");
        (dir, path)
    }

    fn info() -> OwnerInfo {
        let pid = std::process::id();
        OwnerInfo { v: 1, pid, boot_id: "b".into(), start_time: None, socket: None, kind: OwnerKind::Offline }
    }

    #[test]
    fn r8_the_second_owner_hears_who_the_first_one_is() {
        let (_dir, path) = board();
        let first = OwnedDir::open(&path, NetworkFs::Refuse).expect("nobody else owns it");
        let second = OwnedDir::open(&path, NetworkFs::Refuse);
        assert!(matches!(second, Err(OwnerError::Owned { pid: Some(pid), .. }) if pid == std::process::id()));
        drop(first);
        OwnedDir::open(&path, NetworkFs::Refuse).expect("the lock went with its owner");
    }

    #[test]
    fn r8_a_copy_of_the_lock_in_a_forked_child_does_not_keep_the_board() {
        let (_dir, path) = board();
        let first = OwnedDir::open(&path, NetworkFs::Refuse).expect("nobody else owns it");
        // What a child between fork and exec holds: the same open file.
        let copy = first.lock.try_clone().expect("a second descriptor");
        drop(first);
        OwnedDir::open(&path, NetworkFs::Refuse).expect("the lock went with its owner");
        drop(copy);
    }

    #[test]
    fn r8_the_state_is_private_and_the_same_through_every_link() {
        let (dir, path) = board();
        let link = dir.path().join("link.org");
        std::os::unix::fs::symlink(&path, &link).expect("a link can be made");
        let owned = OwnedDir::open(&link, NetworkFs::Refuse).expect("nobody else owns it");
        let real = fs::canonicalize(dir.path()).expect("it exists");
        assert_eq!(owned.state_dir(), real.join(".fleet/dispatch.org"));
        assert_eq!(fs::metadata(owned.state_dir()).expect("it was made").mode() & 0o777, 0o700);
        assert!(matches!(OwnedDir::open(&path, NetworkFs::Refuse), Err(OwnerError::Owned { .. })));
    }

    #[test]
    fn r8_the_owner_file_lives_as_long_as_its_owner_and_survives_the_boards_absence() {
        let (_dir, path) = board();
        let mut owned = OwnedDir::open(&path, NetworkFs::Refuse).expect("nobody else owns it");
        assert_eq!(read_owner(&path).expect("there is none yet"), None);
        owned.publish_owner(&info()).expect("it can be written");
        fs::remove_file(&path).expect("it exists");
        assert_eq!(read_owner(&path).expect("the board's file is not needed"), Some(info()));
        let lock = owned.state_dir().join(LOCK_NAME);
        drop(owned);
        assert_eq!(read_owner(&path).expect("the note is gone"), None);
        assert!(lock.exists(), "the lock file is never unlinked");
    }

    #[test]
    fn an_owner_file_that_cannot_be_understood_is_an_error() {
        let (_dir, path) = board();
        let owned = OwnedDir::open(&path, NetworkFs::Refuse).expect("nobody else owns it");
        fs::write(owned.state_dir().join(OWNER_NAME), "{").expect("it can be written");
        assert!(matches!(read_owner(&path), Err(OwnerError::Malformed { .. })));
    }

    #[test]
    fn an_owner_of_another_boot_does_not_live_and_one_without_start_time_holds_for_nobody_knows_how_long() {
        let mine = OwnerInfo { boot_id: clock::boot_id(), start_time: Some(1_000), ..info() };
        assert!(mine.process().is_some());
        assert!(info().process().is_none());
        assert_eq!(mine.held_for(3_500), Some(Duration::from_millis(2_500)));
        assert_eq!(mine.held_for(999), None, "the wall clock was set back");
        assert_eq!(info().held_for(3_500), None);
    }

    #[test]
    fn boards_that_cannot_be_owned_are_refused_by_their_kind() {
        let (dir, path) = board();
        let open = |path: &Path| OwnedDir::open(path, NetworkFs::Refuse).expect_err("it cannot be owned");
        assert!(matches!(open(dir.path()), OwnerError::Directory(_)));
        assert!(matches!(open(&dir.path().join("none.org")), OwnerError::Missing(_)));
        assert!(matches!(open(&dir.path().join("none/none.org")), OwnerError::MissingDirectory(_)));
        assert!(matches!(open(&dir.path().join("a.org.gpg")), OwnerError::Encrypted(_)));
        assert!(matches!(open(Path::new("/ssh:host:/x.org")), OwnerError::Remote(_)));
        assert!(matches!(open(Path::new("/dev/null")), OwnerError::NotAFile(_)));
        let fifo = dir.path().join("fifo.org");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a fifo");
        assert!(matches!(open(&fifo), OwnerError::NotAFile(_)));
        assert!(matches!(open(&path.join("below.org")), OwnerError::Io { .. }));
        assert!(!dir.path().join(STATE_DIR).exists(), "a refusal leaves nothing behind");
    }
}
