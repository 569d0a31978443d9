//! Many agents, one task: exactly one holder, whatever the door (DESIGN §5.1).

use crate::support::{
    clients::race,
    daemon::Daemon,
    fleet::{Fleet, KEYWORDS, Ran, heading_of, number, property},
    sandbox::Sandbox,
};
use fleet::core::code::Code;
use std::{collections::HashSet, env, time::Instant};

const AGENTS: usize = 32;
/// Every second round, one agent in so many comes through emacsclient.
const EMACSCLIENT_EVERY: usize = 8;
const ROUNDS: u32 = 50;

#[test]
fn of_32_agents_that_race_for_one_task_exactly_one_wins() {
    let rounds = env::var("FLEET_TEST_RACE_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number of rounds"));
    let began = Instant::now();
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let daemon = Daemon::serving(&sandbox, fleet.board());
    let mut tokens = HashSet::new();
    let mut wins_by_emacsclient = 0;
    for round in 0..rounds {
        let by_emacsclient = |i: usize| !round.is_multiple_of(2) && i.is_multiple_of(EMACSCLIENT_EVERY);
        let (winner, token) = one_round(&fleet, by_emacsclient);
        assert!(tokens.insert(token.clone()), "token {token} was given twice");
        wins_by_emacsclient += u32::from(by_emacsclient(winner));
    }
    drop(daemon);
    sandbox.assert_deserted();
    let secs = began.elapsed().as_secs_f32();
    println!("{rounds} rounds of {AGENTS} agents in {secs:.1} s, {wins_by_emacsclient} won through emacsclient");
}

/// Adds a task, lets everybody claim it at once, and returns who got it and with which token.
fn one_round(fleet: &Fleet<'_>, by_emacsclient: impl Fn(usize) -> bool) -> (usize, String) {
    let added = fleet.json(&["add", "Dredge the harbour", "--agent", "boss"]);
    let task = added["task"]["name"].as_str().expect("a name").to_owned();
    let outputs = race(AGENTS, |i| {
        let via = if by_emacsclient(i) { "emacsclient" } else { "socket" };
        fleet.command(&["claim", &task, "--agent", &agent(i), "--via", via, "--timeout", "60", "--json"])
    });
    let ran: Vec<Ran> = outputs.into_iter().map(Ran::of).collect();
    let winners: Vec<usize> = (0..AGENTS).filter(|i| ran[*i].code == 0).collect();
    let [winner] = winners[..] else { panic!("winners of {task}: {winners:?}\n{ran:#?}") };
    for (i, loser) in ran.iter().enumerate().filter(|(i, _)| *i != winner) {
        assert_eq!(loser.reason(Code::Conflict), "held", "agent {i}");
        assert_eq!(loser.json()["error"]["holder"], agent(winner), "agent {i}");
    }
    let reply = ran[winner].json();
    assert_eq!(reply["task"]["holder"], agent(winner));
    let (token, number_won) = (reply["token"].as_str().expect("a token").to_owned(), number(&reply));
    assert_on_board(fleet, &task, &agent(winner), &token, number_won);
    (winner, token)
}

/// The board and the journal tell of one claim, the winner's.
fn assert_on_board(fleet: &Fleet<'_>, task: &str, holder: &str, token: &str, claim: u64) {
    let saved = fleet.run(&["eval", "(progn (fleet-board--process t) (fleet-save-now))"]);
    assert_eq!(saved.code, 0, "{saved:?}");
    let text = fleet.text();
    let heading = heading_of(&text, task).unwrap_or_else(|| panic!("no {task} in\n{text}"));
    assert!(heading.starts_with("* IN_PROGRESS "), "{heading}");
    assert_eq!((property(heading, "CLAIMED_BY"), property(heading, "TOKEN")), (Some(holder), Some(token)));
    assert_eq!(heading.matches(":CLAIMED_BY:").count(), 1, "{heading}");
    assert_eq!(heading.matches("(#").count(), 1, "{heading}");
    assert_eq!(text.matches(&format!("(#{claim})")).count(), 1, "{text}");
    let log = fleet.json(&["log", "--task", task]);
    let claims: Vec<u64> = log["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter(|e| e["change"]["kind"] == "claimed")
        .map(number)
        .collect();
    assert_eq!(claims, [claim]);
}

fn agent(i: usize) -> String {
    format!("agent-{i}")
}
