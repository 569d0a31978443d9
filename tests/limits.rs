//! How many tasks an agent may hold, and what `poll` explains.

use crate::support::{
    desk::{self, Desk, reason},
    program::{Ran, Sandbox},
};
use fleet::core::wire::{Call, TaskInfo};

const TODO: &str = "#+TODO: PENDING WAITING IN_PROGRESS | DONE FAILED SKIPPED\n";

fn tasks(count: usize) -> String {
    (1..=count).map(|n| format!("* PENDING T-{n} Task\n")).collect()
}

#[test]
fn r9_an_agent_at_its_limit_gets_no_further_task_by_name_or_by_order() {
    let mut desk = Desk::new(&format!("#+FLEET_LIMIT: timmy 2\n{TODO}{}", tasks(4)));
    for n in 1..=2 {
        assert_eq!(reason(&desk.ask("timmy", desk::claim_next())), "ok", "{n}");
    }
    let refused = desk.ask("timmy", desk::claim_next()).error.expect("a refusal");
    assert_eq!((refused.code.exit(), refused.reason.as_str()), (4, "at-limit"));
    assert!(refused.message.contains("`T-1`, `T-2`"), "it says what it holds: {}", refused.message);
    assert_eq!(reason(&desk.ask("timmy", desk::claim("T-3"))), "at-limit");
    assert_eq!(reason(&desk.ask("timmy", desk::claim("T-1"))), "held-by-you");
    let poll = desk.ask("timmy", Call::Poll { tags: vec![], limit: None, explain: false });
    assert!(poll.tasks.is_some_and(|tasks| tasks.is_empty()) && poll.notices.len() == 1);
    assert_eq!(reason(&desk.ask("ezra", desk::claim("T-3"))), "ok", "others may");
    desk.ask("timmy", desk::done("T-1", None));
    assert_eq!(reason(&desk.ask("timmy", desk::claim_next())), "ok", "it has a hand free again");
}

#[test]
fn claims_that_are_decided_together_do_not_pass_the_limit() {
    let mut desk = Desk::new(&format!("#+FLEET_LIMIT: * 1\n{TODO}{}", tasks(3)));
    let asks = ["a", "b", "c"].map(|id| desk::ask("timmy", id, desk::claim_next()));
    let now = desk.now;
    let replies = desk.engine().handle(&asks, &now);
    assert_eq!(replies.iter().map(reason).collect::<Vec<_>>(), ["ok", "at-limit", "at-limit"]);
}

#[test]
fn the_agents_own_number_comes_before_everyones_and_0_is_no_limit() {
    let mut desk = Desk::new(&format!("#+FLEET_LIMIT: * 1 ezra 0\n#+fleet_limit: timmy 2\n{TODO}{}", tasks(9)));
    for (agent, most) in [("timmy", 2), ("bee", 1), ("ezra", 4)] {
        let got = (0..4).filter(|_| desk.ask(agent, desk::claim_next()).ok).count();
        assert_eq!(got, most, "{agent}");
    }
    desk.replace("* 1 ezra 0", "ezra two");
    desk.settle();
    let notices = desk.ask("timmy", Call::Status).status.expect("a status").notices;
    assert!(notices.iter().any(|notice| notice.contains("`ezra two`")), "{notices:?}");
}

#[test]
fn a_setup_file_is_told_of_because_nobody_reads_it() {
    let mut desk = Desk::new(&format!("#+SETUPFILE: words.org\n{TODO}{}", tasks(1)));
    let notices = desk.ask("timmy", Call::Status).status.expect("a status").notices;
    assert!(notices.iter().any(|notice| notice.contains("`#+SETUPFILE: words.org` is not read")), "{notices:?}");
    let mut plain = Desk::new(&format!("{TODO}{}", tasks(1)));
    assert!(plain.ask("timmy", Call::Status).status.expect("a status").notices.is_empty());
}

#[test]
fn logging_is_inherited_from_above_and_from_the_file() {
    let child = "** PENDING T-1 Task\n";
    for (board, logs, closes) in [
        (format!("* Quiet\n:PROPERTIES:\n:LOGGING: nil\n:END:\n{child}"), false, false),
        (format!("* Quiet\n:PROPERTIES:\n:LOGGING: nil logdone\n:END:\n{child}"), true, true),
        (format!("#+PROPERTY: LOGGING nil\n* Above\n{child}"), false, false),
        (format!(":PROPERTIES:\n:LOGGING: nil\n:END:\n* Above\n{child}"), false, false),
        (format!("* Above\n{child}"), true, true),
        (
            format!("* Q\n:PROPERTIES:\n:LOGGING: nil\n:END:\n{child}:PROPERTIES:\n:LOGGING: logdone\n:END:\n"),
            true,
            true,
        ),
        (format!("* Q\n:PROPERTIES:\n:LOG_INTO_DRAWER: NOTES\n:END:\n{child}"), true, true),
    ] {
        let mut desk = Desk::new(&board);
        desk.ask("timmy", desk::claim("T-1"));
        desk.ask("timmy", desk::done("T-1", None));
        let text = &desk.buffer;
        assert_eq!((text.contains("- State"), text.contains("CLOSED:")), (logs, closes), "{text}");
        assert_eq!(text.contains(":NOTES:\n"), board.contains("NOTES"), "{text}");
    }
}

fn explained(desk: &mut Desk, agent: &str) -> Vec<TaskInfo> {
    let call = Call::Poll { tags: vec![], limit: None, explain: true };
    desk.ask(agent, call).tasks.expect("a poll has tasks")
}

const BOARD: &str = "* PENDING T-1 Free\n* PENDING T-2 Others' :ezra:\n* PENDING T-3 Later\nSCHEDULED: <2026-12-01 Tue>\n\
    * PENDING T-4 Waits\n:PROPERTIES:\n:BLOCKED_BY: T-3\n:END:\n* COMMENT PENDING no task\n* PENDING COMMENT T-5 Hidden\n\
    * WAITING T-6 Open\n* PENDING T-7 Held\n* PENDING T-8 Failed\n* PENDING T-9 Typed\n* PENDING T-10 Cut\n\
    * PENDING T-11 Twice\n:PROPERTIES:\n:ID: T-11\n:END:\n* PENDING T-11 Twice\n:PROPERTIES:\n:ID: T-11\n:END:\n\
    * DONE T-12 Closed\n* PENDING [#A] T-13 First\n";

#[test]
fn every_open_task_is_explained_and_what_is_ready_comes_first() {
    let mut desk = Desk::new(&format!("#+FLEET_AGENTS: ezra\n{TODO}{BOARD}"));
    desk.ask("ezra", desk::claim("T-7"));
    desk.ask("ezra", desk::claim("T-8"));
    desk.ask("ezra", desk::fail("T-8", None));
    desk.replace("T-9 Typed", "T-9 Being typed");
    desk.cut("T-10 Cut");
    let found = explained(&mut desk, "timmy");
    let told = found.iter().map(|task| (task.name.as_str(), task.unready.as_deref().unwrap_or("ready")));
    let expected = [
        ("T-13", "ready"),
        ("T-1", "ready"),
        ("T-11", "ready"),
        ("T-2", "not-assigned"),
        ("T-3", "scheduled"),
        ("T-4", "blocked"),
        ("T-5", "hidden"),
        ("T-6", "state"),
        ("T-7", "held"),
        ("T-8", "backoff"),
        ("T-9", "being-edited"),
        ("T-11", "duplicate-id"),
        ("T-10", "missing"),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let why = |name: &str| {
        let task = found.iter().find(|task| task.name == name && task.why.is_some());
        task.and_then(|task| task.why.clone()).expect("it is explained")
    };
    assert_eq!(why("T-2").agents, ["ezra"]);
    assert_eq!(why("T-4").task.as_deref(), Some("T-3"));
    assert!(why("T-3").until.is_some_and(|until| until.starts_with("2026-12-01T00:00")));
    assert_eq!(why("T-7").agents, ["ezra"]);
    assert!(found.iter().all(|task| task.unready.is_some() == task.why.is_some()));
}

#[test]
fn an_agent_at_its_limit_and_a_conflict_are_explained() {
    let mut desk = Desk::new(&format!("#+FLEET_LIMIT: timmy 1\n{TODO}{}", tasks(2)));
    desk.ask("timmy", desk::claim("T-1"));
    let found = explained(&mut desk, "timmy");
    let words: Vec<_> = found.iter().map(|task| task.unready.as_deref().unwrap_or("ready")).collect();
    assert_eq!(words, ["held-by-you", "at-limit"]);
    assert_eq!(found[1].why.as_ref().map(|why| why.holds.clone()), Some(vec!["T-1".to_owned()]));
}

#[test]
fn through_the_program_limits_explanations_and_repeats_read_as_documented() {
    let sandbox = Sandbox::new();
    let text = format!(
        "{TODO}* PENDING T-1 Daily\nSCHEDULED: <2020-01-01 Wed 10:00 ++1d>\n* PENDING T-2 Not → yet\n:PROPERTIES:\n\
         :BLOCKED_BY: T-9\n:END:\n* PENDING T-3 Free\n"
    );
    std::fs::write(sandbox.board(), text).expect("written");
    let fleet = |args: &[&str]| {
        let args = [&["--offline", "--agent", "timmy"], args].concat();
        Ran::of(sandbox.command(&args).env("FLEET_CLAIMS_MAX", "1").env("TZ", "UTC"))
    };
    assert_eq!(fleet(&["claim", "T-1"]).code, 0);
    let refused = fleet(&["claim", "--next"]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("`timmy` holds 1 of 1 tasks"), "{refused:?}");
    let done = fleet(&["done", "T-1"]);
    let expected = "T-1 is now PENDING again, scheduled <";
    assert!(done.stdout.starts_with(expected) && done.stdout.contains("10:00 ++1d>"), "{done:?}");
    let poll = fleet(&["poll", "--explain"]);
    let lines: Vec<&str> = poll.stdout.lines().collect();
    assert_eq!(lines[0], "→ T-3 Free");
    assert!(lines[1].starts_with("  T-1 Daily (scheduled: it is scheduled for "), "{poll:?}");
    assert_eq!(lines[2], "  T-2 Not -> yet (blocked: it waits for `T-9`)");
    let json = fleet(&["poll", "--explain", "--json"]).json();
    assert_eq!(json["tasks"][2]["why"]["task"], "T-9");
}
