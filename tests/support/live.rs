//! A served board with everybody around it: the daemon, a person at a terminal, agents at the socket and in the shell.

use super::{
    daemon::Daemon,
    process::{Deadline, PATIENCE, run_within},
    pty::Pty,
    sandbox::Sandbox,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fleet::{
    adapters::{owner, socket::SocketClient},
    core::wire::{Reply, StatusInfo},
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The name of the board's file in the sandbox.
pub const BOARD: &str = "board.org";
/// How often the outside of a thing is looked at that has no event to wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// A daemon that serves the sandbox's board.
pub struct Live<'a> {
    pub sandbox: &'a Sandbox,
    pub daemon: Daemon<'a>,
}

impl<'a> Live<'a> {
    /// Writes the board and serves it.
    pub fn with(sandbox: &'a Sandbox, text: &str) -> Self {
        let board = sandbox.write(BOARD, text);
        Self { sandbox, daemon: Daemon::serving(sandbox, &board) }
    }

    /// A terminal frame of the daemon, which shows the board.
    pub fn person(&self) -> Pty {
        let mut client = self.sandbox.emacsclient(&self.daemon.socket());
        client.arg("-t").arg(self.sandbox.path(BOARD));
        let terminal = Pty::spawn(self.sandbox, &client);
        terminal.wait_for_text(BOARD, PATIENCE);
        terminal
    }

    /// Types `keys` and waits until Emacs has read the last of them and carried out its command.
    #[track_caller]
    pub fn types(&self, person: &mut Pty, keys: &str) {
        person.type_keys(keys);
        self.keys_are_read();
    }

    /// Types `text` as it is and waits like [`Live::types`].
    #[track_caller]
    pub fn types_text(&self, person: &mut Pty, text: &str) {
        person.type_text(text);
        self.keys_are_read();
    }

    /// Waits until Emacs waits for the next key.
    #[track_caller]
    pub fn keys_are_read(&self) {
        // Requests are answered while Emacs waits for input, so without input no command is running.
        self.until("all keys are read", || self.daemon.eval("(input-pending-p)") == "nil");
    }

    /// Evaluates `form` in the board's buffer; for short values.
    #[track_caller]
    pub fn lisp(&self, form: &str) -> String {
        self.daemon.eval(&format!("(with-current-buffer (find-buffer-visiting {:?}) {form})", self.sandbox.path(BOARD)))
    }

    /// Evaluates `form`, a string, in the board's buffer and returns it as it is.
    #[track_caller]
    pub fn string(&self, form: &str) -> String {
        let coded = self.lisp(&format!("(base64-encode-string (encode-coding-string {form} 'utf-8) t)"));
        let bytes = STANDARD.decode(coded.trim_matches('"')).expect("base64");
        String::from_utf8(bytes).expect("UTF-8")
    }

    /// The board as its buffer has it.
    #[track_caller]
    pub fn text(&self) -> String {
        self.string("(save-restriction (widen) (buffer-substring-no-properties (point-min) (point-max)))")
    }

    /// The board as its file has it.
    pub fn file(&self) -> String {
        self.sandbox.read(BOARD)
    }

    /// Runs `fleet` with `args` and the served board; its JSON.
    #[track_caller]
    pub fn fleet(&self, args: &[&str]) -> Reply {
        let mut command = self.sandbox.fleet();
        command.env("DISPATCH_FILE", self.sandbox.path(BOARD)).args(args).args(["--json", "--via", "socket"]);
        let output = run_within(&mut command, PATIENCE);
        let stdout = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&stdout)
            .unwrap_or_else(|err| panic!("{err}: {stdout}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Claims `task` for timmy through the program.
    #[track_caller]
    pub fn claim(&self, task: &str) -> Reply {
        self.fleet(&["claim", task, "--agent", "timmy"])
    }

    /// What `fleet status` says.
    #[track_caller]
    pub fn status(&self) -> StatusInfo {
        let reply = self.fleet(&["status"]);
        reply.status.unwrap_or_else(|| panic!("no status: {:?}", reply.error))
    }

    /// The reason of a refusal, or how it was not one.
    #[track_caller]
    pub fn refusal(reply: Reply) -> String {
        reply.error.unwrap_or_else(|| panic!("not refused: {:?}", reply.task)).reason
    }

    /// Waits until `holds`, which looks at something outside of this process.
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Deadline::after(PATIENCE);
        while !holds() {
            assert!(deadline.left().is_some(), "it never came to be that {what}; {:?}", self.fleet(&["status"]));
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Waits until the file is the buffer's text.
    #[track_caller]
    pub fn until_saved(&self) {
        self.until("the file is the buffer's text", || self.file() == self.text());
    }

    /// Where the module listens.
    pub fn socket(&self) -> PathBuf {
        owner::locate(&self.sandbox.path(BOARD)).expect("the board has a place").state.join("socket")
    }
}

/// An agent with a connection of its own to the module.
pub struct Agent {
    name: String,
    client: SocketClient,
}

impl Agent {
    pub fn at(socket: &Path, name: &str) -> Self {
        Self { name: name.into(), client: SocketClient::connect(socket, PATIENCE).expect("a module that listens") }
    }

    /// Sends `call` and returns the reply.
    #[track_caller]
    pub fn ask(&mut self, call: &Value) -> Reply {
        let id = format!("live-{}-{}", std::process::id(), REQUESTS.fetch_add(1, Ordering::Relaxed));
        let request = json!({ "v": 1, "id": id, "agent": self.name, "call": call });
        let reply = self.client.ask(request.to_string().as_bytes(), PATIENCE).expect("a reply");
        serde_json::from_slice(&reply).expect("a reply in JSON")
    }
}
