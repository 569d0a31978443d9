//! A directory that is the whole world of the programs under test: home, temporary files, sockets, environment.
//! No test reads or writes the person's own home, Emacs server, tmux or keys.

use super::process::PATIENCE;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};
use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};
use tempfile::TempDir;

/// The longest path of a Unix socket, in bytes; `sun_path` holds 108 with the closing zero.
const SOCKET_BYTES_MAX: usize = 107;

/// A world of its own, removed with the value.
pub struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    /// Makes an empty world. Below `/tmp` whatever TMPDIR says: socket paths must stay short.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("fl").tempdir_in("/tmp").expect("a sandbox below /tmp");
        let sandbox = Self { dir };
        for name in ["home", "tmp", "run", "bin"] {
            fs::create_dir(sandbox.path(name)).expect("a directory in the sandbox");
        }
        // Emacs 30 refuses sockets in a directory that others can enter.
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(sandbox.path("run"), private).expect("a private directory");
        sandbox
    }

    /// Where `name` is, or would be.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where a socket called `name` is to be bound.
    pub fn socket(&self, name: &str) -> PathBuf {
        let path = self.path("run").join(name);
        assert!(path.as_os_str().len() <= SOCKET_BYTES_MAX, "{} is too long for a socket", path.display());
        path
    }

    /// Writes the file `name`.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file in the sandbox");
        path
    }

    /// Reads the file `name`.
    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
    }

    /// A program that knows nothing but this world. `bin` in the sandbox comes first on its PATH, for stand-ins.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let home = self.path("home");
        command
            .env_clear()
            .current_dir(self.dir.path())
            .env("PATH", self.search_path())
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_STATE_HOME", home.join(".local/state"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("HOME", home)
            .env("TMPDIR", self.path("tmp"))
            .env("LANG", "C.UTF-8")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        command
    }

    /// The `fleet` that cargo built for this test run.
    pub fn fleet(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_fleet"))
    }

    /// Emacs without anyone's configuration. Native compilation stays off: it would take both cores for minutes.
    pub fn emacs(&self) -> Command {
        let mut command = self.command(env::var_os("EMACS").unwrap_or_else(|| "emacs".into()));
        // Lisp that was changed since it was compiled is loaded as source.
        let setup = "(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil load-prefer-newer t)";
        command.args(["-Q", "--eval", setup]);
        if let Some(module) = env::var_os("FLEET_MODULE") {
            command.env("FLEET_MODULE", module);
        }
        command
    }

    /// The client for the server at `socket`.
    pub fn emacsclient(&self, socket: &Path) -> Command {
        let mut command = self.command(env::var_os("EMACSCLIENT").unwrap_or_else(|| "emacsclient".into()));
        command.arg("-s").arg(socket);
        command
    }

    fn search_path(&self) -> OsString {
        let inherited = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let program = Path::new(env!("CARGO_BIN_EXE_fleet")).parent().map(Path::to_owned);
        let path = [self.path("bin")].into_iter().chain(program).chain(env::split_paths(&inherited));
        env::join_paths(path).expect("a PATH made of PATH's own parts")
    }
}

impl Sandbox {
    /// What still runs with this sandbox as its home, whoever started it and in whatever process group.
    pub fn running(&self) -> Vec<Pid> {
        let home = format!("HOME={}", self.path("home").display()).into_bytes();
        let lives_here = |pid: &Pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == home)
        };
        let names = fs::read_dir("/proc")
            .expect("processes")
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| Pid::from_raw(name.parse().ok()?)).filter(lives_here).collect()
    }

    /// Asserts that nothing is left running here; what was just killed gets the time to go.
    #[track_caller]
    pub fn assert_deserted(&self) {
        for pid in self.running() {
            let Ok(ended) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            let patience = Timespec::try_from(PATIENCE).expect("a minute fits a timespec");
            let gone = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&patience)) != Ok(0);
            let name = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            assert!(gone, "still running: {pid} {}", String::from_utf8_lossy(&name).replace('\0', " "));
        }
    }
}

impl Drop for Sandbox {
    /// With FLEET_KEEP set, the world of a failed test stays, to be looked at.
    fn drop(&mut self) {
        if thread::panicking() {
            // A daemon that left our process group on purpose would stay for ever.
            for pid in self.running() {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if thread::panicking() && env::var_os("FLEET_KEEP").is_some() {
            self.dir.disable_cleanup(true);
            eprintln!("the sandbox is kept: {}", self.dir.path().display());
        }
    }
}

/// The Lisp of this checkout.
pub fn lisp_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lisp")
}

/// The Emacs module: `$FLEET_MODULE`, else the one of this version in `lisp/`. Without one there is nothing to test.
pub fn module() -> PathBuf {
    let built = lisp_dir().join(concat!("fleet-module-", env!("CARGO_PKG_VERSION"), ".so"));
    let module = env::var_os("FLEET_MODULE").map_or(built, PathBuf::from);
    assert!(module.exists(), "{} is missing: run make build", module.display());
    module
}
