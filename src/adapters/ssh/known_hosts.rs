//! The keys of the hosts that are trusted: our own `known_hosts` file, which grows only when a person or a fingerprint
//! says so.

use super::{Remote, left, options::of};
use crate::{adapters::process, core::host::Host};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// The most that a host may answer when it is asked for its keys.
const SCAN_BYTES_MAX: u64 = 64 << 10;
/// The largest file of known keys.
const KNOWN_BYTES_MAX: u64 = 4 << 20;

/// A host's key and the name under which it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// `HOST` or `[HOST]:PORT`.
    pub name: String,
    /// Such as `ssh-ed25519`.
    pub kind: String,
    /// The key in base64.
    key: String,
}

/// How keys stand to the known ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKeys {
    /// Some were not known.
    New,
    /// All were.
    Known,
}

/// Why keys were not fetched, read or added.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// `ssh-keyscan` gave no result.
    #[error(transparent)]
    Scan(#[from] process::RunError),
    /// The host showed no key.
    #[error("{name} shows no key: {said}")]
    NoKey {
        /// The host.
        name: String,
        /// What ssh-keyscan said.
        said: String,
    },
    /// The host can only be reached through another one.
    #[error("{name} is reached through another host, where its key cannot be fetched")]
    BehindAnother {
        /// The host.
        name: String,
        /// Where its key belongs.
        file: PathBuf,
    },
    /// The host is known with another key.
    #[error("{name} is known with {known}, but shows {shown}")]
    Changed {
        /// The host.
        name: String,
        /// The fingerprint that is known.
        known: String,
        /// The fingerprint that it shows.
        shown: String,
    },
    /// The file of known keys cannot be used.
    #[error("{action} `{}` failed: {source}", path.display())]
    Io {
        /// What was being done, such as `reading`.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl KnownKey {
    /// A line of known keys: `NAME TYPE KEY`, perhaps a comment.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (name, kind, key) = (words.next()?, words.next()?, words.next()?);
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"@.-_".contains(&b);
        let is_key = kind.bytes().all(is_plain) && STANDARD.decode(key).is_ok_and(|key| !key.is_empty());
        // `#` begins a comment, `@` a line with a meaning of its own.
        (is_key && !name.starts_with(['#', '@'])).then(|| Self {
            name: name.into(),
            kind: kind.into(),
            key: key.into(),
        })
    }

    /// The fingerprint as ssh prints it: `SHA256:` and the digest in base64.
    pub fn fingerprint(&self) -> String {
        let key = STANDARD.decode(&self.key).expect("checked by parse");
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
    }

    fn line(&self) -> String {
        format!("{} {} {}\n", self.name, self.kind, self.key)
    }
}

/// Asks the host for its keys, one of each kind, within `timeout`. Nothing proves yet that they are the host's.
pub fn fetch(remote: &Remote, timeout: Duration) -> Result<Vec<KnownKey>, KeyError> {
    let deadline = Instant::now() + timeout;
    let name = remote.host.known_as(remote.port);
    let place = place(remote, &name, left(deadline))?;
    let seconds = left(deadline).as_secs().max(1).to_string();
    let mut command = Command::new("ssh-keyscan");
    command.args(["-T", &seconds, "-p", &place.port.to_string(), "--", place.host.as_str()]);
    let finished = process::run(&mut command, left(deadline), SCAN_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&finished.stdout);
    let keys: Vec<KnownKey> = text.lines().filter_map(KnownKey::parse).map(|key| renamed(key, &name)).collect();
    if keys.is_empty() {
        let is_comment = |line: &&str| line.starts_with('#');
        let said = finished.stderr.lines().rev().find(|line| !is_comment(line)).unwrap_or("it does not answer");
        return Err(KeyError::NoKey { name, said: said.into() });
    }
    Ok(keys)
}

/// Where a host really is.
struct Located {
    host: Host,
    port: u16,
}

/// Where the person's configuration of ssh says that the host is.
fn place(remote: &Remote, name: &str, timeout: Duration) -> Result<Located, KeyError> {
    let mut command = Command::new("ssh");
    command.arg("-G").args(of(remote, timeout).map_err(|e| no_key(name, &e))?);
    let finished = process::run(&mut command, timeout, SCAN_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&finished.stdout);
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    let is_set = |key: &str| value(key).is_some_and(|value| value != "none");
    if is_set("proxyjump") || is_set("proxycommand") {
        return Err(KeyError::BehindAnother { name: name.into(), file: remote.known_hosts.clone() });
    }
    let (Some(host), Some(port)) = (value("hostname"), value("port").and_then(|port| port.parse().ok())) else {
        return Err(no_key(name, &finished.stderr.lines().last().unwrap_or("ssh does not say where it is")));
    };
    Ok(Located { host: Host::new(host).map_err(|e| no_key(name, &e))?, port })
}

fn no_key(name: &str, said: &impl ToString) -> KeyError {
    KeyError::NoKey { name: name.into(), said: said.to_string() }
}

/// The keys in `file`; none if there is no such file.
pub fn list(file: &Path) -> Result<Vec<KnownKey>, KeyError> {
    Ok(read(file)?.lines().filter_map(KnownKey::parse).collect())
}

/// Adds to `file` those of `keys` that it does not hold.
///
/// A host that is known with another key of the same kind, or with none of these, changes nothing and is an error. The
/// file is replaced as a whole, readable for this user alone.
pub fn add(file: &Path, keys: &[KnownKey]) -> Result<PeerKeys, KeyError> {
    let dir = file.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error("creating", dir))?;
    let lock = File::open(dir).map_err(io_error("opening", dir))?;
    // Held for the moment of a write; whoever meets it tries again.
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|e| io_error("locking", dir)(e.into()))?;
    let mut text = read(file)?;
    let known: Vec<KnownKey> = text.lines().filter_map(KnownKey::parse).collect();
    compare(&known, keys)?;
    let fresh: Vec<String> = keys.iter().filter(|key| !known.contains(key)).map(KnownKey::line).collect();
    if fresh.is_empty() {
        return Ok(PeerKeys::Known);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.extend(fresh);
    replace(file, &text).map_err(io_error("writing", file))?;
    lock.sync_all().map_err(io_error("syncing", dir))?;
    Ok(PeerKeys::New)
}

/// Whether the host of `keys` is known with all of them; an error if it is known with others.
pub fn compare(known: &[KnownKey], keys: &[KnownKey]) -> Result<PeerKeys, KeyError> {
    for shown in keys {
        let of_host = || known.iter().filter(|key| key.name == shown.name);
        let other = of_host().find(|key| key.kind == shown.kind && key.key != shown.key);
        let is_familiar = of_host().next().is_none() || of_host().any(|key| keys.contains(key));
        let stranger = || of_host().find(|_| !is_familiar);
        if let Some(known) = other.or_else(stranger) {
            let told = |key: &KnownKey| format!("{} {}", key.kind, key.fingerprint());
            return Err(KeyError::Changed { name: shown.name.clone(), known: told(known), shown: told(shown) });
        }
    }
    Ok(if keys.iter().all(|key| known.contains(key)) { PeerKeys::Known } else { PeerKeys::New })
}

fn read(file: &Path) -> Result<String, KeyError> {
    match fs::metadata(file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(e) => return Err(io_error("reading", file)(e)),
        Ok(found) if found.len() > KNOWN_BYTES_MAX => {
            let what = format!("it has {} bytes, more than {KNOWN_BYTES_MAX}", found.len());
            return Err(io_error("reading", file)(io::Error::other(what)));
        }
        Ok(_) => {}
    }
    fs::read_to_string(file).map_err(io_error("reading", file))
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    let mut options = OpenOptions::new();
    let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(&fresh, file)
}

fn renamed(key: KnownKey, name: &str) -> KnownKey {
    KnownKey { name: name.into(), ..key }
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> KeyError + use<'a> {
    move |source| KeyError::Io { action, path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn key(kind: &str, key: &str) -> KnownKey {
        KnownKey { name: "bezalel".into(), kind: kind.into(), key: STANDARD.encode(key) }
    }

    fn file() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("conf/known_hosts");
        (dir, file)
    }

    #[test]
    fn a_key_is_added_once_into_a_private_file() {
        let (_dir, file) = file();
        let keys = [key("ssh-ed25519", "a")];
        assert_eq!(add(&file, &keys).expect("added"), PeerKeys::New);
        assert_eq!(add(&file, &keys).expect("known"), PeerKeys::Known);
        assert_eq!(list(&file).expect("read"), keys);
        assert_eq!(fs::metadata(&file).expect("made").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_host_with_another_key_changes_nothing() {
        let (_dir, file) = file();
        add(&file, &[key("ssh-ed25519", "a")]).expect("added");
        let before = fs::read(&file).expect("read");
        let changed = [vec![key("ssh-ed25519", "b")], vec![key("ssh-rsa", "b")]];
        for keys in changed {
            let error = add(&file, &keys).expect_err("another key").to_string();
            assert!(error.contains(&keys[0].fingerprint()), "{error}");
            assert!(error.contains(&key("ssh-ed25519", "a").fingerprint()), "{error}");
        }
        assert_eq!(fs::read(&file).expect("read"), before);
        let both = [key("ssh-ed25519", "a"), key("ssh-rsa", "b")];
        assert_eq!(add(&file, &both).expect("a familiar host with one more key"), PeerKeys::New);
    }

    #[test]
    fn lines_that_are_no_keys_are_kept_and_not_read() {
        let (_dir, file) = file();
        fs::create_dir(file.parent().expect("a directory")).expect("made");
        fs::write(&file, "# mine\n@revoked bezalel ssh-ed25519 AAAA\nbezalel ssh-ed25519 ?!\nshort").expect("written");
        assert_eq!(list(&file).expect("read"), []);
        add(&file, &[key("ssh-ed25519", "a")]).expect("added");
        let text = fs::read_to_string(&file).expect("read");
        assert!(text.starts_with("# mine\n@revoked") && text.contains("short\nbezalel ssh-ed25519 "), "{text}");
    }
}
