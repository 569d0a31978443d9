//! The transition table of the protocol: every verb, every state, every caller.

use crate::support::desk::{self, Desk, reason};
use expect_test::expect;
use fleet::{core::id::Token, core::wire::Call};

const TODO: &str = "#+TODO: PENDING(p) WAITING(w) IN_PROGRESS(i) | DONE(d) FAILED(f) SKIPPED(s)\n";
const TASK: &str = "* PENDING T-1 The task\n:PROPERTIES:\n:ID: T-1\n:MAX_ATTEMPTS: 2\n:END:\n";

/// A board whose task is in a state, and the tokens of its latest claim and of the one before.
struct Scene {
    desk: Desk,
    latest: Option<Token>,
    stale: Option<Token>,
}

impl Scene {
    fn new() -> Self {
        Self { desk: Desk::new(&format!("{TODO}{TASK}")), latest: None, stale: None }
    }

    fn claimed() -> Self {
        let mut scene = Self::new();
        scene.stale = scene.desk.ask("ezra", desk::claim("T-1")).token;
        scene.ok("ezra", desk::release("T-1", None));
        scene.latest = scene.desk.ask("timmy", desk::claim("T-1")).token;
        scene
    }

    #[track_caller]
    fn ok(&mut self, agent: &str, call: Call) {
        let reply = self.desk.ask(agent, call);
        assert_eq!(reason(&reply), "ok");
    }

    fn set(&mut self, from: &str, to: &str) {
        self.desk.replace(&format!("* {from} T-1"), &format!("* {to} T-1"));
        self.desk.settle();
    }

    fn cut(&mut self) {
        self.desk.cut("T-1 The task");
    }

    fn in_state(state: &str) -> Self {
        let mut scene = if ["pending", "by hand", "waiting"].contains(&state) { Self::new() } else { Self::claimed() };
        match state {
            "pending" | "held" => {}
            "by hand" => scene.set("PENDING", "IN_PROGRESS"),
            "waiting" => scene.set("PENDING", "WAITING"),
            "done" => scene.ok("timmy", desk::done("T-1", None)),
            "failed" => {
                scene.ok("timmy", desk::fail("T-1", None));
                scene.desk.wait(3_600_000);
                scene.latest = scene.desk.ask("timmy", desk::claim("T-1")).token;
                scene.ok("timmy", desk::fail("T-1", None));
            }
            "retried" => scene.ok("timmy", desk::fail("T-1", None)),
            "skipped" => scene.ok("timmy", desk::skip("T-1")),
            "cancelled" => scene.set("IN_PROGRESS", "PENDING"),
            "in hands" => scene.desk.replace("The task", "The great task"),
            "missing" => scene.cut(),
            "removed" => {
                scene.cut();
                scene.desk.save();
            }
            "archived" => {
                scene.ok("timmy", desk::done("T-1", None));
                scene.cut();
                scene.desk.save();
            }
            "by fleet" => {
                scene.ok("timmy", desk::done("T-1", None));
                scene.ok("ezra", desk::archive("T-1"));
            }
            _ => unreachable!("{state} is no state of the table"),
        }
        scene
    }
}

fn call(verb: &str, token: Option<Token>) -> Call {
    match verb {
        "claim" => desk::claim("T-1"),
        "done" => desk::done("T-1", token),
        "fail" => desk::fail("T-1", token),
        "release" => desk::release("T-1", token),
        "note" => desk::note("T-1", token),
        "skip" => desk::skip("T-1"),
        "requeue" => desk::requeue("T-1"),
        "archive" => desk::archive("T-1"),
        _ => unreachable!("{verb} is no verb of the table"),
    }
}

/// What `verb` gives: the state after it, or why it was refused.
fn outcome(state: &str, verb: &str, who: &str) -> String {
    let mut scene = Scene::in_state(state);
    let (agent, token) = match who {
        "token" => ("timmy", scene.latest),
        "plain" => ("timmy", None),
        "stale" => ("timmy", scene.stale),
        "other" => ("allegro", None),
        "thief" => ("allegro", scene.latest),
        _ => unreachable!("{who} is no caller of the table"),
    };
    if (who == "stale" && scene.stale.is_none()) || (["token", "thief"].contains(&who) && scene.latest.is_none()) {
        return "-".into();
    }
    let before = scene.desk.state("T-1");
    let reply = scene.desk.ask(agent, call(verb, token));
    let after = scene.desk.state("T-1");
    if reply.ok {
        return after;
    }
    assert_eq!(after, before, "a refusal changes nothing");
    format!("! {}", reason(&reply))
}

/// For each state what each caller gets: the holder with token, without, with an older one; another agent without and
/// with the holder's token. Verbs without token have two callers.
fn table(verb: &str) -> String {
    let states = [
        "pending",
        "held",
        "by hand",
        "waiting",
        "retried",
        "done",
        "failed",
        "skipped",
        "cancelled",
        "in hands",
        "missing",
        "removed",
        "archived",
        "by fleet",
    ];
    let callers: &[&str] = match verb {
        "claim" | "skip" | "requeue" | "archive" => &["plain", "other"],
        _ => &["token", "plain", "stale", "other", "thief"],
    };
    let mut table = String::new();
    for state in states {
        let outcomes: Vec<String> = callers.iter().map(|who| outcome(state, verb, who)).collect();
        table.push_str(&format!("{state:<9} | {}\n", outcomes.join(" | ")));
    }
    table
}

#[test]
fn r6_r11_r17_claim_takes_only_what_is_pending_and_in_nobodys_hands() {
    expect![[r#"
        pending   | IN_PROGRESS timmy | IN_PROGRESS allegro
        held      | ! held-by-you | ! held
        by hand   | ! wrong-state | ! wrong-state
        waiting   | ! wrong-state | ! wrong-state
        retried   | ! backoff | ! backoff
        done      | ! wrong-state | ! wrong-state
        failed    | ! wrong-state | ! wrong-state
        skipped   | ! wrong-state | ! wrong-state
        cancelled | IN_PROGRESS timmy | IN_PROGRESS allegro
        in hands  | ! held-by-you | ! held
        missing   | ! held-by-you | ! held
        removed   | ! removed-by-hand | ! removed-by-hand
        archived  | ! archived | ! archived
        by fleet  | ! archived | ! archived
    "#]]
    .assert_eq(&table("claim"));
}

#[test]
fn r6_r17_done_is_the_holders() {
    expect![[r#"
        pending   | - | ! wrong-state | - | ! wrong-state | -
        held      | DONE | DONE | ! stale-token | ! not-holder | ! not-holder
        by hand   | - | ! not-holder | - | ! not-holder | -
        waiting   | - | ! wrong-state | - | ! wrong-state | -
        retried   | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        done      | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        failed    | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        skipped   | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        cancelled | ! cancelled-by-hand | ! cancelled-by-hand | ! stale-token | ! wrong-state | ! wrong-state
        in hands  | DONE | DONE | ! stale-token | ! not-holder | ! not-holder
        missing   | DONE | DONE | ! stale-token | ! not-holder | ! not-holder
        removed   | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand
        archived  | ! archived | ! archived | ! archived | ! archived | ! archived
        by fleet  | ! archived | ! archived | ! archived | ! archived | ! archived
    "#]]
    .assert_eq(&table("done"));
}

#[test]
fn r6_r17_fail_is_the_holders_and_counts() {
    expect![[r#"
        pending   | - | ! wrong-state | - | ! wrong-state | -
        held      | PENDING | PENDING | ! stale-token | ! not-holder | ! not-holder
        by hand   | - | ! not-holder | - | ! not-holder | -
        waiting   | - | ! wrong-state | - | ! wrong-state | -
        retried   | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        done      | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        failed    | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        skipped   | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        cancelled | ! cancelled-by-hand | ! cancelled-by-hand | ! stale-token | ! wrong-state | ! wrong-state
        in hands  | PENDING | PENDING | ! stale-token | ! not-holder | ! not-holder
        missing   | PENDING | PENDING | ! stale-token | ! not-holder | ! not-holder
        removed   | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand
        archived  | ! archived | ! archived | ! archived | ! archived | ! archived
        by fleet  | ! archived | ! archived | ! archived | ! archived | ! archived
    "#]]
    .assert_eq(&table("fail"));
}

#[test]
fn r6_r17_release_is_the_holders() {
    expect![[r#"
        pending   | - | ! wrong-state | - | ! wrong-state | -
        held      | PENDING | PENDING | ! stale-token | ! not-holder | ! not-holder
        by hand   | - | ! not-holder | - | ! not-holder | -
        waiting   | - | ! wrong-state | - | ! wrong-state | -
        retried   | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        done      | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        failed    | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        skipped   | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        cancelled | ! cancelled-by-hand | ! cancelled-by-hand | ! stale-token | ! wrong-state | ! wrong-state
        in hands  | PENDING | PENDING | ! stale-token | ! not-holder | ! not-holder
        missing   | PENDING | PENDING | ! stale-token | ! not-holder | ! not-holder
        removed   | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand
        archived  | ! archived | ! archived | ! archived | ! archived | ! archived
        by fleet  | ! archived | ! archived | ! archived | ! archived | ! archived
    "#]]
    .assert_eq(&table("release"));
}

#[test]
fn r6_r17_note_is_the_holders() {
    expect![[r#"
        pending   | - | ! wrong-state | - | ! wrong-state | -
        held      | IN_PROGRESS timmy | IN_PROGRESS timmy | ! stale-token | ! not-holder | ! not-holder
        by hand   | - | ! not-holder | - | ! not-holder | -
        waiting   | - | ! wrong-state | - | ! wrong-state | -
        retried   | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        done      | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        failed    | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        skipped   | ! wrong-state | ! wrong-state | ! stale-token | ! wrong-state | ! wrong-state
        cancelled | ! cancelled-by-hand | ! cancelled-by-hand | ! stale-token | ! wrong-state | ! wrong-state
        in hands  | IN_PROGRESS timmy | IN_PROGRESS timmy | ! stale-token | ! not-holder | ! not-holder
        missing   | IN_PROGRESS timmy | IN_PROGRESS timmy | ! stale-token | ! not-holder | ! not-holder
        removed   | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand | ! removed-by-hand
        archived  | ! archived | ! archived | ! archived | ! archived | ! archived
        by fleet  | ! archived | ! archived | ! archived | ! archived | ! archived
    "#]]
    .assert_eq(&table("note"));
}

#[test]
fn skip_closes_what_nobody_else_holds() {
    expect![[r#"
        pending   | SKIPPED | SKIPPED
        held      | SKIPPED | ! held
        by hand   | ! not-holder | ! not-holder
        waiting   | ! wrong-state | ! wrong-state
        retried   | SKIPPED | SKIPPED
        done      | ! wrong-state | ! wrong-state
        failed    | ! wrong-state | ! wrong-state
        skipped   | ! wrong-state | ! wrong-state
        cancelled | SKIPPED | SKIPPED
        in hands  | ! being-edited | ! held
        missing   | ! missing | ! held
        removed   | ! removed-by-hand | ! removed-by-hand
        archived  | ! archived | ! archived
        by fleet  | ! archived | ! archived
    "#]]
    .assert_eq(&table("skip"));
}

#[test]
fn requeue_opens_what_is_closed() {
    expect![[r#"
        pending   | ! wrong-state | ! wrong-state
        held      | ! wrong-state | ! wrong-state
        by hand   | ! wrong-state | ! wrong-state
        waiting   | ! wrong-state | ! wrong-state
        retried   | ! wrong-state | ! wrong-state
        done      | PENDING | PENDING
        failed    | PENDING | PENDING
        skipped   | PENDING | PENDING
        cancelled | ! wrong-state | ! wrong-state
        in hands  | ! wrong-state | ! wrong-state
        missing   | ! wrong-state | ! wrong-state
        removed   | ! removed-by-hand | ! removed-by-hand
        archived  | ! archived | ! archived
        by fleet  | ! archived | ! archived
    "#]]
    .assert_eq(&table("requeue"));
}

#[test]
fn r17_archive_takes_only_what_is_closed_and_in_nobodys_hands() {
    expect![[r#"
        pending   | ! wrong-state | ! wrong-state
        held      | ! wrong-state | ! wrong-state
        by hand   | ! wrong-state | ! wrong-state
        waiting   | ! wrong-state | ! wrong-state
        retried   | ! wrong-state | ! wrong-state
        done      | archived | archived
        failed    | archived | archived
        skipped   | archived | archived
        cancelled | ! wrong-state | ! wrong-state
        in hands  | ! wrong-state | ! wrong-state
        missing   | ! wrong-state | ! wrong-state
        removed   | ! removed-by-hand | ! removed-by-hand
        archived  | ! archived | ! archived
        by fleet  | ! archived | ! archived
    "#]]
    .assert_eq(&table("archive"));
}
