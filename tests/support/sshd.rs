//! A private sshd in a sandbox, on a port of loopback that is ours from the first moment: the test listens, and each
//! connection gets an sshd of its own as inetd would start it.
//!
//! Commands that arrive run in the sandbox's home, through a script that writes each of them down first. A test that
//! leaves `far/before` or `far/after` in the sandbox has it sourced there, as a shell would its own files.

use super::{
    process::{Deadline, Group, PATIENCE, run_within, stdout_of},
    sandbox::Sandbox,
};
use std::{
    env,
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::fs::PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// What the tests call the host; the sandbox's own ssh configuration says where it is.
pub const HOST: &str = "bezalel";
/// How often a log is looked at that another process writes.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The host, until it is dropped. Connections end with it.
pub struct Sshd<'a> {
    sandbox: &'a Sandbox,
    address: SocketAddr,
    state: Arc<State>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    is_over: AtomicBool,
    /// Connections are accepted, but nobody says anything on them.
    is_mute: AtomicBool,
    connections: Mutex<Vec<Group>>,
    silent: Mutex<Vec<TcpStream>>,
}

impl<'a> Sshd<'a> {
    /// Where there is no sshd there is nothing to test: `scripts/deps.sh` installs one.
    pub fn start(sandbox: &'a Sandbox) -> Self {
        for name in ["far", "home/.ssh", "home/.config/fleet"] {
            fs::create_dir_all(sandbox.path(name)).expect("a directory in the sandbox");
        }
        let program = program().expect("sshd is missing: run make deps");
        make_privilege_directory();
        for name in ["far/host", "key"] {
            new_key(sandbox, name);
        }
        fs::copy(sandbox.path("key.pub"), sandbox.path("far/authorized_keys")).expect("a public key");
        let config = write_config(sandbox);
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port of loopback");
        let address = listener.local_addr().expect("a bound listener");
        let state = Arc::new(State::default());
        let mut command = sandbox.command(program);
        command.arg("-i").arg("-e").arg("-f").arg(config);
        let log = sandbox.path("far/log");
        let accepting = state.clone();
        let acceptor = thread::spawn(move || accept(&listener, command, &log, &accepting));
        let sshd = Self { sandbox, address, state, acceptor: Some(acceptor) };
        sshd.write_ssh_config("");
        sshd.enrol();
        sshd
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The private key that this host accepts.
    pub fn key(&self) -> PathBuf {
        self.sandbox.path("key")
    }

    /// The file of known hosts where the program looks for it.
    pub fn known_hosts(&self) -> PathBuf {
        self.sandbox.path("home/.config/fleet/known_hosts")
    }

    /// Makes the host's present key known under its name.
    pub fn enrol(&self) {
        fs::write(self.known_hosts(), format!("{HOST} {}", self.sandbox.read("far/host.pub"))).expect("written");
    }

    /// The fingerprint of the host's key.
    pub fn fingerprint(&self) -> String {
        let mut command = self.sandbox.command("ssh-keygen");
        let said = stdout_of(&run_within(command.arg("-l").arg("-f").arg(self.sandbox.path("far/host.pub")), PATIENCE));
        said.split(' ').nth(1).expect("bits and a fingerprint").to_owned()
    }

    /// The host gets another key, as after a new installation, or when somebody else answers in its place.
    pub fn change_key(&self) {
        for name in ["far/host", "far/host.pub"] {
            fs::remove_file(self.sandbox.path(name)).expect("a key");
        }
        new_key(self.sandbox, "far/host");
    }

    /// From now on connections are accepted and nothing is said on them.
    pub fn fall_silent(&self) {
        self.state.is_mute.store(true, Ordering::SeqCst);
    }

    /// Lets the host take keys only with `options` before them in its `authorized_keys`.
    pub fn restrict_key(&self, options: &str) {
        let line = format!("{options} {}", self.sandbox.read("key.pub"));
        fs::write(self.sandbox.path("far/authorized_keys"), line).expect("written");
        // A command of the key comes after the one of the configuration, so that has to go.
        let config = self.sandbox.read("far/config");
        let kept: Vec<&str> = config.lines().filter(|line| !line.starts_with("ForceCommand")).collect();
        self.sandbox.write("far/config", &(kept.join("\n") + "\n"));
    }

    /// What the person has in their own ssh configuration, below the place of this host.
    pub fn write_ssh_config(&self, more: &str) {
        let place = format!("Host {HOST}\n  HostName 127.0.0.1\n  Port {}\n{more}", self.port());
        fs::write(self.sandbox.path("home/.ssh/config"), place).expect("written");
    }

    /// Names this host to a program of ours.
    pub fn aim<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let user = stdout_of(&run_within(self.sandbox.command("id").arg("-un"), PATIENCE));
        command.env("BEZALEL_HOST", HOST).env("BEZALEL_USER", user.trim_end()).env("BEZALEL_SSH_KEY", self.key())
    }

    /// The commands that arrived, as the far shell got them.
    pub fn commands(&self) -> Vec<String> {
        let text = fs::read_to_string(self.sandbox.path("far/commands")).unwrap_or_default();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    /// How often somebody logged in.
    pub fn logins(&self) -> usize {
        self.log().matches("Accepted publickey").count()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.sandbox.path("far/log")).unwrap_or_default()
    }

    /// Waits until `holds` of this host.
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Deadline::after(PATIENCE);
        while !holds(self) {
            assert!(deadline.left().is_some(), "it never came to be that {what}:\n{}", self.log());
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// The host goes down: connections break, and new ones are not accepted.
    pub fn stop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // Wakes the acceptor; it may have ended already.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        self.disconnect();
    }

    /// Connections stay open, and nobody does anything on them any more.
    pub fn freeze(&self) {
        for pid in self.state.connections.lock().expect("nobody panics with it").iter().flat_map(Group::everyone) {
            rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("ours");
        }
    }

    /// All connections break.
    pub fn disconnect(&self) {
        self.state.connections.lock().expect("nobody panics with it").clear();
        self.state.silent.lock().expect("nobody panics with it").clear();
    }
}

impl Drop for Sshd<'_> {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            eprintln!("--- log of sshd\n{}---", self.log());
        }
    }
}

/// The server's program; its directory is not on everyone's PATH.
pub fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places.map(|place| place.join("sshd")).find(|program| program.is_file())
}

fn accept(listener: &TcpListener, mut command: Command, log: &Path, state: &State) {
    for stream in listener.incoming() {
        if state.is_over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if state.is_mute.load(Ordering::SeqCst) {
            state.silent.lock().expect("nobody panics with it").push(stream);
            continue;
        }
        let log = File::options().create(true).append(true).open(log).expect("a log in the sandbox");
        let output = OwnedFd::from(stream.try_clone().expect("a second descriptor"));
        command.stdin(OwnedFd::from(stream)).stdout(output).stderr(log);
        state.connections.lock().expect("nobody panics with it").push(Group::spawn(&mut command));
        // The descriptors of the connection are the server's alone: else it would never close.
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    }
}

fn new_key(sandbox: &Sandbox, name: &str) {
    let mut command = sandbox.command("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(sandbox.path(name));
    stdout_of(&run_within(&mut command, PATIENCE));
}

/// As root, sshd wants its empty directory; its package makes it only when the service starts.
fn make_privilege_directory() {
    if rustix::process::geteuid().is_root() {
        fs::create_dir_all("/run/sshd").expect("the directory of sshd");
    }
}

fn write_config(sandbox: &Sandbox) -> PathBuf {
    let far = |name: &str| sandbox.path("far").join(name).display().to_string();
    let mut path = env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()).into_string().expect("text");
    path.insert_str(0, &format!("{}:", sandbox.path("bin").display()));
    let script = format!(
        "#!/bin/sh\nprintf '%s\\0' \"$SSH_ORIGINAL_COMMAND\" >>'{commands}'\n\
         cd '{home}' || exit 70\nexport HOME='{home}' PATH='{path}'\n\
         if [ -f '{before}' ]; then . '{before}'; fi\n\
         if [ -f '{after}' ]; then /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"; status=$?; . '{after}'; exit $status; fi\n\
         exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
        commands = far("commands"),
        home = sandbox.path("home").display(),
        before = far("before"),
        after = far("after"),
    );
    let shell = sandbox.write("far/shell", &script);
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).expect("executable");
    // Bash as a login shell reads ~/.bashrc for every command unless it believes to be a nested one.
    let config = format!(
        "HostKey {}\nAuthorizedKeysFile {}\nForceCommand {}\nSetEnv SHLVL=5\nPidFile none\nLogLevel VERBOSE\n\
         UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n",
        far("host"),
        far("authorized_keys"),
        shell.display(),
    );
    sandbox.write("far/config", &config)
}
