//! Closed tasks leave the board for its archive: which, how it looks there, and what a crash in between leaves.

use crate::support::desk::{self, Desk, reason};
use expect_test::expect;
use fleet::core::{
    queue::event::{Actor, Change},
    wire::{Call, Reply},
};

const BOARD: &str = "* Project [1/2]\n** DONE T-1 One\nCLOSED: [2026-09-01 Tue 10:00]\n:PROPERTIES:\n:ID: T-1\n:END:\n\
    Body.\n*** DONE Part\n** PENDING T-2 Two\n:PROPERTIES:\n:ID: T-2\n:BLOCKED_BY: T-1\n:END:\n\
    * DONE T-3 Three\nCLOSED: [2026-11-19 Thu 10:00]\n:PROPERTIES:\n:ID: T-3\n:END:\n";

/// The names of the tasks of a reply.
fn names(reply: &Reply) -> Vec<&str> {
    assert_eq!(reason(reply), "ok");
    reply.tasks.iter().flatten().map(|task| task.name.as_str()).collect()
}

/// How often `part` stands on the board and in its archive.
fn places(desk: &Desk, part: &str) -> (usize, usize) {
    (desk.buffer.matches(part).count(), desk.archive().matches(part).count())
}

#[test]
fn what_was_closed_long_ago_goes_with_all_that_is_below_it() {
    let mut desk = Desk::new(BOARD);
    let preview = Call::Archive { tasks: vec![], older_than_secs: None, dry_run: true };
    assert_eq!(names(&desk.ask("timmy", preview)), ["T-1"]);
    assert_eq!(places(&desk, "T-1 One"), (1, 0), "a preview changes nothing");
    let reply = desk.ask("timmy", desk::sweep(30));
    assert_eq!((names(&reply), reply.applied), (vec!["T-1"], Some(true)));
    desk.save();
    expect![[r#"
        * Project [0/1]
        ** PENDING T-2 Two
        :PROPERTIES:
        :ID: T-2
        :BLOCKED_BY: T-1
        :END:
        * DONE T-3 Three
        CLOSED: [2026-11-19 Thu 10:00]
        :PROPERTIES:
        :ID: T-3
        :END:
    "#]]
    .assert_eq(&desk.file());
    let path = desk.engine().path().display().to_string();
    expect![[r#"
        #    -*- mode: org -*-


        Archived entries from file BOARD


        * DONE T-1 One
        CLOSED: [2026-09-01 Tue 10:00]
        :PROPERTIES:
        :ID: T-1
        :ARCHIVE_TIME: 2026-11-20 Fri 10:00
        :ARCHIVE_FILE: BOARD
        :ARCHIVE_OLPATH: Project
        :ARCHIVE_CATEGORY: dispatch
        :ARCHIVE_TODO: DONE
        :END:
        Body.
        ** DONE Part
    "#]]
    .assert_eq(&desk.archive().replace(&path, "BOARD"));
    assert_eq!(names(&desk.ask("timmy", desk::sweep(30))), Vec::<&str>::new(), "nothing is left to go");
    assert_eq!(names(&desk.ask("timmy", desk::sweep(0))), ["T-3"]);
}

#[test]
fn r17_an_archived_task_still_counts_for_those_that_wait_for_it_and_says_where_it_is() {
    let mut desk = Desk::new(BOARD);
    assert_eq!(desk.show("T-2").unready, None);
    desk.ask("timmy", desk::archive("T-1"));
    desk.save();
    for _ in 0..2 {
        assert_eq!(desk.show("T-2").unready, None, "it was done");
        for call in [desk::requeue("T-1"), desk::claim("T-1"), desk::archive("T-1"), desk::requeue("T-1 One")] {
            let error = desk.ask("timmy", call).error.expect("it is not on the board");
            assert_eq!(error.reason, "archived");
            assert!(error.message.ends_with("was archived in `dispatch.org_archive`"), "{}", error.message);
        }
        desk.restart();
    }
    assert!(desk.ask("timmy", desk::claim("T-2")).ok);
}

#[test]
fn r17_a_failed_task_in_the_archive_still_blocks() {
    let mut desk = Desk::new(&BOARD.replace("** DONE T-1", "** FAILED T-1"));
    assert_eq!(desk.show("T-2").unready.as_deref(), Some("blocked"));
    assert!(desk.ask("timmy", desk::archive("T-1")).ok);
    assert_eq!(desk.show("T-2").unready.as_deref(), Some("blocked"));
}

#[test]
fn r17_every_name_that_a_task_can_be_waited_for_goes_with_it() {
    let board = "* DONE TOKEN-7 One\n:PROPERTIES:\n:CUSTOM_ID: one\n:ID: x1\n:END:\n\
        * DONE Nameless\n** DONE Inner\n:PROPERTIES:\n:ID: x2\n:END:\n";
    let waiting: Vec<String> = ["TOKEN-7", "one", "x1", "x2", "Inner"]
        .iter()
        .map(|name| format!("* PENDING W{name}\n:PROPERTIES:\n:BLOCKED_BY: {name}\n:END:\n"))
        .collect();
    let mut desk = Desk::new(&format!("{board}{}", waiting.concat()));
    let reply = desk.ask("timmy", Call::Archive { tasks: vec![], older_than_secs: Some(0), dry_run: false });
    assert_eq!(names(&reply), Vec::<&str>::new(), "nobody knows when they were closed");
    let tasks = vec!["one".into(), "Nameless".into()];
    let reply = desk.ask("timmy", Call::Archive { tasks, older_than_secs: None, dry_run: false });
    assert_eq!(names(&reply), ["x1", "Nameless"]);
    desk.restart();
    let unready = |desk: &mut Desk, name: &str| desk.show(&format!("W{name}")).unready;
    for name in ["TOKEN-7", "one", "x1", "x2"] {
        assert_eq!(unready(&mut desk, name), None, "{name}");
    }
    assert_eq!(unready(&mut desk, "Inner").as_deref(), Some("blocked"), "a title is no name there");
    assert!(desk.archive().contains("* DONE Nameless\n:PROPERTIES:\n:ID: T-"), "{}", desk.archive());
}

#[test]
fn r11_what_is_open_below_held_or_in_somebodys_hands_stays() {
    let mut desk = Desk::new(BOARD);
    desk.replace("*** DONE Part", "*** PENDING Part");
    assert_eq!(reason(&desk.ask("timmy", desk::archive("T-1"))), "being-edited");
    assert_eq!(names(&desk.ask("timmy", desk::sweep(30))), Vec::<&str>::new());
    desk.settle();
    assert_eq!(reason(&desk.ask("timmy", desk::archive("T-1"))), "open-below");
    let swept = desk.ask("timmy", desk::sweep(30));
    assert_eq!((names(&swept), swept.notices.len()), (vec![], 1), "{:?}", swept.notices);
    assert_eq!(reason(&desk.ask("timmy", desk::archive("T-2"))), "wrong-state");
    desk.replace("*** PENDING Part", "*** SKIPPED Part");
    desk.settle();
    let both = Call::Archive { tasks: vec!["T-1".into(), "T-2".into()], older_than_secs: None, dry_run: false };
    assert_eq!(reason(&desk.ask("timmy", both)), "wrong-state", "all of them or none");
    assert_eq!(places(&desk, "T-1 One"), (1, 0));
    let (now, at) = (desk.now, desk.buffer.find("Body.").expect("it is there") as u64);
    desk.engine().set_visited(&[at]);
    assert_eq!(names(&desk.ask("timmy", desk::sweep(30))), Vec::<&str>::new(), "a cursor stands in it");
    assert_eq!(now.boot_ms, desk.now.boot_ms);
    assert_eq!(names(&desk.ask("timmy", desk::archive("T-1"))), ["T-1"], "but who names it means it");
}

#[test]
fn r25_headings_without_id_that_share_a_token_stay_and_others_get_one_each() {
    let closed = |title: &str| format!("* DONE {title}\nCLOSED: [2026-09-01 Tue 10:00]\n");
    let twins = [closed("TASK-1 One"), closed("TASK-1 Other"), closed("Same"), closed("Same")].concat();
    let mut desk = Desk::new(&twins);
    let swept = desk.ask("timmy", desk::sweep(1));
    assert_eq!((names(&swept), swept.notices.len()), (vec!["Same", "Same"], 1));
    assert_eq!((places(&desk, "TASK-1"), places(&desk, "* DONE Same")), ((2, 0), (0, 2)));
    let archive = desk.archive();
    let ids: Vec<&str> = archive.lines().filter(|line| line.starts_with(":ID: T-")).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
    desk.restart();
    assert_eq!((places(&desk, "TASK-1"), places(&desk, "* DONE Same")), ((2, 0), (0, 2)));
}

#[test]
fn r5_a_repeated_request_archives_nothing_more() {
    let mut desk = Desk::new(BOARD);
    let first = desk.ask_as("timmy", "once", desk::sweep(0));
    assert_eq!(names(&first), ["T-1", "T-3"]);
    for _ in 0..2 {
        let again = desk.ask_as("timmy", "once", desk::sweep(0));
        assert_eq!((reason(&again), again.replayed, again.number), ("ok", true, first.number));
        desk.restart();
    }
    assert_eq!(reason(&desk.ask_as("timmy", "once", desk::sweep(1))), "request-id-reused");
    assert_eq!(desk.archive().matches("* DONE T-").count(), 2);
}

#[test]
fn two_requests_in_one_batch_do_not_archive_twice() {
    let mut desk = Desk::new(BOARD);
    let now = desk.now;
    let asks = [
        desk::ask("timmy", "a", desk::archive("T-1")),
        desk::ask("ezra", "b", desk::archive("T-1")),
        desk::ask("ezra", "c", desk::requeue("T-1")),
        desk::ask("ezra", "d", desk::sweep(30)),
    ];
    let replies = desk.engine().handle(&asks, &now);
    let reasons: Vec<&str> = replies.iter().map(reason).collect();
    assert_eq!(reasons, ["ok", "archived", "archived", "ok"], "decided is decided, applied or not");
    assert!(replies[3].tasks.as_ref().is_some_and(Vec::is_empty));
    desk.apply();
    assert_eq!(places(&desk, "T-1 One"), (0, 1));
}

#[test]
fn what_is_decided_in_the_same_batch_is_not_archived_before_the_board_shows_it() {
    let mut desk = Desk::new(BOARD);
    let token = desk.ask("timmy", desk::claim("T-2")).token;
    let now = desk.now;
    let asks = [desk::ask("timmy", "a", desk::done("T-2", token)), desk::ask("timmy", "b", desk::archive("T-2"))];
    let replies = desk.engine().handle(&asks, &now);
    assert_eq!(replies.iter().map(reason).collect::<Vec<_>>(), ["ok", "unapplied"]);
    desk.apply();
    assert_eq!(names(&desk.ask("timmy", desk::archive("T-2"))), ["T-2"]);
    assert!(desk.archive().contains(":RESULT: it works\n"), "{}", desk.archive());
}

/// What may happen between the decision and the saved board.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Decided,
    InTheArchive,
    OffTheBuffer,
    Saved,
}

#[test]
fn r2_r20_a_crash_at_any_step_is_finished_at_the_next_start_exactly_once() {
    for step in [Step::Decided, Step::InTheArchive, Step::OffTheBuffer, Step::Saved] {
        for is_claimed_first in [false, true] {
            let mut desk = Desk::new(BOARD);
            if is_claimed_first {
                // The file shows nothing of what happened to the task before.
                let token = desk.ask("timmy", desk::claim("T-2")).token;
                desk.ask("timmy", desk::done("T-2", token));
                desk.ask_while_busy("timmy", desk::archive("T-2"));
            } else {
                desk.ask_while_busy("timmy", desk::archive("T-1"));
            }
            let (task, other) = if is_claimed_first { ("T-2 Two", "T-1 One") } else { ("T-1 One", "T-2 Two") };
            if step != Step::Decided {
                desk.engine().next_edit().expect("the heading is to go");
            }
            if [Step::OffTheBuffer, Step::Saved].contains(&step) {
                desk.apply();
                assert_eq!(places(&desk, task), (0, 1));
            }
            if step == Step::Saved {
                desk.save();
            }
            for start in 0..3 {
                desk.restart();
                assert_eq!(places(&desk, task), (0, 1), "{step:?}, start {start}: {}", desk.buffer);
                assert_eq!(places(&desk, other), (1, 0), "{step:?}, start {start}");
                assert_eq!(desk.archive().matches("Archived entries").count(), 1);
                if start == 1 {
                    desk.save();
                }
            }
            assert!(!desk.events().iter().any(|(_, event)| event.by == Actor::Human), "{step:?}: nobody put it back");
        }
    }
}

#[test]
fn r13_what_a_person_changes_before_it_is_gone_stays_and_is_a_task_again() {
    for change in ["Body.", "*** DONE Part", "** DONE T-1 One"] {
        let mut desk = Desk::new(BOARD);
        desk.ask_while_busy("timmy", desk::archive("T-1"));
        desk.replace(change, &format!("{change} more"));
        desk.apply();
        assert_eq!(places(&desk, change).0, 1, "{change}");
        assert_eq!(reason(&desk.ask("timmy", desk::requeue("T-1"))), "being-edited");
        desk.settle();
        assert_eq!(desk.state("T-1"), "DONE", "{change}");
        desk.save();
        desk.restart();
        assert_eq!((desk.state("T-1").as_str(), desk.buffer.matches(change).count()), ("DONE", 1));
        let kinds: Vec<&str> = desk.events().iter().map(|(_, event)| event.change.kind()).collect();
        assert!(kinds.contains(&"returned"), "{kinds:?}");
        assert!(desk.ask("timmy", desk::requeue("T-1")).ok);
    }
}

#[test]
fn r17_what_a_person_cuts_before_it_is_gone_is_in_the_archive_and_what_they_paste_is_a_task_again() {
    let mut desk = Desk::new(BOARD);
    desk.ask_while_busy("timmy", desk::archive("T-3"));
    let cut = desk.cut("T-3 Three");
    desk.apply();
    assert_eq!(places(&desk, "T-3 Three"), (0, 1));
    desk.settle();
    assert_eq!(desk.state("T-3"), "archived");
    desk.edit(|text| text.push_str(&cut));
    desk.settle();
    assert_eq!(desk.state("T-3"), "DONE");
    desk.ask_while_busy("timmy", desk::archive("T-1"));
    desk.replace("** DONE T-1 One\n", "");
    desk.apply();
    let stays = |part: &str| assert!(desk.buffer.contains(part), "without its headline it is the person's: {part}");
    ["Body.", "*** DONE Part"].into_iter().for_each(stays);
}

#[test]
fn r19_a_board_that_was_changed_while_nobody_served_it_keeps_its_text() {
    let mut desk = Desk::new(BOARD);
    desk.ask_while_busy("timmy", desk::archive("T-1"));
    desk.crash();
    std::fs::write(&desk.path, BOARD.replace("Body.", "Better body.")).expect("the board can be written");
    desk.open();
    assert_eq!((desk.state("T-1").as_str(), places(&desk, "Better body.")), ("DONE", (1, 0)));
    let mut desk = Desk::new(BOARD);
    desk.ask_while_busy("timmy", desk::archive("T-1"));
    desk.crash();
    std::fs::write(&desk.path, BOARD.replace("Three", "Third")).expect("the board can be written");
    desk.open();
    assert_eq!((places(&desk, "T-1 One"), places(&desk, "Third")), ((0, 1), (1, 0)), "another heading's change");
}

#[test]
fn r19_a_task_that_was_to_get_its_id_in_the_archive_and_stays_gets_it_on_the_board() {
    let mut desk = Desk::new("* DONE Nameless\nBody.\n");
    desk.ask_while_busy("timmy", desk::archive("Nameless"));
    desk.crash();
    std::fs::write(&desk.path, "* DONE Nameless\nBetter body.\n").expect("the board can be written");
    desk.open();
    assert!(desk.buffer.starts_with("* DONE Nameless\n:PROPERTIES:\n:ID: T-"), "{}", desk.buffer);
    let before = desk.buffer.clone();
    desk.save();
    desk.restart();
    assert_eq!(desk.buffer, before);
    assert_eq!(desk.state("Nameless"), "DONE");
}

#[test]
fn an_archive_that_cannot_be_written_keeps_the_tasks_on_the_board() {
    let mut desk = Desk::new(BOARD);
    let archive = desk.path.with_file_name("dispatch.org_archive");
    std::fs::create_dir(&archive).expect("a directory can be made");
    assert_eq!(reason(&desk.ask("timmy", desk::archive("T-1"))), "bad-archive");
    std::fs::remove_dir(&archive).expect("it is empty");
    desk.ask_while_busy("timmy", desk::archive("T-1"));
    std::fs::create_dir(&archive).expect("a directory can be made");
    desk.apply();
    assert!(desk.buffer.contains("T-1 One"), "{}", desk.buffer);
    let status = desk.ask("timmy", Call::Status).status.expect("a status");
    assert!(status.notices.iter().any(|notice| notice.contains("stay on the board")), "{:?}", status.notices);
    assert_eq!(status.unapplied, 1);
    desk.save();
    std::fs::remove_dir(&archive).expect("it is empty");
    desk.settle();
    assert_eq!(places(&desk, "T-1 One"), (0, 1));
}

#[test]
fn the_boards_own_archive_line_counts_and_one_that_leads_away_is_refused() {
    let mut desk = Desk::new(&format!("#+ARCHIVE: old.org::\n{BOARD}"));
    assert!(desk.ask("timmy", desk::archive("T-1")).ok);
    let old = std::fs::read_to_string(desk.path.with_file_name("old.org")).expect("it was made");
    assert!(old.contains("* DONE T-1 One"), "{old}");
    let mut desk = Desk::new(&format!("#+ARCHIVE: ../old.org::\n{BOARD}"));
    assert_eq!(reason(&desk.ask("timmy", desk::archive("T-1"))), "bad-archive");
    assert_eq!(places(&desk, "T-1 One"), (1, 0));
}

#[test]
fn the_last_task_goes_and_the_files_footer_stays() {
    let footer = "\n# Local Variables:\n# fill-column: 70\n# End:\n";
    let mut desk = Desk::new(&format!("{BOARD}{footer}"));
    desk.ask("timmy", desk::archive("T-3"));
    assert!(desk.buffer.ends_with(footer.trim_start()), "{}", desk.buffer);
    assert_eq!((places(&desk, "T-3 Three"), desk.archive().contains("Local")), ((0, 1), false));
}

#[test]
fn an_archived_event_says_what_went_where() {
    let mut desk = Desk::new(BOARD);
    let number = desk.ask("timmy", desk::archive("T-1")).number.expect("an event");
    let (_, event) = desk.events().into_iter().find(|(other, _)| *other == number).expect("it is there");
    let Change::Archived { task, file, tasks, entry, .. } = &event.change else { panic!("{event:?}") };
    let names: Vec<(&str, &str)> = tasks.iter().map(|task| (task.name.as_str(), task.keyword.as_str())).collect();
    assert_eq!((task.as_str(), file.as_str()), ("T-1", "dispatch.org_archive"));
    assert_eq!(names, [("T-1", "DONE")]);
    assert!(desk.archive().ends_with(entry.as_str()), "the journal alone could make it again");
}
