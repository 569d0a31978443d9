//! The board's file: read whole, replaced whole.
//!
//! A new text is published by exchanging two directory entries, so that there is a complete board at the path at every
//! instant, and so that whatever stood there a moment ago is in hand afterwards: if it was not what we had read, it is
//! kept aside for the merge (R19, R20). No content that we did not write is ever deleted here. Hard links, ACLs and
//! extended attributes stay with the old file; mode, owner, group and symbolic links are kept.

use super::owner::{self, OwnerError};
use crate::core::encoding::{EncodingError, decode};
use rustix::{
    fs::{Access, CWD, RenameFlags, access, fchown, renameat_with},
    io::Errno,
};
use sha2::{Digest, Sha256};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, Metadata, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

pub use crate::core::encoding::Encoding;

/// The largest board, in bytes.
pub const BOARD_BYTES_MAX: u64 = 256 << 20;
/// How often a board is read again that changes while it is read.
const READ_TRIES_MAX: u32 = 5;

/// Why the board's file was not read, or not replaced. The file at its path is then as it was.
#[derive(Debug, thiserror::Error)]
pub enum BoardFileError {
    /// The path cannot be a board, or there is nothing.
    #[error(transparent)]
    Place(#[from] OwnerError),
    /// Larger than [`BOARD_BYTES_MAX`].
    #[error("the board `{}` has {bytes} bytes, more than the {BOARD_BYTES_MAX} that fleet handles", path.display())]
    TooLarge {
        /// The board.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Not UTF-8.
    #[error("the board `{}` cannot be read: {source}", path.display())]
    Encoding {
        /// The board.
        path: PathBuf,
        /// What is wrong, and where.
        source: EncodingError,
    },
    /// Another program was writing it all the time.
    #[error("the board `{}` changed while it was read, {READ_TRIES_MAX} times in a row", .0.display())]
    Changing(PathBuf),
    /// Its mode or its file system forbids writing.
    #[error("the board `{}` is read-only", .0.display())]
    ReadOnly(PathBuf),
    /// No file can be made in its directory.
    #[error("the directory `{}` is read-only, the board in it cannot be replaced safely", .0.display())]
    ReadOnlyDirectory(PathBuf),
    /// The operating system refused.
    #[error("{action} `{}` failed", path.display())]
    Io {
        /// What was being done, such as `writing`.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl BoardFileError {
    /// The way out, where there is one to name.
    pub fn hint(&self) -> Option<String> {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match self {
            BoardFileError::Place(error) => error.hint().map(str::to_owned),
            BoardFileError::TooLarge { .. } => Some("archive closed tasks into another file".into()),
            BoardFileError::Encoding { source, .. } => Some(source.hint()),
            BoardFileError::Changing(_) => Some("find the program that writes it, then try again".into()),
            BoardFileError::ReadOnly(_) | BoardFileError::ReadOnlyDirectory(_) => {
                Some("make it writable with `chmod u+w`; the journal keeps what was decided until then".into())
            }
            BoardFileError::Io { source, .. }
                if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge) =>
            {
                Some("make room on the disk; the journal keeps what was decided until then".into())
            }
            BoardFileError::Io { .. } => None,
        }
    }
}

/// Which file and which content: what to compare with before believing that a file is still the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The device of the file.
    pub dev: u64,
    /// Its inode.
    pub ino: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its modification time in nanoseconds since 1970.
    pub mtime_ns: i128,
    /// The hash of its bytes, byte order mark and line ends included.
    pub sha256: [u8; 32],
}

/// A board as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardFile {
    /// The text, without byte order mark, with LF line ends.
    pub text: String,
    /// What was taken off.
    pub encoding: Encoding,
    /// Which file it was.
    pub identity: Identity,
    /// Files that a run which died while publishing had left beside the board, now in the state directory: an older
    /// text, an unfinished new one, or a foreign one that was just swapped out.
    pub leftovers: Vec<PathBuf>,
}

/// A board that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The new file.
    pub identity: Identity,
    /// Where the replaced file is kept, if it was not the one that was expected.
    pub foreign: Option<PathBuf>,
}

/// Reads the board at `path`. For its owner: it also tidies up after runs that died.
pub fn load(path: &Path) -> Result<BoardFile, BoardFileError> {
    let place = owner::locate(path)?;
    let (bytes, identity) = read_steadily(&place.file)?;
    let (text, encoding) =
        decode(bytes).map_err(|source| BoardFileError::Encoding { path: place.file.clone(), source })?;
    let leftovers = tidy(&place.file, &place.state, &identity);
    Ok(BoardFile { text, encoding, identity, leftovers })
}

/// The text of the board at `path` and the hash of its bytes. For anybody: nothing is tidied up.
pub fn peek(path: &Path) -> Result<(String, [u8; 32]), BoardFileError> {
    let real = owner::locate(path)?.file;
    let (bytes, identity) = read_steadily(&real)?;
    let (text, _) = decode(bytes).map_err(|source| BoardFileError::Encoding { path: real, source })?;
    Ok((text, identity.sha256))
}

/// Which file is at `path` at the moment.
pub fn identify(path: &Path) -> Result<Identity, BoardFileError> {
    Ok(read_steadily(&owner::locate(path)?.file)?.1)
}

/// Replaces the board at `path` by `text`. A file that is not the `expected` one is replaced too, but kept.
///
/// Everything is on disk when this returns. Where the file system cannot exchange two names (`RENAME_EXCHANGE`), the
/// old file is compared before it is replaced, and a change in the instant between is lost.
pub fn publish(path: &Path, text: &str, encoding: Encoding, expected: &Identity) -> Result<Published, BoardFileError> {
    let bytes = encoding.encode(text);
    if bytes.len() as u64 > BOARD_BYTES_MAX {
        return Err(BoardFileError::TooLarge { path: path.into(), bytes: bytes.len() as u64 });
    }
    publish_by(exchange, path, &bytes, expected)
}

type Exchange = fn(&Path, &Path) -> Result<(), Errno>;

fn exchange(one: &Path, other: &Path) -> Result<(), Errno> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
}

fn publish_by(exchange: Exchange, path: &Path, bytes: &[u8], expected: &Identity) -> Result<Published, BoardFileError> {
    let place = owner::locate(path)?;
    let found = regular_file(&place.file)?;
    refuse_read_only(&place.file, &found)?;
    let temp = Temp::create(&place.file)?;
    let identity = temp.fill(bytes, &found)?;
    let swapped = exchange(&temp.path, &place.file);
    let foreign = match swapped {
        Ok(()) => {
            // From here on the temporary name stands for the old file, which is not ours to lose.
            let old = temp.release();
            sync_dir(&place.file)?;
            settle(old, &place.state, expected)
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => replace(temp, &place.file, &place.state, expected)?,
        Err(Errno::NOENT) => return Err(OwnerError::Missing(place.file).into()),
        Err(e) => return Err(io_error("replacing", &place.file)(e.into())),
    };
    Ok(Published { identity, foreign })
}

/// Removes the file that was swapped out to `old`, or keeps it if it is not the `expected` one.
fn settle(old: PathBuf, state: &Path, expected: &Identity) -> Option<PathBuf> {
    if read_steadily(&old).is_ok_and(|(_, found)| found.same_bytes(expected)) {
        // If this fails, the next load finds it.
        let _ = fs::remove_file(&old);
        return None;
    }
    let kept = keep_aside(&old, state, &format!("foreign-{}", unix_ms()));
    Some(kept.unwrap_or(old))
}

/// The way of file systems that cannot exchange names.
fn replace(temp: Temp, real: &Path, state: &Path, expected: &Identity) -> Result<Option<PathBuf>, BoardFileError> {
    let (bytes, found) = read_steadily(real)?;
    let foreign = if found.same_bytes(expected) { None } else { Some(copy_aside(&bytes, real, state)?) };
    fs::rename(&temp.path, real).map_err(io_error("replacing", real))?;
    temp.release();
    sync_dir(real)?;
    Ok(foreign)
}

fn copy_aside(bytes: &[u8], real: &Path, state: &Path) -> Result<PathBuf, BoardFileError> {
    let copy = Temp::create(real)?;
    copy.fill(bytes, &regular_file(real)?)?;
    let kept = keep_aside(&copy.path, state, &format!("foreign-{}", unix_ms()));
    kept.map_err(io_error("keeping a copy of", real))
}

/// Moves `file` into the state directory under `stem.org`, or `stem-2.org` and so on; never over another file.
fn keep_aside(file: &Path, state: &Path, stem: &str) -> io::Result<PathBuf> {
    owner::make_state_dir(state).map_err(io::Error::other)?;
    for number in 1u32.. {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let kept = state.join(format!("{stem}{suffix}.org"));
        match fs::hard_link(file, &kept) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(_) if !kept.exists() => fs::rename(file, &kept)?,
            other => other.and_then(|()| fs::remove_file(file))?,
        }
        File::open(state)?.sync_all()?;
        return Ok(kept);
    }
    unreachable!("a directory holds fewer than 2^32 files")
}

/// Clears away the temporary files of runs that died: what equals the board goes, anything else is kept aside.
fn tidy(real: &Path, state: &Path, board: &Identity) -> Vec<PathBuf> {
    let prefix = temp_prefix(real);
    let of_dead = |name: &OsStr| {
        let rest = name.as_bytes().strip_prefix(prefix.as_bytes())?;
        let (pid, number) = std::str::from_utf8(rest).ok()?.split_once('-')?;
        let (pid, _): (u32, u64) = (pid.parse().ok()?, number.parse().ok()?);
        (pid != std::process::id() && !Path::new("/proc").join(pid.to_string()).exists()).then_some(())
    };
    let entries = real.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
    let dead = entries.filter(|entry| of_dead(&entry.file_name()).is_some());
    dead.filter_map(|entry| {
        let path = entry.path();
        let (bytes, found) = read_steadily(&path).ok()?;
        if bytes.is_empty() || found.same_bytes(board) {
            fs::remove_file(&path).ok()?;
            return None;
        }
        keep_aside(&path, state, &format!("leftover-{}", unix_ms())).ok()
    })
    .collect()
}

impl Identity {
    fn new(found: &Metadata, bytes: &[u8]) -> Self {
        let mtime_ns = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
        let sha256 = Sha256::digest(bytes).into();
        Self { dev: found.dev(), ino: found.ino(), size: found.size(), mtime_ns, sha256 }
    }

    /// Whether both have the same content. Times and inodes say less: a file that was only touched is no other text,
    /// and two writes within one tick of the clock have the same time.
    pub fn same_bytes(&self, other: &Identity) -> bool {
        self.size == other.size && self.sha256 == other.sha256
    }
}

/// A temporary file beside the board, unlinked on drop unless it was released.
struct Temp {
    path: PathBuf,
    file: File,
    released: bool,
}

impl Temp {
    fn create(real: &Path) -> Result<Self, BoardFileError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (dir, mut name) = (dir_of(real), temp_prefix(real));
        name.push(format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let path = dir.join(name);
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => Ok(Self { path, file, released: false }),
            Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                Err(BoardFileError::ReadOnlyDirectory(dir.into()))
            }
            Err(e) => Err(io_error("creating", &path)(e)),
        }
    }

    /// Writes `bytes` and gives the file the owner and the mode of `like`.
    fn fill(&self, bytes: &[u8], like: &Metadata) -> Result<Identity, BoardFileError> {
        let write = || {
            (&self.file).write_all(bytes)?;
            let (uid, gid) = (rustix::fs::Uid::from_raw(like.uid()), rustix::fs::Gid::from_raw(like.gid()));
            // Only root may give files away; anyone else still may keep the group.
            if fchown(&self.file, Some(uid), Some(gid)).is_err() {
                let _ = fchown(&self.file, None, Some(gid));
            }
            self.file.set_permissions(Permissions::from_mode(like.mode() & 0o7777))?;
            self.file.sync_all()?;
            self.file.metadata()
        };
        let found = write().map_err(io_error("writing", &self.path))?;
        Ok(Identity::new(&found, bytes))
    }

    fn release(mut self) -> PathBuf {
        self.released = true;
        self.path.clone()
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.released {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// `.NAME.fleet-`, followed in full names by a process id and a counter.
fn temp_prefix(real: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(real.file_name().unwrap_or_default());
    prefix.push(".fleet-");
    prefix
}

/// The bytes of a file that did not change while they were read.
fn read_steadily(real: &Path) -> Result<(Vec<u8>, Identity), BoardFileError> {
    for _ in 0..READ_TRIES_MAX {
        let before = regular_file(real)?;
        if before.size() > BOARD_BYTES_MAX {
            return Err(BoardFileError::TooLarge { path: real.into(), bytes: before.size() });
        }
        let file = File::open(real).map_err(io_error("opening", real))?;
        let mut bytes = Vec::with_capacity(usize::try_from(before.size()).unwrap_or_default());
        (&file).take(BOARD_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io_error("reading", real))?;
        let found = Identity::new(&file.metadata().map_err(io_error("reading", real))?, &bytes);
        let at_path = Identity { sha256: found.sha256, ..Identity::new(&before, b"") };
        if found == at_path && found.size == bytes.len() as u64 {
            return Ok((bytes, found));
        }
    }
    Err(BoardFileError::Changing(real.into()))
}

/// Looks before anything is opened: opening a FIFO would wait for ever.
fn regular_file(real: &Path) -> Result<Metadata, BoardFileError> {
    match fs::symlink_metadata(real) {
        Ok(found) if found.is_file() => Ok(found),
        Ok(found) if found.is_dir() => Err(OwnerError::Directory(real.into()).into()),
        Ok(_) => Err(OwnerError::NotAFile(real.into()).into()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(OwnerError::Missing(real.into()).into()),
        Err(e) => Err(io_error("reading", real)(e)),
    }
}

/// A rename needs no permission on the file, so the permission is asked for by hand; root heeds the mode bits as well.
fn refuse_read_only(real: &Path, found: &Metadata) -> Result<(), BoardFileError> {
    if found.mode() & 0o222 == 0 {
        return Err(BoardFileError::ReadOnly(real.into()));
    }
    match access(real, Access::WRITE_OK) {
        Err(Errno::ACCESS | Errno::ROFS | Errno::PERM) => Err(BoardFileError::ReadOnly(real.into())),
        other => other.map_err(|e| io_error("reading", real)(e.into())),
    }
}

fn dir_of(real: &Path) -> &Path {
    real.parent().expect("a located board lies in a directory")
}

fn sync_dir(real: &Path) -> Result<(), BoardFileError> {
    let dir = dir_of(real);
    File::open(dir).and_then(|file| file.sync_all()).map_err(io_error("syncing", dir))
}

fn unix_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> BoardFileError + use<'a> {
    move |source| BoardFileError::Io { action, path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(text: &str) -> (tempfile::TempDir, PathBuf, Identity) {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let path = dir.path().join("dispatch.org");
        fs::write(&path, text).expect("a file can be written");
        let identity = load(&path).expect("it is a board").identity;
        (dir, path, identity)
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("it is a directory").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn r20_without_exchange_the_old_file_is_checked_and_a_foreign_one_copied() {
        let (_dir, path, identity) = board("old");
        let published = publish_by(|_, _| Err(Errno::INVAL), &path, b"new", &identity).expect("it can be replaced");
        assert_eq!(published.foreign, None);
        assert_eq!(identify(&path).expect("it is a board"), published.identity);
        fs::write(&path, "foreign").expect("it can be written");
        let published = publish_by(|_, _| Err(Errno::NOSYS), &path, b"newer", &published.identity);
        let foreign = published.expect("it can be replaced").foreign.expect("it was not ours");
        assert_eq!(fs::read_to_string(foreign).expect("it was kept"), "foreign");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "newer");
    }

    #[test]
    fn r20_a_write_in_the_last_instant_is_kept() {
        let (_dir, path, identity) = board("old");
        let late: Exchange = |temp, real| {
            fs::write(real, "lat").expect("it can be written");
            exchange(temp, real)
        };
        let foreign = publish_by(late, &path, b"new", &identity).expect("it can be replaced").foreign;
        assert_eq!(fs::read_to_string(foreign.expect("it was not ours")).expect("it was kept"), "lat");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "new");
    }

    #[test]
    fn a_board_that_vanishes_in_the_last_instant_is_not_made_again() {
        let (dir, path, identity) = board("old");
        let gone: Exchange = |temp, real| {
            fs::remove_file(real).expect("it is there");
            exchange(temp, real)
        };
        let error = publish_by(gone, &path, b"new", &identity).expect_err("there is nothing to replace");
        assert!(matches!(error, BoardFileError::Place(OwnerError::Missing(_))));
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    #[test]
    fn a_failed_exchange_leaves_the_board_and_nothing_else() {
        let (dir, path, identity) = board("old");
        let error = publish_by(|_, _| Err(Errno::IO), &path, b"new", &identity).expect_err("the exchange failed");
        assert!(matches!(error, BoardFileError::Io { action: "replacing", .. }));
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "old");
        assert_eq!(names(dir.path()), ["dispatch.org"]);
    }
}
