//! The person's edits: seen at once, held while they last, settled as events, and never written over.

use crate::support::desk::{self, Desk, reason};
use fleet::core::{
    queue::event::{Actor, Change},
    wire::Call,
};

const BOARD: &str =
    "* PENDING T-1 One\n:PROPERTIES:\n:ID: T-1\n:END:\nbody\n* PENDING T-2 Two\n:PROPERTIES:\n:ID: T-2\n:END:\n";

/// What the person's edits became, as `task field from→to`.
fn by_hand(desk: &mut Desk) -> Vec<String> {
    let events = desk.events().into_iter().filter(|(_, event)| event.by == Actor::Human);
    let told = events.map(|(_, event)| match event.change {
        Change::Edited { task, field, from, to } => {
            let word = |value: Option<String>| value.unwrap_or_else(|| "-".into());
            format!("{task} {field:?} {}→{}", word(from), word(to))
        }
        Change::Removed { task, archived } => format!("{task} {}", if archived { "archived" } else { "removed" }),
        change => format!("{} {}", change.task().unwrap_or_default(), change.kind()),
    });
    told.collect()
}

#[test]
fn r11_a_heading_under_a_persons_hands_is_not_offered() {
    let mut desk = Desk::new(BOARD);
    desk.replace("T-1 One", "T-1 On");
    let refused = desk.ask("timmy", desk::claim("T-1"));
    assert_eq!(reason(&refused), "being-edited");
    let next = desk.ask("timmy", desk::claim_next()).task.expect("other tasks are not affected");
    assert_eq!(next.name, "T-2");
    desk.wait(2_999);
    let now = desk.now;
    assert_eq!(desk.engine().settle(false, &now), Ok(Some(1)), "it rests for three seconds");
    desk.replace("T-1 On", "T-1 Once");
    desk.wait(2_999);
    let now = desk.now;
    assert_eq!(desk.engine().settle(false, &now), Ok(Some(1)), "each change begins anew");
    desk.settle();
    assert!(desk.ask("timmy", desk::claim("T-1")).ok);
    assert_eq!(by_hand(&mut desk), ["T-1 Title T-1 One→T-1 Once"], "one event for many keystrokes");
}

#[test]
fn r11_what_is_typed_and_taken_back_is_no_event() {
    let mut desk = Desk::new(BOARD);
    desk.replace("PENDING T-1", "DONE T-1");
    desk.replace("DONE T-1", "PENDING T-1");
    desk.settle();
    assert_eq!(by_hand(&mut desk), Vec::<String>::new());
}

#[test]
fn r11_every_changed_field_is_an_event_and_the_body_is_none() {
    let mut desk = Desk::new(BOARD);
    desk.replace(
        "* PENDING T-1 One\n",
        "* DONE [#A] T-1 Uno :x:\nSCHEDULED: <2026-12-01 Tue> DEADLINE: <2026-12-02 Wed>\n",
    );
    desk.replace("body", "secret");
    desk.settle();
    let expected = [
        "T-1 State PENDING→DONE",
        "T-1 Title T-1 One→T-1 Uno",
        "T-1 Priority -→[#A]",
        "T-1 Tags -→:x:",
        "T-1 Deadline -→<2026-12-02 Wed>",
        "T-1 Scheduled -→<2026-12-01 Tue>",
    ];
    assert_eq!(by_hand(&mut desk), expected);
}

#[test]
fn r11_token_verbs_land_while_the_heading_is_held_and_the_person_keeps_what_they_typed() {
    let mut desk = Desk::new(BOARD);
    let token = desk.ask("timmy", desk::claim("T-1")).token;
    desk.replace("T-1 One", "T-1 Uno");
    assert!(desk.ask("timmy", desk::done("T-1", token)).ok);
    assert!(desk.buffer.contains("* DONE T-1 Uno"), "{}", desk.buffer);
    desk.settle();
    assert_eq!(by_hand(&mut desk), ["T-1 Title T-1 One→T-1 Uno"], "our edit is not taken for theirs");
    assert_eq!(desk.state("T-1"), "DONE");
}

#[test]
fn r10_the_persons_state_wins_over_what_waits_for_the_text() {
    let mut desk = Desk::new(BOARD);
    assert!(desk.ask_while_busy("timmy", desk::claim("T-1")).ok);
    assert!(desk.ask_while_busy("timmy", desk::fail("T-1", None)).ok);
    desk.replace("PENDING T-1", "IN_PROGRESS T-1");
    desk.wait(fleet::engine::SETTLE_MS);
    let now = desk.now;
    desk.engine().settle(false, &now).expect("the journal takes it");
    desk.apply();
    assert!(desk.buffer.contains("* IN_PROGRESS T-1 One"), "{}", desk.buffer);
    assert!(desk.buffer.contains("(#2)") && desk.buffer.contains("(#3)"), "the traces are there all the same");
    assert_eq!(desk.state("T-1"), "IN_PROGRESS");
}

#[test]
fn r13_a_claim_that_the_person_takes_away_is_cancelled_by_hand() {
    let mut desk = Desk::new(BOARD);
    let token = desk.ask("timmy", desk::claim("T-1")).token;
    desk.replace("IN_PROGRESS T-1", "PENDING T-1");
    desk.settle();
    assert_eq!(by_hand(&mut desk), ["T-1 State IN_PROGRESS→PENDING"]);
    assert!(!desk.buffer.contains("CLAIMED_BY"), "nobody holds it");
    assert_eq!(reason(&desk.ask("timmy", desk::done("T-1", token))), "cancelled-by-hand");
    assert!(desk.ask("ezra", desk::claim("T-1")).ok);
    assert_eq!(reason(&desk.ask("timmy", desk::done("T-1", token))), "stale-token");
}

#[test]
fn r17_a_heading_that_comes_back_within_a_minute_was_never_gone() {
    let mut desk = Desk::new(BOARD);
    let token = desk.ask("timmy", desk::claim("T-1")).token;
    let section = desk.cut("T-1 One");
    assert_eq!(desk.show("T-1").unready.as_deref(), Some("missing"));
    let reply = desk.ask("timmy", desk::note("T-1", token));
    assert_eq!((reply.ok, reply.board.as_deref(), reply.applied), (true, Some("missing"), Some(false)));
    desk.wait(56_000);
    desk.settle();
    desk.edit(|text| text.push_str(&section));
    assert!(desk.ask("timmy", desk::done("T-1", token)).ok);
    desk.settle();
    assert_eq!(by_hand(&mut desk), Vec::<String>::new());
    assert!(desk.buffer.contains("* DONE T-1 One") && desk.buffer.contains("halfway"), "{}", desk.buffer);
}

#[test]
fn r17_a_heading_that_stays_away_ends_the_claim_and_the_late_result_is_kept() {
    let mut desk = Desk::new(BOARD);
    let token = desk.ask("timmy", desk::claim("T-1")).token;
    desk.cut("T-1 One");
    desk.wait(60_000);
    desk.settle();
    assert_eq!(by_hand(&mut desk), ["T-1 removed"]);
    for _ in 0..2 {
        assert_eq!(reason(&desk.ask("timmy", desk::done("T-1", token))), "removed-by-hand");
    }
    assert_eq!(reason(&desk.ask("ezra", desk::done("T-1", token))), "removed-by-hand");
    let kept = desk.events().into_iter().filter(|(_, event)| matches!(event.change, Change::Noted { .. })).count();
    assert_eq!(kept, 1, "once, and only from who had claimed it");
}

#[test]
fn r17_a_task_that_returns_after_its_removal_is_as_the_text_says() {
    let mut desk = Desk::new(BOARD);
    desk.ask("timmy", desk::claim("T-1"));
    let section = desk.cut("T-1 One");
    desk.save();
    desk.edit(|text| text.push_str(&section));
    desk.settle();
    assert_eq!(by_hand(&mut desk), ["T-1 removed", "T-1 returned"]);
    assert_eq!(desk.state("T-1"), "IN_PROGRESS", "nobody holds it");
}

#[test]
fn r17_an_archived_task_still_counts_for_those_that_wait_for_it() {
    let mut desk = Desk::new(
        "* DONE T-1 never claimed\n* DONE T-2 x\n:PROPERTIES:\n:ID: T-2\n:END:\n* PENDING T-3 waits\n:PROPERTIES:\n:BLOCKED_BY: T-1, T-2\n:END:\n",
    );
    desk.cut("T-2 x");
    desk.cut("T-1 never");
    assert_eq!(reason(&desk.ask("timmy", desk::claim("T-3"))), "ok", "even before it is settled");
    desk.ask("timmy", desk::release("T-3", None));
    desk.save();
    assert_eq!(by_hand(&mut desk), ["T-1 archived", "T-2 archived"]);
    assert!(desk.ask("timmy", desk::claim("T-3")).ok);
    desk.save();
    desk.restart();
    assert_eq!(desk.state("T-2"), "archived");
}

#[test]
fn r17_a_copy_of_a_task_is_nobodys_and_harms_nobody() {
    let mut desk = Desk::new(BOARD);
    let token = desk.ask("timmy", desk::claim("T-1")).token;
    let original = desk.cut("T-1 One");
    desk.edit(|text| text.insert_str(0, &original));
    let copy = original.replace("IN_PROGRESS", "PENDING").replace("One", "Copy");
    desk.edit(|text| text.insert_str(0, &copy));
    desk.settle();
    assert_eq!(by_hand(&mut desk), Vec::<String>::new(), "what happens to a copy does not happen to the task");
    let list = desk.ask("timmy", Call::List { state: None, tags: vec![], holder: None, limit: None });
    let tasks = list.tasks.expect("a list has tasks");
    let told: Vec<_> = tasks.iter().map(|task| (task.title.as_str(), task.unready.as_deref())).collect();
    assert_eq!(told, [("T-1 Copy", Some("duplicate-id")), ("T-1 One", None), ("T-2 Two", None)]);
    assert_eq!(desk.ask("ezra", desk::claim_next()).task.map(|task| task.name).as_deref(), Some("T-2"));
    assert!(desk.ask("timmy", desk::done("T-1", token)).ok);
    assert!(desk.buffer.contains("* PENDING T-1 Copy") && desk.buffer.contains("* DONE T-1 One"), "{}", desk.buffer);
    desk.save();
    desk.restart();
    assert_eq!(desk.state("T-1"), "DONE", "the token tells the task from its copy");
}

#[test]
fn r17_the_copy_of_a_task_that_was_deleted_is_the_task() {
    let mut desk = Desk::new(BOARD);
    desk.ask("timmy", desk::claim("T-1"));
    let at = desk.buffer.find("* PENDING T-2").expect("it is there");
    let copy = desk.buffer[..at].replace("One", "Copy");
    desk.edit(|text| text.push_str(&copy));
    desk.edit(|text| text.replace_range(..at, ""));
    assert_eq!(desk.state("T-1"), "IN_PROGRESS timmy");
    desk.settle();
    assert_eq!(by_hand(&mut desk), ["T-1 Title T-1 One→T-1 Copy"]);
    assert!(desk.ask("timmy", desk::done("T-1", None)).ok);
    assert!(desk.buffer.contains("* DONE T-1 Copy"), "{}", desk.buffer);
}

#[test]
fn r17_an_id_that_is_deleted_is_written_again_and_one_that_is_changed_names_another_task() {
    let mut desk = Desk::new(BOARD);
    let token = desk.ask("timmy", desk::claim("T-2")).token;
    desk.replace("T-2 Two", "Two");
    desk.replace(":ID: T-2\n", "");
    assert_eq!(desk.state("T-2"), "IN_PROGRESS timmy", "the heading is the task still");
    desk.settle();
    assert!(desk.buffer.contains(":ID: ") && desk.buffer.contains("T-2"), "{}", desk.buffer);
    assert_eq!(by_hand(&mut desk), ["T-2 Title T-2 Two→Two"]);

    desk.replace("T-2\n", "T-3\n");
    assert_eq!(desk.show("T-2").unready.as_deref(), Some("missing"));
    assert_eq!(desk.show("T-3").unready.as_deref(), Some("being-edited"));
    assert!(desk.ask("timmy", desk::done("T-2", token)).ok, "a token verb lands all the same");
    desk.replace("T-3\n", "T-2\n");
    desk.settle();
    assert!(desk.buffer.contains("* DONE Two"), "{}", desk.buffer);
}

#[test]
fn r10_a_keyword_that_the_board_loses_for_a_while_undoes_nothing() {
    let mut desk = Desk::new(&format!("#+TODO: PENDING IN_PROGRESS | DONE FAILED SKIPPED\n{BOARD}"));
    desk.replace("| DONE", "|");
    assert!(desk.ask_while_busy("timmy", desk::claim("T-1")).ok);
    assert_eq!(reason(&desk.ask("timmy", desk::done("T-1", None))), "no-keyword");
    desk.replace("IN_PROGRESS |", "|");
    desk.settle();
    assert_eq!(reason(&desk.ask("ezra", desk::claim("T-2"))), "no-keyword");
    desk.save();
    desk.restart();
    desk.replace("PENDING | FAILED", "PENDING IN_PROGRESS | DONE FAILED");
    desk.settle();
    assert!(desk.buffer.contains("* IN_PROGRESS T-1 One"), "{}", desk.buffer);
    assert!(desk.ask("timmy", desk::done("T-1", None)).ok);
    assert_eq!(by_hand(&mut desk), Vec::<String>::new());
}

#[test]
fn r18_a_revert_discards_the_persons_state_and_keeps_the_agents() {
    let mut desk = Desk::new(BOARD);
    desk.save();
    desk.ask("timmy", desk::claim("T-1"));
    desk.replace("PENDING T-2", "SKIPPED T-2");
    desk.settle();
    let file = desk.file();
    desk.replaced(&file);
    assert_eq!((desk.state("T-1").as_str(), desk.state("T-2").as_str()), ("IN_PROGRESS timmy", "PENDING"));
    let changes = desk.events().len();
    desk.save();
    desk.restart();
    assert_eq!(desk.events().len(), changes + 2, "a save and a start, and no news by hand");
}

#[test]
fn r19_a_text_that_undid_much_stops_the_board_until_the_person_decides() {
    let heads = |keyword: &str| -> String {
        (0..8).map(|n| format!("* {keyword} T-{n} x\n:PROPERTIES:\n:ID: T-{n}\n:END:\n")).collect()
    };
    let mut desk = Desk::new(&heads("PENDING"));
    for n in 0..8 {
        assert!(desk.ask("timmy", desk::skip(&format!("T-{n}"))).ok);
    }
    desk.save();
    let good = desk.file();
    desk.replaced(&heads("IN_PROGRESS"));
    assert_eq!(reason(&desk.ask("timmy", desk::claim_next())), "board-stopped");
    let status = desk.ask("timmy", Call::Status).status.expect("it is answered");
    assert_eq!(status.state, "conflict");
    desk.replaced(&good);
    assert!(desk.ask("timmy", Call::Append { text: "on we go".into() }).ok, "the right text ends the conflict");
    desk.replaced(&heads("IN_PROGRESS"));
    let now = desk.now;
    assert_eq!(desk.engine().resolve(&now), Ok(true));
    assert_eq!(desk.engine().resolve(&now), Ok(false));
    desk.apply();
    assert_eq!(desk.state("T-7"), "IN_PROGRESS");
    assert!(by_hand(&mut desk).contains(&"T-7 State SKIPPED→IN_PROGRESS".to_owned()));
}
