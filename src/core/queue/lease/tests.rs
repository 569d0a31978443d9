//! The clock and the rule of expiry as tables, and what journals of before leases come to.

use super::*;
use crate::core::{
    id::AgentName,
    queue::{
        board::Board,
        event::{Actor, Auth, Event, Via},
    },
    time::Stamp,
};

const BOARD: &str = "* IN_PROGRESS One\n:PROPERTIES:\n:ID: T\n:MAX_ATTEMPTS: 9\n:END:\n";

fn agent(name: &str) -> AgentName {
    AgentName::new(name).expect("a name")
}

fn now(boot_ms: u64) -> Now {
    Now { wall: Stamp::new(1_795_168_800_000 + boot_ms as i64, 0), boot_ms, jitter: 0 }
}

fn event(by: &str, change: Change) -> Event {
    let by = Actor::try_from(by.to_owned()).expect("an actor");
    Event { at: now(0).wall, by, via: Via::Inside, auth: Auth::Label, request: None, change }
}

fn claimed(by: &str, lease_secs: Option<u64>) -> Event {
    let word = str::to_owned;
    let (task, from, to, title, heading) =
        (word("T"), word("PENDING"), word("IN_PROGRESS"), word("One"), String::new());
    event(by, Change::Claimed { task, from, to, title, stamp: false, heading, lease_secs })
}

fn opened() -> Event {
    let (owner, hash) = ("emacs".to_owned(), String::new());
    event("system", Change::Opened { owner, pid: 1, covers: 0, without: vec![], hash, epoch: None })
}

/// A board whose journal is `events`, just taken over by an owner that lets claims last `default_secs`.
fn model(events: &[Event], default_secs: u64) -> Model {
    let mut ledger = Ledger::new(1);
    for (number, event) in (1..).zip(events) {
        ledger.fold(number, event);
    }
    let mut model = Model::new(Board::read(BOARD), ledger);
    model.leases = Leases::new(default_secs);
    model.leases.begin(&model.ledger, true);
    model
}

fn left(model: &Model) -> Option<u64> {
    model.leases.left_ms("T", model.ledger.record("T").expect("a record"))
}

#[test]
fn r7_only_time_between_two_near_looks_without_halt_counts() {
    // Milliseconds since the last look, whether the fleet is halted then, what is left of 10 s.
    let table: [(u64, bool, u64); 9] = [
        (1_000, false, 10_000),
        (1_000, false, 9_000),
        (LEASE_GAP_MS_MAX, false, 6_000),
        (LEASE_GAP_MS_MAX + 1, false, 6_000),
        (3_600_000, false, 6_000),
        (1_000, true, 6_000),
        (1_000, true, 6_000),
        (1_000, false, 6_000),
        (1_000, false, 5_000),
    ];
    let mut model = model(&[claimed("timmy", Some(10))], 0);
    let mut boot_ms = 0;
    for (step, (gap_ms, halted, expected)) in table.into_iter().enumerate() {
        boot_ms += gap_ms;
        model.leases.look(boot_ms, halted);
        assert_eq!(left(&model), Some(expected), "step {step}");
    }
    model.leases.look(0, false);
    assert_eq!(left(&model), Some(5_000), "a clock that goes back takes and gives nothing");
}

#[test]
fn r7_claims_of_old_journals_last_as_long_as_the_default_says() {
    let old: Event =
        serde_json::from_str(&serde_json::to_string(&claimed("timmy", None)).expect("json")).expect("an old event");
    assert_eq!(left(&model(std::slice::from_ref(&old), 60)), Some(60_000));
    assert_eq!(left(&model(std::slice::from_ref(&old), 0)), None, "for ever");
    assert_eq!(left(&model(&[claimed("timmy", Some(7))], 60)), Some(7_000), "its own word comes first");
    assert_eq!(left(&model(&[claimed("timmy", Some(0))], 60)), None, "0 is for ever");
}

#[test]
fn r7_three_restarts_grant_a_full_lease_and_the_fourth_none() {
    let restarts = |n: usize| {
        let mut events = vec![claimed("timmy", Some(10))];
        events.resize(n + 1, opened());
        events
    };
    let granted: Vec<_> = (0..=5).map(|n| left(&model(&restarts(n), 0))).collect();
    assert_eq!(granted, [10_000, 10_000, 10_000, 10_000, 0, 0].map(Some));
    let mut heard = restarts(3);
    heard.push(event("timmy", Change::Renewed { task: "T".into() }));
    heard.extend([opened(), opened(), opened()]);
    assert_eq!(left(&model(&heard, 0)), Some(10_000), "a sign of life lets it begin anew");
    heard.push(event("timmy", Change::Noted { task: "T".into(), text: "halfway".into() }));
    heard.push(opened());
    assert_eq!(left(&model(&heard, 0)), Some(10_000), "and so does a note");
    let endless = [claimed("timmy", Some(0)), opened(), opened(), opened(), opened()];
    assert_eq!(left(&model(&endless, 0)), None, "a claim without end has none");
}

#[test]
fn r7_expiry_compares_the_token_and_not_the_task() {
    let mut model = model(&[claimed("timmy", Some(5))], 0);
    model.leases.look(0, false);
    for ms in (1_000..=5_000).step_by(1_000) {
        model.leases.look(ms, false);
    }
    assert_eq!(expire(&model, &now(5_000)).len(), 1);
    // The same task under a later claim, of which the leases have not heard yet.
    let released =
        Change::Released { task: "T".into(), from: "IN_PROGRESS".into(), to: "PENDING".into(), reason: None };
    model.ledger.fold(2, &event("timmy", released));
    model.ledger.fold(3, &claimed("ezra", Some(60)));
    assert_eq!(expire(&model, &now(5_000)), [], "the lease that is over was of another claim");
    model.leases.follow(&model.ledger);
    assert_eq!(left(&model), Some(60_000));
}

#[test]
fn r7_an_expired_claim_is_a_failed_attempt_of_its_holder() {
    let mut model = model(&[claimed("timmy", Some(0))], 0);
    assert_eq!(expire(&model, &now(0)), [], "for ever");
    model.leases.renew("T", &model.ledger.record("T").expect("a record").clone(), Some(5));
    for ms in (0..=5_000).step_by(1_000) {
        model.leases.look(ms, false);
    }
    let changes = expire(&model, &now(5_000));
    let [Change::Expired { from, to, agent: of, token, attempts, not_before, poison, .. }] = &changes[..] else {
        panic!("{changes:?}");
    };
    let outcome = (from.as_str(), to.as_str(), of.as_str(), *attempts, poison.len());
    assert_eq!(outcome, ("IN_PROGRESS", "PENDING", "timmy", 1, 0));
    assert_eq!(*token, Token { epoch: 1, number: 1 });
    let plain = now(5_000).wall.plus_ms(crate::core::queue::model::BACKOFF_MS_BASE);
    assert_eq!(*not_before, Some(plain), "with the delay of a failure");
    let stops: [fn(&mut Model); 2] = [|m| m.halted = Some(String::new()), |m| m.stopped = Some("conflict".into())];
    for stop in stops {
        let mut stopped = model.clone();
        stop(&mut stopped);
        assert_eq!(expire(&stopped, &now(5_000)), [], "nothing expires while the fleet stands still");
    }
}

#[test]
fn r7_a_board_without_failed_does_not_keep_a_task_for_ever() {
    let mut model = model(&[claimed("timmy", Some(5))], 0);
    model.board = Board::read(&format!("#+TODO: PENDING IN_PROGRESS | DONE\n{}", BOARD.replace("9", "1")));
    for ms in (0..=5_000).step_by(1_000) {
        model.leases.look(ms, false);
    }
    let changes = expire(&model, &now(5_000));
    assert!(matches!(&changes[..], [Change::Expired { to, .. }] if to == "PENDING"), "{changes:?}");
}

#[test]
fn poison_is_failing_with_three_different_agents() {
    let failed = |by: &str| {
        let word = str::to_owned;
        let (task, from, to) = (word("T"), word("IN_PROGRESS"), word("PENDING"));
        let (not_before, reason, late, poison) = (None, None, false, vec![]);
        event(by, Change::Failed { task, from, to, attempts: 1, not_before, reason, late, poison })
    };
    let poison = |before: &[&str], last: &str| {
        let events: Vec<Event> = before.iter().flat_map(|by| [claimed(by, None), failed(by)]).collect();
        let model = model(&events, 0);
        let aftermath = decide::aftermath(&model.find("T").expect("the task"), &agent(last), &now(0));
        assert_eq!(aftermath.is_over, !aftermath.poison.is_empty(), "nine attempts are far");
        aftermath.poison.iter().map(|agent| agent.to_string()).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(poison(&["timmy", "timmy", "ezra", "timmy"], "ezra"), none);
    assert_eq!(poison(&["timmy", "ezra"], "timmy"), none);
    assert_eq!(poison(&["timmy", "timmy", "ezra"], "allegro"), ["timmy", "ezra", "allegro"]);
}
