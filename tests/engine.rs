//! The engine on a plain file: verbs, replies, restarts.

use fleet::{
    core::{
        code::Code,
        id::{AgentName, RequestId},
        wire::{Call, Reply, Request, WIRE_VERSION},
    },
    engine::offline,
};
use std::path::{Path, PathBuf};

struct Board {
    _dir: tempfile::TempDir,
    path: PathBuf,
    next: std::cell::Cell<u32>,
}

const SEED: &str = "#+TITLE: Fleet dispatch
#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)

* PENDING [#A] TASK-001 Deploy auth service                 :timmy:allegro:
DEADLINE: <2026-04-15 Wed>
:PROPERTIES:
:ID: TASK-001
:END:
Deploy the new auth service to staging cluster.

* PENDING Deploy without name           :timmy:
  DEADLINE: <2026-04-15>
  Text.

* DONE Migrate database schema          :ezra:
  Schema v3 applied to all shards.
";

impl Board {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("dispatch.org");
        std::fs::write(&path, text).expect("a board");
        Self { _dir: dir, path, next: 0.into() }
    }

    fn ask(&self, agent: &str, call: Call) -> Reply {
        self.next.set(self.next.get() + 1);
        self.ask_as(agent, &format!("r{}", self.next.get()), call)
    }

    fn ask_as(&self, agent: &str, id: &str, call: Call) -> Reply {
        let request = Request {
            v: WIRE_VERSION,
            id: RequestId::new(id).expect("an id"),
            agent: Some(AgentName::new(agent).expect("a name")),
            call,
        };
        offline::run(&self.path, &request)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).expect("a board")
    }
}

fn claim(task: &str) -> Call {
    Call::Claim { task: Some(task.into()), tags: vec![], resume: false }
}

#[test]
fn smoke() {
    let board = Board::new(SEED);
    let reply = board.ask("timmy", claim("TASK-001"));
    println!("{}", serde_json::to_string_pretty(&reply).unwrap());
    let reply = board.ask("allegro", claim("TASK-001"));
    println!("{}", serde_json::to_string_pretty(&reply).unwrap());
    let reply = board.ask("timmy", Call::Claim { task: None, tags: vec![], resume: false });
    println!("{}", serde_json::to_string_pretty(&reply).unwrap());
    let reply =
        board.ask("timmy", Call::Done { task: "TASK-001".into(), token: None, result: Some("Merged PR #456".into()) });
    println!("{}", serde_json::to_string(&reply).unwrap());
    let reply = board.ask("timmy", Call::Append { text: "Deployed v2.3".into() });
    println!("{}", serde_json::to_string(&reply).unwrap());
    let reply = board.ask(
        "timmy",
        Call::Add {
            title: "New one".into(),
            tags: vec!["ezra".into()],
            priority: Some('A'),
            deadline: Some("2026-12-01".into()),
            scheduled: None,
            body: Some("* x\nhello".into()),
            task: None,
            blocked_by: vec![],
        },
    );
    println!("{}", serde_json::to_string(&reply).unwrap());
    let reply = board.ask("timmy", Call::Status);
    println!("{}", serde_json::to_string(&reply).unwrap());
    let reply = board.ask("timmy", Call::Log { after: None, task: None, agent: None, limit: Some(3) });
    println!("{}", serde_json::to_string(&reply).unwrap());
    println!("{}", board.text());
    let _ = (Code::Ok, Path::new(""));
}
