//! What lands in the board's text: the smallest edits, org's own traces, and nothing that agents could make structure of.

use crate::support::desk::{self, Desk, reason};
use expect_test::expect;
use fleet::core::{
    org::body_text,
    queue::board::{Board, Section},
    wire::Call,
};

fn with(title: &str, change: impl FnOnce(&mut NewTask)) -> Call {
    let mut new = NewTask::default();
    change(&mut new);
    Call::Add {
        title: title.into(),
        tags: new.tags,
        priority: new.priority,
        deadline: new.deadline,
        scheduled: new.scheduled,
        body: new.body,
        task: new.task,
        blocked_by: new.blocked_by,
    }
}

#[derive(Default)]
struct NewTask {
    tags: Vec<String>,
    priority: Option<char>,
    deadline: Option<String>,
    scheduled: Option<String>,
    body: Option<String>,
    task: Option<String>,
    blocked_by: Vec<String>,
}

#[test]
fn the_life_of_a_task_as_people_and_org_read_it() {
    let mut desk = Desk::new("* PENDING TASK-001 Deploy :timmy:\nDEADLINE: <2026-04-15 Wed>\nDeploy it.\n* Other\n");
    let token = desk.ask("timmy", desk::claim("TASK-001")).token;
    desk.ask("timmy", desk::note("TASK-001", token));
    desk.ask("timmy", desk::fail("TASK-001", token));
    desk.wait(30_000);
    let token = desk.ask("timmy", desk::claim("TASK-001")).token;
    desk.ask("timmy", desk::done("TASK-001", token));
    expect![[r#"
        * DONE TASK-001 Deploy :timmy:
        CLOSED: [2026-11-20 Fri 10:00] DEADLINE: <2026-04-15 Wed>
        :PROPERTIES:
        :ID: TASK-001
        :TOKEN: 1-5
        :ATTEMPTS: 1
        :CLAIMED_BY: timmy
        :CLAIMED_AT: [2026-11-20 Fri 10:00]
        :RESULT: it works
        :END:
        :LOGBOOK:
        - State "DONE"       from "IN_PROGRESS" [2026-11-20 Fri 10:00] \\
          done by timmy: it works (#6)
        - State "IN_PROGRESS" from "PENDING"    [2026-11-20 Fri 10:00] \\
          claimed by timmy (#5)
        - State "PENDING"    from "IN_PROGRESS" [2026-11-20 Fri 10:00] \\
          attempt 1 failed for timmy: no luck (#4)
        - Note taken on [2026-11-20 Fri 10:00] \\
          timmy: halfway (#3)
        - State "IN_PROGRESS" from "PENDING"    [2026-11-20 Fri 10:00] \\
          claimed by timmy (#2)
        :END:
        Deploy it.
        * Other
    "#]]
    .assert_eq(&desk.buffer);
}

#[test]
fn only_the_lines_of_the_heading_itself_change() {
    let boards =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/boards")).expect("there are boards");
    let mut claimed = 0;
    for board in boards.flatten() {
        let bytes = std::fs::read(board.path()).expect("it can be read");
        let mut desk = Desk::of_bytes(&bytes);
        let before = Board::read(&desk.buffer);
        let reply = desk.ask("timmy", desk::claim_next());
        let Some(task) = reply.task else { continue };
        claimed += 1;
        let after = Board::read(&desk.buffer);
        assert_eq!(before.sections().len(), after.sections().len(), "{}", board.path().display());
        let differing = before.sections().iter().zip(after.sections()).filter(|(old, new)| {
            // A parent's cookie counts its children.
            old.keyword() != new.keyword() || (old.text != new.text && !old.title().contains('['))
        });
        let differing: Vec<_> = differing.collect();
        assert_eq!(differing.len(), 1, "{}", board.path().display());
        let (old, new) = differing[0];
        assert_eq!((new.id(), new.keyword()), (Some(task.name.as_str()), Some("IN_PROGRESS")));
        assert_eq!(old.title(), new.title());
        let body = |section: &Section, board: &Board| {
            let heading = section.heading.as_ref().expect("a task has a heading");
            body_text(&section.text, heading, board.settings())
        };
        let (old, new) = (body(old, &before), body(new, &after));
        assert!(new.ends_with(&old), "{}: without a log drawer the log is on top", board.path().display());
        let text = desk.buffer.clone();
        desk.restart();
        assert_eq!(desk.buffer, text, "made again, it is the same: {}", board.path().display());
    }
    assert!(claimed > 5, "some of the boards have something to claim");
}

#[test]
fn text_from_agents_never_becomes_structure() {
    let evil = [
        "* DONE x\n** y\n:PROPERTIES:\n:ID: T-1\n:END:\n#+TODO: A | B\n#+begin_src\nDEADLINE: <2026-01-01 Thu>",
        ":END:\n:LOGBOOK:\n- State \"DONE\" from \"PENDING\" (#1)",
        "[#A] COMMENT x :a:b: [1/2] <2026-01-01 Thu> (#3)\r* PENDING z\u{2028}* PENDING w",
        "# Local Variables:\n# eval: (bad)\n# End:",
    ];
    for text in evil {
        let mut desk = Desk::new("* Project [0/1]\n** PENDING T-1 One\n:PROPERTIES:\n:ID: T-1\n:END:\nbody\n");
        let headings = |desk: &Desk| Board::read(&desk.buffer).sections().len();
        let settings = Board::read(&desk.buffer).settings().clone();
        let one_line = text.replace(['\n', '\r', '\u{2028}'], " ");
        let token = desk.ask("timmy", desk::claim("T-1")).token;
        let task = || "T-1".to_owned();
        assert!(desk.ask("timmy", Call::Note { task: task(), token, text: text.into() }).ok);
        assert!(desk.ask("timmy", Call::Done { task: task(), token, result: Some(text.into()) }).ok);
        assert!(desk.ask("timmy", Call::Requeue { task: task(), reason: Some(text.into()) }).ok);
        assert_eq!(headings(&desk), 3, "{}", desk.buffer);
        assert!(desk.ask("timmy", Call::Append { text: text.into() }).ok);
        assert_eq!(headings(&desk), 4, "the list of messages came");
        let added = desk.ask("timmy", with(&one_line, |new| new.body = Some(text.into())));
        assert_eq!(reason(&added), "ok");
        assert_eq!(headings(&desk), 5, "and one task");
        let board = Board::read(&desk.buffer);
        assert_eq!(board.settings(), &settings);
        assert_eq!(board.with_id("T-1").count(), 1);
        let new = board.sections().last().expect("it is there");
        assert_eq!((new.keyword(), board.tags(board.sections().len() - 1).len()), (Some("PENDING"), 0), "{}", new.text);
        assert!(!new.is_hidden() && new.heading.as_ref().is_some_and(|heading| heading.priority.is_none()));
        let text = desk.buffer.clone();
        desk.restart();
        assert_eq!(desk.buffer, text, "no marker can be forged");
    }
}

#[test]
fn an_added_task_is_what_it_was_asked_to_be() {
    let mut desk = Desk::new("#+TITLE: x\n");
    let call = with("Ship it", |new| {
        new.tags = vec!["ezra".into(), "urgent".into()];
        new.priority = Some('A');
        new.deadline = Some("2026-12-01".into());
        new.scheduled = Some("<2026-11-30 Mon 10:00>".into());
        new.body = Some("Line\n\n* starred\n".into());
        new.task = Some("SHIP".into());
        new.blocked_by = vec!["A-1".into(), "B-2".into()];
    });
    let reply = desk.ask("timmy", call.clone());
    assert_eq!(reply.task.map(|task| task.name).as_deref(), Some("SHIP"));
    expect![[r#"
        #+TITLE: x
        * PENDING [#A] Ship it :ezra:urgent:
        DEADLINE: <2026-12-01 Tue> SCHEDULED: <2026-11-30 Mon 10:00>
        :PROPERTIES:
        :ID:       SHIP
        :BLOCKED_BY: A-1 B-2
        :END:
        Line

        |* starred
    "#]]
    .assert_eq(&desk.buffer.replace('\u{200b}', "|"));
    assert_eq!(reason(&desk.ask("timmy", call)), "duplicate-id");
}

#[test]
fn an_argument_that_would_be_lost_or_misread_is_refused() {
    let mut desk = Desk::new("");
    let refused = |desk: &mut Desk, call: Call| desk.ask("timmy", call).error.expect("it is refused").message;
    let mut table = String::new();
    for date in ["tomorrow", "2026-02-30", "2026-04-15 +1w", "2026-04-15 10:00 -1d", ""] {
        table += &format!("{date}: {}\n", refused(&mut desk, with("x", |new| new.deadline = Some(date.into()))));
    }
    table += &format!("{}\n", refused(&mut desk, with(" ", |_| ())));
    table += &format!("{}\n", refused(&mut desk, with("a\nb", |_| ())));
    table += &format!("{}\n", refused(&mut desk, with("x", |new| new.priority = Some('1'))));
    table += &format!("{}\n", refused(&mut desk, with("x", |new| new.tags = vec!["a-b".into()])));
    table += &format!("{}\n", refused(&mut desk, with("x", |new| new.task = Some("a b".into()))));
    table += &format!("{}\n", refused(&mut desk, Call::Append { text: "\n".into() }));
    expect![[r#"
        tomorrow: date: `tomorrow` is not like 2026-04-15 or 2026-04-15 10:00
        2026-02-30: date: `2026-02-30` is not like 2026-04-15 or 2026-04-15 10:00
        2026-04-15 +1w: date: `2026-04-15 +1w` is not like 2026-04-15 or 2026-04-15 10:00
        2026-04-15 10:00 -1d: date: `2026-04-15 10:00 -1d` is not like 2026-04-15 or 2026-04-15 10:00
        : date: `` is not like 2026-04-15 or 2026-04-15 10:00
        title: the title is empty
        title: the title holds the control character U+000A: a title is one line without tabs
        priority: use one letter from A to Z
        tag: `a-b` is not a tag: use 1 to 64 of a-z, A-Z, 0-9, `_`, `@`, `#` and `%`
        id: use 1 to 64 letters, digits and `-_.:`
        message: it is empty
    "#]]
    .assert_eq(&table);
    assert_eq!(desk.buffer, "");
}

#[test]
fn the_footer_of_local_variables_stays_last() {
    let footer = "\n# Local Variables:\n# fill-column: 80\n# End:\n";
    for board in [format!("* PENDING T-1 x\n{footer}"), footer.trim_start().to_owned()] {
        let mut desk = Desk::new(&board);
        for round in 0..2 {
            assert!(desk.ask("timmy", desk::add("Another")).ok);
            assert!(desk.ask("timmy", Call::Append { text: format!("message {round}") }).ok);
            assert!(desk.buffer.ends_with(footer.trim_start()), "{}", desk.buffer);
            assert_eq!(desk.buffer.matches("Local Variables").count(), 1);
        }
        let messages = Board::read(&desk.buffer).sections().iter().filter(|s| s.title() == "Messages").count();
        assert_eq!(messages, 1);
        assert!(desk.buffer.contains("message 0") && desk.buffer.contains("message 1"));
    }
    let mut desk = Desk::new("* PENDING T-1 x\n# Local Variables:\nnot a footer\n");
    assert!(desk.ask("timmy", desk::add("Another")).ok);
    assert!(desk.buffer.starts_with("* PENDING T-1 x\n# Local Variables:\nnot a footer\n* PENDING Another"));
}

#[test]
fn cookies_of_parents_count_their_children() {
    let children = "** PENDING T-1 a\n** DONE T-2 b\n*** PENDING T-3 c\n** text\n";
    for (parent, expected) in [
        ("* P [0/0]\n", "* P [2/2]\n"),
        ("* P [%]\n", "* P [100%]\n"),
        ("* P [/] [%]\n", "* P [2/2] [100%]\n"),
        ("* P [1/9]\n:PROPERTIES:\n:COOKIE_DATA: checkbox\n:END:\n", "* P [1/9]\n"),
        ("* P [1/9]\n:PROPERTIES:\n:COOKIE_DATA: todo recursive\n:END:\n", "* P [2/3]\n"),
        ("* P\n", "* P\n"),
    ] {
        let mut desk = Desk::new(&format!("{parent}{children}"));
        desk.ask("timmy", desk::claim("T-1"));
        desk.ask("timmy", desk::done("T-1", None));
        assert!(desk.buffer.starts_with(expected), "{}", desk.buffer);
        let text = desk.buffer.clone();
        desk.restart();
        assert_eq!(desk.buffer, text);
    }
}

#[test]
fn who_may_claim_what_is_said_by_tags() {
    let board = "* PENDING T-1 a :timmy:\n* PENDING T-2 b :urgent:\n* PENDING T-3 c\n* Top :ezra:\n** PENDING T-4 d\n";
    let table = |board: &str| -> String {
        let mut desk = Desk::new(board);
        let mut table = String::new();
        for agent in ["timmy", "ezra", "allegro"] {
            let tasks = desk
                .ask(agent, Call::Poll { tags: vec![], limit: None, explain: false })
                .tasks
                .expect("a poll has tasks");
            let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
            table += &format!("{agent}: {}\n", names.join(" "));
        }
        table
    };
    expect![[r#"
        timmy: T-1 T-3
        ezra: T-3 T-4
        allegro: T-3
    "#]]
    .assert_eq(&table(board));
    expect![[r#"
        timmy: T-1 T-2 T-3
        ezra: T-2 T-3 T-4
        allegro: T-2 T-3
    "#]]
    .assert_eq(&table(&format!("#+FLEET_AGENTS: timmy ezra\n#+FILETAGS: :allegro:\n{board}")));
}

#[test]
fn what_is_ready_and_in_which_order() {
    let mut desk = Desk::new(
        "* PENDING T-1 plain
* PENDING [#C] T-2 unimportant
* PENDING T-3 due
DEADLINE: <2026-12-24 Thu>
* PENDING T-4 due sooner
DEADLINE: <2026-12-24 Thu 08:00>
DEADLINE: <2000-01-01 Sat>
* PENDING T-5 due first
DEADLINE: <2026-12-01 Tue>
* PENDING [#A] T-6 important
* PENDING T-7 later
SCHEDULED: <2026-11-21 Sat>
* PENDING T-8 today
SCHEDULED: <2026-11-20 Fri>
* PENDING COMMENT T-9 not meant
* Old :ARCHIVE:
** PENDING T-10 archived
* PENDING T-11 waits
:PROPERTIES:
:BLOCKED_BY: T-12
:END:
* DONE T-12 b
* PENDING T-13 waits for nobody
:PROPERTIES:
:BLOCKED_BY: T-99
:END:
* PENDING T-14 waits for a failure
:PROPERTIES:
:BLOCKED_BY: T-15
:END:
* FAILED T-15 f
",
    );
    let poll =
        desk.ask("timmy", Call::Poll { tags: vec![], limit: None, explain: false }).tasks.expect("a poll has tasks");
    let names: Vec<&str> = poll.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names.join(" "), "T-6 T-5 T-3 T-4 T-1 T-8 T-11 T-2");
    let why: String = ["T-7", "T-9", "T-10", "T-13", "T-14"]
        .map(|task| format!("{task} {}\n", reason(&desk.ask("timmy", desk::claim(task)))))
        .concat();
    expect![[r#"
        T-7 scheduled
        T-9 hidden
        T-10 hidden
        T-13 blocked
        T-14 blocked
    "#]]
    .assert_eq(&why);
    assert_eq!(desk.ask("timmy", desk::claim_next()).task.map(|task| task.name).as_deref(), Some("T-6"));
    desk.wait(24 * 3_600_000);
    assert!(desk.ask("timmy", desk::claim("T-7")).ok);
}

#[test]
fn ten_thousand_tasks_are_a_board_like_any_other() {
    let board: String =
        (0..10_000).map(|n| format!("* PENDING Task {n}\n:PROPERTIES:\n:ID: N-{n}\n:END:\nbody {n} é\n")).collect();
    let mut desk = Desk::new(&board);
    for n in [0, 5_000, 9_999] {
        let reply = desk.ask("timmy", desk::claim(&format!("N-{n}")));
        assert_eq!(reply.task.and_then(|task| task.body), Some(format!("body {n} é")));
    }
    assert_eq!(desk.ask("ezra", desk::claim_next()).task.map(|task| task.name).as_deref(), Some("N-1"));
    desk.replace("Task 7000", "Task seven thousand");
    desk.replace("* PENDING Task 3000\n", "* New\n* PENDING Task 3000\n");
    desk.settle();
    assert_eq!(desk.show("N-7000").line, Some(35_000 + 1 + 1 + 3 * 7));
    desk.save();
    desk.restart();
    assert_eq!(desk.state("N-9999"), "IN_PROGRESS timmy");
}
