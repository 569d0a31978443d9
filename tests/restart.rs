//! What a start makes of journal and file: crashes, torn saves, older and foreign files.

use crate::support::desk::{self, Desk, reason};
use fleet::{
    core::{
        queue::event::{Actor, Change},
        wire::Call,
    },
    engine::Saved,
};

const BOARD: &str = "* PENDING T-1 One\n:PROPERTIES:\n:ID: T-1\n:END:\n* PENDING Unnamed\n";

fn status_of_unsaved(desk: &mut Desk) -> (u64, u64) {
    let status = desk.ask("timmy", Call::Status).status.expect("it is answered");
    (status.unapplied, status.unsaved)
}

#[test]
fn r2_what_was_acknowledged_is_on_the_board_after_a_crash_once() {
    let mut desk = Desk::new(BOARD);
    let token = desk.ask("timmy", desk::claim("T-1")).token;
    desk.ask("timmy", desk::note("T-1", token));
    desk.ask("timmy", desk::done("T-1", token));
    desk.ask("ezra", desk::claim("Unnamed"));
    desk.ask("ezra", desk::add("A new one"));
    desk.ask("ezra", Call::Append { text: "hello".into() });
    let before = desk.buffer.clone();
    for _ in 0..3 {
        desk.restart();
        assert_eq!(desk.buffer, before, "the same text, however often it is made");
    }
    desk.save();
    desk.restart();
    assert_eq!(desk.buffer, before);
}

#[test]
fn r5_r6_attempts_and_waiting_times_survive_a_restart() {
    let mut desk = Desk::new(BOARD);
    desk.ask("timmy", desk::claim("T-1"));
    desk.ask("timmy", desk::fail("T-1", None));
    desk.restart();
    let task = desk.show("T-1");
    assert_eq!((task.attempts, task.unready.as_deref()), (1, Some("backoff")));
    desk.wait(30_000);
    assert_eq!(desk.ask("timmy", desk::claim("T-1")).task.map(|task| task.attempts), Some(1));
    desk.ask("timmy", desk::fail("T-1", None));
    desk.wait(59_000);
    assert_eq!(reason(&desk.ask("timmy", desk::claim("T-1"))), "backoff", "the wait doubles");
    desk.wait(1_000);
    desk.ask("timmy", desk::claim("T-1"));
    desk.ask("timmy", desk::fail("T-1", None));
    desk.restart();
    assert_eq!((desk.state("T-1").as_str(), desk.show("T-1").attempts), ("FAILED", 3));
    desk.ask("timmy", desk::requeue("T-1"));
    desk.restart();
    assert_eq!((desk.state("T-1").as_str(), desk.show("T-1").attempts), ("PENDING", 0));
}

#[test]
fn r12_a_change_by_hand_that_was_taken_back_and_saved_is_not_void_after_a_crash() {
    let mut desk = Desk::new(BOARD);
    desk.ask("timmy", desk::claim("T-1"));
    desk.save();
    desk.replace("IN_PROGRESS T-1", "DONE T-1");
    desk.settle();
    desk.replace("DONE T-1", "IN_PROGRESS T-1");
    desk.settle();
    assert_eq!(desk.state("T-1"), "IN_PROGRESS", "the person took it away from its agent");
    assert_eq!(desk.save(), Saved::Same, "the text is as it was saved before");
    desk.restart();
    assert_eq!(desk.state("T-1"), "IN_PROGRESS", "nobody holds it again only because Emacs crashed");
}

#[test]
fn r18_a_heading_that_comes_back_after_a_revert_shows_what_the_person_made_of_it() {
    let mut desk = Desk::new(BOARD);
    let task = desk.ask("timmy", desk::add("New")).task.expect("a task").name;
    desk.replace("PENDING New", "IN_PROGRESS New");
    desk.settle();
    let file = desk.file();
    desk.replaced(&file);
    let (shown, told) = (desk.buffer.contains("* IN_PROGRESS New"), desk.state(&task));
    assert_eq!((shown, told.as_str()), (true, "IN_PROGRESS"), "{}", desk.buffer);
}

#[test]
fn r12_an_unsaved_edit_by_hand_is_void_after_a_crash_and_a_saved_one_is_not() {
    let mut desk = Desk::new(BOARD);
    desk.ask("timmy", desk::claim("T-1"));
    desk.save();
    desk.replace("IN_PROGRESS T-1", "PENDING T-1");
    desk.settle();
    desk.restart();
    assert_eq!(desk.state("T-1"), "IN_PROGRESS timmy");
    desk.replace("IN_PROGRESS T-1", "PENDING T-1");
    desk.save();
    desk.restart();
    assert_eq!(desk.state("T-1"), "PENDING");
}

#[test]
fn r12_what_agents_did_after_a_void_edit_by_hand_stands() {
    let mut desk = Desk::new(BOARD);
    desk.ask("timmy", desk::claim("T-1"));
    desk.ask("timmy", desk::done("T-1", None));
    desk.replace("DONE T-1", "PENDING T-1");
    desk.settle();
    desk.ask("ezra", desk::claim("T-1"));
    desk.ask("ezra", desk::release("T-1", None));
    desk.restart();
    assert!(desk.buffer.starts_with("* PENDING T-1 One\n:PROPERTIES:"), "{}", desk.buffer);
    assert_eq!(desk.state("T-1"), "PENDING");
}

#[test]
fn r12_a_saved_edit_by_hand_counts_although_events_of_other_tasks_were_not_applied_yet() {
    let mut desk = Desk::new(BOARD);
    desk.ask("timmy", desk::claim("T-1"));
    assert!(desk.ask_while_busy("ezra", desk::claim("Unnamed")).ok);
    desk.replace("IN_PROGRESS T-1", "PENDING T-1");
    desk.save();
    assert_eq!(status_of_unsaved(&mut desk), (0, 1), "asking applied what waited; the file lacks it");
    desk.restart();
    assert_eq!(desk.state("T-1"), "PENDING");
    assert_eq!(desk.buffer.matches("claimed by ezra").count(), 1);
}

#[test]
fn r12_a_claimed_task_that_was_never_saved_comes_back_under_recovered() {
    let mut desk = Desk::new(BOARD);
    desk.edit(|text| text.push_str("** PENDING Fresh\nbody\n"));
    desk.settle();
    let claimed = desk.ask("timmy", desk::claim("Fresh"));
    let id = claimed.task.expect("the task is returned").name;
    desk.restart();
    let tail = desk.buffer.split_once("* Recovered\n").expect("it came back").1.to_owned();
    assert!(tail.starts_with("** IN_PROGRESS Fresh\n"), "{tail}");
    assert!(tail.contains("body\n") && tail.contains("claimed by timmy"), "{tail}");
    assert_eq!(desk.state(&id), "IN_PROGRESS timmy");
    assert!(desk.ask("timmy", desk::done(&id, claimed.token)).ok);
    desk.edit(|text| text.push_str("* Last\n* PENDING Fresh too\n"));
    desk.settle();
    desk.save();
    desk.edit(|text| text.push_str("* PENDING Third\n"));
    desk.settle();
    desk.ask("timmy", desk::claim("Third"));
    desk.restart();
    let third = desk.buffer.find("** IN_PROGRESS Third").expect("it came back as well");
    assert!(third < desk.buffer.find("* Last").expect("it is there"), "under the same heading: {}", desk.buffer);
}

#[test]
fn r19_a_heading_whose_unsaved_claim_named_it_is_found_by_its_text() {
    let mut desk = Desk::new("* PENDING Twin\nfirst\n* PENDING Twin\nsecond\n");
    let first = desk.ask("timmy", desk::claim_next()).task.expect("there is one");
    desk.ask("ezra", desk::claim_next());
    desk.ask("timmy", desk::release(&first.name, None));
    let before = desk.buffer.clone();
    desk.restart();
    assert_eq!(desk.buffer, before);
}

#[test]
fn r19_an_older_file_is_brought_up_to_date() {
    let mut desk = Desk::new(BOARD);
    let old = desk.file();
    desk.ask("timmy", desk::claim("T-1"));
    desk.ask("ezra", desk::claim("Unnamed"));
    desk.save();
    desk.ask("timmy", desk::done("T-1", None));
    desk.ask("timmy", desk::add("Another"));
    desk.save();
    let newest = desk.file();
    desk.crash();
    std::fs::write(&desk.path, old).expect("the file can be written");
    desk.open();
    assert_eq!((desk.state("T-1").as_str(), desk.buffer.matches("IN_PROGRESS Unnamed").count()), ("DONE", 1));
    desk.crash();
    std::fs::write(&desk.path, newest).expect("the file can be written");
    desk.open();
    assert_eq!(desk.state("T-1"), "DONE");
}

#[test]
fn r19_what_was_changed_in_the_file_while_nobody_served_it_is_by_hand() {
    let mut desk = Desk::new(BOARD);
    desk.ask("timmy", desk::claim("T-1"));
    desk.save();
    desk.crash();
    let file = desk.file().replace("IN_PROGRESS T-1", "DONE T-1");
    std::fs::write(&desk.path, file).expect("the file can be written");
    desk.open();
    assert_eq!(desk.state("T-1"), "DONE");
    assert_eq!(reason(&desk.ask("timmy", desk::done("T-1", None))), "cancelled-by-hand");
    let (_, last) = desk.events().pop().expect("there are events");
    assert!(last.by == Actor::Human && matches!(last.change, Change::Edited { .. }), "{last:?}");
}

#[test]
fn r20_a_start_knows_whether_the_announced_file_was_published() {
    for published in [false, true] {
        let mut desk = Desk::new(BOARD);
        desk.save();
        desk.replace("Unnamed", "Named");
        desk.ask("timmy", desk::claim("T-1"));
        let old = desk.file();
        desk.save();
        desk.crash();
        if !published {
            // The power went after the intent was journaled and before the file was exchanged.
            std::fs::write(&desk.path, old).expect("the file can be written");
        }
        desk.open();
        assert_eq!(desk.state("T-1"), "IN_PROGRESS timmy");
        assert_eq!(desk.buffer.contains("Unnamed"), !published);
        assert_eq!(desk.buffer.matches("claimed by timmy").count(), 1);
    }
}

#[test]
fn r20_a_save_without_news_writes_nothing() {
    let mut desk = Desk::new(BOARD);
    assert_eq!(desk.save(), Saved::Same);
    desk.ask("timmy", desk::claim("T-1"));
    assert_eq!(status_of_unsaved(&mut desk), (0, 1));
    assert_eq!(desk.save(), Saved::Written { foreign: None });
    assert_eq!(status_of_unsaved(&mut desk), (0, 0));
    assert_eq!(desk.file(), desk.buffer);
    assert_eq!(desk.save(), Saved::Same);
    desk.restart();
    assert_eq!(status_of_unsaved(&mut desk), (0, 0));
}

#[test]
fn r20_a_file_that_another_program_wrote_meanwhile_is_kept() {
    let mut desk = Desk::new(BOARD);
    desk.ask("timmy", desk::claim("T-1"));
    std::fs::write(&desk.path, "* theirs\n").expect("the file can be written");
    let now = desk.now;
    assert!(desk.engine().is_file_foreign().expect("it can be read"));
    let Saved::Written { foreign: Some(kept) } = desk.engine().save(&now).expect("it can be saved") else {
        panic!("the foreign file is kept")
    };
    assert_eq!(std::fs::read_to_string(kept).expect("it is there"), "* theirs\n");
    assert_eq!(desk.file(), desk.buffer);
}

#[test]
fn crlf_byte_order_mark_and_a_missing_last_newline_survive() {
    let mut desk = Desk::of_bytes("\u{feff}* PENDING T-1 One\r\nbody".as_bytes());
    assert!(desk.ask("timmy", desk::claim("T-1")).ok);
    assert!(desk.ask("timmy", desk::add("Two")).ok);
    desk.save();
    let file = desk.file();
    assert!(file.starts_with("\u{feff}* IN_PROGRESS T-1 One\r\n:PROPERTIES:\r\n"), "{file:?}");
    assert_eq!(file.matches('\n').count(), file.matches("\r\n").count());
    assert!(file.contains("\r\nbody\r\n* PENDING Two\r\n"), "{file:?}");
    desk.restart();
    assert_eq!(desk.state("T-1"), "IN_PROGRESS timmy");
}
