//! A board in a sandbox, asked through the real program and through the real socket.

use super::{
    process::{PATIENCE, run_within},
    sandbox::{Sandbox, lisp_dir},
};
use fleet::{
    adapters::{
        owner,
        socket::{ClientError, SocketClient},
    },
    core::{
        code::Code,
        id::{AgentName, RequestId},
        wire::{Call, Reply, Request, WIRE_VERSION},
    },
};
use serde_json::Value;
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// What a new board of the tests holds.
pub const KEYWORDS: &str = "#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)\n";

/// The program and the socket, for one board.
pub struct Fleet<'a> {
    sandbox: &'a Sandbox,
    board: PathBuf,
}

/// How the program ended.
#[derive(Debug)]
#[must_use]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl<'a> Fleet<'a> {
    /// A new board at `name` in the sandbox.
    pub fn new(sandbox: &'a Sandbox, name: &str, text: &str) -> Self {
        let board = sandbox.path(name);
        fs::create_dir_all(board.parent().expect("a file in a directory")).expect("a directory in the sandbox");
        fs::write(&board, text).expect("a board in the sandbox");
        Self { sandbox, board }
    }

    pub fn board(&self) -> &Path {
        &self.board
    }

    pub fn text(&self) -> String {
        fs::read_to_string(&self.board).expect("a board that can be read")
    }

    /// The directory with journal, lock and owner file.
    pub fn state(&self) -> PathBuf {
        owner::locate(&self.board).expect("a board in a directory").state
    }

    /// The program with `args`, not yet running.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.fleet();
        command.args(args).env("DISPATCH_FILE", &self.board).env("FLEET_LISP", lisp_dir());
        command.env("EMACS_SOCKET", self.sandbox.socket("s"));
        if let Some(emacs) = std::env::var_os("EMACS") {
            command.env("FLEET_EMACS", emacs);
        }
        if let Some(module) = std::env::var_os("FLEET_MODULE") {
            command.env("FLEET_MODULE", module);
        }
        command
    }

    /// Runs the program to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(run_within(&mut self.command(args), PATIENCE))
    }

    /// Runs the program, which must succeed, and returns its JSON.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.json()
    }

    /// Asks the owner of the board, wherever it is now, over its socket.
    pub fn ask(&self, request: &Request) -> Result<Reply, ClientError> {
        let owner = owner::read_owner(&self.board).ok().flatten();
        let socket = owner.and_then(|owner| owner.socket).unwrap_or_else(|| self.state().join("nobody"));
        let json = serde_json::to_vec(request).expect("a request serializes");
        let answer = SocketClient::connect(&socket, PATIENCE)?.ask(&json, PATIENCE)?;
        Ok(serde_json::from_slice(&answer).expect("a reply"))
    }

    /// The whole journal, as the owner of the board tells it.
    pub fn events(&self) -> Vec<Value> {
        const PAGE: u32 = 2_000;
        let mut events: Vec<Value> = Vec::new();
        loop {
            let after = events.last().map_or(0, number);
            let call = Call::Log {
                after: Some(after),
                task: None,
                agent: None,
                kinds: vec![],
                since: None,
                until: None,
                limit: Some(PAGE),
            };
            let reply = self.ask(&request("reader", &format!("log-{after}"), call)).expect("an owner that answers");
            let page = reply.events.unwrap_or_else(|| panic!("no events: {:?}", reply.error));
            let is_last = page.is_empty();
            events.extend(page);
            if is_last {
                return events;
            }
        }
    }
}

/// The number of an event of the log.
pub fn number(event: &Value) -> u64 {
    event["number"].as_u64().expect("an event has a number")
}

/// A request of `agent` under `id`.
pub fn request(agent: &str, id: &str, call: Call) -> Request {
    let agent = Some(AgentName::new(agent).expect("an agent's name"));
    Request { v: WIRE_VERSION, id: RequestId::new(id).expect("a request id"), agent, board: None, call }
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code().expect("no signal");
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The one line of JSON on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "one line of JSON: {self:?}");
        serde_json::from_str(&self.stdout).expect("JSON")
    }

    /// The cause of a refusal, which must have this code.
    #[track_caller]
    pub fn reason(&self, code: Code) -> String {
        assert_eq!(self.code, i32::from(code.exit()), "{self:?}");
        self.json()["error"]["reason"].as_str().expect("a reason").to_owned()
    }
}

/// The headings of `text` that carry an ID, each down to the next one; no two may carry the same.
#[track_caller]
pub fn headings(text: &str) -> HashMap<&str, &str> {
    let starts = text.match_indices("* ").map(|(at, _)| at).filter(|at| *at == 0 || text[..*at].ends_with('\n'));
    let starts: Vec<usize> = starts.chain([text.len()]).collect();
    let mut headings = HashMap::new();
    for heading in starts.windows(2).map(|ends| &text[ends[0]..ends[1]]) {
        let Some(id) = property(heading, "ID") else { continue };
        let other = headings.insert(id, heading);
        assert!(other.is_none(), "{id} has several headings in\n{text}");
    }
    headings
}

/// The heading of `text` that carries the ID `task`, down to the next one.
#[track_caller]
pub fn heading_of<'t>(text: &'t str, task: &str) -> Option<&'t str> {
    headings(text).remove(task)
}

/// The value of a property in the text of one heading.
pub fn property<'t>(heading: &'t str, key: &str) -> Option<&'t str> {
    let key = format!(":{key}:");
    heading.lines().find_map(|line| line.strip_prefix(&key)).map(str::trim)
}
