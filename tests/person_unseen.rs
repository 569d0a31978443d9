//! The ways in which Emacs's change hooks miss an edit (R13): each is followed at once by a claim that is right.
//!
//! The edit is always such that a model which had missed it would answer wrongly or write into the wrong place.

use crate::support::{live::Live, sandbox::Sandbox};

const BOARD: &str = "\
#+TITLE: Fleet dispatch
#+TODO: PENDING(p) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)
* PENDING TASK-1 dredge
the outer channel
* PENDING TASK-2 paint
two coats
* PENDING TASK-3 splice
";

/// Closes TASK-1, puts a line in front of everything that follows, and takes TASK-3 away: no place stays.
const EDIT: &str = "(save-excursion
  (goto-char (point-min))
  (search-forward \"* PENDING TASK-1\") (replace-match \"* DONE TASK-1\" t t)
  (forward-line 1) (insert \"weather permitting\\n\")
  (search-forward \"* PENDING TASK-3\") (delete-region (match-beginning 0) (point-max)))";

/// Makes [`EDIT`] by `way` and claims at once.
#[track_caller]
fn a_claim_after(prepare: &str, way: &str) {
    let sandbox = Sandbox::new();
    let live = Live::with(&sandbox, BOARD);
    // Something that the engine has seen, so that what follows is not the first look.
    assert!(live.claim("TASK-2").ok);
    assert!(live.claim("TASK-3").ok && live.fleet(&["release", "TASK-3", "--agent", "timmy"]).ok);
    live.lisp(prepare);
    // The clock that looks every second would hide what the claim itself does not see.
    live.daemon.eval("(cancel-timer fleet-board--timer)");
    live.lisp(&way.replace("EDIT", EDIT));

    assert_eq!(Live::refusal(live.claim("TASK-1")), "wrong-state", "after {way}");
    assert_eq!(Live::refusal(live.claim("TASK-3")), "missing", "after {way}");
    let done = live.fleet(&["done", "TASK-2", "--agent", "timmy", "--result", "two coats"]);
    assert!(done.ok, "after {way}: {:?}", done.error);
    let text = live.text();
    assert!(
        text.contains("* DONE TASK-1 dredge\nweather permitting\nthe outer channel\n* DONE TASK-2 paint\n"),
        "{text}"
    );
    assert!(text.contains(":RESULT:   two coats\n") || text.contains(":RESULT: two coats\n"), "{text}");
    assert!(text.ends_with(":END:\ntwo coats\n"), "{text}");

    // What the person did is theirs to save, and after that it counts.
    live.lisp("(save-buffer)");
    assert_eq!(live.file(), text, "after {way}");
    assert_eq!(Live::refusal(live.claim("TASK-1")), "wrong-state", "after {way}");
    assert_eq!(Live::refusal(live.claim("TASK-3")), "removed-by-hand", "after {way}");
}

#[test]
fn an_edit_in_an_indirect_buffer_is_seen_r13() {
    a_claim_after("(make-indirect-buffer (current-buffer) \"side\" t)", "(with-current-buffer \"side\" (widen) EDIT)");
}

#[test]
fn an_edit_with_silent_modifications_is_seen_r13() {
    a_claim_after("nil", "(with-silent-modifications EDIT)");
}

#[test]
fn an_edit_without_hooks_is_seen_r13() {
    a_claim_after("nil", "(let ((inhibit-modification-hooks t)) EDIT)");
}

#[test]
fn an_edit_after_the_buffers_hooks_were_lost_is_seen_r13() {
    for lost in ["(revert-buffer t t)", "(progn (fundamental-mode) (org-mode))", "(org-mode-restart)"] {
        a_claim_after(lost, "EDIT");
    }
}

#[test]
fn an_edit_after_a_foreign_hooks_error_is_seen_r13() {
    let foreign = "(progn (setq leaks 1)
                          (add-hook 'after-change-functions
                                    (lambda (&rest _) (when (<= 0 (setq leaks (1- leaks))) (error \"leak\"))) nil LOCAL)
                          (ignore-errors (insert \"\n\")) (delete-char -1))";
    for local in ["t", "nil"] {
        a_claim_after(&foreign.replace("LOCAL", local), "EDIT");
    }
}

#[test]
fn an_edit_from_a_process_filter_is_seen_r13() {
    let edit = format!("(lambda (_ _) (with-current-buffer \"board.org\" {EDIT}) (setq hand nil))");
    a_claim_after(
        "(setq hand t)",
        &format!(
            "(progn (make-process :name \"hand\" :noquery t :command '(\"echo\" \"go\") :filter {edit})
                    (with-timeout (60) (while hand (accept-process-output nil 1))))"
        ),
    );
}

#[test]
fn an_edit_from_a_timer_is_seen_r13() {
    let edit = format!("(lambda () (with-current-buffer \"board.org\" {EDIT}) (setq hand nil))");
    a_claim_after(
        "(setq hand t)",
        &format!("(progn (run-at-time 0 nil {edit}) (with-timeout (60) (while hand (sit-for 0.1))))"),
    );
}
