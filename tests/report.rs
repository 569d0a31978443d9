//! `fleet report`, the line in a crontab: one request, one agent, arrows for ready tasks only, one line when it fails.

use crate::support::{
    daemon::Daemon,
    fleet::{Fleet, KEYWORDS, Ran, number},
    process::{PATIENCE, run_within},
    program,
    sandbox::Sandbox,
};
use fleet::core::{
    code::Code,
    wire::{Call, Reply, Request},
};
use serde_json::{Value, json};
use std::{io::Write, os::unix::net::UnixStream};

const BOARD: &str = "#+FLEET_AGENTS: crane tug\n* PENDING [#A] TASK-001 Dredge → deepen the quay :crane:\n\
                     * PENDING TASK-002 Paint the buoy\n* PENDING TASK-003 Not for cranes :tug:\n";

fn arrows(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split_once('→')).map(|(_, task)| task.trim()).collect()
}

#[test]
fn a_report_shows_the_owner_the_counts_my_tasks_and_what_happened_last() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{BOARD}"));
    let daemon = Daemon::serving(&sandbox, fleet.board());
    fleet.json(&["claim", "TASK-001", "--agent", "crane"]);
    fleet.json(&["append", "all → well", "--agent", "tug"]);
    for (via, way) in [("auto", "socket"), ("emacsclient", "emacsclient")] {
        let ran = fleet.run(&["report", "--agent", "crane", "--via", via]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        let mut lines = ran.stdout.lines();
        let head = lines.next().expect("a head line");
        assert!(head.starts_with("== 20") && head.ends_with(" report for crane"), "{head}");
        assert!(ran.stdout.contains(&format!("owner    emacs, process {}, ", daemon.pid())), "{}", ran.stdout);
        assert!(ran.stdout.contains(&format!(", by {way}\n")), "{}", ran.stdout);
        for line in ["tasks    1 in-progress, 2 pending", "mine     1 active, 1 ready"] {
            assert!(ran.stdout.lines().any(|said| said == line), "{line} is not in\n{}", ran.stdout);
        }
        assert!(
            ran.stdout.contains("active   TASK-001 [#A] Dredge -> deepen the quay :crane: (token 1-"),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.contains("claimed") && ran.stdout.contains("all -> well"), "{}", ran.stdout);
        assert_eq!(arrows(&ran.stdout), ["TASK-002 Paint the buoy"], "an old loop sees ready tasks and nothing else");
        assert!(!ran.stdout.contains('\u{1b}'), "no colours");
    }
}

#[test]
fn a_report_in_json_has_the_same_and_is_bounded() {
    let sandbox = Sandbox::new();
    let many: String = (0..8).map(|n| format!("* PENDING JOB-{n} Job\n")).collect();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{many}"));
    let offline = |args: &[&str]| fleet.json(&[args, &["--offline", "--agent", "crane"]].concat());
    for n in 0..4 {
        offline(&["append", &format!("message {n}")]);
    }
    offline(&["claim", "JOB-3"]);
    let report = offline(&["report", "--limit", "5", "--events", "2"])["report"].clone();
    let names = |field: &str| -> Vec<String> {
        let tasks = report[field].as_array().expect("tasks").iter();
        tasks.map(|task| task["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names("active"), ["JOB-3"]);
    assert_eq!(names("pending"), ["JOB-0", "JOB-1", "JOB-2", "JOB-4", "JOB-5"]);
    assert_eq!((&report["more"], &report["way"], &report["agent"]), (&true.into(), &"offline".into(), &"crane".into()));
    let events = report["events"].as_array().expect("events");
    let kinds: Vec<&Value> = events.iter().map(|event| &event["change"]["kind"]).collect();
    assert_eq!(kinds, ["appended", "claimed"], "starts and saves are no news");
    assert!(number(&events[0]) < number(&events[1]));
    let text = fleet.run(&["report", "--limit", "5", "--offline", "--agent", "crane"]).stdout;
    assert_eq!(arrows(&text).len(), 5);
    assert!(
        text.contains("more than 5 ready") && text.ends_with("more is ready: fleet poll --agent crane\n"),
        "{text}"
    );
    let all = offline(&["report"])["report"].clone();
    assert_eq!((all["pending"].as_array().map(Vec::len), &all["more"]), (Some(7), &false.into()));
}

#[test]
fn a_quiet_report_is_silent_exactly_when_there_is_nothing_for_the_agent() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", &format!("{KEYWORDS}{BOARD}"));
    let quiet = |agent: &str, more: &[&str]| {
        let ran = fleet.run(&[&["report", "--quiet", "--offline", "--agent", agent], more].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        ran.stdout
    };
    assert_eq!(arrows(&quiet("crane", &[])).len(), 2);
    for task in ["TASK-001", "TASK-002"] {
        fleet.json(&["claim", task, "--agent", "crane", "--offline"]);
    }
    assert!(quiet("crane", &[]).contains("active   TASK-002"), "what it holds is something");
    for task in ["TASK-001", "TASK-002"] {
        fleet.json(&["done", task, "--agent", "crane", "--offline"]);
    }
    assert_eq!(quiet("crane", &[]), "");
    assert_eq!(quiet("crane", &["--json"]), "");
    assert_eq!(arrows(&quiet("tug", &[])), ["TASK-003 Not for cranes :tug:"]);
}

#[test]
fn an_unreachable_daemon_is_one_line_with_the_time_and_the_way_out_and_exit_code_6() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    for quiet in [&[][..], &["--quiet"]] {
        let ran = fleet.run(&[&["report", "--agent", "crane"], quiet].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (6, ""), "{ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        assert!(ran.stderr.starts_with("fleet: 20") && ran.stderr.contains("no report for crane"), "{ran:?}");
        assert!(ran.stderr.contains("fall back to the forge"), "{ran:?}");
    }
    let told = fleet.run(&["report", "--agent", "crane", "--json"]);
    assert_eq!(told.reason(Code::Unreachable), "no-owner");
    assert_eq!(fleet.run(&["report"]).code, 2, "a report is somebody's");
}

#[test]
fn a_report_is_one_request() {
    let sandbox = program::Sandbox::new();
    let answer = |request: &Request, mut stream: UnixStream| {
        let reply = Reply { tasks: Some(vec![]), status: Some(Default::default()), ..Reply::ok(&request.id) };
        let reply = serde_json::to_string(&Reply { events: Some(vec![]), ..reply }).expect("JSON");
        write!(stream, "{}\n{reply}\n", reply.len()).expect("a client that listens");
    };
    let owner = sandbox.serve(vec![Box::new(answer)]);
    let ran = sandbox.fleet(&["report", "--agent", "crane", "--limit", "7", "--events", "3"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stdout.contains("mine     0 active, 0 ready"), "{ran:?}");
    // Its listener has had its one turn: a second connection would have been refused.
    let asked = owner.join().expect("one request");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].call, Call::Report { limit: Some(8), events: Some(3) });
}

/// `fleet-append` as a link in a directory of the sandbox.
fn wrapper(sandbox: &Sandbox, fleet: &Fleet, env: &[(&str, &str)], args: &[&str]) -> Ran {
    let link = sandbox.path("bin/fleet-append");
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fleet"), &link).expect("a link");
    }
    let set = fleet.command(&[]);
    let mut command = sandbox.command(link);
    command.envs(set.get_envs().filter_map(|(name, value)| Some((name, value?)))).envs(env.iter().copied());
    Ran::of(run_within(command.args(args), PATIENCE))
}

#[test]
fn fleet_append_joins_its_words_and_speaks_as_agent_or_login_name() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    let says = |env: &[(&str, &str)], args: &[&str]| {
        let ran = wrapper(&sandbox, &fleet, env, args);
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    says(&[("FLEET_AGENT", "crane"), ("LOGNAME", "tug")], &["--offline", "Deployed", "v2.3", "--to", "staging"]);
    says(&[("LOGNAME", "tug"), ("USER", "other")], &["--offline", "one message"]);
    says(&[("USER", "barge")], &["--offline", "--agent", "pilot", "by option"]);
    says(&[("USER", "barge")], &["--offline", "--", "-x"]);
    let events = fleet.json(&["log", "--offline"])["events"].clone();
    let said: Vec<(Value, Value)> = (events.as_array().expect("events").iter())
        .filter(|event| event["change"]["kind"] == "appended")
        .map(|event| (event["by"].clone(), event["change"]["text"].clone()))
        .collect();
    let expected =
        [("crane", "Deployed v2.3 --to staging"), ("tug", "one message"), ("pilot", "by option"), ("barge", "-x")];
    assert_eq!(said, expected.map(|(by, text)| (json!(by), json!(text))));
}

#[test]
fn fleet_append_without_a_name_that_an_agent_can_have_says_so_before_anything_is_written() {
    let sandbox = Sandbox::new();
    let fleet = Fleet::new(&sandbox, "dispatch.org", KEYWORDS);
    for env in [&[][..], &[("LOGNAME", "human")], &[("LOGNAME", "Jane Doe")]] {
        let ran = wrapper(&sandbox, &fleet, env, &["--offline", "hello", "there"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("FLEET_AGENT"), "{ran:?}");
    }
    let silent = wrapper(&sandbox, &fleet, &[("LOGNAME", "tug")], &["--offline"]);
    assert_eq!(silent.code, 2, "a message is needed: {silent:?}");
    let mistyped = wrapper(&sandbox, &fleet, &[("LOGNAME", "tug")], &["--ofline", "hello"]);
    assert_eq!(mistyped.code, 2, "an option that does not exist is no message: {mistyped:?}");
    assert_eq!(fleet.text(), KEYWORDS);
}
