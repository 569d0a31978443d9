//! Finds and reads `fleet.toml`. A file that others could have written is refused: it names programs to run.

use crate::core::{
    code::Code,
    config::{BadValue, CONFIG_BYTES_MAX, Config, FileError, read_file},
    wire::Failure,
};
use rustix::process::getuid;
use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The variable that names another file.
pub const CONFIG_VARIABLE: &str = "FLEET_CONFIG";
/// The file that is read when a person has none of their own.
const SYSTEM_FILE: &str = "/etc/fleet/fleet.toml";

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file could have been written by somebody else.
    #[error("{} {why}, so its contents are not trusted", path.display())]
    Insecure {
        /// The file.
        path: PathBuf,
        /// `belongs to …` or `can be written by …`.
        why: String,
    },
    /// The file is larger than any configuration.
    #[error("{} is larger than {CONFIG_BYTES_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
    /// What the file says.
    #[error(transparent)]
    File(#[from] FileError),
    /// What an environment variable says.
    #[error(transparent)]
    Value(#[from] BadValue),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = match &error {
            ConfigError::Read { .. } => format!("name another with --config or {CONFIG_VARIABLE}"),
            ConfigError::Insecure { path, .. } => {
                format!("look at what it says, then make it yours alone: chmod go-w {}", path.display())
            }
            ConfigError::TooLarge(_) => "is it the right file? `fleet config template` prints one".into(),
            ConfigError::File(error) => error.hint(),
            ConfigError::Value(_) => "`fleet config template` prints every option with its meaning".into(),
        };
        Failure::new(Code::Config, "bad-config", error.to_string()).hint(hint)
    }
}

/// The defaults, the file over them, and the environment `env` over both.
///
/// The file is `named`, else the one in [`CONFIG_VARIABLE`], else `fleet/fleet.toml` in the person's configuration
/// directory, else `/etc/fleet/fleet.toml`; the last two need not exist.
pub fn load(named: Option<&Path>, env: impl Fn(&str) -> Option<OsString>) -> Result<Config, ConfigError> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let file = match named.map(Path::to_owned).or_else(|| set(CONFIG_VARIABLE)) {
        Some(path) => read(&path)?,
        None => match personal(set) {
            Some(path) => read_if_there(&path)?,
            None => None,
        }
        .map_or_else(|| read_if_there(Path::new(SYSTEM_FILE)), |config| Ok(Some(config)))?
        .unwrap_or_default(),
    };
    Ok(Config::gather(file, env)?)
}

/// Where a person keeps their own.
fn personal(set: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let directory = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    Some(directory.or_else(|| Some(set("HOME")?.join(".config")))?.join("fleet/fleet.toml"))
}

fn read_if_there(path: &Path) -> Result<Option<Config>, ConfigError> {
    match read(path) {
        Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn read(path: &Path) -> Result<Config, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    check_trust(path, &file)?;
    let mut text = String::new();
    file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(ConfigError::TooLarge(path.into()));
    }
    Ok(read_file(&text, &std::path::absolute(path).unwrap_or_else(|_| path.into()))?)
}

/// Refuses a file that another user owns or could write; root's are everyone's.
fn check_trust(path: &Path, file: &File) -> Result<(), ConfigError> {
    let found = file.metadata().map_err(|source| ConfigError::Read { path: path.into(), source })?;
    let us = getuid().as_raw();
    let why = if found.uid() != us && found.uid() != 0 {
        format!("belongs to user {}", found.uid())
    } else if found.is_file() && found.mode() & 0o022 != 0 {
        format!("can be written by others (mode {:o})", found.mode() & 0o777)
    } else {
        return Ok(());
    };
    Err(ConfigError::Insecure { path: path.into(), why })
}
