//! Tasks that come again, and tasks that wait for others: our reading of both against Org's own, run beside it.

use crate::support::desk::{self, Desk};
use fleet::core::{org::repeater, time::Stamp, wire::Call};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::{path::Path, process::Command};

/// 2026-11-20 10:00 UTC, when every desk begins.
const START_MS: i64 = 1_795_168_800_000;

/// What Org makes of each case; nothing of those in which it fails, such as stamps longer than it finds again.
fn org(cases: &[Value]) -> Vec<Option<String>> {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let file = dir.path().join("cases.json");
    std::fs::write(&file, serde_json::to_vec(cases).expect("JSON")).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/org-repeat.el");
    let mut emacs = Command::new("emacs");
    emacs.env_clear().env("HOME", dir.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let out = emacs.env("LANG", "C.UTF-8").args(["-Q", "--batch", "-l"]).arg(script).arg(&file).output();
    let out = out.expect("Emacs runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("an array of texts")
}

/// Instants worth a look, in ms: ordinary ones, and those around changes of clocks, months and years.
const NOWS: [&str; 9] = [
    "2026-11-20T10:07:31Z",
    "2026-03-28T23:59:59Z",
    "2026-03-29T00:59:00Z",
    "2026-03-29T01:00:00Z",
    "2026-10-25T00:30:00Z",
    "2026-10-25T01:30:00Z",
    "2026-12-31T22:30:00Z",
    "2024-02-29T12:00:00Z",
    "2026-03-08T07:15:00Z",
];

/// How many combinations lie between two that are tried; prime, so that all values of each list meet.
const SAMPLE: usize = 17;

const STAMPS: [&str; 17] = [
    "2026-11-20 Fri",
    "2026-11-20 Fri 10:00",
    "2026-11-18 Wed 9:05",
    "2026-03-27 Fri 02:30",
    "2026-03-28 Sat 02:30",
    "2026-03-01 Sun 02:30",
    "2026-03-07 Sat 02:30",
    "2026-10-24 Sat 02:30",
    "2026-10-25 Sun 02:30",
    "2026-01-31 Sat",
    "2026-12-31 Thu 23:30",
    "2024-02-29 Thu",
    "2025-05-31",
    "2026-08-31 Mon 10:00-11:57",
    "2027-01-01 Fri 08:00",
    "2026-11-02 Mon 12:00-13:00",
    "2026-03-29 Sun 03:00",
];

const REPEATERS: [&str; 20] = [
    "+1d",
    "+1w",
    "+1m",
    "+1y",
    "+3h",
    "++1d",
    "++1w",
    "++1m",
    "++2m",
    "++1y",
    "++5h",
    ".+1d",
    ".+2w",
    ".+1m",
    ".+1y",
    ".+3h",
    "+1w -3d",
    ".+2d/4d --2d",
    "++1w --1d",
    "+1d x",
];

#[test]
fn the_next_date_is_the_one_that_org_finds() {
    let (mut cases, mut ours, mut seen) = (Vec::new(), Vec::new(), 0);
    for zone in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"] {
        let rules = TimeZone::get(zone).expect("the time zones are installed");
        for now in NOWS {
            let at: jiff::Timestamp = now.parse().expect("an instant");
            let offset = rules.to_offset(at).seconds();
            let wall = Stamp::new(at.as_millisecond(), offset);
            for stamp in STAMPS {
                for repeater in REPEATERS {
                    // Org asks a person here: there is no hour to count from.
                    if repeater.contains('h') && !stamp.contains(':') {
                        continue;
                    }
                    // Org needs some milliseconds for each: one in `SAMPLE` is enough.
                    seen += 1;
                    if seen % SAMPLE != 0 {
                        continue;
                    }
                    let stamp = format!("<{stamp} {repeater}>");
                    let text = format!("* PENDING x\nSCHEDULED: {stamp}\n");
                    cases.push(json!({"zone": zone, "now": at.as_millisecond(), "state": "DONE", "text": text}));
                    ours.push((stamp.clone(), repeater::next(&stamp, wall, &rules)));
                }
            }
        }
    }
    assert!(cases.len() > 500, "{}", cases.len());
    let (mut wrong, mut failed) = (Vec::new(), 0);
    for ((case, theirs), (stamp, ours)) in cases.iter().zip(org(&cases)).zip(ours) {
        let Some(theirs) = theirs else {
            failed += 1;
            continue;
        };
        let line = theirs.lines().nth(1).unwrap_or_default();
        let theirs = line.strip_prefix("SCHEDULED: ").unwrap_or(line);
        if ours.as_deref() != Some(theirs) {
            wrong.push(format!("{} at {}: {stamp} becomes {theirs}, not {ours:?}", case["zone"], case["now"]));
        }
    }
    assert!(failed * 50 < cases.len(), "Org failed {failed} times");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong[..wrong.len().min(40)].join("\n"));
}

/// What is under a headline, without what only Fleet writes.
fn orgs_part(text: &str) -> Vec<String> {
    let is_fleets = |line: &str| {
        let words = [":ID:", ":TOKEN:", ":RESULT:", "  done by", "claimed by", "\"IN_PROGRESS\" from \"PENDING\""];
        words.iter().any(|word| line.contains(word))
    };
    let lines =
        text.lines().filter(|line| !is_fleets(line)).map(|line| line.trim_start().trim_end_matches(" \\\\").to_owned());
    lines.collect()
}

#[test]
fn a_task_that_repeats_is_left_as_org_leaves_it() {
    let properties = ":PROPERTIES:\n:ID:       T-1\n:END:\n";
    let waiting = ":PROPERTIES:\n:ID:       T-1\n:REPEAT_TO_STATE: WAITING\n:END:\n";
    let quiet = ":PROPERTIES:\n:ID:       T-1\n:LOGGING:  nil\n:END:\n";
    let clock = ":LOGBOOK:\nCLOCK: [2026-11-01 Sun 10:00]--[2026-11-01 Sun 11:00] =>  1:00\n:END:\n";
    let cases = [
        (String::from("SCHEDULED: <2026-11-18 Wed +1w>\n"), properties, ""),
        ("DEADLINE: <2026-11-18 Wed ++1w> SCHEDULED: <2026-11-16 Mon .+1d>\n".into(), properties, ""),
        ("SCHEDULED: <2026-11-16 Mon> DEADLINE: <2026-11-18 Wed +1m -2d>\n".into(), properties, ""),
        ("DEADLINE: <2026-11-18 Wed +1m> SCHEDULED: <2026-11-16 Mon>\n".into(), properties, ""),
        ("SCHEDULED: <2026-11-18 Wed +1w> DEADLINE: <2026-11-19 Thu>\n".into(), properties, ""),
        ("  SCHEDULED: <2026-11-16 Mon> DEADLINE: <2026-11-18 Wed 09:00 .+3h>\n".into(), properties, ""),
        ("DEADLINE: <2026-11-18 Wed 09:00 +3h>\n".into(), waiting, "Text.\n"),
        ("SCHEDULED: <2026-11-18 Wed +1w>\n".into(), quiet, ""),
        ("SCHEDULED: <2026-11-18 Wed +1w>\n".into(), properties, clock),
    ];
    let of = |keyword: &str, (planning, drawer, body): &(String, &str, &str)| {
        format!("* {keyword} T-1 It comes again\n{planning}{drawer}{body}")
    };
    let asked: Vec<Value> = cases
        .iter()
        .map(|case| json!({"zone": "UTC", "now": START_MS, "state": "DONE", "text": of("IN_PROGRESS", case)}))
        .collect();
    for (case, theirs) in cases.iter().zip(org(&asked)) {
        let todo = "#+TODO: PENDING WAITING IN_PROGRESS | DONE FAILED SKIPPED\n";
        let mut desk = Desk::new(&format!("{todo}{}", of("PENDING", case)));
        let token = desk.ask("timmy", desk::claim("T-1")).token;
        let reply = desk.ask("timmy", desk::done("T-1", token));
        assert!(reply.ok && reply.repeats, "{reply:?}");
        let ours = desk.buffer.strip_prefix(todo).expect("the keywords stay");
        let sorted = |text: &str| {
            let mut lines = orgs_part(text);
            lines.sort();
            lines
        };
        // A drawer that only Fleet made has nothing of Org's in it.
        let theirs = theirs.expect("Org takes it");
        let both_log = ours.contains(":LOGBOOK:") == theirs.contains(":LOGBOOK:");
        assert!(both_log, "{ours}\n{theirs}");
        assert_eq!(sorted(ours), sorted(&theirs), "{ours}\n{theirs}");
    }
}

const DAILY: &str = "#+TODO: PENDING IN_PROGRESS | DONE FAILED SKIPPED\n* PENDING T-1 Every day\n\
    SCHEDULED: <2026-11-20 Fri 08:00 +1d>\n:PROPERTIES:\n:ID:       T-1\n:END:\n";

fn poll(agent: &str, desk: &mut Desk) -> Vec<String> {
    let call = Call::Poll { tags: vec![], limit: None, explain: false };
    desk.ask(agent, call).tasks.expect("a poll has tasks").into_iter().map(|task| task.name).collect()
}

#[test]
fn a_task_that_came_again_is_free_and_ready_when_its_day_has_come() {
    let mut desk = Desk::new(DAILY);
    desk.ask("timmy", desk::claim("T-1"));
    desk.ask("timmy", desk::fail("T-1", None));
    desk.wait(3_600_000);
    desk.ask("timmy", desk::claim("T-1"));
    assert!(desk.buffer.contains(":ATTEMPTS: 1"), "{}", desk.buffer);
    let reply = desk.ask("timmy", desk::done("T-1", None));
    let task = reply.task.expect("the reply has the task");
    assert_eq!((task.keyword.as_str(), task.holder, task.attempts), ("PENDING", None, 0));
    assert_eq!(task.scheduled.as_deref(), Some("<2026-11-21 Sat 08:00 +1d>"));
    for gone in ["CLAIMED_BY", "CLAIMED_AT", "ATTEMPTS", "CLOSED:"] {
        assert!(!desk.buffer.contains(gone), "{gone} in {}", desk.buffer);
    }
    assert!(desk.buffer.contains(":RESULT: it works"), "what came out last stays: {}", desk.buffer);
    assert_eq!(desk::reason(&desk.ask("ezra", desk::claim("T-1"))), "scheduled");
    assert_eq!(desk::reason(&desk.ask("timmy", desk::done("T-1", None))), "wrong-state");
    desk.wait(22 * 3_600_000);
    assert_eq!(poll("ezra", &mut desk), ["T-1"]);
    assert_eq!(desk::reason(&desk.ask("ezra", desk::claim("T-1"))), "ok");
}

#[test]
fn r10_what_is_decided_counts_before_the_text_shows_the_next_date() {
    let mut desk = Desk::new(DAILY);
    for _ in 0..2 {
        assert_eq!(desk::reason(&desk.ask_while_busy("timmy", desk::claim("T-1"))), "ok");
        assert_eq!(desk::reason(&desk.ask_while_busy("timmy", desk::done("T-1", None))), "ok");
        assert!(desk.buffer.contains("<2026-11-20 Fri 08:00 +1d>"), "the person is busy");
        assert_eq!(desk::reason(&desk.ask_while_busy("timmy", desk::claim("T-1"))), "scheduled");
        desk.wait(24 * 3_600_000);
    }
    desk.apply();
    assert!(desk.buffer.contains("SCHEDULED: <2026-11-22 Sun 08:00 +1d>"), "{}", desk.buffer);
    let shown = desk.buffer.clone();
    desk.restart();
    assert_eq!(desk.buffer, shown, "a start moves the date once, not twice");
}

#[test]
fn r19_an_old_copy_of_a_repeating_task_is_no_second_run() {
    let mut desk = Desk::new(DAILY);
    desk.save();
    desk.ask("timmy", desk::claim("T-1"));
    desk.ask("timmy", desk::done("T-1", None));
    desk.save();
    desk.replaced(DAILY);
    assert!(desk.buffer.contains("SCHEDULED: <2026-11-21 Sat 08:00 +1d>"), "{}", desk.buffer);
    desk.replace("<2026-11-21 Sat 08:00 +1d>", "<2026-11-20 Fri 08:00 +1d>");
    desk.settle();
    desk.save();
    desk.restart();
    assert!(desk.buffer.contains("SCHEDULED: <2026-11-20 Fri 08:00 +1d>"), "the person's date stays: {}", desk.buffer);
    assert_eq!(poll("ezra", &mut desk), ["T-1"]);
}

#[test]
fn what_org_keeps_from_being_closed_is_not_offered() {
    let plans = [
        "* PENDING a\n:PROPERTIES:\n:ORDERED:  t\n:END:\n** PENDING b\n*** DONE b1\n** PENDING c\n*** PENDING c1\n** DONE d\n",
        "* a\n:PROPERTIES:\n:ORDERED:  t\n:END:\n** DONE b\n** Notes\n*** WAITING b2\n** PENDING c\n*** PENDING c1\n** PENDING d\n",
        "* PENDING a\n** PENDING b\n** PENDING c\n:PROPERTIES:\n:ORDERED: nil\n:END:\n*** PENDING c1\n*** PENDING d\n* PENDING e\n",
        "* PENDING a\n:PROPERTIES:\n:ORDERED:  t\n:END:\n** FAILED b\n** COMMENT PENDING c\n** PENDING d\n:PROPERTIES:\n:NOBLOCKING: t\n:END:\n*** PENDING d1\n",
        "* PENDING a\n:PROPERTIES:\n:ORDERED:  t\n:END:\n** PENDING b\n** Notes\n*** PENDING c\n",
    ];
    for plan in plans {
        let text = format!("#+TODO: PENDING WAITING IN_PROGRESS | DONE FAILED SKIPPED\n{plan}");
        let mut desk = Desk::new(&text);
        let titles: Vec<String> = plan
            .lines()
            .filter(|l| l.starts_with('*'))
            .filter_map(|l| l.split_once(" PENDING "))
            .map(|(_, t)| t.to_owned())
            .collect();
        let cases: Vec<Value> = titles
            .iter()
            .map(|title| json!({"zone": "UTC", "now": START_MS, "state": "DONE", "text": plan, "at": format!("PENDING {title}\n").trim_end(), "enforce": true}))
            .collect();
        for (title, theirs) in titles.iter().zip(org(&cases)) {
            let is_closed = theirs.expect("Org takes it").contains(&format!("DONE {title}\n"));
            let reply = desk.ask("timmy", desk::claim(title));
            let why = desk::reason(&reply).to_owned();
            // A heading that is commented out is no task to be offered.
            assert_eq!(why == "ok" || why == "hidden" && is_closed, is_closed, "{title} of\n{plan}\n{why}");
            if reply.ok {
                desk.ask("timmy", desk::release(&reply.task.expect("a claim has a task").name, None));
            }
        }
    }
}

#[test]
fn a_task_that_is_held_can_be_done_although_others_come_first() {
    let mut desk = Desk::new("#+TODO: PENDING IN_PROGRESS | DONE\n* PENDING T-1 Above\n");
    desk.ask("timmy", desk::claim("T-1"));
    desk.edit(|text| text.push_str("** PENDING T-2 Below\n"));
    desk.settle();
    assert_eq!(desk::reason(&desk.ask("timmy", desk::done("T-1", None))), "ok");
}
