//! Checking the records: what is found, what is not taken for damage, and that nothing is changed by looking.

use crate::support::{
    daemon::Daemon,
    desk::{self, Desk, reason},
    fleet::{Fleet, KEYWORDS},
    sandbox::Sandbox,
};
use fleet::{
    adapters::journal::Journal,
    core::{
        code::Code,
        frame,
        queue::event::{Actor, Auth, Change, Event, Via},
    },
    engine::verify::{self, Anchor, Report},
};
use sha2::{Digest as _, Sha256};
use std::{fs, path::PathBuf};

const BOARD: &str = "* PENDING T-1 One\n:PROPERTIES:\n:ID: T-1\n:END:\n* PENDING T-2 Two\n:PROPERTIES:\n:ID: T-2\n:END:\n\
    * DONE T-3 Three\n:PROPERTIES:\n:ID: T-3\n:END:\n";

/// A saved board with some history, and nobody who owns it.
fn history() -> Desk {
    let mut desk = Desk::new(BOARD);
    let token = desk.ask("timmy", desk::claim("T-1")).token;
    desk.ask("timmy", desk::note("T-1", token));
    desk.ask("timmy", desk::done("T-1", token));
    desk.ask("ezra", desk::claim("T-2"));
    desk.ask("ezra", desk::archive("T-3"));
    desk.save();
    desk
}

fn journal(desk: &Desk) -> PathBuf {
    desk.state_dir().join("journal.jsonl")
}

#[track_caller]
fn sound(desk: &Desk) -> Report {
    let before = (fs::read(journal(desk)).expect("a journal"), desk.file());
    let report = verify::run(&desk.path, None).expect("it is sound");
    assert_eq!((fs::read(journal(desk)).expect("a journal"), desk.file()), before, "looking changes nothing");
    report
}

fn told(report: &Report) -> Vec<String> {
    let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    let lines =
        report.differences.iter().map(|d| format!("{} {} {} {}", d.task, d.field, word(&d.journal), word(&d.board)));
    lines.collect()
}

#[test]
fn a_sound_board_is_sound_with_and_without_an_owner_and_with_changes_that_are_not_saved() {
    let mut desk = history();
    let report = sound(&desk);
    assert_eq!((report.code(), report.is_known, report.unsaved), (Code::Ok, true, 0), "while it is owned");
    assert_eq!((told(&report), report.first, report.last), (vec![], Some(1), report.events));
    let token = desk.show("T-2").token;
    desk.ask("ezra", desk::done("T-2", token));
    desk.ask("ezra", desk::add("Another"));
    desk.ask("ezra", desk::archive("T-1"));
    desk.replace("T-2 Two", "T-2 Twice");
    desk.settle();
    let report = sound(&desk);
    assert_eq!((report.code(), told(&report), report.unsaved), (Code::Ok, vec![], 3));
    desk.crash();
    assert_eq!(told(&sound(&desk)), Vec::<String>::new(), "and without an owner");
    desk.open();
    desk.save();
    assert_eq!(sound(&desk).unsaved, 0);
}

#[test]
fn edits_by_hand_are_named_and_are_no_error() {
    let desk = history();
    let text = desk.file().replace("* DONE T-1", "* PENDING T-1").replace(":CLAIMED_BY: ezra", ":CLAIMED_BY: bee");
    let text = text.replace(
        "* IN_PROGRESS T-2 Two",
        "* IN_PROGRESS T-2 Two\n* DONE T-3 again\n:PROPERTIES:\n:ID: T-3\n:END:\n* x",
    );
    fs::write(&desk.path, text).expect("it can be written");
    let report = sound(&desk);
    assert_eq!((report.code(), report.is_known), (Code::Ok, false));
    let told = told(&report);
    for difference in ["T-1 state DONE PENDING", "T-3 heading - on the board"] {
        assert!(told.iter().any(|told| told == difference), "{told:?}");
    }
    assert!(report.to_string().contains("edits by hand"), "{report}");
}

#[test]
fn a_saved_file_that_shows_another_state_than_the_journal_is_a_conflict() {
    let mut desk = history();
    desk.crash();
    let text = desk.file().replace("* DONE T-1", "* PENDING T-1");
    let hash: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let (mut log, replay) = Journal::open(&desk.state_dir(), "dispatch.org", 1).expect("nobody owns it");
    let covers = replay.records().len() as u64;
    let change = Change::Saving { hash, covers, without: vec![], replaces: None };
    let event =
        Event { at: desk.now.wall, by: Actor::System, via: Via::Inside, auth: Auth::Label, request: None, change };
    log.append(&[serde_json::to_string(&event).expect("it serializes")]).expect("it can be written");
    fs::write(&desk.path, &text).expect("it can be written");
    let report = sound(&desk);
    assert_eq!((report.code(), told(&report)), (Code::Conflict, vec!["T-1 state DONE PENDING".to_owned()]));
    fs::write(&desk.path, text.replace("* PENDING T-1", "* DONE T-1")).expect("it can be written");
    assert_eq!(sound(&desk).code(), Code::Ok, "an older save of ours, or an edit: the file is not that one");
}

#[test]
fn r3_damage_is_told_with_its_place_and_a_torn_end_is_none() {
    let mut desk = history();
    desk.crash();
    let whole = fs::read(journal(&desk)).expect("a journal");
    fs::write(journal(&desk), [&whole[..], b"0123abcd 40 {\"n\":"].concat()).expect("it can be written");
    let report = sound(&desk);
    assert_eq!((report.code(), report.torn_bytes), (Code::Ok, 17));
    let middle = whole.len() / 2;
    let mut damaged = whole.clone();
    damaged[middle] ^= 1;
    fs::write(journal(&desk), &damaged).expect("it can be written");
    let failure = verify::run(&desk.path, None).expect_err("it is damaged");
    assert_eq!((failure.code, failure.reason.as_str()), (Code::Corrupt, "journal-unreadable"));
    let line = whole[..middle].iter().rposition(|&b| b == b'\n').expect("it has lines") + 1;
    assert!(failure.message.contains(&format!("byte {line}")) && failure.hint.is_some(), "{failure:?}");
    assert_eq!(fs::read(journal(&desk)).expect("a journal"), damaged, "and nothing was cut");
    fs::remove_file(journal(&desk)).expect("it is there");
    assert_eq!(verify::run(&desk.path, None).expect_err("there is none").reason, "no-journal");
}

#[test]
fn an_anchor_finds_a_journal_that_was_rewritten_or_cut() {
    let mut desk = history();
    let anchor: Anchor = sound(&desk).anchor.parse().expect("what is printed can be read");
    desk.ask("ezra", desk::add("Another"));
    verify::run(&desk.path, Some(&anchor)).expect("the journal has only grown");
    desk.crash();
    let whole = fs::read(journal(&desk)).expect("a journal");
    let mut events = Vec::new();
    let (end, _) = frame::read(&whole, &mut |record| events.push(record.event.to_owned())).expect("it is whole");
    let forged: Vec<String> = events.iter().map(|event| event.replace("halfway", "all done")).collect();
    assert_ne!(forged, events);
    let (header, mut head) = frame::begin("dispatch.org", end.epoch, None, &[]);
    fs::write(journal(&desk), [header.clone(), frame::encode(&mut head, &forged)].concat()).expect("it can be written");
    assert_eq!(sound(&desk).code(), Code::Ok, "in itself it is sound");
    let refused = |anchor: &Anchor| verify::run(&desk.path, Some(anchor)).expect_err("it was rewritten").reason;
    assert_eq!(refused(&anchor), "journal-rewritten");
    let (_, mut head) = frame::begin("dispatch.org", end.epoch, None, &[]);
    let cut = frame::encode(&mut head, &events[..2]);
    fs::write(journal(&desk), [header, cut].concat()).expect("it can be written");
    assert_eq!(refused(&anchor), "journal-rewritten");
    for bad in ["", "abc@1", "@1", &"a".repeat(64), &format!("{}@x", "a".repeat(64))] {
        assert!(bad.parse::<Anchor>().is_err(), "{bad}");
    }
}

#[test]
fn an_id_that_stands_twice_is_named() {
    let mut desk = history();
    desk.edit(|text| text.push_str("* PENDING Copy\n:PROPERTIES:\n:ID: T-2\n:END:\n"));
    desk.save();
    let report = sound(&desk);
    assert_eq!((report.code(), report.repeated), (Code::Ok, vec!["T-2".to_owned()]));
    assert_eq!(reason(&desk.ask("timmy", desk::archive("T-2"))), "wrong-state");
}

#[test]
fn the_program_verifies_a_served_board_and_says_what_it_found() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{BOARD}"));
    assert_eq!(fleet.run(&["verify", "--json"]).reason(Code::NotFound), "no-journal");
    let daemon = Daemon::serving(&sandbox, fleet.board());
    assert_eq!(fleet.run(&["claim", "T-1", "--agent", "crane"]).code, 0);
    let report = fleet.json(&["verify"]);
    assert_eq!((&report["ok"], &report["verify"]["differing"]), (&true.into(), &0.into()), "{report}");
    let anchor = report["verify"]["anchor"].as_str().expect("an anchor").to_owned();
    let ran = fleet.run(&["verify", "--against", &anchor]);
    assert!(ran.code == 0 && ran.stdout.contains("chain    unbroken"), "{ran:?}");
    let forged = format!("{}{anchor}", if anchor.starts_with('0') { "1" } else { "0" });
    let forged = [&forged[..1], &forged[2..]].concat();
    let refused = fleet.run(&["verify", "--against", &forged, "--json"]);
    assert_eq!(refused.reason(Code::Corrupt), "journal-rewritten");
    drop(daemon);
    sandbox.assert_deserted();
}
