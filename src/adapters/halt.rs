//! The HALT file: its existence stops the fleet. Nothing else is the state (R24); what the journal says is for the audit.
//!
//! Other tools write and remove the same file, so it is looked at anew each time. Every state but a plain absence counts
//! as HALT: who cannot look must not go on.

use super::clock;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The longest reason that is written or shown, in characters.
pub const HALT_REASON_CHARS_MAX: usize = 500;
/// How much of the file is read, in bytes: more than any reason needs.
const HALT_BYTES_MAX: u64 = 4 << 10;

/// Where HALT is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltFile {
    /// `None` where nobody knows the place, because there is no home: that counts as HALT.
    path: Option<PathBuf>,
}

/// Why HALT could not be set or ended.
#[derive(Debug, thiserror::Error)]
pub enum HaltError {
    /// There is no home directory to look in.
    #[error("HOME is not set, so nobody knows where the HALT file is; the fleet counts as halted")]
    NoPlace,
    /// The system refused.
    #[error("cannot {action} the HALT file {}: {source}", path.display())]
    Io {
        /// `write` or `remove`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl HaltFile {
    /// The file at `path`.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path }
    }

    /// Its path, where one is known.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Why the fleet is halted, perhaps with an empty reason; `None` if it is not.
    pub fn look(&self) -> Option<String> {
        let Some(path) = &self.path else { return Some(HaltError::NoPlace.to_string()) };
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_file() => Some(reason(path)),
            Ok(_) => Some(format!("{} is no plain file, which counts as HALT", path.display())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => Some(format!("{} cannot be looked at, which counts as HALT: {e}", path.display())),
        }
    }

    /// Halts, durably: file and directory are synced when this returns. A new reason replaces an older one.
    pub fn halt(&self, reason: &str) -> Result<(), HaltError> {
        let path = self.path.as_ref().ok_or(HaltError::NoPlace)?;
        let failed = |source| HaltError::Io { action: "write", path: path.clone(), source };
        let above = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(above).map_err(failed)?;
        // A dot in front: nobody takes it for the file itself, and it is never left half written in its place.
        let fresh = above.join(format!(".HALT.{}", clock::fresh_request_id()));
        let published = publish(&fresh, path, &format!("{}\n", readable(reason)));
        if published.is_err() {
            // Ours, and of no use to anyone.
            let _ = fs::remove_file(&fresh);
        }
        published.and_then(|()| sync(above)).map_err(failed)
    }

    /// Ends HALT, durably; whether there was one. A directory in the file's place is left for a person to look at.
    pub fn resume(&self) -> Result<bool, HaltError> {
        let path = self.path.as_ref().ok_or(HaltError::NoPlace)?;
        let removed = match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => Err(e),
        };
        let above = path.parent().unwrap_or(Path::new("/"));
        let synced = removed.and_then(|was| sync(above).map(|()| was));
        synced.map_err(|source| HaltError::Io { action: "remove", path: path.clone(), source })
    }
}

fn publish(fresh: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(fresh, path)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// What a plain file says; one that cannot be read halts all the same.
fn reason(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HALT_BYTES_MAX).read_to_end(&mut bytes));
    match read.map(|_| String::from_utf8(bytes)) {
        Ok(Ok(text)) => readable(&text),
        Ok(Err(_)) => format!("{} is not UTF-8", path.display()),
        Err(e) => format!("{} cannot be read: {e}", path.display()),
    }
}

/// One line of at most [`HALT_REASON_CHARS_MAX`] characters that steers no terminal.
fn readable(text: &str) -> String {
    let line = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    line.collect::<Vec<_>>().join(" ").chars().take(HALT_REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn r24_every_odd_state_of_the_file_is_halt_and_only_absence_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| HaltFile::new(Some(dir.path().join(name)));
        fs::create_dir(dir.path().join("directory")).expect("made");
        symlink("nowhere", dir.path().join("dangling")).expect("linked");
        symlink("loop", dir.path().join("loop")).expect("linked");
        fs::write(dir.path().join("empty"), "").expect("written");
        fs::write(dir.path().join("binary"), b"\xff\xfe").expect("written");
        fs::write(dir.path().join("said"), "  a runaway\n\x1b[31mloop\t!\n").expect("written");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("made");

        assert_eq!(at("absent").look(), None);
        assert_eq!(at("no/directory/yet").look(), None);
        assert_eq!(at("empty").look().as_deref(), Some(""));
        assert_eq!(at("said").look().as_deref(), Some("a runaway [31mloop !"));
        for odd in ["directory", "dangling", "loop", "fifo", "binary", "said/below-a-file"] {
            assert!(at(odd).look().is_some_and(|why| !why.is_empty()), "{odd}");
        }
        assert!(HaltFile::new(None).look().is_some_and(|why| why.contains("HOME")), "no home is HALT");
        let long = "x".repeat(3 * HALT_REASON_CHARS_MAX);
        fs::write(dir.path().join("long"), &long).expect("written");
        assert_eq!(at("long").look().map(|why| why.len()), Some(HALT_REASON_CHARS_MAX));
    }

    #[test]
    fn r24_an_unreadable_file_is_halt() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("HALT");
        fs::write(&path, "secret").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).expect("set");
        // Root reads it all the same, and sees why.
        assert!(HaltFile::new(Some(path)).look().is_some_and(|why| !why.is_empty()));
    }

    #[test]
    fn halting_again_renews_the_reason_and_resuming_twice_is_harmless() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = HaltFile::new(Some(dir.path().join("config/HALT")));
        file.halt("first").expect("halted");
        file.halt("second\nline").expect("halted");
        assert_eq!(file.look().as_deref(), Some("second line"));
        let left: Vec<_> = fs::read_dir(dir.path().join("config")).expect("there").flatten().collect();
        assert_eq!(left.len(), 1, "nothing but the file itself: {left:?}");
        assert!(file.resume().expect("resumed"));
        assert!(!file.resume().expect("nothing to do"));
        assert_eq!(file.look(), None);
    }

    #[test]
    fn a_directory_in_its_place_is_kept_and_stays_halt() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().join("HALT");
        fs::create_dir(&place).expect("made");
        let file = HaltFile::new(Some(place.clone()));
        assert!(file.halt("why").is_err() && file.resume().is_err());
        assert!(place.is_dir() && file.look().is_some());
    }
}
