//! Leases on a board with its engine: what a restart, a stop, HALT and a renewal do to them, one clause of R7 each, and
//! what comes after (R6). Time is virtual.

use crate::support::desk::{self, Desk, reason};
use fleet::{
    adapters::{halt::HaltFile, owner::OwnerKind},
    core::{
        queue::{
            event::{Actor, Change},
            lease::{LEASE_GAP_MS_MAX, LEASE_GRACES_MAX},
        },
        wire::Call,
    },
};

const BOARD: &str = "* PENDING T-1 The task\n:PROPERTIES:\n:ID: T-1\n:MAX_ATTEMPTS: 9\n:END:\n* PENDING T-2 Another\n";
const LEASE_SECS: u64 = 60;
const LEASE_MS: u64 = LEASE_SECS * 1_000;

/// A board on which timmy has just claimed T-1.
fn claimed() -> Desk {
    let mut desk = Desk::new(BOARD);
    claim(&mut desk, "timmy");
    desk
}

#[track_caller]
fn claim(desk: &mut Desk, agent: &str) {
    assert_eq!(reason(&desk.ask(agent, desk::claim_for("T-1", LEASE_SECS))), "ok");
}

/// Lets timmy's lease run out, and the delay after it.
fn expired() -> Desk {
    let mut desk = claimed();
    desk.live(LEASE_MS + 40_000);
    assert_eq!(desk.state("T-1"), "PENDING");
    desk
}

/// What is left of the claim on T-1; 0 if nobody holds it.
fn left(desk: &mut Desk) -> u64 {
    desk.show("T-1").lease_ms.unwrap_or(0)
}

/// The same desk with a HALT file.
fn haltable(mut desk: Desk) -> (Desk, HaltFile) {
    let file = HaltFile::new(Some(desk.path.with_file_name("HALT")));
    desk.policy.halt = Some(file.clone());
    desk.restart();
    (desk, file)
}

#[test]
fn r7_a_lease_that_runs_out_is_a_failed_attempt_by_the_system() {
    let mut desk = claimed();
    desk.live(LEASE_MS - 1_000);
    assert_eq!((desk.state("T-1"), left(&mut desk)), ("IN_PROGRESS timmy".into(), 1_000));
    desk.live(1_000);
    assert_eq!(desk.state("T-1"), "PENDING");
    let shown = desk.show("T-1");
    assert_eq!((shown.attempts, shown.unready.as_deref(), shown.lease_ms), (1, Some("backoff"), None));
    let (_, event) = desk.events().pop().expect("an event");
    assert_eq!(event.by, Actor::System);
    assert!(matches!(event.change, Change::Expired { .. }), "{event:?}");
    assert!(desk.buffer.contains("attempt 1 expired for timmy"), "{}", desk.buffer);
    assert!(!desk.buffer.contains("CLAIMED_BY"), "{}", desk.buffer);
}

#[test]
fn r7_a_sign_of_life_begins_the_lease_anew() {
    let lives: [fn() -> Call; 3] = [
        || desk::renew("T-1", None),
        || desk::note("T-1", None),
        || Call::Claim { task: Some("T-1".into()), tags: vec![], resume: true, lease_secs: None, wait_ms: None },
    ];
    for live in lives {
        let mut desk = claimed();
        desk.live(LEASE_MS - 10_000);
        let reply = desk.ask("timmy", live());
        assert_eq!(reason(&reply), "ok");
        assert_eq!(reply.task.and_then(|task| task.lease_ms), Some(LEASE_MS), "{:?}", live());
        desk.live(LEASE_MS - 1_000);
        assert_eq!(desk.state("T-1"), "IN_PROGRESS timmy");
        desk.live(1_000);
        assert_eq!(desk.state("T-1"), "PENDING");
    }
}

#[test]
fn r7_renewing_is_not_journaled_and_edits_nothing() {
    let mut desk = claimed();
    let (buffer, last) = (desk.buffer.clone(), desk.engine().last());
    for _ in 0..3 {
        desk.live(1_000);
        let longer = Call::Renew { task: "T-1".into(), token: None, lease_secs: Some(7_200) };
        let reply = desk.ask("timmy", longer);
        let task = reply.task.clone().expect("the task");
        assert_eq!((reason(&reply), reply.fenced, task.lease_ms), ("ok", Some(false), Some(7_200_000)));
        assert_eq!(reason(&desk.ask("timmy", desk::renew("T-1", task.token))), "ok");
        assert_eq!(left(&mut desk), 7_200_000, "the length that was asked for stays");
    }
    assert_eq!((desk.engine().last(), desk.buffer), (last, buffer));
}

#[test]
fn r7_time_in_which_the_engine_did_not_run_does_not_count() {
    let mut desk = claimed();
    desk.live(10_000);
    // Suspended, or stopped: the boot clock goes on, nobody looks at it.
    for stopped_ms in [LEASE_GAP_MS_MAX + 1, 10 * LEASE_MS, 30 * 86_400_000] {
        desk.wait(stopped_ms);
        desk.look();
        assert_eq!((desk.state("T-1"), left(&mut desk)), ("IN_PROGRESS timmy".into(), LEASE_MS - 10_000));
    }
    desk.live(LEASE_MS - 10_000);
    assert_eq!(desk.state("T-1"), "PENDING", "and then it goes on");
}

#[test]
fn r7_r24_time_under_halt_does_not_count_and_renew_works() {
    let (mut desk, halt) = haltable(claimed());
    desk.live(10_000);
    halt.halt("stop").expect("halted");
    desk.live(10 * LEASE_MS);
    assert_eq!((desk.state("T-1"), left(&mut desk)), ("IN_PROGRESS timmy".into(), LEASE_MS - 10_000));
    assert_eq!(reason(&desk.ask("timmy", desk::renew("T-1", None))), "ok");
    assert_eq!(left(&mut desk), LEASE_MS);
    assert!(halt.resume().expect("resumed"));
    desk.live(LEASE_MS);
    assert_eq!(desk.state("T-1"), "IN_PROGRESS timmy", "the second in which it was resumed does not count");
    desk.live(1_000);
    assert_eq!(desk.state("T-1"), "PENDING");
}

#[test]
fn r7_queued_renewals_are_heard_before_anything_expires() {
    let mut desk = claimed();
    desk.live(LEASE_MS - 1_000);
    desk.wait(1_000);
    let reply = desk.ask("timmy", desk::renew("T-1", None));
    assert_eq!(reason(&reply), "ok", "it waited while the lease ran out");
    assert_eq!((desk.state("T-1"), left(&mut desk)), ("IN_PROGRESS timmy".into(), LEASE_MS));
}

#[test]
fn r7_a_restart_grants_a_full_lease() {
    let mut desk = claimed();
    desk.live(LEASE_MS - 1_000);
    desk.crash();
    desk.wait(100 * LEASE_MS);
    desk.open();
    assert_eq!((desk.state("T-1"), left(&mut desk)), ("IN_PROGRESS timmy".into(), LEASE_MS));
    desk.live(LEASE_MS);
    assert_eq!(desk.state("T-1"), "PENDING");
}

#[test]
fn r7_the_grace_of_a_restart_is_given_three_times_without_a_renewal() {
    let mut desk = claimed();
    for _ in 0..LEASE_GRACES_MAX {
        desk.live(LEASE_MS / 2);
        desk.restart();
        assert_eq!(left(&mut desk), LEASE_MS);
    }
    desk.restart();
    assert_eq!(desk.state("T-1"), "PENDING", "a dead agent does not outlive a daemon that keeps crashing");

    let mut desk = claimed();
    for round in 0..3 {
        (0..LEASE_GRACES_MAX).for_each(|_| desk.restart());
        let last = desk.engine().last();
        assert_eq!(reason(&desk.ask("timmy", desk::renew("T-1", None))), "ok", "round {round}");
        assert_eq!(desk.engine().last(), last + 1, "the first sign of life since a restart is journaled");
        assert_eq!(reason(&desk.ask("timmy", desk::renew("T-1", None))), "ok");
        assert_eq!(desk.engine().last(), last + 1, "and no other");
    }
    desk.restart();
    assert_eq!(left(&mut desk), LEASE_MS);
}

#[test]
fn r7_whoever_owns_the_board_for_one_command_ends_no_claim() {
    let mut desk = claimed();
    for _ in 0..10 {
        desk.crash();
        desk.wait(10 * LEASE_MS);
        desk.open_as(OwnerKind::Offline).expect("it can be taken over");
        desk.apply();
        assert_eq!(desk.state("T-1"), "IN_PROGRESS timmy");
    }
    desk.restart();
    assert_eq!(left(&mut desk), LEASE_MS, "and takes no grace away");
    (0..LEASE_GRACES_MAX).for_each(|_| desk.crash());
    for _ in 0..LEASE_GRACES_MAX {
        desk.crash();
        desk.open_as(OwnerKind::Emacs).expect("it can be taken over");
    }
    desk.crash();
    desk.open_as(OwnerKind::Offline).expect("it can be taken over");
    assert_eq!(desk.state("T-1"), "IN_PROGRESS timmy", "not even one whose graces are used up");
}

#[test]
fn r7_jumps_of_the_wall_clock_expire_nothing() {
    let mut desk = claimed();
    for ms in [3_600_000, 86_400_000, -86_400_000 * 3] {
        desk.now.wall = desk.now.wall.plus_ms(ms);
        desk.look();
        assert_eq!((desk.state("T-1"), left(&mut desk)), ("IN_PROGRESS timmy".into(), LEASE_MS));
    }
}

#[test]
fn r7_a_lease_without_end_does_not_end() {
    let mut desk = Desk::new(BOARD);
    let reply = desk.ask("timmy", desk::claim_for("T-1", 0));
    assert_eq!(reply.task.expect("the task").lease_ms, None);
    desk.live(3_600_000);
    assert_eq!(desk.state("T-1"), "IN_PROGRESS timmy");
    for secs in [1, 4, 604_801, u64::MAX] {
        assert_eq!(reason(&desk.ask("ezra", desk::claim_for("T-2", secs))), "bad-lease");
        let renew = Call::Renew { task: "T-1".into(), token: None, lease_secs: Some(secs) };
        assert_eq!(reason(&desk.ask("timmy", renew)), "bad-lease");
    }
}

#[test]
fn r7_the_owners_policy_says_how_long_a_claim_lasts_that_says_nothing() {
    let mut desk = Desk::new(BOARD);
    desk.policy.lease_secs = 20;
    desk.restart();
    let reply = desk.ask("timmy", desk::claim("T-1"));
    assert_eq!(reply.task.expect("the task").lease_ms, Some(20_000));
    desk.policy.lease_secs = 500;
    desk.restart();
    assert_eq!(left(&mut desk), 20_000, "a running claim keeps what it was granted");
}

#[test]
fn r6_expiry_is_of_a_claim_and_not_of_a_task() {
    let mut desk = claimed();
    desk.live(LEASE_MS - 1_000);
    assert_eq!(reason(&desk.ask("timmy", desk::release("T-1", None))), "ok");
    claim(&mut desk, "ezra");
    desk.live(LEASE_MS - 1_000);
    assert_eq!(desk.state("T-1"), "IN_PROGRESS ezra");
    let token = desk.show("T-1").token;
    assert_eq!(reason(&desk.ask("ezra", desk::done("T-1", token))), "ok");
    desk.live(LEASE_MS);
    assert_eq!(desk.state("T-1"), "DONE", "what was done in time stays done");
}

#[test]
fn r6_a_result_lands_late_unless_somebody_else_has_claimed_the_task() {
    for with_token in [true, false] {
        let mut desk = claimed();
        let token = desk.show("T-1").token.filter(|_| with_token);
        desk.live(LEASE_MS + 40_000);
        let reply = desk.ask_as("timmy", "late", desk::done("T-1", token));
        assert_eq!((reason(&reply), reply.late, reply.fenced), ("ok", true, Some(with_token)));
        assert_eq!(desk.state("T-1"), "DONE");
        let again = desk.ask_as("timmy", "late", desk::done("T-1", token));
        assert_eq!((again.late, again.replayed, again.current), (true, true, Some(true)), "R5");

        let mut desk = claimed();
        let token = desk.show("T-1").token.filter(|_| with_token);
        desk.live(LEASE_MS + 40_000);
        claim(&mut desk, "ezra");
        let refused = desk.ask("timmy", desk::done("T-1", token));
        assert_eq!(reason(&refused), if with_token { "stale-token" } else { "not-holder" });
        assert_eq!(refused.error.expect("why").holder.expect("who").as_str(), "ezra");
        assert_eq!(desk.state("T-1"), "IN_PROGRESS ezra");
        assert_eq!(reason(&desk.ask("ezra", desk::done("T-1", None))), "ok");
        assert!(!reason(&desk.ask("timmy", desk::done("T-1", token))).eq("ok"), "nor after that one's end");
    }
}

#[test]
fn r6_a_failure_that_is_told_late_is_not_counted_twice() {
    let mut desk = expired();
    let not_before = desk.show("T-1").not_before;
    let reply = desk.ask("timmy", desk::fail("T-1", None));
    assert_eq!((reason(&reply), reply.late), ("ok", true));
    let shown = desk.show("T-1");
    assert_eq!((shown.attempts, &shown.not_before, shown.keyword.as_str()), (1, &not_before, "PENDING"));
    let told: Vec<_> = shown.failures.iter().map(|f| (f.cause.as_str(), f.reason.as_deref())).collect();
    assert_eq!(told, [("failed", Some("no luck"))]);
    assert_eq!(reason(&desk.ask("timmy", desk::done("T-1", None))), "wrong-state", "that was its last word");
}

#[test]
fn r6_late_results_land_in_failed_too_if_the_clock_was_the_cause() {
    let mut desk = Desk::new(&BOARD.replace("9", "1"));
    claim(&mut desk, "timmy");
    let token = desk.show("T-1").token;
    desk.live(LEASE_MS);
    assert_eq!(desk.state("T-1"), "FAILED");
    assert_eq!(desk.show("T-1").cause.as_deref(), Some("expired"));
    desk.restart();
    let reply = desk.ask("timmy", desk::done("T-1", token));
    assert_eq!((reason(&reply), reply.late), ("ok", true), "after a restart too");

    let mut desk = Desk::new(&BOARD.replace("9", "1"));
    claim(&mut desk, "timmy");
    assert_eq!(reason(&desk.ask("timmy", desk::fail("T-1", None))), "ok");
    assert_eq!(desk.show("T-1").cause.as_deref(), Some("failed"));
    assert_eq!(reason(&desk.ask("timmy", desk::done("T-1", None))), "wrong-state");
}

#[test]
fn r6_a_requeued_task_takes_the_late_result_and_a_persons_word_stands_over_it() {
    let mut desk = Desk::new(&BOARD.replace("9", "1"));
    claim(&mut desk, "timmy");
    desk.live(LEASE_MS);
    assert_eq!(reason(&desk.ask("ezra", desk::requeue("T-1"))), "ok");
    let reply = desk.ask("timmy", desk::done("T-1", None));
    assert_eq!((reason(&reply), reply.late), ("ok", true));

    let mut desk = expired();
    desk.replace("* PENDING T-1", "* SKIPPED T-1");
    desk.settle();
    assert_eq!(reason(&desk.ask("timmy", desk::done("T-1", None))), "cancelled-by-hand");
    assert_eq!(desk.state("T-1"), "SKIPPED");
}

#[test]
fn r7_r17_the_lease_runs_while_the_heading_is_off_the_board() {
    let mut desk = claimed();
    desk.live(LEASE_MS - 10_000);
    let section = desk.cut("T-1 The task");
    desk.live(10_000);
    assert_eq!(desk.state("T-1"), "PENDING");
    desk.edit(|text| text.push_str(&section));
    desk.settle();
    assert!(desk.buffer.contains("* PENDING T-1"), "{}", desk.buffer);
}

#[test]
fn r7_an_agent_whose_lease_ran_out_is_told_so() {
    for call in [desk::renew("T-1", None), desk::note("T-1", None), desk::release("T-1", None)] {
        assert_eq!(reason(&expired().ask("timmy", call)), "lease-expired");
    }
    assert_eq!(reason(&expired().ask("ezra", desk::renew("T-1", None))), "wrong-state");
    assert_eq!(reason(&claimed().ask("ezra", desk::renew("T-1", None))), "not-holder");
}

#[test]
fn a_task_that_failed_with_three_agents_is_poison_until_it_is_requeued() {
    let mut desk = Desk::new(BOARD);
    for (agent, gives_up) in [("timmy", true), ("timmy", false), ("ezra", true), ("allegro", false)] {
        claim(&mut desk, agent);
        if gives_up {
            assert_eq!(reason(&desk.ask(agent, desk::fail("T-1", None))), "ok");
        }
        desk.live(LEASE_MS * 5);
    }
    let shown = desk.show("T-1");
    assert_eq!((shown.keyword.as_str(), shown.poison, shown.cause.as_deref()), ("FAILED", true, Some("expired")));
    let tried: Vec<_> = shown.failures.iter().map(|failure| format!("{} {}", failure.agent, failure.cause)).collect();
    assert_eq!(tried, ["timmy failed", "timmy expired", "ezra failed", "allegro expired"]);
    assert!(desk.buffer.contains(":POISON: timmy ezra allegro\n"), "{}", desk.buffer);
    let (_, event) = desk.events().into_iter().rfind(|(_, event)| event.by == Actor::System).expect("an event");
    assert!(matches!(event.change, Change::Expired { poison, .. } if poison.len() == 3), "the journal says so");
    desk.restart();
    assert!(desk.show("T-1").poison, "after a restart too");

    assert_eq!(reason(&desk.ask("ezra", desk::requeue("T-1"))), "ok");
    let shown = desk.show("T-1");
    assert_eq!((shown.poison, shown.attempts, shown.failures.len()), (false, 0, 0));
    assert!(!desk.buffer.contains("POISON"), "{}", desk.buffer);
    claim(&mut desk, "timmy");
}

#[test]
fn poison_is_lifted_by_hand_and_by_a_late_result() {
    let poisoned = || {
        let mut desk = Desk::new(BOARD);
        for agent in ["timmy", "ezra", "allegro"] {
            claim(&mut desk, agent);
            desk.live(LEASE_MS * 4);
        }
        assert!(desk.show("T-1").poison);
        desk
    };
    let mut desk = poisoned();
    desk.replace("* FAILED T-1", "* PENDING T-1");
    desk.settle();
    assert!(!desk.show("T-1").poison && !desk.buffer.contains("POISON"), "{}", desk.buffer);
    claim(&mut desk, "timmy");

    let mut desk = poisoned();
    assert!(desk.ask("allegro", desk::done("T-1", None)).late);
    assert!(!desk.show("T-1").poison && !desk.buffer.contains("POISON"), "{}", desk.buffer);
}

#[test]
fn poison_is_not_offered_on_a_board_without_failed_either() {
    let mut desk = Desk::new(&format!("#+TODO: PENDING IN_PROGRESS | DONE\n{BOARD}"));
    for agent in ["timmy", "ezra", "allegro"] {
        claim(&mut desk, agent);
        desk.live(LEASE_MS * 4);
    }
    let shown = desk.show("T-1");
    assert_eq!((shown.keyword.as_str(), shown.unready.as_deref()), ("PENDING", Some("poison")));
    assert_eq!(reason(&desk.ask("timmy", desk::claim("T-1"))), "poison");
    assert_eq!(reason(&desk.ask("timmy", desk::requeue("T-1"))), "ok");
    claim(&mut desk, "timmy");
}
