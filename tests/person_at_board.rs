//! A person at the board, with a real terminal, while agents claim: nothing of theirs moves, nothing asks, and what they
//! do by hand counts (R10–R12, R14, R17, R18, R20).

use crate::support::{
    live::{Agent, BOARD, Live},
    process::PATIENCE,
    pty::Pty,
    sandbox::Sandbox,
};
use fleet::core::wire::Reply;
use serde_json::json;
use std::fs;

const TASKS: &str = "\
#+TITLE: Fleet dispatch
#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)
#+STARTUP: showeverything logdrawer
* PENDING TASK-1 dredge
the outer channel
* PENDING TASK-2 paint
two coats
* PENDING TASK-3 splice
the hawser
* Harbour log
low water at six
";

/// Sends `keys`, which leave Emacs waiting in a prompt or the like, and claims TASK-1 meanwhile.
#[track_caller]
fn claim_during(live: &Live<'_>, person: &mut Pty, keys: &str, shown: &str) -> Reply {
    person.type_keys(keys);
    person.wait_for_text(shown, PATIENCE);
    let claim = live.claim("TASK-1");
    assert!(claim.ok, "{:?}", claim.error);
    claim
}

/// A claim that came while the person was in `keys` is durable at once and shown as soon as `way_out` was typed.
#[track_caller]
fn a_claim_waits_for(keys: &str, shown: &str, way_out: &str) {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, TASKS);
    let mut person = live.person();
    let claim = claim_during(&live, &mut person, keys, shown);
    assert_eq!(claim.applied, Some(false), "in {keys}");
    assert_eq!(live.text(), TASKS, "in {keys}");
    assert_eq!(Live::refusal(live.fleet(&["claim", "TASK-1", "--agent", "ezra"])), "held");
    person.wait_for_text(shown, PATIENCE);
    person.type_keys(way_out);
    if way_out == "C-g" {
        // It would also break off what emacsclient has evaluated.
        person.wait_for_text("Quit", PATIENCE);
    }
    live.until("the claim is shown", || live.text().contains("* IN_PROGRESS TASK-1 dredge\n"));
    live.until_saved();
}

#[test]
fn a_claim_waits_for_an_open_minibuffer_r14() {
    a_claim_waits_for("M-x fle", "M-x fle", "C-g");
}

#[test]
fn a_claim_waits_for_an_incremental_search_r14() {
    a_claim_waits_for("C-s haw", "I-search: haw", "RET");
}

#[test]
fn a_claim_waits_for_a_query_replace_r14() {
    a_claim_waits_for("M-< M-% coats RET layers RET", "Query replacing coats with layers", "q");
}

#[test]
fn a_claim_waits_for_the_choice_of_a_keyword_r14() {
    a_claim_waits_for("M-< C-s TASK-2 RET C-c C-t", "[p] PENDING", "C-g");
}

/// What must not move in the windows of the frame: point, mark and region, first line, narrowing, folds.
const PLACE: &str = "(let ((line (lambda (place)
                     (save-excursion (goto-char place) (buffer-substring-no-properties (point) (line-end-position)))))
             (hidden (lambda (text)
                       (save-restriction (widen)
                         (save-excursion (goto-char (point-min)) (search-forward text) (and (invisible-p (1- (point))) t))))))
  (mapcar (lambda (window)
            (with-selected-window window
              (list (buffer-name) (funcall line (point)) (funcall line (window-start)) (window-vscroll)
                    (and (mark t) (funcall line (mark t))) (region-active-p) buffer-read-only
                    (buffer-narrowed-p) (funcall line (point-min)) (funcall line (1- (point-max)))
                    (mapcar hidden '(\"the outer channel\" \"two coats\" \"the hawser\" \"buoy 20\")))))
          (window-list (car (seq-filter (lambda (frame) (frame-parameter frame 'tty)) (frame-list))))))";

#[test]
fn point_mark_windows_narrowing_and_folds_stay_while_agents_claim() {
    let sandbox = Sandbox::new();
    let buoys: String = (1..=40).map(|n| format!("buoy {n}\n")).collect();
    let live = Live::with(&sandbox, &format!("{TASKS}{buoys}* Wrecks\nnone\n"));
    let mut person = live.person();
    // Above the board with TASK-2 folded and a region in the log; below an indirect buffer, narrowed to the log.
    live.types(&mut person, "M-< C-s TASK-2 RET C-a TAB C-s buoy SPC 20 RET C-a C-SPC C-n C-n M-f");
    live.types(&mut person, "C-x 4 c C-s Harbour RET C-x n s C-s buoy SPC 33 RET M-b");
    live.daemon.eval("(redisplay t)");
    let place = live.daemon.eval(PLACE);
    assert!(place.contains("board.org<2>") && place.contains("(nil t nil nil)"), "{place}");
    let mut agent = Agent::at(&live.socket(), "timmy");
    for task in ["TASK-1", "TASK-2", "TASK-3"] {
        for call in [
            json!({ "verb": "claim", "task": task }),
            json!({ "verb": "note", "task": task, "text": "sounded" }),
            json!({ "verb": "done", "task": task, "result": "dry" }),
            json!({ "verb": "add", "title": "one more" }),
        ] {
            let reply = agent.ask(&call);
            assert_eq!((reply.error, reply.applied), (None, Some(true)), "{call}");
            live.daemon.eval("(redisplay t)");
            assert_eq!(live.daemon.eval(PLACE), place, "after {call}");
        }
    }
    live.until_saved();
    assert_eq!(live.daemon.eval(PLACE), place, "after the save");
    assert!(person.contents().contains("buoy 20"), "{}", person.contents());
}

#[test]
fn a_narrowed_board_stays_narrowed_and_a_read_only_one_read_only() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, TASKS);
    let mut person = live.person();
    live.types(&mut person, "M-< C-s TASK-2 RET C-x n s C-x C-q");
    for task in ["TASK-1", "TASK-2", "TASK-3"] {
        assert_eq!(live.claim(task).applied, Some(true));
    }
    assert_eq!(live.lisp("(list (buffer-narrowed-p) buffer-read-only)"), "(t t)");
    let shown = live.string("(buffer-substring-no-properties (point-min) (point-max))");
    assert!(shown.starts_with("* IN_PROGRESS TASK-2 paint\n") && shown.trim_end().ends_with("two coats"), "{shown}");
    let screen = person.wait_for_text("IN_PROGRESS TASK-2", PATIENCE);
    assert!(!screen.contains("TASK-1"), "{screen}");
}

#[test]
fn a_claim_lands_beside_an_open_capture_and_not_in_what_is_captured() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, TASKS);
    live.daemon.eval(&format!(
        "(progn (require 'org-capture) (setq org-capture-templates '((\"t\" \"Task\" entry (file {:?}) \"* PENDING %?\")))
                (global-set-key (kbd \"C-c c\") #'org-capture))",
        sandbox.path(BOARD)
    ));
    let mut person = live.person();
    person.type_keys("C-c c t");
    person.wait_for_text("CAPTURE-board.org", PATIENCE);
    live.types_text(&mut person, "TASK-4 half a ti");
    assert!(live.claim("TASK-1").ok);
    // The clock alone must not settle it, however long the person thinks.
    live.daemon.eval("(fleet--mod-settle nil)");
    assert_eq!(Live::refusal(live.claim("TASK-4")), "being-edited");
    live.types(&mut person, "tle C-c C-c");
    live.until("the claim and the capture are shown", || {
        let text = live.text();
        text.contains("* IN_PROGRESS TASK-1") && text.contains("* PENDING TASK-4 half a title")
    });
    live.until("the new task is ready", || live.claim("TASK-4").ok);
}

#[test]
fn a_heading_typed_letter_by_letter_is_offered_once_and_whole_r11() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, TASKS);
    let mut person = live.person();
    live.types(&mut person, "M-> ");
    let mut agent = Agent::at(&live.socket(), "timmy");
    for letter in "* PENDING TASK-9 caulk the barge".chars() {
        live.types_text(&mut person, &letter.to_string());
        let ready = agent.ask(&json!({ "verb": "poll" })).tasks.expect("a list");
        assert!(ready.iter().all(|task| ["TASK-1", "TASK-2", "TASK-3"].contains(&task.name.as_str())), "{ready:?}");
    }
    live.until("the heading is offered", || agent_sees(&live, "TASK-9"));
    let log = live.fleet(&["log"]).events.expect("events");
    let typed: Vec<_> = log.iter().filter(|event| event["by"] == "human").collect();
    assert_eq!(typed.len(), 1, "one event, not one per key: {typed:?}");
    // The person has not saved: the file is as it was.
    assert_eq!(live.file(), TASKS);
}

fn agent_sees(live: &Live<'_>, task: &str) -> bool {
    live.fleet(&["poll", "--agent", "timmy"]).tasks.expect("a list").iter().any(|ready| ready.name == task)
}

#[test]
fn claim_and_release_by_command_tell_what_they_did() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, TASKS);
    let mut person = live.person();
    person.type_keys("M-< C-s TASK-2 RET M-x fleet-claim RET");
    let screen = person.wait_for_text("Claim task", PATIENCE);
    assert!(screen.contains("TASK-2"), "the task at point is the default\n{screen}");
    person.type_keys("RET");
    person.wait_for_text("Claimed TASK-2 paint for", PATIENCE);
    assert!(live.text().contains("* IN_PROGRESS TASK-2 paint\n"));
    person.type_keys("M-x fleet-release RET");
    let screen = person.wait_for_text("Release task", PATIENCE);
    assert!(screen.contains("TASK-2"), "{screen}");
    person.type_keys("RET rain RET");
    person.wait_for_text("TASK-2 paint is now PENDING", PATIENCE);
    // It is taken back by release, not by undo.
    live.types(&mut person, "C-_");
    assert!(live.text().contains("* PENDING TASK-2 paint\n"));
    person.type_keys("M-x fleet-claim RET TASK-7 RET");
    person.wait_for_text("No task is called `TASK-7` (hint: ", PATIENCE);
}

#[test]
fn the_persons_text_is_saved_by_the_person_only_and_with_their_hooks_r20() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, TASKS);
    live.daemon.eval(
        // Emacs makes no backups of files below /tmp unless told so.
        "(progn (setq told nil backup-enable-predicate #'always)
                (with-current-buffer \"board.org\" (kill-local-variable 'backup-inhibited))
                (add-hook 'before-save-hook (lambda () (push 'before told)))
                (add-hook 'after-save-hook (lambda () (push 'after told))))",
    );
    let mut person = live.person();
    live.types(&mut person, "M-> by SPC hand");
    assert!(live.claim("TASK-1").ok);
    let mut agent = Agent::at(&live.socket(), "timmy");
    for _ in 0..20 {
        assert!(agent.ask(&json!({ "verb": "note", "task": "TASK-1", "text": "sounded" })).ok);
    }
    live.daemon.eval("(fleet-save-now)");
    assert_eq!(live.file(), TASKS, "nothing is saved behind the person's back");
    person.type_keys("C-x C-s");
    person.wait_for_text("Wrote", PATIENCE);
    assert_eq!(live.file(), live.text());
    assert!(live.file().ends_with("by hand") || live.file().ends_with("by hand\n"), "{}", live.file());
    assert_eq!(live.daemon.eval("told"), "(after before)");
    assert_eq!(fs::read_to_string(sandbox.path("board.org~")).expect("a backup"), TASKS);
    assert_eq!(live.lisp("(list (buffer-modified-p) (file-locked-p buffer-file-name))"), "(nil nil)");
    assert!(agent.ask(&json!({ "verb": "done", "task": "TASK-1" })).ok);
    live.until_saved();
    assert_eq!(live.daemon.eval("told"), "(after before)", "the fleet's own saves are not the person's");
}

#[test]
fn a_killed_board_buffer_goes_on_from_the_file_and_comes_back_r18() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, TASKS);
    let mut person = live.person();
    assert!(live.claim("TASK-1").ok);
    live.until_saved();
    live.types(&mut person, "M-> lost SPC words C-x k RET yes RET");
    assert_eq!(live.fleet(&["done", "TASK-1", "--agent", "timmy"]).error, None);
    assert!(live.claim("TASK-2").ok);
    person.type_keys("C-x C-f board.org RET");
    person.wait_for_text("IN_PROGRESS TASK-2", PATIENCE);
    assert!(!live.text().contains("lost words") && live.text().contains("* DONE TASK-1"));
    live.until_saved();
    live.types(&mut person, "M-> kept SPC words C-x C-s");
    live.until("it is saved", || live.file().contains("kept words"));
}

#[test]
fn a_board_saved_under_another_name_leaves_the_board_where_it_was_r18() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, TASKS);
    let mut person = live.person();
    person.type_keys("C-x C-w copy.org RET");
    person.wait_for_text("copy.org", PATIENCE);
    live.until("the copy is there", || sandbox.path("copy.org").exists());
    assert!(live.claim("TASK-1").ok);
    live.until("the claim is in the board's file", || live.file().contains("* IN_PROGRESS TASK-1"));
    assert_eq!(sandbox.read("copy.org"), TASKS);
    assert_eq!(
        live.daemon.eval("(with-current-buffer \"copy.org\" (list (buffer-modified-p) (bound-and-true-p fleet-mode)))"),
        "(nil nil)"
    );
}

#[test]
fn revert_discards_the_persons_text_and_keeps_the_claims_r18() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, TASKS);
    let mut person = live.person();
    live.types(&mut person, "M-> scrap");
    assert!(live.claim("TASK-1").ok);
    assert_eq!(live.file(), TASKS);
    live.types(&mut person, "M-x revert-buffer RET yes RET");
    live.until("the claim is shown again", || live.text().contains("* IN_PROGRESS TASK-1 dredge\n"));
    assert!(!live.text().contains("scrap"));
    live.until_saved();
    assert!(live.fleet(&["done", "TASK-1", "--agent", "timmy"]).ok);
}

#[test]
fn a_state_set_by_hand_wins_and_the_agent_hears_of_it_r10() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, &TASKS.replace("logdrawer", "logdrawer logdone lognotedone"));
    let mut person = live.person();
    let token = live.claim("TASK-1").token.expect("a token").to_string();
    live.types(&mut person, "M-< C-s TASK-1 RET C-c C-t p C-x C-s");
    for verb in ["done", "note"] {
        let mut args = vec![verb, "TASK-1", "--agent", "timmy", "--token", &token];
        args.extend((verb == "note").then_some("sounded"));
        assert_eq!(Live::refusal(live.fleet(&args)), "cancelled-by-hand", "{verb}");
    }
    assert!(live.text().contains("* PENDING TASK-1 dredge\n"), "{}", live.text());
    // A note of the person's own, typed into Org's log buffer while an agent works.
    person.type_keys("M-< C-s TASK-2 RET C-c C-t d");
    person.wait_for_text("*Org Note*", PATIENCE);
    live.types_text(&mut person, "primed first");
    assert!(live.claim("TASK-3").ok);
    live.types(&mut person, "C-c C-c");
    live.until("both are shown", || {
        live.text().contains("primed first") && live.text().contains("* IN_PROGRESS TASK-3")
    });
    assert_eq!(Live::refusal(live.claim("TASK-2")), "wrong-state");
}

#[test]
fn a_cut_subtree_is_missing_then_back_or_removed_r17() {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, TASKS);
    let mut person = live.person();
    let token = live.claim("TASK-1").token.expect("a token").to_string();
    live.types(&mut person, "M-< C-s TASK-1 RET C-c C-x C-w");
    assert!(!live.text().contains("TASK-1"));
    let note = live.fleet(&["note", "TASK-1", "sounded", "--agent", "timmy", "--token", &token]);
    assert_eq!((note.ok, note.board.as_deref()), (true, Some("missing")), "{note:?}");
    live.types(&mut person, "M-< C-s Harbour RET C-a C-y");
    live.until("the note is shown", || live.text().contains("sounded"));
    assert!(live.text().find("TASK-3").expect("it") < live.text().find("TASK-1").expect("it"), "{}", live.text());
    let done = live.fleet(&["done", "TASK-1", "--agent", "timmy", "--token", &token]);
    assert_eq!((done.ok, done.applied, done.board), (true, Some(true), None));

    let token = live.claim("TASK-2").token.expect("a token").to_string();
    live.types(&mut person, "M-< C-s TASK-2 RET C-c C-x C-w C-x C-s");
    let done = live.fleet(&["done", "TASK-2", "--agent", "timmy", "--token", &token, "--result", "painted"]);
    assert_eq!(Live::refusal(done), "removed-by-hand");
    assert!(!live.file().contains("TASK-2"));
}

#[test]
fn archive_duplicate_and_refile_are_understood_r17() {
    let sandbox = Sandbox::new();
    let live = Live::with(
        &sandbox,
        &format!("{TASKS}* Later\n* PENDING TASK-5 launch\n:PROPERTIES:\n:BLOCKED_BY: TASK-1\n:END:\n"),
    );
    let mut person = live.person();
    assert!(live.claim("TASK-1").ok && live.fleet(&["done", "TASK-1", "--agent", "timmy"]).ok);
    live.types(&mut person, "M-< C-s TASK-1 RET M-x org-archive-subtree RET C-x C-s");
    live.until("it is archived", || !live.text().contains("TASK-1 dredge"));
    assert_eq!(Live::refusal(live.claim("TASK-1")), "archived");
    live.until("what it blocked is ready", || agent_sees(&live, "TASK-5"));

    // The copy is nobody's, the original goes on.
    let token = live.claim("TASK-2").token.expect("a token").to_string();
    live.types(&mut person, "M-< C-s TASK-2 RET C-c C-x M-w M-> RET C-c C-x C-y");
    assert_eq!(live.text().matches("TASK-2 paint").count(), 2, "{}", live.text());
    let done = live.fleet(&["done", "TASK-2", "--agent", "timmy", "--token", &token]);
    assert!(done.ok, "{:?}", done.error);
    assert_eq!(live.text().matches("* DONE TASK-2 paint").count(), 1, "{}", live.text());

    let token = live.claim("TASK-3").token.expect("a token").to_string();
    live.types(&mut person, "M-< C-s TASK-3 RET C-c C-w Later RET");
    live.until("it is refiled", || live.text().contains("* Later\n** IN_PROGRESS TASK-3"));
    let done = live.fleet(&["done", "TASK-3", "--agent", "timmy", "--token", &token]);
    assert!(done.ok, "{:?}", done.error);
    assert!(live.text().contains("* Later\n** DONE TASK-3 splice\n"), "{}", live.text());
}
