//! What a caller may rely on in a reply: request ids, tokens, names, and what happens when the journal fails.

use crate::support::desk::{self, Desk, reason};
use fleet::{core::code::Code, core::wire::Call};

const BOARD: &str = "* PENDING T-1 One\n* PENDING T-2 Two\n* PENDING Unnamed\n";

#[test]
fn r5_a_repeated_request_gets_the_first_reply_also_after_a_restart() {
    let mut desk = Desk::new(BOARD);
    let first = desk.ask_as("timmy", "a", desk::claim("T-1"));
    assert_eq!((reason(&first), first.replayed, first.current), ("ok", false, None));
    for round in ["at once", "after a restart"] {
        let again = desk.ask_as("timmy", "a", desk::claim("T-1"));
        assert_eq!((again.replayed, again.current), (true, Some(true)), "{round}");
        assert_eq!((again.number, again.token), (first.number, first.token), "{round}");
        desk.restart();
    }
    desk.ask("timmy", desk::done("T-1", first.token));
    let again = desk.ask_as("timmy", "a", desk::claim("T-1"));
    assert_eq!((again.token, again.current), (first.token, Some(false)), "the task went on");
    assert_eq!(again.task.expect("the task is shown").keyword, "DONE");
}

#[test]
fn r5_a_request_id_belongs_to_one_agent_and_one_set_of_arguments() {
    let mut desk = Desk::new(BOARD);
    assert!(desk.ask_as("timmy", "a", desk::claim("T-1")).ok);
    let other = desk.ask_as("timmy", "a", desk::claim("T-2"));
    assert_eq!((reason(&other), other.error.as_ref().map(|e| e.code)), ("request-id-reused", Some(Code::Usage)));
    assert_eq!(desk.state("T-2"), "PENDING");
    assert!(desk.ask_as("allegro", "a", desk::claim("T-2")).ok, "ids of others do not matter");
    desk.restart();
    assert_eq!(reason(&desk.ask_as("timmy", "a", desk::claim("T-2"))), "request-id-reused");
}

#[test]
fn r5_a_refusal_is_not_remembered() {
    let mut desk = Desk::new(BOARD);
    let held = desk.ask("allegro", desk::claim("T-1"));
    assert_eq!(reason(&desk.ask_as("timmy", "a", desk::claim("T-1"))), "held");
    assert!(desk.ask("allegro", desk::release("T-1", held.token)).ok);
    let now = desk.ask_as("timmy", "a", desk::claim("T-1"));
    assert_eq!((reason(&now), now.replayed), ("ok", false));
}

#[test]
fn r5_a_repeat_in_the_same_batch_is_one_event() {
    let mut desk = Desk::new(BOARD);
    let (now, ask) = (desk.now, desk::ask("timmy", "a", desk::claim_next()));
    let replies = desk.engine().handle(&[ask.clone(), ask, desk::ask("ezra", "a", desk::claim("T-1"))], &now);
    assert_eq!(replies[0].token, replies[1].token);
    assert_eq!((replies[0].replayed, replies[1].replayed), (false, true));
    assert_eq!(reason(&replies[2]), "held", "a decision sees what was decided before it in the batch");
}

#[test]
fn r6_a_token_names_one_claim() {
    let mut desk = Desk::new(BOARD);
    let first = desk.ask("timmy", desk::claim("T-1"));
    assert_eq!(first.token.map(|token| token.number), first.number);
    assert!(desk.ask("timmy", desk::release("T-1", first.token)).ok);
    let second = desk.ask("timmy", desk::claim("T-1"));
    assert!(first.token.zip(second.token).is_some_and(|(first, second)| first.is_before(second)));
    let late = desk.ask("timmy", desk::done("T-1", first.token));
    let error = late.error.expect("it is refused");
    assert_eq!((error.reason.as_str(), error.code), ("stale-token", Code::Conflict));
    assert_eq!(error.holder.map(|holder| holder.to_string()).as_deref(), Some("timmy"), "who holds it now is told");
    let plain = desk.ask("timmy", desk::done("T-1", None));
    assert_eq!((plain.ok, plain.fenced), (true, Some(false)));
}

#[test]
fn r6_the_holder_gets_its_running_claim_back_only_by_resume() {
    let mut desk = Desk::new(BOARD);
    let first = desk.ask("timmy", desk::claim("T-1"));
    assert_eq!(reason(&desk.ask("timmy", desk::claim("T-1"))), "held-by-you");
    let resume =
        || Call::Claim { task: Some("T-1".into()), tags: vec![], resume: true, lease_secs: None, wait_ms: None };
    let again = desk.ask("timmy", resume());
    assert_eq!((again.token, again.replayed), (first.token, true));
    assert_eq!(again.task.and_then(|task| task.body), first.task.and_then(|task| task.body));
    assert_eq!(reason(&desk.ask("ezra", resume())), "held");
    assert!(desk.ask("timmy", desk::release("T-1", None)).ok);
    assert!(!desk.ask("timmy", resume()).replayed, "with nothing to resume it is a claim");
}

#[test]
fn r6_a_new_journal_begins_a_new_epoch() {
    let mut desk = Desk::new(BOARD);
    let old = desk.ask("timmy", desk::claim("T-1")).token.expect("a claim has a token");
    desk.save();
    desk.crash();
    std::fs::remove_dir_all(desk.state_dir()).expect("the journal can be lost");
    desk.open();
    let new = desk.ask("ezra", desk::claim("T-2")).token.expect("a claim has a token");
    assert!(new.epoch > old.epoch, "{new} after {old}");
}

#[test]
fn a_claim_returns_the_whole_task() {
    let mut desk = Desk::new(
        "#+FILETAGS: :f:\n* Top :top:\n** PENDING [#A] T-1 One :timmy:\nDEADLINE: <2026-12-01 Tue>\n:PROPERTIES:\n:ID: T-1\n:EFFORT: 1h\n:END:\nBody\n- more\n",
    );
    let task = desk.ask("timmy", desk::claim("T-1")).task.expect("the task is returned");
    assert_eq!((task.title.as_str(), task.state.as_str()), ("T-1 One", "in-progress"));
    assert_eq!((task.body.as_deref(), task.line), (Some("Body\n- more"), Some(3)));
    assert_eq!(task.tags, ["timmy", "top"]);
    assert_eq!(task.deadline.as_deref(), Some("<2026-12-01 Tue>"));
    assert_eq!(task.properties.get("EFFORT").map(String::as_str), Some("1h"));
    assert_eq!(task.properties.get("CLAIMED_BY").map(String::as_str), Some("timmy"));
}

#[test]
fn r25_a_task_without_a_name_is_claimed_by_its_title_and_named() {
    let mut desk = Desk::new(BOARD);
    let task = desk.ask("timmy", desk::claim("Unnamed")).task.expect("the task is returned");
    assert!(task.name.starts_with("T-"), "{}", task.name);
    assert!(
        desk.buffer.contains(&format!(":ID:       {}", task.name))
            || desk.buffer.contains(&format!(":ID: {}", task.name))
    );
    let token = desk.ask("timmy", desk::claim("T-1")).task.expect("the task is returned");
    assert_eq!(token.name, "T-1", "a leading token becomes the ID");
    desk.replace("T-1 One", "Renamed");
    desk.settle();
    assert_eq!(desk.state("T-1"), "IN_PROGRESS timmy", "the ID names it whatever its title is");
}

#[test]
fn r25_two_matches_are_an_error_that_lists_both() {
    let mut desk = Desk::new("* PENDING Twin\n* PENDING Twin\n");
    let error = desk.ask("timmy", desk::claim("Twin")).error.expect("it is refused");
    assert_eq!(error.reason, "ambiguous-task");
    assert!(error.message.contains("line 1 `* PENDING Twin`, line 2 `* PENDING Twin`"), "{}", error.message);
    let one = desk.ask("timmy", desk::claim_next()).task.expect("it can be taken by --next");
    let other = desk.ask("ezra", desk::claim_next()).task.expect("so can the other");
    assert_ne!(one.name, other.name);
    assert_eq!(desk.buffer.matches("* IN_PROGRESS").count(), 2);
}

#[test]
fn r25_a_leading_token_that_is_anothers_id_names_nothing_else() {
    let mut desk = Desk::new("* PENDING T-1 look-alike\n* DONE real\n:PROPERTIES:\n:ID: T-1\n:END:\n");
    let task = desk.ask("timmy", desk::claim_next()).task.expect("there is one");
    assert_ne!(task.name, "T-1");
    assert_eq!(desk.state("T-1"), "DONE");
}

/// No file may grow from here on. In a process of its own, which ignores the signal for it.
fn fill_the_disk() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: Some(0), maximum }).expect("a soft limit can be set");
}

/// Runs the test `name` of this binary again, in a process of its own; true in that process.
fn is_own_process(name: &str) -> bool {
    const MARK: &str = "FLEET_TEST_OWN_PROCESS";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let script = r#"trap "" XFSZ; exec "$0" --exact "$1" --nocapture"#;
    let mut shell = std::process::Command::new("sh");
    let binary = std::env::current_exe().expect("this program has a path");
    let output = shell.args(["-c", script]).arg(binary).arg(name).env(MARK, "1").output().expect("a shell runs");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

#[test]
fn r2_r4_after_the_journal_failed_nothing_is_told_but_the_status() {
    if !is_own_process("replies::r2_r4_after_the_journal_failed_nothing_is_told_but_the_status") {
        return;
    }
    let mut desk = Desk::new(BOARD);
    let acknowledged = desk.ask("timmy", desk::claim("T-1"));
    desk.replace("Two", "Deux");
    let before = desk.buffer.clone();
    fill_the_disk();

    let (now, show) = (desk.now, Call::Show { task: "T-2".into() });
    let batch = [
        desk::ask("timmy", "b1", desk::claim("T-2")),
        desk::ask("timmy", "b2", desk::claim("Unnamed")),
        desk::ask("ezra", "b3", desk::claim("Unnamed")),
        desk::ask("ezra", "b4", show.clone()),
        desk::ask("ezra", "b5", Call::Status),
    ];
    let replies = desk.engine().handle(&batch, &now);
    let reasons: Vec<&str> = replies.iter().map(reason).collect();
    let unknown = "outcome-unknown";
    assert_eq!(reasons, [unknown, unknown, unknown, "journal-stopped", "ok"], "a refusal may rest on what was lost");
    assert_eq!(replies[1].error.as_ref().map(|error| error.code), Some(Code::Unreachable));

    for call in
        [show, desk::claim("T-2"), Call::Poll { tags: vec![], limit: None, explain: false }, desk::done("T-1", None)]
    {
        let reply = desk.ask("timmy", call);
        let error = reply.error.expect("it is refused");
        assert_eq!((error.reason.as_str(), error.code), ("journal-stopped", Code::Corrupt));
    }
    let status = desk.ask("timmy", Call::Status).status.expect("only the status answers");
    assert_eq!(status.state, "stopped");
    assert_eq!(desk.buffer, before, "the text gets nothing that is not durable");
    assert!(desk.engine().settle(true, &now).is_err());
    assert!(desk.engine().save(&now).is_err());
    assert_eq!(desk.file(), BOARD, "and neither does the file");
    assert!(acknowledged.ok);
}

#[test]
fn r1_the_journal_gives_the_number_and_a_refusal_has_none() {
    let mut desk = Desk::new(BOARD);
    let claimed = desk.ask("timmy", desk::claim("Unnamed"));
    let log = Call::Log {
        after: None,
        task: None,
        agent: Some("timmy".into()),
        kinds: vec![],
        since: None,
        until: None,
        limit: None,
    };
    let events = desk.ask("timmy", log).events.expect("a log");
    assert_eq!(events.iter().filter_map(|event| event["number"].as_u64()).next_back(), claimed.number);

    let last = desk.engine().last();
    let refused = desk.ask("ezra", desk::claim("Unnamed"));
    assert_eq!((refused.ok, refused.number, desk.engine().last()), (false, None, last));
}
