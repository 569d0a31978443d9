//! The real program in a sandbox: its own home, board, PATH and environment.

use fleet::adapters::{clock, owner::locate, socket::read_frame};
use fleet::core::wire::Request;
use std::{
    fs,
    io::BufReader,
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::{self, JoinHandle},
};

/// A directory that holds everything a test touches.
pub struct Sandbox {
    dir: tempfile::TempDir,
}

/// How the program ended.
#[derive(Debug)]
#[must_use]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Sandbox {
    /// A home with an empty board in it.
    pub fn new() -> Self {
        let sandbox = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        fs::create_dir(sandbox.path("bin")).expect("made");
        fs::write(sandbox.board(), "").expect("written");
        sandbox
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn board(&self) -> PathBuf {
        self.path("board.org")
    }

    /// Where the owner of the board keeps its files.
    pub fn state(&self) -> PathBuf {
        let state = locate(&self.board()).expect("the board exists").state;
        fs::create_dir_all(&state).expect("made");
        state
    }

    /// The program with `args`, not yet running.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command.args(args).env_clear().stdin(Stdio::null());
        command.env("HOME", self.dir.path()).env("DISPATCH_FILE", self.board());
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        command
    }

    /// Runs the program to its end.
    pub fn fleet(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Puts a shell script named `name` first into PATH.
    pub fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        path
    }

    /// Says that this test owns the board and answers on `socket`.
    pub fn own(&self, socket: Option<&Path>) {
        self.own_as(std::process::id(), socket);
    }

    /// Says that process `pid` owns the board and answers on `socket`.
    pub fn own_as(&self, pid: u32, socket: Option<&Path>) {
        let owner = serde_json::json!({
            "v": 1, "pid": pid, "boot_id": clock::boot_id(), "socket": socket, "kind": "emacs",
        });
        fs::write(self.state().join("owner"), owner.to_string()).expect("written");
    }

    /// Owns the board and hands each connection's first request to `answer`, for as many connections as it has turns.
    pub fn serve(&self, answers: Vec<Answer>) -> JoinHandle<Vec<Request>> {
        let socket = self.path("owner.socket");
        let listener = UnixListener::bind(&socket).expect("bound");
        self.own(Some(&socket));
        thread::spawn(move || answers.into_iter().map(|answer| serve_one(&listener, answer)).collect())
    }
}

/// What a fake owner does with one connection and the request that came over it.
pub type Answer = Box<dyn FnOnce(&Request, UnixStream) + Send>;

fn serve_one(listener: &UnixListener, answer: Answer) -> Request {
    let (stream, _) = listener.accept().expect("a client");
    let frame = read_frame(&mut BufReader::new(&stream), 1 << 20).expect("a frame").expect("a request");
    let request = serde_json::from_slice(&frame).expect("a request");
    answer(&request, stream);
    request
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: status.code().expect("no signal"), stdout: text(stdout), stderr: text(stderr) }
    }

    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.stdout.lines().count(), 1, "one line of JSON: {self:?}");
        serde_json::from_str(&self.stdout).expect("JSON")
    }
}
