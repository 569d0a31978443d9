//! The cases of R19, one per line.

use super::*;
use crate::core::{
    id::AgentName,
    org::Settings,
    queue::{
        board::Board,
        event::{Actor, Auth, Event, Via},
        ledger::Ledger,
    },
    time::Stamp,
};
use expect_test::expect;
use std::collections::HashSet;

const BOARD: &str = "* PENDING T\n:PROPERTIES:\n:ID: T\n:END:\n";

/// A ledger of what `story` tells, word by word: `claim`, `done`, `release`, `requeue`, `hand=KEYWORD`, `cut`, `save`.
fn told(story: &str) -> Ledger {
    let mut ledger = Ledger::new(1);
    let mut keyword = "PENDING".to_owned();
    for (number, word) in (1..).zip(story.split_whitespace()) {
        let (task, from, title, reason) = ("T".to_owned(), keyword.clone(), "T".to_owned(), None);
        let (stamp, to) = (false, |to: &str| to.to_owned());
        let change = match word {
            "claim" => Change::Claimed {
                task,
                from,
                to: to("IN_PROGRESS"),
                title,
                stamp,
                heading: BOARD.into(),
                lease_secs: None,
            },
            "done" => Change::Done { task, from, to: to("DONE"), result: None, late: false, repeat: None },
            "release" => Change::Released { task, from, to: to("PENDING"), reason },
            "skip" => Change::Skipped { task, from, to: to("SKIPPED"), title, stamp, reason },
            "requeue" => Change::Requeued { task, from, to: to("PENDING"), title, stamp, reason },
            "cut" => Change::Removed { task, archived: false },
            "save" => {
                ledger.saved(&HashSet::new());
                continue;
            }
            word => {
                let to = word.strip_prefix("hand=").map(str::to_owned);
                Change::Edited { task, field: Field::State, from: Some(from), to }
            }
        };
        keyword = match &change {
            Change::Edited { to, .. } => to.clone().unwrap_or_default(),
            change => change.transition().map_or(keyword, |(_, to)| to.to_owned()),
        };
        let agent = Actor::Agent(AgentName::new("timmy").expect("a name"));
        let (at, via, auth) = (Stamp::new(0, 0), Via::Inside, Auth::Label);
        ledger.fold(number, &Event { at, by: agent, via, auth, request: None, change });
    }
    ledger
}

/// What becomes of the one task after `story` if the text is `board`.
fn verdict(story: &str, board: &str) -> String {
    let merged = merge(&Model::new(Board::read(board), told(story)));
    let by_hand = merged.by_hand.iter().map(|change| match change {
        Change::Edited { to, .. } => format!("person: {}", to.as_deref().unwrap_or("none")),
        change => format!("person: {}", change.kind()),
    });
    let notice = merged.notices.first().map(|_| "notice".to_owned());
    let mut words: Vec<String> = by_hand.chain(notice).collect();
    words.extend((!merged.restore.is_empty()).then(|| "restore".to_owned()));
    words.extend((!merged.recover.is_empty()).then(|| "recover".to_owned()));
    words.extend((!merged.stamped.is_empty()).then(|| "stamp".to_owned()));
    if words.is_empty() { "nothing".into() } else { words.join(", ") }
}

fn heading(keyword: &str, token: &str) -> String {
    let token = if token.is_empty() { String::new() } else { format!(":TOKEN: {token}\n") };
    format!("* {keyword} T\n:PROPERTIES:\n:ID: T\n{token}:END:\n")
}

#[test]
fn r19_who_is_right_about_a_task() {
    let cases = [
        ("the text has it all", "claim", "IN_PROGRESS 1-1"),
        ("a claim that was not saved", "claim", "PENDING"),
        ("a skip that was not saved", "skip", "PENDING"),
        ("a requeue that was not saved", "claim done save requeue", "DONE 1-1"),
        ("done since the save", "claim save done", "IN_PROGRESS 1-1"),
        ("changed by hand outside", "claim save", "DONE 1-1"),
        ("changed by hand, before the claim was saved", "claim", "SKIPPED"),
        ("claimed twice since the save, changed by hand", "claim release save claim", "SKIPPED 1-1"),
        ("an old copy from before the claim", "claim done save", "PENDING"),
        ("an old copy with a value of the latest claim", "claim done save", "IN_PROGRESS 1-1"),
        ("an old copy with an older token", "claim release claim save", "PENDING 1-1"),
        ("an old copy whose state fits by chance", "claim release claim save", "IN_PROGRESS 1-1"),
        ("an old copy with a state of an older claim", "claim done requeue claim save", "DONE 1-1"),
        ("a token of nobody", "claim save", "DONE soon"),
        ("set by hand and saved, then set back outside", "claim hand=DONE save", "PENDING 1-1"),
        ("set by hand, not saved, and the text reverted", "claim save hand=DONE", "IN_PROGRESS 1-1"),
        ("the keyword went", "claim save", "none 1-1"),
        ("back after it was removed", "claim save cut", "IN_PROGRESS 1-1"),
    ];
    let mut table = String::new();
    for (what, story, shown) in cases {
        let (keyword, token) = shown.split_once(' ').unwrap_or((shown, ""));
        let board = heading(if keyword == "none" { "" } else { keyword }, token);
        table.push_str(&format!("{what}: {}\n", verdict(story, &board)));
    }
    expect![[r#"
        the text has it all: nothing
        a claim that was not saved: restore
        a skip that was not saved: restore
        a requeue that was not saved: restore
        done since the save: restore
        changed by hand outside: person: DONE
        changed by hand, before the claim was saved: person: SKIPPED
        claimed twice since the save, changed by hand: person: SKIPPED
        an old copy from before the claim: notice, restore
        an old copy with a value of the latest claim: notice, restore
        an old copy with an older token: notice, restore
        an old copy whose state fits by chance: restore
        an old copy with a state of an older claim: notice, restore
        a token of nobody: person: DONE
        set by hand and saved, then set back outside: person: PENDING
        set by hand, not saved, and the text reverted: person: IN_PROGRESS
        the keyword went: person: none
        back after it was removed: person: returned
    "#]]
    .assert_eq(&table);
}

#[test]
fn r19_a_board_that_has_lost_a_keyword_does_not_undo_what_it_cannot_show() {
    let board = format!("#+TODO: PENDING | DONE\n{}", heading("PENDING", "1-1"));
    assert_eq!(verdict("claim save", &board), "nothing");
}

#[test]
fn r12_r17_r19_what_becomes_of_a_task_whose_heading_is_not_there() {
    let cases = [
        ("never saved", "claim", ""),
        ("never saved and skipped", "skip", ""),
        ("never saved, and a heading with the same title", "skip", "* PENDING T\n"),
        ("saved and gone", "claim save", ""),
        ("closed, saved and gone", "claim done save", ""),
        ("known to be gone", "claim save cut", ""),
        ("an old copy without its ID", "claim save", "* PENDING T\n"),
        ("two headings that could be it", "claim save", "* PENDING T\n* PENDING T\n"),
        ("a heading with another ID", "claim save", "* PENDING T\n:PROPERTIES:\n:ID: U\n:END:\n"),
    ];
    let table: String =
        cases.iter().map(|(what, story, board)| format!("{what}: {}\n", verdict(story, board))).collect();
    expect![[r#"
        never saved: recover
        never saved and skipped: person: removed
        never saved, and a heading with the same title: person: removed
        saved and gone: person: removed
        closed, saved and gone: person: removed
        known to be gone: nothing
        an old copy without its ID: notice, restore, stamp
        two headings that could be it: person: removed
        a heading with another ID: person: removed
    "#]]
    .assert_eq(&table);
}

#[test]
fn r19_many_surprises_at_once_are_a_conflict() {
    let ids: Vec<String> = (0..60).map(|n| format!("T{n}")).collect();
    let merged = |reopened: usize| {
        let mut ledger = Ledger::new(1);
        let mut text = String::new();
        for (at, id) in ids.iter().enumerate() {
            let change = Change::Skipped {
                task: id.clone(),
                from: "PENDING".into(),
                to: "SKIPPED".into(),
                title: id.clone(),
                stamp: false,
                reason: None,
            };
            let (by, via, auth) = (Actor::System, Via::Inside, Auth::Label);
            ledger.fold(at as u64 + 1, &Event { at: Stamp::new(0, 0), by, via, auth, request: None, change });
            let keyword = if at < reopened { "PENDING" } else { "SKIPPED" };
            text.push_str(&format!("* {keyword} {id}\n:PROPERTIES:\n:ID: {id}\n:END:\n"));
        }
        ledger.saved(&HashSet::new());
        merge(&Model::new(Board::read(&text), ledger))
    };
    assert_eq!(merged(6).conflict, None, "six of sixty are a tenth, not more");
    assert_eq!(merged(6).by_hand.len(), 6);
    let conflict = merged(7).conflict.expect("seven are more");
    assert!(conflict.starts_with("7 tasks were reopened or removed at once (T0, T1, T2, …)"), "{conflict}");
}

#[test]
fn r19_a_restored_heading_shows_what_the_journal_says() {
    let ledger = told("claim");
    let mut text = heading("PENDING", "");
    let record = ledger.record("T").expect("it was claimed");
    let edits = crate::core::queue::apply::restore(&text, &Settings::default(), "T", record);
    crate::core::edit::apply_edits(&mut text, &edits);
    assert_eq!(verdict("claim", &text), "nothing");
    assert_eq!(crate::core::queue::apply::restore(&text, &Settings::default(), "T", record), []);
}
