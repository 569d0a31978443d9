//! A journal that was put back from a backup under a board that went on (R6).

use fleet::{
    core::{
        id::{AgentName, RequestId},
        wire::{Call, Reply, Request, WIRE_VERSION},
    },
    engine::{Policy, offline},
};
use std::{fs, path::Path};

fn ask(board: &Path, id: &str, call: Call) -> Reply {
    let request = Request {
        v: WIRE_VERSION,
        id: RequestId::new(id).expect("an id"),
        agent: Some(AgentName::new("timmy").expect("a name")),
        board: None,
        call,
    };
    offline::run(board, Policy::default(), &request)
}

fn claim(task: &str) -> Call {
    Call::Claim { task: Some(task.into()), tags: vec![], resume: false, lease_secs: None, wait_ms: None }
}

#[test]
fn r6_a_restored_journal_never_gives_a_token_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let board = dir.path().join("dispatch.org");
    fs::write(&board, "* PENDING T-1 one\n* PENDING T-2 two\n* PENDING T-3 three\n").expect("a board");
    let journal = dir.path().join(".fleet/dispatch.org/journal.jsonl");
    assert!(ask(&board, "r1", claim("T-1")).ok);
    let backup = fs::read(&journal).expect("a journal");
    let lost = ask(&board, "r2", claim("T-2")).token.expect("a token");
    fs::write(&journal, backup).expect("a restored journal");

    let status = ask(&board, "r3", Call::Status).status.expect("a status");
    assert!(status.notices.iter().any(|notice| notice.contains("older than the board")), "{:?}", status.notices);
    let next = ask(&board, "r4", claim("T-3")).token.expect("a token");
    assert_eq!(next.epoch, lost.epoch + 1);
    let late = ask(&board, "r5", Call::Done { task: "T-2".into(), token: Some(lost), result: None });
    assert!(!late.ok, "{late:?}");
    let again = ask(&board, "r4", claim("T-3"));
    assert_eq!((again.replayed, again.token), (true, Some(next)));
}

#[test]
fn r6_a_new_journal_begins_a_later_epoch_than_the_board_has_seen() {
    let dir = tempfile::tempdir().expect("a directory");
    let board = dir.path().join("dispatch.org");
    fs::write(&board, "* PENDING T-1 one\n:PROPERTIES:\n:TOKEN: 7-3\n:END:\n").expect("a board");
    assert_eq!(ask(&board, "r1", claim("T-1")).token.expect("a token").epoch, 8);
}
